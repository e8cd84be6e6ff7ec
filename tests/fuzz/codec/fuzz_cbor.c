/* Any bytes as a CBOR map: no more comes out than is in, and refusals say why. */
#include <stdlib.h>

#include "codec/cbor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
    size_t pairs, bytes;
};

static int count(void *ctx, struct avow_bytes key, struct avow_bytes value, struct avow_error *err)
{
    struct walk *w = ctx;
    volatile uint8_t last = 0; /* so that a sanitizer sees the view */

    (void)err;
    w->pairs++;
    w->bytes += key.len + value.len;
    if (value.len)
        last = value.data[value.len - 1];
    (void)last;
    return w->pairs == 20 ? -AVOW_E_LIMIT : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct walk w = { 0 };
    struct avow_error err = { 0 };
    struct avow_bytes in = AVOW_BYTES(data, size);
    int rc = avow_cbor_map(in, count, &w, &err);

    if (rc == 0 && (w.pairs > AVOW_CBOR_PAIRS_MAX || w.bytes > size))
        abort();
    if (rc < 0 && rc != -AVOW_E_LIMIT && err.code != -rc)
        abort();
    return 0;
}
