/* JWS: what is read is what was written, and what nobody signed verifies with no key. */
#include <stdlib.h>

#include "crypto/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_jws_done) struct avow_jws j = { 0 };
    avow_autojson json_t *claims = NULL;
    struct avow_rsa_key key = { .len = AVOW_RSA_BYTES_MIN };
    struct avow_error err = { 0 };

    if (avow_jws_parse(AVOW_BYTES(data, size), &j, &err) < 0) {
        check(err.code != 0 && !j.header);
        return 0;
    }
    check(json_is_object(j.header) && j.alg_text && !json_object_get(j.header, "crit"));
    check(j.signed_part.data == data && j.signed_part.len < size);
    memset(key.n, 0xFF, AVOW_RSA_BYTES_MIN);
    check(avow_jws_verify_rs256(&j, &key, NULL) < 0);
    if (avow_jws_claims(&j, &claims, NULL) == 0)
        check(json_is_object(claims));
    return 0;
}
