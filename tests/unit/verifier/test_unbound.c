/* Evidence from files: what is sent with it, and whether a token is about it. */
#include "verifier/unbound.h"

#include "../snp_vectors.h"
#include "verify/verify.h"

#define DIR_NAME "milan-v2-vcek-google-377e62"

static void what_is_sent(void **state)
{
    struct avow_bundle b = { .tee = AVOW_TEE_SNP };
    bool json = true;

    (void)state;
    assert_int_equal(unbound_runtime(&b, &json).len, 0);
    assert_false(json);
    b.runtime_data = avow_bytes_str("{\"a\":1}");
    assert_true(avow_bytes_equal(unbound_runtime(&b, &json), b.runtime_data));
    assert_true(json);
    b.runtime_data = avow_bytes_str("[1]"); /* JSON, and no object */
    assert_int_equal(unbound_runtime(&b, &json).len, 3);
    assert_false(json);
    b.tee = AVOW_TEE_AZ_SNP; /* the paravisor's own, which the request takes itself */
    assert_int_equal(unbound_runtime(&b, &json).len, 0);
}

static void check(const struct avow_judge_in *in, const struct avow_bundle *b,
                  const struct avow_claims *token, bool same)
{
    struct avow_verdict v = { 0 };

    assert_int_equal(unbound_check(in, b, token, &v, NULL), 0);
    assert_int_equal(v.n_reasons, 1);
    assert_string_equal(v.reasons[0].code, "token-evidence");
    assert_int_equal(v.reasons[0].passed, same);
}

static void a_token_is_about_its_evidence(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_anchors anchors;
    struct avow_judge_in in = { .anchors = &anchors, .unbound_ok = true };
    struct avow_claims c;

    (void)state;
    if (!test_vectors())
        skip();
    avow_anchors_builtin(&anchors);
    test_snp_bundle("snp", DIR_NAME, NULL, &b, &in.now);
    assert_int_equal(avow_verify(&b, &anchors, in.now, NULL, &c, NULL), 0);
    check(&in, &b, &c, true);
    b.n_certs = 0; /* who signed it is the service's to say */
    check(&in, &b, &c, true);
    c.report_data[63] ^= 1;
    check(&in, &b, &c, false);
    c.report_data[63] ^= 1;
    c.measurement[0] ^= 1;
    check(&in, &b, &c, false);
    c.measurement[0] ^= 1;
    c.snp.report_id[31] ^= 1;
    check(&in, &b, &c, false);
    c.snp.report_id[31] ^= 1;
    c.tee = AVOW_TEE_AZ_SNP;
    check(&in, &b, &c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_sent),
                                        cmocka_unit_test(a_token_is_about_its_evidence) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
