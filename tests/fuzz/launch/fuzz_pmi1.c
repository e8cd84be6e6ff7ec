/* PMI-1 from two ranks and from other nodes: byte 0 of each piece says who speaks. */
#include <stdlib.h>

#include "launch/pmi1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct avow_pmi1 *server;
static int depth;

static void on_reply(void *ctx, uint32_t local, struct avow_bytes line)
{
    (void)ctx;
    if (local > 1 || line.len < 2 || line.data[line.len - 1] != '\n' ||
        memchr(line.data, '\n', line.len - 1))
        abort();
}

static void on_local(void *ctx, uint32_t local)
{
    (void)ctx;
    if (local > 1)
        abort();
}

static void on_aborted(void *ctx, uint32_t local, int code)
{
    (void)ctx, (void)local, (void)code;
}

/* A node alone: released at once with what it gave, which must be good. */
static void on_barrier(void *ctx, struct avow_bytes data)
{
    (void)ctx;
    if (++depth > 2 || avow_pmi1_release(server, data, 0, NULL) < 0)
        abort();
    depth--;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "a";
    struct avow_launch_node node = { .name = name, .ranks = 2 };
    struct avow_launch_config c = {
        .n_nodes = 1, .nodes = &node, .n_ranks = 2, .pmi1_stall_ms = 5
    };
    struct avow_pmi1_ops ops = { .reply = on_reply,
                                 .connected = on_local,
                                 .finalized = on_local,
                                 .aborted = on_aborted,
                                 .barrier = on_barrier,
                                 .spawn = on_local };

    if (avow_pmi1_new(&c, &ops, &server, NULL) < 0)
        return 0;
    while (size > 1) {
        uint8_t who = data[0];
        size_t n = data[1] < size - 2 ? data[1] : size - 2;
        struct avow_bytes piece = AVOW_BYTES(data + 2, n);

        if (size == 2)
            break;
        int rc = 0;

        if (who == 'R')
            rc = avow_pmi1_release(server, piece, 7, NULL);
        else if (who == 'T')
            avow_pmi1_tick(server, 100);
        else
            rc = avow_pmi1_input(server, who & 1, piece, 1, NULL);
        if (rc > 0)
            abort();
        data += 2 + n;
        size -= 2 + n;
    }
    avow_pmi1_free(server);
    return 0;
}
