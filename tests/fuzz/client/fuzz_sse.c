/* Any bytes as an event stream: the events are the same however the stream is cut. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "client/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(void *ctx, const struct avow_sse_event *e)
{
    return avow_buf_putf(ctx, "[%llu|%s|%s]", (unsigned long long)e->id, e->type, e->data);
}

static int parse(const uint8_t *data, size_t size, size_t cut, struct avow_buf *out)
{
    struct avow_sse s;
    int rc = 0;

    avow_sse_init(&s);
    for (size_t at = 0; rc == 0 && at < size; at += cut)
        rc = avow_sse_feed(&s, AVOW_BYTES(data + at, size - at < cut ? size - at : cut), collect,
                           out);
    avow_sse_done(&s);
    return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_buf_done) struct avow_buf whole = AVOW_BUF(1u << 20);
    avow_auto(avow_buf_done) struct avow_buf bytes = AVOW_BUF(1u << 20);
    int a = parse(data, size, size ? size : 1, &whole);
    int b = parse(data, size, 1, &bytes);

    if (a != b || !avow_bytes_equal(avow_buf_view(&whole), avow_buf_view(&bytes)))
        abort();
    return 0;
}
