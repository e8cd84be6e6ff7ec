#include "issuer.h"

#include "maa/binding.h"

static struct avow_claims made, claims, local;
static struct avow_verdict v;
static struct avow_maa_token_in in;
static uint8_t digest[32];

/* What the paravisor of a real machine says. */
static const char paravisor[] =
    "{\"keys\":[{\"e\":\"AQAB\",\"key_ops\":[\"sign\"],\"kid\":\"HCLAkPub\",\"kty\":\"RSA\",\"n\":"
    "\"p5uigAAAL175E0DxAta28tOOA1IKTxbwl3LWkRNfTpvf9kJPt-j1hpNFZfxTepQaNFJbtqSBqQaPpc8b8UEKN5Ikv1LI"
    "fKAAxFuFRIfo0dPqhnQt8hf-4g4Bnm4yt0TLwzRXPvm0pxfJaOjHBlpDeagsRX9kRNUjqgUitQpmT6H3Wq4s-"
    "7wwNPEQtGdnads_nk_vaz2yIu4_XKF2E-b7QLZzrMYk2l-X9Mik4GNW3VgSFsMeNhIVFjvQoF2LyZDfvUZwyz1ZEDV3EU3"
    "VI2rwDzDLrJtZN1_piALzK0JndXcUiCwYqalzJKan_tyefWrXUwsi0u7_Sn263CwOFOTUyw\"}],"
    "\"vm-configuration\":{\"secure-boot\":true,\"tpm-enabled\":true}}";

static int setup(void **state)
{
    (void)state;
    issuer_claims(&made);
    memset(&v, 0, sizeof v);
    in = (struct avow_maa_token_in){ .statement = avow_bytes_str(STATEMENT) };
    assert_int_equal(avow_sha256(in.statement, digest), 0);
    return 0;
}

/* The codes that were recorded, failed ones with "-", those that did not run with "?". */
static const char *judged(const char *runtime)
{
    static char text[256];
    avow_autojson json_t *token = issuer_payload(&made, runtime);

    memset(&v, 0, sizeof v);
    text[0] = 0;
    assert_int_equal(avow_maa_claims_read(token, &claims, NULL), 0);
    assert_int_equal(maa_check_binding(&in, token, &claims, &v, NULL), 0);
    for (uint32_t i = 0; i < v.n_reasons; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s%s", i ? " " : "",
                 v.reasons[i].passed ? ""
                 : v.reasons[i].ran  ? "-"
                                     : "?",
                 v.reasons[i].code);
    return text;
}

static void the_statement_is_in_both_places(void **state)
{
    (void)state;
    assert_string_equal(judged(STATEMENT), "statement binding");
    /* sorted or not, with white space or not: it is what is said that counts */
    assert_string_equal(judged("{\"type\":\"avow/channel/1\", \"role\":\"server\","
                               "\"nonce\":\"00ff\"}"),
                        "statement binding");
}

static void other_statements_are_refused(void **state)
{
    (void)state;
    assert_string_equal(
        judged("{\"nonce\":\"00fe\",\"role\":\"server\",\"type\":\"avow/channel/1\"}"),
        "-statement binding");
    assert_string_equal(
        judged("{\"nonce\":\"00ff\",\"role\":\"server\",\"type\":\"avow/channel/1\","
               "\"more\":1}"),
        "-statement binding");
    assert_string_equal(judged("{\"real\":1.5}"), "-statement binding");
    assert_string_equal(judged(NULL), "-statement binding");
}

static void report_data_is_the_digest_and_zeros(void **state)
{
    (void)state;
    made.report_data[31] ^= 1;
    assert_string_equal(judged(STATEMENT), "statement -binding");
    made.report_data[31] ^= 1;
    made.report_data[63] = 1;
    assert_string_equal(judged(STATEMENT), "statement -binding");
}

static void nothing_expected_is_nothing_bound(void **state)
{
    (void)state;
    in.statement = AVOW_BYTES(NULL, 0);
    assert_string_equal(judged(STATEMENT), "-binding");
    in.unbound_ok = true;
    assert_string_equal(judged(STATEMENT), "binding");
    assert_non_null(strstr(v.reasons[0].text, "not checked"));
}

static void on_azure_the_tpm_speaks(void **state)
{
    (void)state;
    assert_string_equal(judged(paravisor), "?binding");
    memset(&local, 0, sizeof local);
    in.local = &local;
    assert_string_equal(judged(paravisor), "?binding");
    local.az.present = local.vtpm.quoted = true;
    memcpy(local.az.ak_spki_sha256, claims.az.ak_spki_sha256, 32);
    memcpy(local.vtpm.extra_data, digest, sizeof digest);
    local.vtpm.extra_len = sizeof digest;
    local.vtpm.pcr_mask = 0x93;
    local.vtpm.quoted = false; /* a quote that did not verify leaves it so */
    assert_string_equal(judged(paravisor), "?binding");
    (void)avow_claims_check(&local, "chain", false, "not the TPM's");
    assert_string_equal(judged(paravisor), "?binding");
    (void)avow_claims_check(&local, "tpm-signature", false, "another key's");
    assert_string_equal(judged(paravisor), "-binding");
    assert_non_null(strstr(v.reasons[0].text, "tpm-signature"));
    assert_non_null(strstr(v.reasons[0].text, "another key's"));
    local.n_checks = 0;
    local.vtpm.quoted = true;
    assert_string_equal(judged(paravisor), "binding");
    assert_int_equal(claims.vtpm.pcr_mask, 0x93);
    local.vtpm.extra_data[0] ^= 1;
    assert_string_equal(judged(paravisor), "-binding");
    assert_int_equal(claims.vtpm.pcr_mask, 0);
    local.vtpm.extra_data[0] ^= 1;
    local.az.ak_spki_sha256[0] ^= 1; /* another machine's TPM */
    assert_string_equal(judged(paravisor), "-binding");
    assert_false(claims.vtpm.quoted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_statement_is_in_both_places, setup),
        cmocka_unit_test_setup(other_statements_are_refused, setup),
        cmocka_unit_test_setup(report_data_is_the_digest_and_zeros, setup),
        cmocka_unit_test_setup(nothing_expected_is_nothing_bound, setup),
        cmocka_unit_test_setup(on_azure_the_tpm_speaks, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
