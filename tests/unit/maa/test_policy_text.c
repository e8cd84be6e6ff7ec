#include "maa/policy_text.h"

#include "../test.h"
#include "codec/text.h"
#include "crypto/certmake.h"

#define SHARED "version= 1.0;authorizationrules{=> permit();};"
#define SHARED_HASH "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco"

static void check_hash(const char *text, const char *want)
{
    char hash[AVOW_MAA_POLICY_HASH_TEXT] = "";

    assert_int_equal(avow_maa_policy_hash(avow_bytes_str(text), hash, NULL), 0);
    assert_string_equal(hash, want);
}

/* The third is in Microsoft's documentation of TDX tokens. */
static void hashes(void **state)
{
    avow_autofree char *big = calloc(1, AVOW_MAA_POLICY_MAX + 1);
    char hash[AVOW_MAA_POLICY_HASH_TEXT] = "";

    (void)state;
    check_hash(SHARED, SHARED_HASH);
    check_hash("version= 1.0;\n\nauthorizationrules\n{\n    => permit();\n};",
               "LTPRQQju-FejAwdYihF8YV_c2XWebG9joKvrHKc3bxs");
    check_hash(
        "version= 1.0;\n\nauthorizationrules\n{\n    => permit();\n};\n\nissuancerules\n{\n};",
        "B56nbp5slhw66peoRYkpdq1WykMkEworvdol08hnMXE");
    assert_int_equal(avow_maa_policy_hash(AVOW_BYTES(big, AVOW_MAA_POLICY_MAX), hash, NULL), 0);
    assert_int_equal(avow_maa_policy_hash(AVOW_BYTES(big, AVOW_MAA_POLICY_MAX + 1), hash, NULL),
                     -AVOW_E_LIMIT);
}

/* Microsoft's own tokens of SNP machines name the policy of a shared provider. */
static void real_tokens_name_the_shared_policy(void **state)
{
    const char *dir = test_vectors();
    avow_auto(avow_jws_done) struct avow_jws jws = { 0 };
    avow_autojson json_t *claims = NULL;
    avow_autofree uint8_t *text = NULL;
    size_t len = 0;
    char path[4096];

    (void)state;
    if (!dir)
        skip();
    snprintf(path, sizeof path, "%s/azure-maa/sharedweu-2025-04-08-b6d229.jwt", dir);
    text = test_read_file(path, &len);
    assert_non_null(text);
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    assert_int_equal(avow_jws_parse(AVOW_BYTES(text, len), &jws, NULL), 0);
    assert_int_equal(avow_jws_claims(&jws, &claims, NULL), 0);
    check_hash(SHARED, json_string_value(json_object_get(claims, "x-ms-policy-hash")));
}

static int certify(const struct avow_signer *key, struct avow_buf *der)
{
    static const struct avow_name_part name = { "CN", "policy signer" };
    const struct avow_cert_spec spec = {
        .subject = &name, .n_subject = 1, .from = 1767225600, .until = 1798761600
    };

    return avow_cert_make(&spec, key, AVOW_BYTES(NULL, 0), key, der, NULL);
}

static void unsigned_policies(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf jws = AVOW_BUF(AVOW_JWS_MAX);
    avow_auto(avow_maa_policy_text_done) struct avow_maa_policy_text t = { 0 };
    static const char want[] = "eyJhbGciOiJub25lIn0."; /* {"alg":"none"}, as documented */

    (void)state;
    assert_int_equal(avow_maa_policy_wrap(avow_bytes_str(SHARED), NULL, NULL, 0, &jws, NULL), 0);
    assert_memory_equal(avow_buf_cstr(&jws), want, sizeof want - 1);
    assert_int_equal(avow_buf_cstr(&jws)[jws.len - 1], '.');
    assert_int_equal(avow_maa_policy_open(avow_buf_view(&jws), &t, NULL), 0);
    assert_string_equal(avow_buf_cstr(&t.text), SHARED);
    assert_null(t.signer);
}

static void signed_policies(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *a = NULL;
    avow_auto(avow_cleanup_signer) struct avow_signer *b = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf other = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf jws = AVOW_BUF(AVOW_JWS_MAX);
    avow_auto(avow_maa_policy_text_done) struct avow_maa_policy_text t = { 0 };
    struct avow_bytes cert;
    char *dot = NULL;

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &a, NULL), 0);
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &b, NULL), 0);
    assert_int_equal(certify(a, &der), 0);
    assert_int_equal(certify(b, &other), 0);
    cert = avow_buf_view(&der);
    assert_int_equal(avow_maa_policy_wrap(avow_bytes_str(SHARED), a, &cert, 1, &jws, NULL), 0);
    assert_int_equal(avow_maa_policy_open(avow_buf_view(&jws), &t, NULL), 0);
    assert_string_equal(avow_buf_cstr(&t.text), SHARED);
    assert_true(avow_bytes_equal(avow_cert_der(t.signer), cert));
    avow_maa_policy_text_done(&t);
    dot = strrchr((char *)jws.data, '.'); /* the payload's last but one: another text */
    dot[-2] = dot[-2] == 'A' ? 'B' : 'A';
    assert_int_equal(avow_maa_policy_open(avow_buf_view(&jws), &t, NULL), -AVOW_E_SIGNATURE);
    assert_null(t.signer);
    assert_int_equal(t.text.len, 0);
    dot[1] = '\0'; /* the signature taken away */
    assert_true(avow_maa_policy_open(avow_bytes_str((char *)jws.data), &t, NULL) < 0);
    avow_buf_reset(&jws);
    cert = avow_buf_view(&other); /* another's certificate */
    assert_int_equal(avow_maa_policy_wrap(avow_bytes_str(SHARED), a, &cert, 1, &jws, NULL), 0);
    assert_int_equal(avow_maa_policy_open(avow_buf_view(&jws), &t, NULL), -AVOW_E_SIGNATURE);
    assert_int_equal(avow_maa_policy_wrap(avow_bytes_str(SHARED), a, &cert, 0, &jws, NULL),
                     -AVOW_E_INVAL);
}

static void other_keys_sign_nothing(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *ec = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf jws = AVOW_BUF(AVOW_JWS_MAX);
    avow_auto(avow_maa_policy_text_done) struct avow_maa_policy_text t = { 0 };
    struct avow_error err = { 0 };
    struct avow_bytes cert;

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_P256, &ec, NULL), 0);
    assert_int_equal(certify(ec, &der), 0);
    cert = avow_buf_view(&der);
    assert_int_equal(avow_maa_policy_wrap(avow_bytes_str(SHARED), ec, &cert, 1, &jws, NULL),
                     -AVOW_E_UNSUPPORTED);
    assert_int_equal(
        avow_jws_sign(NULL, avow_bytes_str("{\"AttestationPolicy\":\"YQ\"}"), ec, &jws, NULL), 0);
    assert_int_equal(avow_maa_policy_open(avow_buf_view(&jws), &t, &err), -AVOW_E_UNSUPPORTED);
    assert_string_equal(err.text, "policy: alg is \"ES256\": policies are signed with RS256");
}

/* header.payload.signature of texts that are not encoded yet. */
static int open_raw(const char *header, const char *payload, const char *sig,
                    struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf jws = AVOW_BUF(AVOW_JWS_MAX);
    avow_auto(avow_maa_policy_text_done) struct avow_maa_policy_text t = { 0 };
    int rc = 0;

    avow_b64url_put(&jws, avow_bytes_str(header));
    avow_buf_put_str(&jws, ".");
    avow_b64url_put(&jws, avow_bytes_str(payload));
    avow_buf_put_str(&jws, ".");
    avow_b64url_put(&jws, avow_bytes_str(sig));
    rc = avow_maa_policy_open(avow_buf_view(&jws), &t, err);
    assert_true(rc == 0 || (t.text.len == 0 && !t.signer));
    return rc;
}

static void mistakes(void **state)
{
    static const struct {
        const char *header, *payload, *sig;
        int code;
        const char *says;
    } rows[] = {
        { "{\"alg\":\"none\"}", "{}", "", AVOW_E_FORMAT, "\"AttestationPolicy\" is missing" },
        { "{\"alg\":\"none\"}", "[]", "", AVOW_E_FORMAT, "policy: " },
        { "{\"alg\":\"none\"}", "{\"AttestationPolicy\":1}", "", AVOW_E_FORMAT, "not a string" },
        { "{\"alg\":\"none\"}", "{\"AttestationPolicy\":\"version=1.0;\"}", "", AVOW_E_FORMAT,
          "is not base64url of a policy's text" },
        { "{\"alg\":\"none\"}", "{\"AttestationPolicy\":\"YQ\",\"exp\":1}", "", AVOW_E_FORMAT,
          "exp" },
        { "{\"alg\":\"none\"}", "{\"AttestationPolicy\":\"YQ\",\"AttestationPolicy\":\"Yg\"}", "",
          AVOW_E_FORMAT, "policy: " },
        { "{\"alg\":\"none\"}", "{\"AttestationPolicy\":\"YQ\"}", "x", AVOW_E_FORMAT, "policy: " },
        { "{\"alg\":\"None\"}", "{\"AttestationPolicy\":\"YQ\"}", "", AVOW_E_UNSUPPORTED,
          "alg is \"None\"" },
        { "{\"alg\":\"HS256\"}", "{\"AttestationPolicy\":\"YQ\"}", "x", AVOW_E_UNSUPPORTED,
          "alg is \"HS256\"" },
        { "{\"alg\":\"RS256\"}", "{\"AttestationPolicy\":\"YQ\"}", "x", AVOW_E_MISSING,
          "no certificate (x5c)" },
        { "{\"alg\":\"RS256\",\"x5c\":[]}", "{\"AttestationPolicy\":\"YQ\"}", "x", AVOW_E_FORMAT,
          "not a list of 1 to 8 certificates" },
        { "{\"alg\":\"RS256\",\"x5c\":\"YQ==\"}", "{\"AttestationPolicy\":\"YQ\"}", "x",
          AVOW_E_FORMAT, "not a list" },
        { "{\"alg\":\"RS256\",\"x5c\":[\"a\"]}", "{\"AttestationPolicy\":\"YQ\"}", "x",
          AVOW_E_FORMAT, "not base64 of a certificate" },
        { "{\"alg\":\"RS256\",\"x5c\":[\"YQ==\"]}", "{\"AttestationPolicy\":\"YQ\"}", "x",
          AVOW_E_FORMAT, "policy: " },
    };
    struct avow_maa_policy_text t = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_error err = { 0 };
        int rc = open_raw(rows[i].header, rows[i].payload, rows[i].sig, &err);

        if (rc != -rows[i].code || !strstr(err.text, rows[i].says))
            fail_msg("%s %s gives %d: %s\n not %d: %s", rows[i].header, rows[i].payload, rc,
                     err.text, -rows[i].code, rows[i].says);
    }
    assert_int_equal(open_raw("{\"alg\":\"none\"}", "{\"AttestationPolicy\":\"YQ\"}", "", NULL), 0);
    assert_int_equal(avow_maa_policy_open(avow_bytes_str("version=1.0;"), &t, NULL),
                     -AVOW_E_FORMAT);
    assert_int_equal(avow_maa_policy_open(AVOW_BYTES(NULL, 0), &t, NULL), -AVOW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes),
        cmocka_unit_test(real_tokens_name_the_shared_policy),
        cmocka_unit_test(unsigned_policies),
        cmocka_unit_test(signed_policies),
        cmocka_unit_test(other_keys_sign_nothing),
        cmocka_unit_test(mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
