#include "vectors.h"

#include "codec/text.h"
#include "crypto/certmake.h"
#include "crypto/jws.h"
#include "maa/keys.h"

static struct avow_maa_keys keys;

static void load(const char *file)
{
    avow_auto(avow_buf_done) struct avow_buf text = maa_vector(file);
    struct avow_error err = { 0 };

    if (avow_maa_keys_parse(avow_buf_view(&text), &keys, &err) < 0)
        fail_msg("%s: %s", file, err.text);
}

static int parse(const char *text, struct avow_error *err)
{
    return avow_maa_keys_parse(avow_bytes_str(text), &keys, err);
}

static void verifies(const char *token, bool expected)
{
    avow_auto(avow_buf_done) struct avow_buf text = maa_vector(token);
    avow_auto(avow_jws_done) struct avow_jws j = { 0 };
    const struct avow_maa_key *k = NULL;

    assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, NULL), 0);
    k = avow_maa_keys_find(&keys, json_string_value(json_object_get(j.header, "kid")));
    assert_int_equal(k && k->usable && avow_jws_verify_rs256(&j, &k->rsa, NULL) == 0, expected);
}

static void microsofts_tokens_verify(void **state)
{
    (void)state;
    load("azure-maa/jwks.sharedeus2.eus2.attest.azure.net.json");
    assert_int_equal(keys.n, 3);
    verifies("azure-maa/sharedeus2-2025-12-15-3cb236.jwt", true);
    verifies("azure-maa/sharedeus2-2024-12-20-544bd7.jwt", true);
    verifies("azure-maa/sharedeus2-2022-04-14-f9dd9d.jwt", false); /* an older key's */
    load("azure-maa/jwks.sharedweu.weu.attest.azure.net.json");
    verifies("extra/tokens/maa-azurevm-cvmlib-1680173374.jwt", true);
    load("azure-maa/jwks.teaclave.0.json");
    verifies("azure-maa/sharedeus-sgx-1695737747.jwt", true);
}

/* Real answers of /certs: self-signed with a quote inside, and chains of Microsoft's own CA. */
static void microsofts_sets_are_read(void **state)
{
    const struct avow_maa_key *k = NULL;

    (void)state;
    load("azure-maa/jwks.teaclave.0.json");
    k = avow_maa_keys_find(&keys, "rFl9xM+g7TvX63y0iseZtIn20MD5SYAnGblKFasau8I=");
    assert_non_null(k);
    assert_true(k->usable && k->has_cert && k->self_issued);
    assert_string_equal(k->cn, "https://sharedeus.eus.attest.azure.net");
    k = avow_maa_keys_find(&keys, "dSsaF5uUxZO_LRycmQ4KJu3ctMc");
    assert_non_null(k);
    assert_true(k->usable && k->has_cert && !k->self_issued);
    load("extra/jwks/maa-get-certs-sgx-era.json");
    assert_int_equal(keys.n, 5);
    assert_null(avow_maa_keys_find(&keys, "dSsaF5uUxZO_LRycmQ4KJu3ctMc"));
    assert_null(avow_maa_keys_find(&keys, "uE9RP97P4k_IaNCi2p_N6ZWZp0"));
    assert_null(avow_maa_keys_find(&keys, "uE9RP97P4k_IaNCi2p_N6ZWZp0s="));
    assert_non_null(avow_maa_keys_find(&keys, "uE9RP97P4k_IaNCi2p_N6ZWZp0s"));
    assert_null(avow_maa_keys_find(&keys, ""));
    assert_null(avow_maa_keys_find(&keys, NULL));
}

static void sets_that_are_none_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"keys\":{}}",
        "{\"keys\":[1]}",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[{\"kid\":1,\"kty\":\"RSA\"}]}",
    };
    avow_auto(avow_buf_done) struct avow_buf many = AVOW_BUF(AVOW_MAA_JWKS_MAX + 1);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse(bad[i], NULL), -AVOW_E_FORMAT);
        assert_int_equal(keys.n, 0);
    }
    avow_buf_put_str(&many, "{\"keys\":[{}");
    for (size_t i = 0; i < AVOW_MAA_KEYS_MAX; i++)
        avow_buf_put_str(&many, ",{}");
    avow_buf_put_str(&many, "]}");
    assert_int_equal(avow_maa_keys_parse(avow_buf_view(&many), &keys, NULL), -AVOW_E_LIMIT);
    while (many.len <= AVOW_MAA_JWKS_MAX)
        avow_buf_put_u8(&many, ' ');
    assert_int_equal(avow_maa_keys_parse(avow_buf_view(&many), &keys, NULL), -AVOW_E_LIMIT);
}

/* One odd key does not take the others of a set away. */
static void odd_keys_are_kept_apart(void **state)
{
    static const struct {
        const char *jwk, *why;
    } rows[] = {
        { "{\"kid\":\"a\"}", "not RSA" },
        { "{\"kid\":\"a\",\"kty\":\"EC\"}", "not RSA" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\"}", "\"n\"" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "2048" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"\"}", "use, alg" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\",\"use\":7}", "use, alg" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS512\"}", "use, alg" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"RS256\"}", "\"n\"" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\",\"x5c\":[]}", "x5c" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\",\"x5c\":[\"!\"]}", "x5c" },
        { "{\"kid\":\"a\",\"kty\":\"RSA\",\"x5c\":[\"MAA=\"]}", "certificate" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct avow_maa_key *k = NULL;
        char text[512];

        snprintf(text, sizeof text, "{\"keys\":[%s]}", rows[i].jwk);
        assert_int_equal(parse(text, NULL), 0);
        k = avow_maa_keys_find(&keys, "a");
        assert_non_null(k);
        assert_false(k->usable);
        if (!strstr(k->why, rows[i].why))
            fail_msg("%s: %s", rows[i].jwk, k->why);
    }
}

static int certify(const struct avow_signer *key, struct avow_buf *der)
{
    static const struct avow_name_part name[] = { { "CN", "https://verifier.example" } };
    const struct avow_cert_spec spec = {
        .subject = name, .n_subject = 1, .from = 1700000000, .until = 2600000000
    };

    return avow_cert_make(&spec, key, AVOW_BYTES(NULL, 0), key, der, NULL);
}

static void our_own_keys_are_read_again(void **state)
{
    static const enum avow_signer_kind kinds[] = { AVOW_SIGNER_RSA2048, AVOW_SIGNER_RSA3072 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
        avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
        avow_auto(avow_buf_done) struct avow_buf kid = AVOW_BUF(64);
        avow_autojson json_t *set = NULL;
        avow_autofree char *text = NULL;
        json_t *jwk = NULL;
        struct avow_bytes cert;
        const struct avow_maa_key *k = NULL;
        struct avow_rsa_key rsa;

        assert_int_equal(avow_signer_new(kinds[i], &key, NULL), 0);
        assert_int_equal(certify(key, &der), 0);
        cert = avow_buf_view(&der);
        assert_int_equal(avow_maa_jwk(key, &cert, 1, &jwk, NULL), 0);
        set = json_pack("{s:[o]}", "keys", jwk);
        text = json_dumps(set, 0);
        assert_int_equal(parse(text, NULL), 0);
        assert_int_equal(avow_jwk_thumbprint(key, &kid, NULL), 0);
        k = avow_maa_keys_find(&keys, avow_buf_cstr(&kid));
        assert_non_null(k);
        assert_true(k->usable && k->has_cert && k->self_issued);
        assert_string_equal(k->cn, "https://verifier.example");
        assert_int_equal(avow_signer_rsa(key, &rsa, NULL), 0);
        assert_true(avow_bytes_equal(avow_rsa_n(&k->rsa), avow_rsa_n(&rsa)));
    }
}

/* x5c and n of two keys: whoever looks at one of them alone would be led astray. */
static void contradictions_are_not_usable(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *a = NULL;
    avow_auto(avow_cleanup_signer) struct avow_signer *b = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_autojson json_t *of_a = NULL;
    avow_autojson json_t *of_b = NULL;
    avow_autojson json_t *set = NULL;
    avow_autofree char *text = NULL;
    avow_autofree char *twice = NULL;
    struct avow_bytes cert;

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &a, NULL), 0);
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &b, NULL), 0);
    assert_int_equal(certify(a, &der), 0);
    cert = avow_buf_view(&der);
    assert_int_equal(avow_maa_jwk(b, &cert, 1, &of_b, NULL), -AVOW_E_INVAL);
    assert_int_equal(avow_maa_jwk(b, NULL, 0, &of_b, NULL), 0);
    assert_int_equal(avow_maa_jwk(a, &cert, 1, &of_a, NULL), 0);
    json_object_set(of_a, "n", json_object_get(of_b, "n"));
    set = json_pack("{s:[O, O]}", "keys", of_a, of_b);
    text = json_dumps(set, 0);
    assert_int_equal(parse(text, NULL), 0);
    assert_false(keys.list[0].usable);
    assert_non_null(strstr(keys.list[0].why, "x5c"));
    assert_true(keys.list[1].usable);
    json_object_set(of_a, "kid", json_object_get(of_b, "kid"));
    twice = json_dumps(set, 0);
    assert_int_equal(parse(twice, NULL), 0);
    assert_false(keys.list[0].usable || keys.list[1].usable);
}

static void keys_on_curves_are_written(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_autojson json_t *jwk = NULL;

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_P384, &key, NULL), 0);
    assert_int_equal(avow_maa_jwk(key, NULL, 0, &jwk, NULL), 0);
    assert_string_equal(json_string_value(json_object_get(jwk, "crv")), "P-384");
    assert_string_equal(json_string_value(json_object_get(jwk, "alg")), "ES384");
    assert_int_equal(json_string_length(json_object_get(jwk, "x")), 64);
    assert_null(json_object_get(jwk, "x5c"));
}

static void the_configuration_names_the_keys(void **state)
{
    avow_autojson json_t *j = avow_maa_openid("https://v.example");

    (void)state;
    assert_string_equal(json_string_value(json_object_get(j, "issuer")), "https://v.example");
    assert_string_equal(json_string_value(json_object_get(j, "jwks_uri")),
                        "https://v.example/certs");
    assert_string_equal(json_string_value(json_array_get(
                            json_object_get(j, "id_token_signing_alg_values_supported"), 0)),
                        "RS256");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(microsofts_tokens_verify),
        cmocka_unit_test(microsofts_sets_are_read),
        cmocka_unit_test(sets_that_are_none_are_refused),
        cmocka_unit_test(odd_keys_are_kept_apart),
        cmocka_unit_test(our_own_keys_are_read_again),
        cmocka_unit_test(contradictions_are_not_usable),
        cmocka_unit_test(keys_on_curves_are_written),
        cmocka_unit_test(the_configuration_names_the_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
