#include "attest/attest.h"

#include "../snp_vectors.h"

static const char any_snp[] =
    "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[0,1]},\"tdx\":{\"mrtd\":\"any\"}}";

struct setting {
    struct avow_anchors anchors;
    struct avow_policy *policy;
    struct avow_judge_in in;
};

static void setting_init(struct setting *s, const char *policy)
{
    struct avow_error err = { 0 };

    memset(s, 0, sizeof *s);
    avow_anchors_builtin(&s->anchors);
    if (avow_policy_parse(avow_bytes_str(policy), &s->policy, &err) < 0)
        fail_msg("%s", err.text);
    s->in =
        (struct avow_judge_in){ .anchors = &s->anchors, .policy = s->policy, .unbound_ok = true };
}

static void setting_done(struct setting *s)
{
    avow_policy_free(s->policy);
}

/* NULL: accepted; else the first code against. */
static const char *judge(struct setting *s, const struct avow_bundle *b, int64_t now,
                         struct avow_verdict *v)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_error err = { 0 };

    if (avow_bundle_emit(b, &text, &err) < 0)
        fail_msg("%s", err.text);
    s->in.bundle = avow_buf_view(&text);
    s->in.now = now;
    if (avow_judge(&s->in, NULL, v, &err) < 0)
        fail_msg("not evaluated: %s", err.text);
    return avow_verdict_accepts(v) ? NULL : avow_verdict_why(v)->code;
}

static void real_reports_are_accepted_but_debug(void **state)
{
    char names[TEST_DIRS][128];
    avow_auto(setting_done) struct setting s;
    size_t debug = 0;

    (void)state;
    if (!test_vectors())
        skip();
    setting_init(&s, any_snp);
    for (size_t i = 0, n = test_dirs("snp", names); i < n; i++) {
        avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
        struct avow_verdict v;
        const char *code = NULL;
        int64_t now = 0;

        test_snp_bundle("snp", names[i], NULL, &b, &now);
        code = judge(&s, &b, now, &v);
        if (b.evidence.data[AVOW_SNP_OFF_POLICY + 2] & 8) {
            debug++;
            assert_non_null(code);
            assert_string_equal(code, "debug");
        } else if (code) {
            fail_msg("%s: %s: %s", names[i], code, avow_verdict_why(&v)->text);
        }
    }
    assert_true(debug >= 1);
}

static const char good_dir[] = "milan-v3-vcek-oak-40a277";

static void unbound_evidence_needs_leave(void **state)
{
    avow_auto(setting_done) struct setting s;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_verdict v;
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    setting_init(&s, any_snp);
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    assert_null(judge(&s, &b, now, &v));
    s.in.unbound_ok = false;
    assert_string_equal(judge(&s, &b, now, &v), "binding");
    s.in.unbound_ok = true;
    s.in.statement = avow_bytes_str("{}");
    assert_string_equal(judge(&s, &b, now, &v), "statement");
    s.in.statement = AVOW_BYTES(NULL, 0);
    test_put(&b, AVOW_PART_STATEMENT, "{}", 2);
    assert_string_equal(judge(&s, &b, now, &v), "binding");
    s.in.expect_tee = AVOW_TEE_TDX;
    assert_string_equal(judge(&s, &b, now, &v), "tee");
}

static void reasons_have_their_codes(void **state)
{
    avow_auto(setting_done) struct setting s;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    uint8_t raw[AVOW_SNP_REPORT_LEN];
    struct avow_verdict v;
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    setting_init(&s, any_snp);
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    assert_string_equal(judge(&s, &b, now + 20ll * 366 * 86400, &v), "expired");
    assert_string_equal(judge(&s, &b, now - 2 * 86400, &v), "not-yet-valid");
    memcpy(raw, b.evidence.data, sizeof raw);
    raw[AVOW_SNP_OFF_MEASUREMENT] ^= 1;
    b.evidence = AVOW_BYTES_OF(raw);
    assert_string_equal(judge(&s, &b, now, &v), "signature");
    raw[AVOW_SNP_OFF_VERSION] = 1;
    assert_string_equal(judge(&s, &b, now, &v), "version");
    b.evidence.len--;
    assert_string_equal(judge(&s, &b, now, &v), "malformed");
    raw[AVOW_SNP_OFF_VERSION] = 3;
    raw[AVOW_SNP_OFF_MEASUREMENT] ^= 1;
    b.evidence.len++;
    assert_null(judge(&s, &b, now, &v));
    s.anchors.n = 0;
    assert_string_equal(judge(&s, &b, now, &v), "root");
}

static void minimum_policy_is_judged_too(void **state)
{
    avow_auto(setting_done) struct setting s;
    avow_auto(setting_done) struct setting least;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_verdict v;
    int64_t now = 0;

    (void)state;
    if (!test_vectors())
        skip();
    setting_init(&s, any_snp);
    setting_init(&least, "{\"version\":1,\"snp\":{\"measurements\":\"any\","
                         "\"min-tcb\":{\"snp\":255}}}");
    test_snp_bundle("snp", good_dir, NULL, &b, &now);
    s.in.minimum = least.policy;
    assert_string_equal(judge(&s, &b, now, &v), "tcb-floor");
    assert_non_null(strstr(avow_verdict_why(&v)->text, "minimum"));
    assert_string_equal(avow_verdict_why(&v)->source, "minimum: snp.min-tcb");
}

#define LISTS ",\"certs\":[],\"crls\":[]"

static void garbage_is_malformed_and_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "{}",
        "null",
        "[]",
        "{\"type\":\"avow/bundle/1\",\"tee\":\"snp\"}",
        "{\"type\":\"avow/bundle/2\",\"tee\":\"snp\",\"evidence\":\"AAAA\"" LISTS "}",
        "{\"type\":\"avow/bundle/1\",\"tee\":\"sgx\",\"evidence\":\"AAAA\"" LISTS "}",
        "{\"type\":\"avow/bundle/1\",\"tee\":\"snp\",\"evidence\":\"AAA\"" LISTS "}",
        "{\"type\":\"avow/bundle/1\",\"tee\":\"snp\",\"evidence\":\"AAAA\"" LISTS "}",
    };
    avow_auto(setting_done) struct setting s;

    (void)state;
    setting_init(&s, any_snp);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct avow_verdict v;
        struct avow_error err = { 0 };

        s.in.bundle = avow_bytes_str(texts[i]);
        assert_int_equal(avow_judge(&s.in, NULL, &v, &err), 0);
        assert_false(avow_verdict_accepts(&v));
        assert_string_equal(avow_verdict_why(&v)->code, "malformed");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_reports_are_accepted_but_debug),
        cmocka_unit_test(unbound_evidence_needs_leave),
        cmocka_unit_test(reasons_have_their_codes),
        cmocka_unit_test(minimum_policy_is_judged_too),
        cmocka_unit_test(garbage_is_malformed_and_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
