#include "maa/keys.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/text.h"
#include "crypto/jws.h"

__attribute__((format(printf, 2, 3))) static void unusable(struct avow_maa_key *k, const char *fmt,
                                                           ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(k->why, sizeof k->why, fmt, ap);
    va_end(ap);
    avow_printable(k->why);
    k->usable = false;
}

/* ---- reading ---- */

/* x5c is base64, as RFC 7517, 4.7 has it. */
static int parse_cert(const json_t *x5c, struct avow_cert **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    const char *text = json_string_value(json_array_get(x5c, 0));

    if (!text || json_array_size(x5c) > AVOW_MAA_X5C_MAX)
        return AVOW_FAIL(err, FORMAT, "x5c is not a list of 1 to %u certificates",
                         AVOW_MAA_X5C_MAX);
    if (avow_unb64_put(&der, avow_bytes_str(text)) < 0)
        return AVOW_FAIL(err, FORMAT, "x5c is not base64 of a certificate");
    return avow_cert_parse(avow_buf_view(&der), out, err);
}

static int read_cert(const json_t *x5c, struct avow_maa_key *k, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;

    AVOW_TRY(parse_cert(x5c, &c, err));
    AVOW_TRY(avow_rsa_key_of_cert(c, &k->rsa, err));
    k->has_cert = true;
    k->self_issued = avow_cert_self_issued(c);
    snprintf(k->cn, sizeof k->cn, "%s", avow_cert_subject_cn(c));
    return 0;
}

static int read_numbers(const json_t *jwk, struct avow_rsa_key *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf n = AVOW_BUF(AVOW_RSA_BYTES_MAX);
    avow_auto(avow_buf_done) struct avow_buf e = AVOW_BUF(8);
    const char *text_n = NULL, *text_e = NULL;

    AVOW_TRY(avow_json_get_str(jwk, "n", &text_n, err));
    AVOW_TRY(avow_json_get_str(jwk, "e", &text_e, err));
    if (avow_unb64url_put(&n, avow_bytes_str(text_n)) < 0 ||
        avow_unb64url_put(&e, avow_bytes_str(text_e)) < 0)
        return AVOW_FAIL(err, FORMAT, "n and e are not base64url of up to 4096 bits");
    return avow_rsa_key_set(out, avow_buf_view(&n), avow_buf_view(&e), err);
}

static int read_public(const json_t *jwk, struct avow_maa_key *k, struct avow_error *err)
{
    const json_t *x5c = json_object_get(jwk, "x5c");
    bool numbers = json_object_get(jwk, "n") || json_object_get(jwk, "e");
    struct avow_rsa_key said;

    if (x5c)
        AVOW_TRY(read_cert(x5c, k, err));
    if (x5c && !numbers)
        return 0;
    AVOW_TRY(read_numbers(jwk, &said, err));
    if (x5c && !avow_bytes_equal(avow_rsa_n(&said), avow_rsa_n(&k->rsa)))
        return AVOW_FAIL(err, FORMAT, "n is not that of the certificate in x5c");
    k->rsa = said;
    return 0;
}

static int read_kid(const json_t *jwk, struct avow_maa_key *k, struct avow_error *err)
{
    const char *kid = NULL;

    AVOW_TRY(avow_json_opt_str(jwk, "kid", &kid, err));
    if (kid && strlen(kid) > AVOW_MAA_KID_MAX)
        return AVOW_FAIL(err, LIMIT, "kid of %zu bytes (at most %u)", strlen(kid),
                         AVOW_MAA_KID_MAX);
    snprintf(k->kid, sizeof k->kid, "%s", kid ? kid : "");
    return 0;
}

static bool is(const json_t *v, const char *text)
{
    const char *said = json_string_value(v);

    return said && strcmp(said, text) == 0;
}

static bool says_reserved(const json_t *jwk)
{
    return is(json_object_get(jwk, AVOW_MAA_OWN_CLAIMS), AVOW_MAA_OWN_RESERVED);
}

/* What the key is for (RFC 7517, 4.2 and 4.4), where that is said. */
static bool signs_tokens(const json_t *jwk)
{
    const json_t *use = json_object_get(jwk, "use");
    const json_t *alg = json_object_get(jwk, "alg");

    return (!use || is(use, "sig")) && (!alg || is(alg, "RS256"));
}

static int read_key(const json_t *jwk, struct avow_maa_key *k, struct avow_error *err)
{
    const char *kty = json_string_value(json_object_get(jwk, "kty"));
    struct avow_error why = { 0 };
    int rc = 0;

    *k = (struct avow_maa_key){ .usable = true };
    if (!json_is_object(jwk))
        return AVOW_FAIL(err, FORMAT, "a key is not an object");
    AVOW_TRY(read_kid(jwk, k, err));
    k->own_claims = says_reserved(jwk);
    if (!kty || strcmp(kty, "RSA") != 0) {
        unusable(k, "the key is not RSA");
        return 0;
    }
    if (!signs_tokens(jwk)) {
        unusable(k, "the key is not for signatures with RS256 (use, alg)");
        return 0;
    }
    rc = read_public(jwk, k, &why);
    if (rc == -AVOW_E_NOMEM)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (rc < 0)
        unusable(k, "%s", why.text);
    return 0;
}

/* Two keys of one name: neither is the one that is meant. */
static void check_twice(struct avow_maa_keys *keys)
{
    for (size_t i = 0; i < keys->n; i++)
        for (size_t j = i + 1; j < keys->n; j++)
            if (*keys->list[i].kid && strcmp(keys->list[i].kid, keys->list[j].kid) == 0) {
                unusable(&keys->list[i], "two keys have this kid");
                unusable(&keys->list[j], "two keys have this kid");
            }
}

int avow_maa_keys_parse(struct avow_bytes text, struct avow_maa_keys *out, struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    out->n = 0;
    if (text.len > AVOW_MAA_JWKS_MAX)
        return AVOW_FAIL(err, LIMIT, "JWK set of %zu bytes (at most %u)", text.len,
                         AVOW_MAA_JWKS_MAX);
    AVOW_TRY(avow_json_parse(text, &doc, err));
    AVOW_TRY(avow_json_get_array(doc, "keys", AVOW_MAA_KEYS_MAX, &list, err));
    json_array_foreach(list, i, item)
        AVOW_TRY(read_key(item, &out->list[i], err));
    out->n = json_array_size(list);
    check_twice(out);
    return 0;
}

const struct avow_maa_key *avow_maa_keys_find(const struct avow_maa_keys *keys, const char *kid)
{
    for (size_t i = 0; kid && *kid && i < keys->n; i++)
        if (strcmp(keys->list[i].kid, kid) == 0)
            return &keys->list[i];
    return NULL;
}

/* ---- writing ---- */

static int set_text(json_t *j, const char *key, struct avow_bytes v, bool url,
                    struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(2 * AVOW_CERT_DER_MAX);

    if (url)
        avow_b64url_put(&text, v);
    else
        avow_b64_put(&text, v);
    AVOW_TRY(avow_buf_ok(&text, err));
    if (json_is_array(j) ? json_array_append_new(j, json_string(avow_buf_cstr(&text))) < 0
                         : json_object_set_new(j, key, json_string(avow_buf_cstr(&text))) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory for a key");
    return 0;
}

static int put_rsa(const struct avow_signer *key, json_t *jwk, struct avow_error *err)
{
    struct avow_rsa_key k;

    AVOW_TRY(avow_signer_rsa(key, &k, err));
    AVOW_TRY(set_text(jwk, "n", avow_rsa_n(&k), true, err));
    return set_text(jwk, "e", avow_rsa_e(), true, err);
}

static int put_ec(const struct avow_signer *key, json_t *jwk, struct avow_error *err)
{
    enum avow_curve curve = avow_signer_kind(key) == AVOW_SIGNER_P256 ? AVOW_P256 : AVOW_P384;
    size_t half = avow_curve_pair_len(curve) / 2;
    uint8_t xy[96];

    AVOW_TRY(avow_signer_xy(key, curve, xy, err));
    if (json_object_set_new(jwk, "crv", json_string(curve == AVOW_P256 ? "P-256" : "P-384")) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory for a key");
    AVOW_TRY(set_text(jwk, "x", AVOW_BYTES(xy, half), true, err));
    return set_text(jwk, "y", AVOW_BYTES(xy + half, half), true, err);
}

/* A certificate that is another key's would make every token of this one be refused. */
static int check_cert(const struct avow_signer *key, struct avow_bytes der, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    struct avow_rsa_key mine, its;

    AVOW_TRY(avow_cert_parse(der, &c, err));
    if (!avow_signer_is_rsa(key))
        return AVOW_FAIL(err, INVAL, "x5c is written for RSA keys alone");
    AVOW_TRY(avow_signer_rsa(key, &mine, err));
    if (avow_rsa_key_of_cert(c, &its, NULL) < 0 ||
        !avow_bytes_equal(avow_rsa_n(&mine), avow_rsa_n(&its)))
        return AVOW_FAIL(err, INVAL, "the certificate is not that of the signing key");
    return 0;
}

static int put_certs(const struct avow_signer *key, const struct avow_bytes *certs, size_t n,
                     json_t *jwk, struct avow_error *err)
{
    json_t *x5c = NULL;

    if (!n)
        return 0;
    if (n > AVOW_MAA_X5C_MAX)
        return AVOW_FAIL(err, LIMIT, "%zu certificates of a key (at most %u)", n, AVOW_MAA_X5C_MAX);
    AVOW_TRY(check_cert(key, certs[0], err));
    x5c = json_array();
    if (!x5c || json_object_set_new(jwk, "x5c", x5c) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory for a key");
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(set_text(x5c, NULL, certs[i], false, err));
    return 0;
}

int avow_maa_jwk(const struct avow_signer *key, const struct avow_bytes *certs, size_t n_certs,
                 json_t **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf kid = AVOW_BUF(AVOW_MAA_KID_MAX);
    avow_autojson json_t *jwk = NULL;

    AVOW_TRY(avow_jwk_thumbprint(key, &kid, err));
    jwk = json_pack("{s:s, s:s, s:s, s:s, s:s}", "kty", avow_signer_is_rsa(key) ? "RSA" : "EC",
                    "alg", avow_jws_alg_of(key), "use", "sig", "kid", avow_buf_cstr(&kid),
                    AVOW_MAA_OWN_CLAIMS, AVOW_MAA_OWN_RESERVED);
    if (!jwk)
        return AVOW_FAIL(err, NOMEM, "out of memory for a key");
    AVOW_TRY(avow_signer_is_rsa(key) ? put_rsa(key, jwk, err) : put_ec(key, jwk, err));
    AVOW_TRY(put_certs(key, certs, n_certs, jwk, err));
    *out = avow_steal(&jwk);
    return 0;
}

json_t *avow_maa_openid(const char *issuer)
{
    avow_autojson json_t *j =
        json_pack("{s:s, s:s+, s:[s, s], s:[s], s:[s], s:[s, s, s, s, s, s, s, s, s]}", "issuer",
                  issuer, "jwks_uri", issuer, "/certs", "response_types_supported", "token", "none",
                  "subject_types_supported", "public", "id_token_signing_alg_values_supported",
                  "RS256", "claims_supported", "iss", "iat", "exp", "jti", "nonce", "x-ms-ver",
                  "x-ms-attestation-type", "x-ms-policy-hash", "x-ms-runtime");

    return avow_steal(&j);
}
