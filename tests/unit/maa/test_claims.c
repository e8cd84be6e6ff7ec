#include "vectors.h"

#include "crypto/jws.h"
#include "maa/claims.h"

static struct avow_claims c, back;

static json_t *token_claims(const char *file)
{
    avow_auto(avow_buf_done) struct avow_buf text = maa_vector(file);
    avow_auto(avow_jws_done) struct avow_jws j = { 0 };
    struct avow_error err = { 0 };
    json_t *claims = NULL;

    if (avow_jws_parse(avow_buf_view(&text), &j, &err) < 0 ||
        avow_jws_claims(&j, &claims, &err) < 0)
        fail_msg("%s: %s", file, err.text);
    return claims;
}

/* What an issuer adds: not claims of the evidence. */
static bool of_issuer(const char *key)
{
    static const char *const keys[] = { "exp", "iat", "iss", "jti", "nbf", "x-ms-policy-hash" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

/* Bits of the guest's policy that tokens have said since 2025. */
static bool is_newer(const char *key)
{
    static const char *const keys[] = { "singlesocket",
                                        "cxl-allowed",
                                        "mem-aes256-xts-required",
                                        "rapl-disabled",
                                        "ciphertext-hiding-dram-enabled",
                                        "page-swap-disabled" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strncmp(key, "x-ms-sevsnpvm-", 14) == 0 && strcmp(key + 14, keys[i]) == 0)
            return true;
    return false;
}

static void ours_equal_microsofts(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_autojson json_t *theirs = token_claims(SNP_TOKEN);
    avow_autojson json_t *ours = NULL;
    const char *key = NULL;
    json_t *value = NULL;
    size_t n = 0;

    (void)state;
    maa_snp_request(&r);
    maa_verified(&r, SNP_NOW, &c);
    assert_int_equal(avow_maa_claims(&c, &r, false, &ours, NULL), 0);
    json_object_foreach(theirs, key, value) {
        if (of_issuer(key))
            continue;
        n++;
        if (!json_equal(value, json_object_get(ours, key)))
            fail_msg("%s differs", key);
    }
    assert_int_equal(n, 19);
    json_object_foreach(ours, key, value)
        if (!json_object_get(theirs, key) && strncmp(key, "x-avow-", 7) != 0 && !is_newer(key))
            fail_msg("%s is ours alone", key);
    assert_null(json_object_get(ours, "x-ms-compliance-status"));
}

static void what_a_request_brought_is_echoed(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_autojson json_t *ours = NULL;

    (void)state;
    maa_tdx_request(&r);
    maa_verified(&r, TDX_NOW, &c);
    assert_int_equal(avow_maa_claims(&c, &r, true, &ours, NULL), 0);
    assert_true(json_equal(json_object_get(ours, "x-ms-runtime"), r.runtime.value));
    assert_string_equal(json_string_value(json_object_get(ours, "nonce")), "golden-nonce-2");
    assert_string_equal(json_string_value(json_object_get(ours, "x-ms-compliance-status")),
                        "azure-compliant-cvm");
    assert_null(json_object_get(ours, "x-ms-inittime"));
    r.runtime.json = false; /* Binary: held, not shown */
    json_decref(ours);
    ours = NULL;
    assert_int_equal(avow_maa_claims(&c, &r, false, &ours, NULL), 0);
    assert_null(json_object_get(ours, "x-ms-runtime"));
}

static void tdx_claims_are_of_the_documented_form(void **state)
{
    static const struct {
        const char *key, *value;
    } texts[] = {
        { "x-ms-attestation-type", "tdxvm" },
        { "attester_tcb_status", "UpToDate" },
        { "dbgstat", "disabled" },
        { "eat_profile", "https://aka.ms/maa-eat-profile-tdxvm" },
        { "intuse", "generic" },
        { "tdx_xfam", "e718060000000000" },
        { "tdx_td_attributes", "0000001000000000" },
        { "tdx_tee_tcb_svn", "0d010400000000000000000000000000" },
    };
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_autojson json_t *ours = NULL;

    (void)state;
    maa_tdx_request(&r);
    maa_verified(&r, TDX_NOW, &c);
    assert_int_equal(avow_maa_claims(&c, &r, false, &ours, NULL), 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_string_equal(json_string_value(json_object_get(ours, texts[i].key)), texts[i].value);
    assert_int_equal(json_integer_value(json_object_get(ours, "tdx_seamsvn")), 13);
    assert_true(json_is_true(json_object_get(ours, "tdx_td_attributes_septve_disable")));
    assert_true(json_is_false(json_object_get(ours, "tdx_td_attributes_debug")));
    assert_int_equal(json_string_length(json_object_get(ours, "tdx_report_data")), 128);
}

static void nothing_is_said_of_what_is_not_genuine(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    json_t *ours = NULL;

    (void)state;
    maa_snp_request(&r);
    maa_verified(&r, 2600000000, &c);
    assert_int_equal(avow_maa_claims(&c, &r, false, &ours, NULL), -AVOW_E_REFUSED);
    maa_verified(&r, SNP_NOW, &c);
    c.tee = AVOW_TEE_TDX;
    assert_int_equal(avow_maa_claims(&c, &r, false, &ours, NULL), -AVOW_E_INVAL);
    assert_null(ours);
}

/* What a policy asks for, as verification had it and as the token gives it back. */
static void check_back(void)
{
    assert_false(back.authentic);
    assert_memory_equal(back.report_data, c.report_data, sizeof c.report_data);
    assert_memory_equal(back.measurement, c.measurement, sizeof c.measurement);
    assert_memory_equal(back.machine, c.machine, sizeof c.machine);
    assert_int_equal(back.machine_len, c.machine_len);
    assert_int_equal(back.debug, c.debug);
    assert_int_equal(back.revocation_checked, c.revocation_checked);
    assert_string_equal(back.root, c.root);
    assert_int_equal(back.valid_until, c.valid_until);
    assert_memory_equal(&back.tdx, &c.tdx, sizeof c.tdx);
}

static void our_claims_come_back_whole(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_auto(avow_maa_request_done) struct avow_maa_request t = { 0 };
    avow_autojson json_t *snp = NULL;
    avow_autojson json_t *tdx = NULL;

    (void)state;
    maa_snp_request(&r);
    maa_verified(&r, SNP_NOW, &c);
    assert_int_equal(avow_maa_claims(&c, &r, false, &snp, NULL), 0);
    assert_int_equal(avow_maa_claims_read(snp, &back, NULL), 0);
    check_back();
    assert_int_equal(back.tee, AVOW_TEE_SNP);
    assert_true(back.snp.policy == c.snp.policy);
    assert_memory_equal(&back.snp.launch, &c.snp.launch, sizeof c.snp.launch);
    assert_string_equal(back.snp.product, c.snp.product);
    maa_tdx_request(&t);
    maa_verified(&t, TDX_NOW, &c);
    assert_int_equal(avow_maa_claims(&c, &t, false, &tdx, NULL), 0);
    assert_int_equal(avow_maa_claims_read(tdx, &back, NULL), 0);
    check_back();
    assert_int_equal(back.tee, AVOW_TEE_AZ_TDX); /* its runtime data names an attestation key */
    assert_string_equal(back.az.vm_id, "69047f12-7ad4-4970-9b31-1157dc14de07");
    assert_int_equal(back.az.secure_boot, AVOW_SAID_YES);
}

static void microsofts_tokens_are_read(void **state)
{
    avow_autojson json_t *plain = token_claims(SNP_TOKEN);
    avow_autojson json_t *spec =
        token_claims("extra/tokens/maa-sevsnpvm-restspec-2025-06-01-example.jwt");
    avow_autojson json_t *guest = token_claims("azure-maa/sharedeus2-2025-12-15-3cb236.jwt");
    avow_autojson json_t *old = token_claims("azure-maa/sharedeus2-2022-04-14-f9dd9d.jwt");

    (void)state;
    assert_int_equal(avow_maa_claims_read(plain, &back, NULL), 0);
    assert_int_equal(back.tee, AVOW_TEE_SNP);
    assert_int_equal(back.snp.reported.microcode, 115);
    assert_int_equal(back.machine_len, 0); /* which MAA does not say */
    assert_false(back.runtime_bound);
    assert_int_equal(avow_maa_claims_read(spec, &back, NULL), 0);
    assert_int_equal(back.tee, AVOW_TEE_SNP); /* HCLTransferKey is no attestation key */
    assert_true(back.runtime_bound);
    assert_int_equal(avow_maa_claims_read(guest, &back, NULL), 0);
    assert_int_equal(back.tee, AVOW_TEE_AZ_SNP);
    assert_int_equal(back.snp.guest_svn, 10);
    assert_int_equal(back.az.console_enabled, AVOW_SAID_YES);
    assert_string_equal(back.az.vm_id, "ABD9EA99-D837-4F68-AD3E-C87C88006AFA");
    assert_false(avow_bytes_zero(AVOW_BYTES_OF(back.az.ak_spki_sha256)));
    assert_int_equal(avow_maa_claims_read(old, &back, NULL), -AVOW_E_UNSUPPORTED);
}

static void debugging_is_never_missed(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_autojson json_t *j = NULL;

    (void)state;
    maa_tdx_request(&r);
    maa_verified(&r, TDX_NOW, &c);
    assert_int_equal(avow_maa_claims(&c, &r, false, &j, NULL), 0);
    json_object_set_new(j, "dbgstat", json_string("enabled"));
    assert_int_equal(avow_maa_claims_read(j, &back, NULL), 0);
    assert_true(back.debug);
    json_object_set_new(j, "dbgstat", json_string("disabled"));
    json_object_del(j, "tdx_td_attributes_debug");
    json_object_set_new(j, "tdx_td_attributes", json_string("0100001000000000"));
    assert_int_equal(avow_maa_claims_read(j, &back, NULL), 0);
    assert_true(back.debug);
    json_object_del(j, "dbgstat");
    assert_int_equal(avow_maa_claims_read(j, &back, NULL), -AVOW_E_FORMAT);
    assert_int_equal(back.tee, AVOW_TEE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_equal_microsofts),
        cmocka_unit_test(what_a_request_brought_is_echoed),
        cmocka_unit_test(tdx_claims_are_of_the_documented_form),
        cmocka_unit_test(nothing_is_said_of_what_is_not_genuine),
        cmocka_unit_test(our_claims_come_back_whole),
        cmocka_unit_test(microsofts_tokens_are_read),
        cmocka_unit_test(debugging_is_never_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
