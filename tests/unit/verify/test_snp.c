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

static struct avow_verify_cache *seen;

static void verify(const struct avow_bundle *b, int64_t now, struct avow_claims *c)
{
    static struct avow_claims cached;
    struct avow_anchors anchors;
    struct avow_error err = { 0 };

    avow_anchors_builtin(&anchors);
    if (avow_snp_verify(b, &anchors, now, c, &err) < 0)
        fail_msg("not evaluated: %s", err.text);
    /* a cache that has seen all the tests before this one changes nothing */
    if (avow_snp_verify_cached(b, &anchors, now, seen, &cached, &err) < 0)
        fail_msg("not evaluated: %s", err.text);
    assert_memory_equal(c, &cached, sizeof cached);
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

/* ---- one real report, damaged in every way ---- */

static const char good_dir[] = "milan-v3-vcek-oak-40a277";

static const char *first_code(const struct avow_bundle *b, int64_t now)
{
    static struct avow_claims c;

    verify(b, now, &c);
    return c.authentic ? NULL : first_failed(&c)->code;
}

static void every_truncation_is_malformed(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_autofree uint8_t *longer = calloc(1, AVOW_SNP_REPORT_LEN + 1);
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    assert_non_null(longer);
    memcpy(longer, b.evidence.data, AVOW_SNP_REPORT_LEN);
    b.evidence = AVOW_BYTES(longer, 0);
    for (; b.evidence.len < AVOW_SNP_REPORT_LEN; b.evidence.len++)
        assert_string_equal(first_code(&b, now), "malformed");
    assert_null(first_code(&b, now));
    b.evidence.len++;
    assert_string_equal(first_code(&b, now), "malformed");
}

static void every_flipped_byte_matters(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    uint8_t raw[AVOW_SNP_REPORT_LEN];
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    memcpy(raw, b.evidence.data, sizeof raw);
    b.evidence = AVOW_BYTES_OF(raw);
    for (size_t i = 0; i < sizeof raw; i++) {
        struct avow_claims c;
        uint8_t bit = (uint8_t)(1 << i * 5 % 8);
        bool in_signature = i >= AVOW_SNP_OFF_R && i < 0x330;

        raw[i] ^= bit;
        verify(&b, now, &c);
        if (c.authentic)
            fail_msg("bit 0x%02x of byte 0x%zx does not matter", bit, i);
        /* whatever else is wrong: a changed signed byte breaks the signature itself */
        if ((i >= AVOW_SNP_OFF_GUEST_SVN && i < AVOW_SNP_SIGNED_LEN &&
             i / 4 != AVOW_SNP_OFF_KEY_INFO / 4) ||
            (in_signature && (i - AVOW_SNP_OFF_R) % 72 < 48))
            assert_non_null(failed(&c, "signature"));
        if (i >= 0x330)
            assert_non_null(failed(&c, "reserved"));
        raw[i] ^= bit;
    }
    assert_null(first_code(&b, now));
}

static void signatures_out_of_range_are_refused(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    uint8_t raw[AVOW_SNP_REPORT_LEN];
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    for (size_t part = 0; part < 3; part++) {
        memcpy(raw, b.evidence.data, sizeof raw);
        if (part != 1)
            memset(raw + AVOW_SNP_OFF_R, part == 2 ? 0xFF : 0, AVOW_SNP_SIG_USED_LEN);
        if (part != 0)
            memset(raw + AVOW_SNP_OFF_S, part == 2 ? 0xFF : 0, AVOW_SNP_SIG_USED_LEN);
        {
            struct avow_bundle damaged = b;

            damaged.evidence = AVOW_BYTES_OF(raw);
            assert_string_equal(first_code(&damaged, now), "signature");
        }
    }
}

static void leaf_of_another_chip_is_refused(void **state)
{
    char names[TEST_DIRS][128];
    size_t n = 0, tried = 0;

    (void)state;
    if (!test_vectors())
        skip();
    n = test_dirs("snp", names);
    for (size_t i = 0; i < n; i++) {
        avow_auto(avow_bundle_done) struct avow_bundle a = { 0 };
        avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
        struct avow_claims c;
        int64_t now_a = 0, now_b = 0;

        test_snp_bundle("snp", names[i], NULL, &a, &now_a);
        test_snp_bundle("snp", names[(i + 1) % n], NULL, &b, &now_b);
        if (avow_bytes_equal(AVOW_BYTES(a.evidence.data + AVOW_SNP_OFF_CHIP_ID, 64),
                             AVOW_BYTES(b.evidence.data + AVOW_SNP_OFF_CHIP_ID, 64)))
            continue;
        tried++;
        b.evidence = a.evidence; /* right report, other machine's certificates */
        verify(&b, now_b, &c);
        assert_false(c.authentic);
    }
    assert_true(tried > 10);
}

static void certificates_come_in_any_order(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    assert_int_equal(b.n_certs, 3);
    for (size_t i = 0; i < 6; i++) {
        struct avow_bytes first = b.certs[0];

        if (i % 2) {
            b.certs[0] = b.certs[1];
            b.certs[1] = first;
        } else {
            b.certs[0] = b.certs[2];
            b.certs[2] = first;
        }
        assert_null(first_code(&b, now));
    }
    for (size_t i = 0; i < 3; i++) { /* one of them twice */
        b.certs[3] = b.certs[i];
        b.n_certs = 4;
        assert_null(first_code(&b, now));
    }
}

static void missing_and_broken_certificates_are_named(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    for (size_t gone = 0; gone < 3; gone++) {
        struct avow_bundle less = b;

        less.certs[gone] = b.certs[2];
        less.n_certs = 2;
        if (gone == 0) /* the leaf; what is the same for a whole product line is built in */
            assert_string_equal(first_code(&less, now), "missing");
        else
            assert_null(first_code(&less, now));
        less = b;
        less.certs[gone].len--;
        assert_string_equal(first_code(&less, now), "malformed");
    }
    b.n_certs = 0;
    assert_string_equal(first_code(&b, now), "missing");
}

static void time_is_an_argument(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_claims c;
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    verify(&b, now, &c);
    assert_true(c.authentic);
    assert_null(first_code(&b, c.valid_from));
    assert_null(first_code(&b, c.valid_until));
    assert_string_equal(first_code(&b, c.valid_from - 1), "not-yet-valid");
    assert_string_equal(first_code(&b, c.valid_until + 1), "expired");
    assert_string_equal(first_code(&b, INT64_MIN), "not-yet-valid");
    assert_string_equal(first_code(&b, INT64_MAX), "expired");
}

static void other_anchors_are_no_anchors(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_anchors anchors;
    struct avow_claims c;
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    avow_anchors_builtin(&anchors);
    for (size_t i = 0; i < anchors.n; i++)
        if (strcmp(anchors.list[i].product, "Milan") == 0)
            anchors.list[i].tee = AVOW_TEE_TDX; /* right key, wrong purpose */
    assert_int_equal(avow_snp_verify(&b, &anchors, now, &c, NULL), 0);
    assert_false(c.authentic);
    assert_string_equal(first_failed(&c)->code, "root");
}

static int setup(void **state)
{
    (void)state;
    return avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &seen, NULL);
}

static int teardown(void **state)
{
    (void)state;
    avow_verify_cache_free(seen);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_real_report_is_authentic),
        cmocka_unit_test(every_bad_report_is_refused),
        cmocka_unit_test(every_truncation_is_malformed),
        cmocka_unit_test(every_flipped_byte_matters),
        cmocka_unit_test(signatures_out_of_range_are_refused),
        cmocka_unit_test(leaf_of_another_chip_is_refused),
        cmocka_unit_test(certificates_come_in_any_order),
        cmocka_unit_test(missing_and_broken_certificates_are_named),
        cmocka_unit_test(time_is_an_argument),
        cmocka_unit_test(other_anchors_are_no_anchors),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
