/*
 * MAA's policies: a text, NUL, the claims of the service as JSON. Whatever they say, evaluation
 * ends, what fails permits nothing, and no claim of the service's own comes out changed.
 */
#include <stdlib.h>

#include "maa/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static const char claims_otherwise[] =
    "{\"x-ms-sevsnpvm-is-debuggable\":true,\"x-ms-sevsnpvm-vmpl\":0,\"a\":[1,\"b\",false],"
    "\"x-ms-runtime\":{\"keys\":[{\"kid\":\"k\",\"n\":[1,2.5,null]}]}}";

static void evaluate(const struct avow_maa_policy *p, const json_t *claims)
{
    avow_auto(avow_maa_policy_out_done) struct avow_maa_policy_out out = { 0 };
    struct avow_maa_policy_in in = { .service = claims, .custom = claims };
    struct avow_error err = { 0 };
    int rc = avow_maa_policy_run(p, &in, &out, &err);
    const char *name = NULL;
    json_t *value = NULL;

    check(rc == 0 || (err.code == -rc && err.text[0] && !out.permitted));
    check(!(out.permitted && out.denied));
    check(!out.permitted || (out.issued && out.properties && out.line && out.column));
    if (out.permitted)
        json_object_foreach(out.issued, name, value)
            check(!avow_maa_claim_reserved(name) || json_object_get(claims, name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t text_len = nul ? (size_t)(nul - data) : size;
    avow_auto(avow_cleanup_maa_policy) struct avow_maa_policy *p = NULL;
    avow_autojson json_t *claims = NULL;
    struct avow_error err = { 0 };
    int rc = avow_maa_policy_parse(AVOW_BYTES(data, text_len), &p, &err);

    if (rc < 0) {
        check(err.code == -rc && err.text[0] && !p);
        return 0;
    }
    if (nul && avow_json_parse(AVOW_BYTES(nul + 1, size - text_len - 1), &claims, NULL) < 0)
        return 0;
    if (!nul)
        check(avow_json_parse(avow_bytes_str(claims_otherwise), &claims, NULL) == 0);
    if (json_is_object(claims))
        evaluate(p, claims);
    return 0;
}
