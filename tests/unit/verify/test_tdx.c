#include "verify/tdx.h"

#include "../tdx_vectors.h"

static const struct avow_check *first_failed(const struct avow_claims *c)
{
    for (uint32_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].state != AVOW_CHECK_PASSED)
            return &c->checks[i];
    return NULL;
}

static void verify(const struct avow_bundle *b, int64_t now, struct avow_claims *c)
{
    struct avow_anchors anchors;
    struct avow_error err = { 0 };

    avow_anchors_builtin(&anchors);
    if (avow_tdx_verify(b, &anchors, now, c, &err) < 0)
        fail_msg("not evaluated: %s", err.text);
}

static void expect(const struct tdx_vector *v)
{
    bool supported = strcmp(v->tcb, "TCB_NOT_SUPPORTED") != 0;
    struct avow_claims c;
    const char *status = NULL;

    verify(&v->bundle, tdx_mid(v), &c);
    status = avow_tcb_status_name(c.tdx.tcb_status);
    if (strcmp(status, supported ? v->tcb : "NotSupported") != 0)
        fail_msg("%s: %s, not %s", v->name, status, v->tcb);
    if (c.authentic != supported)
        fail_msg("%s: %s: %s", v->name, first_failed(&c) ? first_failed(&c)->code : "all passed",
                 first_failed(&c) ? first_failed(&c)->text : "");
    if (!supported) {
        assert_string_equal(first_failed(&c)->code, "tcb-status");
        assert_string_equal(c.checks[c.n_checks - 1].code, "tcb-status");
    }
    assert_false(c.simulated);
    assert_string_equal(c.root, "Intel SGX Root CA");
    /* the window of meta.json does not know of the CRLs that are not the bundle's own */
    assert_true(c.valid_from >= v->from && c.valid_until <= v->until);
    assert_true(c.valid_from <= tdx_mid(v) && tdx_mid(v) <= c.valid_until);
    assert_true(v->borrowed_crl || (c.valid_from == v->from && c.valid_until == v->until));
}

static void every_real_bundle_has_its_status(void **state)
{
    char names[TEST_DIRS][128];
    size_t n = 0, judged = 0;

    (void)state;
    if (!test_vectors())
        skip();
    n = tdx_dirs("tdx", names);
    for (size_t i = 0; i < n; i++) {
        struct tdx_vector v;

        if (tdx_load("tdx", names[i], &v) && v.has_collateral) {
            expect(&v);
            judged++;
        }
        avow_bundle_done(&v.bundle);
    }
    assert_true(judged >= 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_real_bundle_has_its_status),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
