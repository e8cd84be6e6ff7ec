/* A manifest that parses is emitted again byte for byte. */
#include <stdint.h>

#include <stdlib.h>

#include "job/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_MANIFEST_MAX);
    struct avow_error err = { 0 };

    if (avow_manifest_parse(AVOW_BYTES(data, size), &m, &err) < 0) {
        if (!err.code || !err.text[0])
            abort();
        return 0;
    }
    if (avow_manifest_emit(&m, &out, &err) < 0 ||
        !avow_bytes_equal(avow_buf_view(&out), AVOW_BYTES(data, size)))
        abort();
    return 0;
}
