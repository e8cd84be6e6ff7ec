/* A job's owner in a page: the three steps of include/avow/client.h. Usage: owner JOB RESULTS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <avow/client.h>

static void on_event(void *ctx, const char *node, const char *type, const char *json)
{
    (void)ctx;
    if (strcmp(type, "state") == 0)
        printf("%s %s\n", node ? node : "all", json);
}

static int step(struct avow_owner *c, const char *what, int rc)
{
    printf("%s: %d %s\n", what, rc, avow_owner_error(c));
    return rc;
}

int main(int argc, char **argv)
{
    struct avow_owner *c = NULL;
    char *report = NULL;
    int rc = 0;

    if (argc != 3)
        return 2;
    rc = avow_owner_open(&c, argv[1], NULL);
    if (c)
        rc = step(c, "open", rc);
    if (rc == 0)
        rc = step(c, "verify", avow_verify_server_attestation(c));
    if (rc == 0)
        rc = step(c, "submit", avow_submit_job(c));
    if (rc == 0)
        rc = step(c, "monitor", avow_monitor_job(c, on_event, NULL));
    if (rc == 0)
        rc = step(c, "fetch", avow_fetch_results(c, argv[2]));
    report = c ? avow_owner_report(c) : NULL;
    printf("report: %s\n", report ? report : "none");
    free(report);
    avow_owner_close(c);
    return rc < 0 ? 100 : rc;
}
