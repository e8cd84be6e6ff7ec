#include "verify/snp.h"

#include "../snp_vectors.h"

static const struct avow_check *failed(const struct avow_claims *c, const char *code)
{
    for (uint32_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].state != AVOW_CHECK_PASSED && strcmp(c->checks[i].code, code) == 0)
            return &c->checks[i];
    return NULL;
}

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
    if (avow_snp_verify(b, &anchors, now, c, &err) < 0)
        fail_msg("not evaluated: %s", err.text);
}

static void expect_authentic(const char *dir, const char *leaf)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_claims c;
    int64_t now = 0;

    test_snp_bundle("snp", dir, leaf, &b, &now);
    verify(&b, now, &c);
    if (!c.authentic)
        fail_msg("%s %s: %s: %s", dir, leaf ? leaf : "", first_failed(&c)->code,
                 first_failed(&c)->text);
    assert_false(c.simulated);
    assert_memory_equal(c.report_data, b.evidence.data + AVOW_SNP_OFF_REPORT_DATA, 64);
    assert_true(now >= c.valid_from && now <= c.valid_until);
}

static void every_real_report_is_authentic(void **state)
{
    char names[TEST_DIRS][128];
    size_t n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    n = test_dirs("snp", names);
    assert_true(n >= 25);
    for (size_t i = 0; i < n; i++) {
        size_t len = 0;
        avow_autofree uint8_t *again = test_vector("snp", names[i], "vcek2.der", &len);

        expect_authentic(names[i], NULL);
        if (again)
            expect_authentic(names[i], "vcek2.der");
    }
}

static void every_bad_report_is_refused(void **state)
{
    static const char *const classes[] = { "snp-bad", "snp-noleaf" };
    char names[TEST_DIRS][128];

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t k = 0; k < 2; k++) {
        size_t n = test_dirs(classes[k], names);

        assert_true(n >= 4);
        for (size_t i = 0; i < n; i++) {
            avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
            struct avow_claims c;
            int64_t now = 0;

            test_snp_bundle(classes[k], names[i], NULL, &b, &now);
            verify(&b, now, &c);
            if (c.authentic || !first_failed(&c))
                fail_msg("%s/%s is accepted", classes[k], names[i]);
            printf("%s/%s: %s: %s\n", classes[k], names[i], first_failed(&c)->code,
                   first_failed(&c)->text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_real_report_is_authentic),
        cmocka_unit_test(every_bad_report_is_refused),
    };

    (void)failed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
