#include "attest/ear.h"

#include "../test.h"
#include "codec/text.h"

static struct avow_claims claims;
static struct avow_verdict verdict;
static struct avow_ear_in in;

static int setup(void **state)
{
    (void)state;
    memset(&claims, 0, sizeof claims);
    memset(&verdict, 0, sizeof verdict);
    claims.tee = AVOW_TEE_TDX;
    claims.authentic = true;
    claims.tdx.tcb_status = AVOW_TCB_UP_TO_DATE;
    avow_claims_check(&claims, "root", true, "fine");
    in = (struct avow_ear_in){
        .claims = &claims,
        .verdict = &verdict,
        .build = "avow test",
        .policy = avow_bytes_str("{\"version\":1}"),
        .now = 1700000000,
    };
    return 0;
}

static const json_t *submod(const json_t *ear, const char *name)
{
    const json_t *s = json_object_get(json_object_get(ear, "submods"), name);

    assert_non_null(s);
    return s;
}

static int value(const json_t *ear, const char *name, const char *category)
{
    const json_t *v =
        json_object_get(json_object_get(submod(ear, name), "ear_trustworthiness_vector"), category);

    assert_true(json_is_integer(v));
    return (int)json_integer_value(v);
}

static const char *status(const json_t *ear, const char *name)
{
    return json_string_value(json_object_get(submod(ear, name), "ear_status"));
}

static void accepted_is_affirming(void **state)
{
    avow_autojson json_t *ear = NULL;

    (void)state;
    avow_verdict_add(&verdict, "measurement", true, "any");
    avow_verdict_conclude(&verdict);
    ear = avow_ear_claims(&in);
    assert_non_null(ear);
    assert_string_equal(status(ear, "cpu"), "affirming");
    assert_int_equal(value(ear, "cpu", "hardware"), 2);
    assert_int_equal(value(ear, "cpu", "configuration"), 2);
    assert_int_equal(value(ear, "cpu", "runtime-opaque"), 2);
    assert_int_equal(value(ear, "cpu", "executables"), 0); /* nothing was pinned */
    assert_int_equal(value(ear, "cpu", "instance-identity"), 0);
    assert_int_equal(value(ear, "cpu", "sourced-data"), 0);
    assert_null(json_object_get(json_object_get(ear, "submods"), "vtpm"));
    assert_string_equal(json_string_value(json_object_get(ear, "eat_profile")), AVOW_EAR_PROFILE);
    assert_int_equal(json_integer_value(json_object_get(ear, "iat")), 1700000000);
    assert_null(json_object_get(ear, "eat_nonce"));
    assert_null(json_object_get(ear, "ear_raw_evidence"));
}

static void what_is_pinned_is_claimed(void **state)
{
    avow_autojson json_t *boot = NULL;
    avow_autojson json_t *all = NULL;

    (void)state;
    avow_verdict_add(&verdict, "measurement", true, "listed");
    avow_verdict_conclude(&verdict);
    in.measurement_pinned = in.machine_pinned = true;
    boot = avow_ear_claims(&in);
    assert_int_equal(value(boot, "cpu", "executables"), 3);
    assert_int_equal(value(boot, "cpu", "instance-identity"), 2);
    in.registers_pinned = true;
    in.nonce = "0123456789abcdef";
    in.bundle = avow_bytes_str("{}");
    all = avow_ear_claims(&in);
    assert_int_equal(value(all, "cpu", "executables"), 2);
    assert_string_equal(json_string_value(json_object_get(all, "eat_nonce")), "0123456789abcdef");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(all, "ear_raw_evidence"), 1)), "e30");
    in.nonce = "short"; /* RFC 9711 wants 8 bytes at least */
    assert_null(avow_ear_claims(&in));
}

static void refusals_are_never_better_than_contraindicated(void **state)
{
    static const struct {
        const char *code, *category;
        int value;
    } rows[] = {
        { "debug", "configuration", 96 },
        { "signature", "hardware", 99 },
        { "root", "hardware", 97 },
        { "revoked", "hardware", 96 },
        { "measurement", "executables", 33 },
        { "machine", "instance-identity", 97 },
        { "machine-ids", "instance-identity", 97 },
        { "advisories", "hardware", 96 },
        { "mrseam", "hardware", 97 },
        { "something new", "configuration", 96 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *ear = NULL;

        setup(state);
        avow_verdict_add(&verdict, "tee", true, "yes");
        avow_verdict_add(&verdict, rows[i].code, false, "no");
        avow_verdict_conclude(&verdict);
        ear = avow_ear_claims(&in);
        assert_string_equal(status(ear, "cpu"), "contraindicated");
        assert_int_equal(value(ear, "cpu", rows[i].category), rows[i].value);
    }
}

static void undecided_is_none_and_old_is_warning(void **state)
{
    avow_autojson json_t *undecided = NULL;
    avow_autojson json_t *old = NULL;

    (void)state;
    claims.authentic = false;
    avow_verdict_missing(&verdict, "missing", "TCB info");
    avow_verdict_conclude(&verdict);
    undecided = avow_ear_claims(&in);
    assert_string_equal(status(undecided, "cpu"), "none");
    assert_int_equal(value(undecided, "cpu", "hardware"), 0);
    setup(state);
    claims.tdx.tcb_status = AVOW_TCB_OUT_OF_DATE;
    avow_verdict_add(&verdict, "tcb-floor", true, "allowed");
    avow_verdict_conclude(&verdict);
    old = avow_ear_claims(&in);
    assert_string_equal(status(old, "cpu"), "warning");
    assert_int_equal(value(old, "cpu", "hardware"), 32);
}

static void a_tpm_is_a_submodule(void **state)
{
    avow_autojson json_t *ear = NULL;

    (void)state;
    claims.tee = AVOW_TEE_AZ_TDX;
    claims.vtpm.quoted = true;
    claims.vtpm.pcr_mask = 1;
    avow_verdict_add(&verdict, "pcrs", true, "listed");
    avow_verdict_conclude(&verdict);
    in.measurement_pinned = in.registers_pinned = true;
    ear = avow_ear_claims(&in);
    assert_int_equal(value(ear, "cpu", "executables"), 3);
    assert_int_equal(value(ear, "vtpm", "executables"), 2);
    assert_non_null(
        json_object_get(json_object_get(submod(ear, "vtpm"), "ear_attester_claims"), "pcrs"));
    assert_null(
        json_object_get(json_object_get(submod(ear, "cpu"), "ear_attester_claims"), "vtpm"));
}

static void unb64(const char *text, size_t len, struct avow_buf *out)
{
    assert_int_equal(avow_unb64url_put(out, AVOW_BYTES(text, len)), 0);
}

static void signed_tokens_verify(void **state)
{
    static const enum avow_signer_kind kinds[] = { AVOW_SIGNER_P256, AVOW_SIGNER_P384 };
    avow_autojson json_t *ear = NULL;

    (void)state;
    avow_verdict_add(&verdict, "tee", true, "yes");
    avow_verdict_conclude(&verdict);
    ear = avow_ear_claims(&in);
    for (size_t i = 0; i < 2; i++) {
        enum avow_curve curve = i ? AVOW_P384 : AVOW_P256;
        avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
        avow_auto(avow_buf_done) struct avow_buf token = AVOW_BUF(AVOW_EAR_MAX);
        avow_auto(avow_buf_done) struct avow_buf sig = AVOW_BUF(128);
        avow_auto(avow_buf_done) struct avow_buf header = AVOW_BUF(1024);
        struct avow_error err = { 0 };
        const char *text = NULL, *first = NULL, *last = NULL;
        uint8_t xy[96];

        assert_int_equal(avow_signer_new(kinds[i], &key, &err), 0);
        assert_int_equal(avow_signer_xy(key, curve, xy, &err), 0);
        assert_int_equal(avow_ear_sign(ear, key, &token, &err), 0);
        text = avow_buf_cstr(&token);
        first = strchr(text, '.');
        last = strrchr(text, '.');
        assert_true(first && last && first < last);
        unb64(last + 1, strlen(last + 1), &sig);
        unb64(text, (size_t)(first - text), &header);
        assert_non_null(strstr(avow_buf_cstr(&header), i ? "ES384" : "ES256"));
        assert_int_equal(avow_ecdsa_verify(curve, AVOW_BYTES(xy, avow_curve_pair_len(curve)),
                                           AVOW_BYTES(text, (size_t)(last - text)),
                                           avow_buf_view(&sig), &err),
                         0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(accepted_is_affirming, setup),
        cmocka_unit_test_setup(what_is_pinned_is_claimed, setup),
        cmocka_unit_test_setup(refusals_are_never_better_than_contraindicated, setup),
        cmocka_unit_test_setup(undecided_is_none_and_old_is_warning, setup),
        cmocka_unit_test_setup(a_tpm_is_a_submodule, setup),
        cmocka_unit_test_setup(signed_tokens_verify, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
