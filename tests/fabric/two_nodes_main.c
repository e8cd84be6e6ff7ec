/* two_nodes SHIM [--] COMMAND-OF-NODE-0 ... -- COMMAND-OF-NODE-1 ... : runs both, prints how they
 * ended, exits with 0 if both did well. AVOW_TWO_NODES_MS: the time limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "two_nodes.h"

#define DEFAULT_MS "60000"

int main(int argc, char **argv)
{
    const char *ms = getenv("AVOW_TWO_NODES_MS");
    struct two_nodes t = { .timeout_ms = (int)strtol(ms ? ms : DEFAULT_MS, NULL, 10) };
    struct two_nodes_result r = { 0 };
    int from = 2;
    int bad = 0;

    if (argc > from && strcmp(argv[from], "--") == 0)
        from++;
    if (argc <= from) {
        fprintf(stderr, "usage: two_nodes SHIM [--] COMMAND... -- COMMAND...\n");
        return 2;
    }
    t.shim = argv[1];
    t.argv[0] = t.argv[1] = &argv[from];
    for (int i = from; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            argv[i] = NULL;
            t.argv[1] = &argv[i + 1];
            break;
        }
    }
    if (two_nodes_run(&t, &r) != 0)
        return 125;
    for (int i = 0; i < 2; i++) {
        bool ok = r.status[i] == 0;

        fprintf(stderr, "node %d: wait status 0x%x; %lu connects, %lu accepts, %lu refused%s%s\n",
                i, (unsigned)r.status[i], (unsigned long)r.stats[i].connects,
                (unsigned long)r.stats[i].accepts, (unsigned long)r.stats[i].refused,
                r.auth_failures[i] ? "; " : "", r.text[i]);
        bad |= !ok;
    }
    return bad;
}
