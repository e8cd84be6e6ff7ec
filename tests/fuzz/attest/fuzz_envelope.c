/* Envelopes of other tools, JSON or CBOR: parts come out or a refusal, never something else. */
#include <stdlib.h>

#include "attest/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int note(void *ctx, enum avow_envelope_part part, struct avow_bytes data,
                struct avow_error *err)
{
    size_t *parts = ctx;
    volatile uint8_t last = 0; /* so that a sanitizer sees the view */

    (void)err;
    if (part > AVOW_INNER_EVENT_LOG || (data.len && !data.data))
        abort();
    if (data.len)
        last = data.data[data.len - 1];
    (void)last;
    (*parts)++;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes in = AVOW_BYTES(data, size);
    struct avow_error err = { 0 };
    avow_autojson json_t *doc = NULL;
    size_t parts = 0;
    int rc = 0;

    if (avow_json_parse(in, &doc, NULL) < 0)
        doc = NULL;
    rc = avow_envelope_open(in, doc, note, &parts, &err);
    if (rc < 0 ? err.code != -rc : rc > 1 || (rc == 0 && parts != 0))
        abort();
    return 0;
}
