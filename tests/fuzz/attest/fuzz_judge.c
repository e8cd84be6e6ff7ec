/* The front door with the vendors' own anchors: nothing that is made up is ever accepted. */
#include <stdlib.h>

#include "attest/attest.h"

#define NOW 1796000000 /* the seeds are valid then */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char any[] = "{\"version\":1,\"allow-simulated\":true,"
                              "\"snp\":{\"measurements\":\"any\"},\"tdx\":{\"mrtd\":\"any\"}}";
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    static struct avow_claims claims;
    static struct avow_verdict v;
    struct avow_anchors anchors;
    struct avow_error err = { 0 };
    struct avow_judge_in in = {
        .bundle = AVOW_BYTES(data, size), .anchors = &anchors, .unbound_ok = true, .now = NOW
    };
    json_t *j = NULL;

    avow_anchors_builtin(&anchors);
    check(avow_policy_parse(avow_bytes_str(any), &p, &err) == 0);
    in.policy = p;
    check(avow_judge(&in, &claims, &v, &err) == 0);
    check(!avow_verdict_accepts(&v) && avow_verdict_why(&v));
    check(!claims.authentic);
    j = avow_verdict_json(&v);
    check(j != NULL);
    json_decref(j);
    j = avow_claims_json(&claims);
    check(j != NULL);
    json_decref(j);
    return 0;
}
