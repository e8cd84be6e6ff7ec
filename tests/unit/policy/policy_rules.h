/* Claims that a plain policy accepts, and what a policy says of them. */
#ifndef AVOW_TEST_POLICY_RULES_H
#define AVOW_TEST_POLICY_RULES_H

#include "../test.h"
#include "policy/policy.h"

#define M1                                                                                       \
    "111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111" \
    "111111"
#define M2                                                                                       \
    "222222222222222222222222222222222222222222222222222222222222222222222222222222222222222222" \
    "222222"
#define H1 "1111111111111111111111111111111111111111111111111111111111111111"

static inline struct avow_policy *policy(const char *text)
{
    struct avow_policy *p = NULL;
    struct avow_error err = { 0 };

    if (avow_policy_parse(avow_bytes_str(text), &p, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return p;
}

static inline struct avow_claims snp_claims(void)
{
    struct avow_claims c = { .tee = AVOW_TEE_SNP, .authentic = true, .root = "AMD ARK-Genoa" };

    memset(c.measurement, 0x11, sizeof c.measurement);
    c.snp.policy = 0x20000;
    c.snp.reported = (struct avow_snp_tcb){ 0, 10, 0, 23, 84 };
    memset(c.machine, 0xAB, 64);
    c.machine_len = 64;
    return c;
}

static inline struct avow_claims tdx_claims(void)
{
    struct avow_claims c = { .tee = AVOW_TEE_TDX, .authentic = true, .root = "Intel SGX Root CA" };

    memset(c.measurement, 0x11, sizeof c.measurement);
    c.tdx.td_attributes[3] = 0x10; /* SEPT_VE_DISABLE */
    c.tdx.tcb_status = AVOW_TCB_UP_TO_DATE;
    c.tdx.tcb_evaluation = 17;
    return c;
}

/* NULL: accepted; else the code of the first reason against. */
static inline const char *outcome(const char *text, const struct avow_claims *c, const char *member,
                                  struct avow_verdict *v)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *p = policy(text);

    memset(v, 0, sizeof *v);
    avow_policy_appraise(p, c, member, 0, v);
    avow_verdict_conclude(v);
    assert_int_equal(avow_verdict_accepts(v), avow_verdict_why(v) == NULL);
    return avow_verdict_accepts(v) ? NULL : avow_verdict_why(v)->code;
}

static inline void assert_accepts(const char *text, const struct avow_claims *c)
{
    struct avow_verdict v;
    const char *code = outcome(text, c, NULL, &v);

    if (code)
        fail_msg("%s: %s: %s", text, code, avow_verdict_why(&v)->text);
}

static inline void assert_refuses(const char *text, const struct avow_claims *c, const char *code)
{
    struct avow_verdict v;
    const char *got = outcome(text, c, NULL, &v);

    assert_non_null(got);
    assert_string_equal(got, code);
}

#define SNP(more) "{\"version\":1,\"snp\":{\"measurements\":[\"" M1 "\"]" more "}}"
#define TDX(more) "{\"version\":1,\"tdx\":{\"mrtd\":[\"" M2 "\",\"" M1 "\"]" more "}}"

/* The reason of @code in @v; fails the test where there is none. */
static inline const struct avow_reason *reason_of(const struct avow_verdict *v, const char *code)
{
    for (uint32_t i = 0; i < v->n_reasons; i++)
        if (strcmp(v->reasons[i].code, code) == 0)
            return &v->reasons[i];
    fail_msg("no reason \"%s\"", code);
    return NULL;
}

#endif
