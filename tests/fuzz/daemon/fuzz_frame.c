/* A stream of frames of a link between nodes, and HELLO, which a stranger may send. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "daemon/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void hello(struct avow_bytes payload)
{
    avow_auto(avow_buf_done) struct avow_buf again = AVOW_BUF(AVOW_FRAME_EARLY_MAX);
    struct avow_hello h;
    struct avow_error err = { 0 };
    int rc = avow_hello_parse(payload, &h, &err);

    if (rc < 0) {
        check(err.code == -rc);
        return;
    }
    check(avow_hello_emit(&h, &again, NULL) == 0);
    check(avow_bytes_equal(avow_buf_view(&again), payload));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes rest = AVOW_BYTES(data, size);
    struct avow_bytes payload = { 0 };
    uint8_t type = 0;
    size_t used = 0;

    while (avow_frame_parse(rest, AVOW_FRAME_EARLY_MAX, &type, &payload, &used) == 0) {
        check(used == AVOW_FRAME_HEAD + payload.len && used <= rest.len);
        check(payload.len <= AVOW_FRAME_EARLY_MAX);
        if (type == AVOW_FRAME_HELLO)
            hello(payload);
        rest = avow_bytes_sub(rest, used, rest.len - used);
    }
    return 0;
}
