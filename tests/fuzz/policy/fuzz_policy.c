/* Policies: whatever a document says, claims that nobody verified are refused. */
#include <stdlib.h>

#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool accepts(const struct avow_policy *p, const struct avow_claims *c)
{
    struct avow_verdict v = { 0 };

    avow_policy_appraise(p, c, "member", 0, &v);
    check(v.n_reasons > 0 && v.n_reasons <= AVOW_REASONS_MAX);
    check(!avow_verdict_accepts(&v));
    avow_verdict_conclude(&v);
    check(avow_verdict_accepts(&v) == (avow_verdict_why(&v) == NULL));
    return avow_verdict_accepts(&v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    struct avow_error err = { 0 };
    int rc = avow_policy_parse(AVOW_BYTES(data, size), &p, &err);

    if (rc < 0) {
        check(err.code == -rc && err.text[0] && !p);
        return 0;
    }
    for (int tee = AVOW_TEE_NONE; tee <= AVOW_TEE_AZ_TDX; tee++) {
        struct avow_claims c = { .tee = (enum avow_tee)tee };

        check(!accepts(p, &c));
        c.authentic = true;
        if (tee == AVOW_TEE_NONE)
            check(!accepts(p, &c));
        else
            (void)accepts(p, &c);
    }
    return 0;
}
