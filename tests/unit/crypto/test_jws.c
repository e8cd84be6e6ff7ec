#include "crypto/jws.h"

#include "../test.h"
#include "codec/text.h"
#include "crypto/certmake.h"

/* RFC 7515, appendix A.3: ES256, and appendix A.1: HS256. */
#define RFC_PAYLOAD                               \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODA" \
    "sDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
#define RFC_ES256                                                 \
    "eyJhbGciOiJFUzI1NiJ9." RFC_PAYLOAD                           \
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa" \
    "8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define RFC_HS256                                           \
    "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC_PAYLOAD \
    ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define RFC_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define RFC_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"

static int parse(const char *text, struct avow_jws *out, struct avow_error *err)
{
    return avow_jws_parse(avow_bytes_str(text), out, err);
}

/* header.payload.signature of three texts that are not encoded yet. */
static void put_jws(struct avow_buf *out, const char *header, const char *payload, const char *sig)
{
    avow_b64url_put(out, avow_bytes_str(header));
    avow_buf_put_str(out, ".");
    avow_b64url_put(out, avow_bytes_str(payload));
    avow_buf_put_str(out, ".");
    avow_b64url_put(out, avow_bytes_str(sig));
    assert_int_equal(avow_buf_ok(out, NULL), 0);
}

static void the_standards_examples_are_read(void **state)
{
    avow_auto(avow_jws_done) struct avow_jws j = { 0 };
    avow_auto(avow_jws_done) struct avow_jws h = { 0 };
    avow_auto(avow_buf_done) struct avow_buf xy = AVOW_BUF(64);
    avow_autojson json_t *claims = NULL;
    struct avow_error err = { 0 };
    struct avow_rsa_key rsa = { 0 };

    (void)state;
    assert_int_equal(avow_unb64url_put(&xy, avow_bytes_str(RFC_X)), 0);
    assert_int_equal(avow_unb64url_put(&xy, avow_bytes_str(RFC_Y)), 0);
    assert_int_equal(parse(RFC_ES256, &j, &err), 0);
    assert_int_equal(j.alg, AVOW_JWS_ES256);
    assert_int_equal(avow_jws_verify_ec(&j, AVOW_P256, avow_buf_view(&xy), &err), 0);
    assert_int_equal(avow_jws_claims(&j, &claims, &err), 0);
    assert_string_equal(json_string_value(json_object_get(claims, "iss")), "joe");
    assert_int_equal(avow_jws_verify_rs256(&j, &rsa, &err), -AVOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "\"ES256\""));
    j.signature.data[3] ^= 1;
    assert_int_equal(avow_jws_verify_ec(&j, AVOW_P256, avow_buf_view(&xy), NULL),
                     -AVOW_E_SIGNATURE);
    assert_int_equal(parse(RFC_HS256, &h, &err), 0);
    assert_int_equal(h.alg, AVOW_JWS_OTHER);
    assert_string_equal(h.alg_text, "HS256");
    assert_int_equal(avow_jws_verify_ec(&h, AVOW_P256, avow_buf_view(&xy), NULL),
                     -AVOW_E_UNSUPPORTED);
    assert_int_equal(avow_jws_verify_rs256(&h, &rsa, NULL), -AVOW_E_UNSUPPORTED);
}

static void what_is_not_exactly_a_jws_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ".",
        "..",
        "...",
        "e30.e30",
        "e30.e30.e30.",
        "e30.e30.e30",
        /* the header of a good one padded, with white space, in the other alphabet */
        "eyJhbGciOiJub25lIn0=.e30.",
        " eyJhbGciOiJub25lIn0.e30.",
        "eyJhbGciOiJub25lIn0.e30.\n",
        "eyJhbGciOiJub25lIn0.e3+.",
        "eyJhbGciOiJub25lIn0.e31.",
        "eyJhbGciOiJub25lIn0.e30.AA==",
    };
    static const char *const headers[] = {
        "[]",
        "\"alg\"",
        "{}",
        "{\"alg\":1}",
        "{\"alg\":\"none\",\"alg\":\"RS256\"}",
        "{\"alg\":\"RS256\",\"crit\":[\"exp\"]}",
        "{\"alg\":\"RS256\",\"b64\":false}",
        "{\"alg\":\"RS256\"} x",
        "{\"alg\":\"RS\\u00006\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct avow_jws j;
        struct avow_error err = { 0 };

        assert_int_equal(parse(bad[i], &j, &err), -AVOW_E_FORMAT);
        assert_null(j.header);
        assert_int_equal(err.code, AVOW_E_FORMAT);
    }
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);
        struct avow_jws j;

        put_jws(&text, headers[i], "{}", "");
        assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, NULL), -AVOW_E_FORMAT);
    }
}

static void lengths_have_limits(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf header = AVOW_BUF(2 * AVOW_JWS_MAX);
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4 * AVOW_JWS_MAX);
    struct avow_error err = { 0 };
    struct avow_jws j;

    (void)state;
    avow_buf_put_str(&header, "{\"alg\":\"RS256\",\"pad\":\"");
    while (header.len < AVOW_JWS_HEADER_MAX)
        avow_buf_put_str(&header, "aaaaaaaaaaaaaaaa");
    avow_buf_put_str(&header, "\"}");
    put_jws(&text, avow_buf_cstr(&header), "{}", "");
    assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, &err), -AVOW_E_LIMIT);
    assert_non_null(strstr(err.text, "header"));
    memset(&err, 0, sizeof err);
    while (text.len <= AVOW_JWS_MAX)
        avow_buf_put_str(&text, "aaaaaaaaaaaaaaaa");
    assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, &err), -AVOW_E_LIMIT);
    assert_null(strstr(err.text, "header"));
    avow_buf_reset(&text);
    avow_buf_reset(&header);
    while (header.len <= AVOW_JWS_SIGNATURE_MAX)
        avow_buf_put_str(&header, "s");
    put_jws(&text, "{\"alg\":\"RS256\"}", "{}", avow_buf_cstr(&header));
    assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, NULL), -AVOW_E_LIMIT);
}

static void payloads_of_tokens_are_strict(void **state)
{
    static const char *const bad[] = { "", "[]", "{\"exp\":1,\"exp\":2}", "{} {}", "{\"a\":}" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        avow_auto(avow_jws_done) struct avow_jws j = { 0 };
        avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);
        json_t *claims = NULL;

        put_jws(&text, "{\"alg\":\"none\"}", bad[i], "");
        assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, NULL), 0);
        assert_int_equal(avow_jws_claims(&j, &claims, NULL), -AVOW_E_FORMAT);
        assert_null(claims);
    }
}

/* A self-signed certificate for @key. */
static struct avow_cert *certify(const struct avow_signer *key)
{
    static const struct avow_name_part name[] = { { "CN", "https://verifier.example" } };
    const struct avow_cert_spec spec = {
        .subject = name, .n_subject = 1, .from = 1700000000, .until = 2600000000
    };
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    struct avow_cert *c = NULL;

    assert_int_equal(avow_cert_make(&spec, key, AVOW_BYTES(NULL, 0), key, &der, NULL), 0);
    assert_int_equal(avow_cert_parse(avow_buf_view(&der), &c, NULL), 0);
    return c;
}

static void check_kind(enum avow_signer_kind kind, const char *alg)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_auto(avow_cleanup_signer) struct avow_signer *other = NULL;
    avow_auto(avow_cleanup_cert) struct avow_cert *cert = NULL;
    avow_auto(avow_cleanup_cert) struct avow_cert *other_cert = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_JWS_MAX);
    avow_auto(avow_jws_done) struct avow_jws j = { 0 };
    avow_autojson json_t *header = json_pack("{s:s, s:s}", "typ", "JWT", "kid", "a=");
    struct avow_error err = { 0 };

    assert_int_equal(avow_signer_new(kind, &key, &err), 0);
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &other, &err), 0);
    cert = certify(key);
    other_cert = certify(other);
    assert_string_equal(avow_jws_alg_of(key), alg);
    assert_int_equal(avow_jws_sign(header, avow_bytes_str("{\"a\":1}"), key, &text, &err), 0);
    assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, &err), 0);
    assert_string_equal(j.alg_text, alg);
    assert_string_equal(json_string_value(json_object_get(j.header, "kid")), "a=");
    assert_string_equal(avow_buf_cstr(&j.payload), "{\"a\":1}");
    assert_int_equal(avow_jws_verify_cert(&j, cert, &err), 0);
    assert_true(avow_jws_verify_cert(&j, other_cert, NULL) < 0);
    j.signature.data[9] ^= 0x40;
    assert_int_equal(avow_jws_verify_cert(&j, cert, NULL), -AVOW_E_SIGNATURE);
    assert_null(json_object_get(header, "alg")); /* the caller's own is left alone */
}

static void what_is_signed_verifies(void **state)
{
    (void)state;
    check_kind(AVOW_SIGNER_RSA2048, "RS256");
    check_kind(AVOW_SIGNER_RSA3072, "RS256");
    check_kind(AVOW_SIGNER_P256, "ES256");
    check_kind(AVOW_SIGNER_P384, "ES384");
}

static void headers_and_room_are_checked_when_signing(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_JWS_MAX);
    avow_auto(avow_buf_done) struct avow_buf small = AVOW_BUF(40);
    avow_autojson json_t *with_alg = json_pack("{s:s}", "alg", "RS256");
    avow_autojson json_t *array = json_array();

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_P256, &key, NULL), 0);
    assert_int_equal(avow_jws_sign(with_alg, avow_bytes_str("{}"), key, &text, NULL),
                     -AVOW_E_INVAL);
    assert_int_equal(avow_jws_sign(array, avow_bytes_str("{}"), key, &text, NULL), -AVOW_E_INVAL);
    assert_int_equal(avow_jws_sign(NULL, avow_bytes_str("{}"), key, &small, NULL), -AVOW_E_LIMIT);
    assert_int_equal(small.len, 0);
    assert_int_equal(text.len, 0);
}

static void the_unsecured_verify_with_nothing(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_auto(avow_cleanup_cert) struct avow_cert *cert = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);
    avow_auto(avow_jws_done) struct avow_jws j = { 0 };
    struct avow_rsa_key rsa;

    (void)state;
    assert_int_equal(avow_jws_unsecured(NULL, avow_bytes_str("{}"), &text, NULL), 0);
    assert_string_equal(avow_buf_cstr(&text), "eyJhbGciOiJub25lIn0.e30.");
    assert_int_equal(avow_jws_parse(avow_buf_view(&text), &j, NULL), 0);
    assert_int_equal(j.alg, AVOW_JWS_NONE);
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &key, NULL), 0);
    cert = certify(key);
    assert_int_equal(avow_jws_verify_cert(&j, cert, NULL), -AVOW_E_UNSUPPORTED);
    assert_int_equal(avow_signer_rsa(key, &rsa, NULL), 0);
    assert_int_equal(avow_jws_verify_rs256(&j, &rsa, NULL), -AVOW_E_UNSUPPORTED);
}

static void thumbprints_are_of_the_key(void **state)
{
    static const enum avow_signer_kind kinds[] = { AVOW_SIGNER_P256, AVOW_SIGNER_P384,
                                                   AVOW_SIGNER_RSA2048 };

    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        avow_auto(avow_cleanup_signer) struct avow_signer *a = NULL;
        avow_auto(avow_cleanup_signer) struct avow_signer *b = NULL;
        avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
        avow_auto(avow_buf_done) struct avow_buf one = AVOW_BUF(64);
        avow_auto(avow_buf_done) struct avow_buf two = AVOW_BUF(64);

        assert_int_equal(avow_signer_new(kinds[i], &a, NULL), 0);
        assert_int_equal(avow_signer_to_pem(a, &pem, NULL), 0);
        assert_int_equal(avow_signer_from_pem(avow_buf_view(&pem), &b, NULL), 0);
        assert_int_equal(avow_jwk_thumbprint(a, &one, NULL), 0);
        assert_int_equal(avow_jwk_thumbprint(b, &two, NULL), 0);
        assert_int_equal(one.len, 43);
        assert_string_equal(avow_buf_cstr(&one), avow_buf_cstr(&two));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_standards_examples_are_read),
        cmocka_unit_test(what_is_not_exactly_a_jws_is_refused),
        cmocka_unit_test(lengths_have_limits),
        cmocka_unit_test(payloads_of_tokens_are_strict),
        cmocka_unit_test(what_is_signed_verifies),
        cmocka_unit_test(headers_and_room_are_checked_when_signing),
        cmocka_unit_test(the_unsecured_verify_with_nothing),
        cmocka_unit_test(thumbprints_are_of_the_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
