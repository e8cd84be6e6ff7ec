/* Any bytes as JSON: what the fast reader accepts, jansson accepts with the same value. */
#include <stdlib.h>

#include "codec/json.h"
#include "codec/json_fast.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes in = AVOW_BYTES(data, size);
    avow_autojson json_t *fast = avow_json_fast(in);
    avow_autojson json_t *whole = NULL;
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_JSON_MAX);

    if (fast) {
        avow_autojson json_t *theirs =
            json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

        if (!theirs || !json_equal(fast, theirs))
            abort();
    }
    /* what has a canonical form is read again from it */
    if (avow_json_parse(in, &whole, NULL) == 0 && avow_json_canonical(whole, &out, NULL) == 0 &&
        avow_json_check_canonical(avow_buf_view(&out), NULL) < 0)
        abort();
    return 0;
}
