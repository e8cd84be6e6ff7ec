#include "crypto/jws.h"

#include "codec/text.h"
#include "crypto/hash.h"

#define JWK_MAX 1024 /* bytes of the members that a thumbprint covers */

static const struct {
    const char *name;
    enum avow_jws_alg alg;
} algs[] = {
    { "none", AVOW_JWS_NONE },
    { "RS256", AVOW_JWS_RS256 },
    { "ES256", AVOW_JWS_ES256 },
    { "ES384", AVOW_JWS_ES384 },
};

/* ---- reading ---- */

void avow_jws_done(struct avow_jws *j)
{
    json_decref(j->header);
    avow_buf_done(&j->payload);
    avow_buf_done(&j->signature);
    *j = (struct avow_jws){ 0 };
}

/* base64url, strictly without padding: with it there would be two ways to write a token. */
static int decode_part(struct avow_bytes part, const char *what, struct avow_buf *out,
                       struct avow_error *err)
{
    int rc = 0;

    if (part.len && memchr(part.data, '=', part.len))
        return AVOW_FAIL(err, FORMAT, "JWS: the %s has padding", what);
    rc = avow_unb64url_put(out, part);
    if (rc == -AVOW_E_LIMIT)
        return AVOW_FAIL(err, LIMIT, "JWS: %s of about %zu bytes (at most %zu)", what,
                         part.len / 4 * 3, out->max);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "JWS: the %s is not base64url", what);
    return 0;
}

/* Say in which part it was; the code stays, even where nothing is recorded. */
static int within(int rc, const char *what, struct avow_error *err)
{
    if (rc < 0)
        (void)avow_error_prefix(err, "JWS %s", what);
    return rc;
}

static int read_header(struct avow_bytes part, struct avow_jws *j, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_JWS_HEADER_MAX);

    AVOW_TRY(decode_part(part, "header", &text, err));
    AVOW_TRY(within(avow_json_parse(avow_buf_view(&text), &j->header, err), "header", err));
    if (!json_is_object(j->header))
        return AVOW_FAIL(err, FORMAT, "JWS: the header is not an object");
    if (json_object_get(j->header, "crit"))
        return AVOW_FAIL(err, FORMAT, "JWS: the header demands extensions (crit)");
    /* it counts only with crit (RFC 7797, 6), but another reader may not know that */
    if (json_object_get(j->header, "b64"))
        return AVOW_FAIL(err, FORMAT, "JWS: the header speaks of an unencoded payload (b64)");
    AVOW_TRY(within(avow_json_get_str(j->header, "alg", &j->alg_text, err), "header", err));
    for (size_t i = 0; i < sizeof algs / sizeof *algs; i++)
        if (strcmp(j->alg_text, algs[i].name) == 0)
            j->alg = algs[i].alg;
    return 0;
}

static int read_parts(struct avow_bytes text, struct avow_jws *j, struct avow_error *err)
{
    struct avow_bytes part[3];
    struct avow_bytes rest = text;

    for (size_t i = 0; i < 3; i++) {
        const uint8_t *dot = rest.len ? memchr(rest.data, '.', rest.len) : NULL;

        if ((dot == NULL) != (i == 2))
            return AVOW_FAIL(err, FORMAT, "JWS: not three parts");
        part[i] = dot ? AVOW_BYTES(rest.data, (size_t)(dot - rest.data)) : rest;
        if (dot)
            rest = avow_bytes_sub(rest, part[i].len + 1, rest.len - part[i].len - 1);
    }
    j->signed_part = AVOW_BYTES(text.data, part[0].len + 1 + part[1].len);
    AVOW_TRY(read_header(part[0], j, err));
    j->payload = AVOW_BUF(AVOW_JWS_MAX);
    AVOW_TRY(decode_part(part[1], "payload", &j->payload, err));
    j->signature = AVOW_BUF(AVOW_JWS_SIGNATURE_MAX);
    return decode_part(part[2], "signature", &j->signature, err);
}

int avow_jws_parse(struct avow_bytes text, struct avow_jws *out, struct avow_error *err)
{
    int rc = 0;

    *out = (struct avow_jws){ 0 };
    if (text.len > AVOW_JWS_MAX)
        return AVOW_FAIL(err, LIMIT, "JWS of %zu bytes (at most %u)", text.len, AVOW_JWS_MAX);
    rc = read_parts(text, out, err);
    if (rc < 0)
        avow_jws_done(out);
    return rc;
}

int avow_jws_claims(const struct avow_jws *j, json_t **out, struct avow_error *err)
{
    avow_autojson json_t *v = NULL;

    AVOW_TRY(within(avow_json_parse(avow_buf_view(&j->payload), &v, err), "payload", err));
    if (!json_is_object(v))
        return AVOW_FAIL(err, FORMAT, "JWS: the payload is not an object");
    *out = avow_steal(&v);
    return 0;
}

/* ---- verifying ---- */

static int other_alg(const struct avow_jws *j, const char *need, struct avow_error *err)
{
    char seen[24];

    snprintf(seen, sizeof seen, "%s", j->alg_text ? j->alg_text : "");
    avow_printable(seen);
    return AVOW_FAIL(err, UNSUPPORTED, "JWS: alg is \"%s\", and %s is needed", seen, need);
}

int avow_jws_verify_rs256(const struct avow_jws *j, const struct avow_rsa_key *key,
                          struct avow_error *err)
{
    if (j->alg != AVOW_JWS_RS256)
        return other_alg(j, "RS256", err);
    return avow_rsa_verify_sha256(avow_rsa_n(key), avow_rsa_e(), j->signed_part,
                                  avow_buf_view(&j->signature), err);
}

int avow_jws_verify_ec(const struct avow_jws *j, enum avow_curve curve, struct avow_bytes xy,
                       struct avow_error *err)
{
    if (j->alg != (curve == AVOW_P256 ? AVOW_JWS_ES256 : AVOW_JWS_ES384))
        return other_alg(j, curve == AVOW_P256 ? "ES256" : "ES384", err);
    return avow_ecdsa_verify(curve, xy, j->signed_part, avow_buf_view(&j->signature), err);
}

int avow_jws_verify_cert(const struct avow_jws *j, const struct avow_cert *cert,
                         struct avow_error *err)
{
    struct avow_rsa_key key;

    switch (j->alg) {
    case AVOW_JWS_RS256:
        AVOW_TRY(avow_rsa_key_of_cert(cert, &key, err));
        return avow_jws_verify_rs256(j, &key, err);
    case AVOW_JWS_ES256:
    case AVOW_JWS_ES384:
        return avow_cert_ecdsa_verify(cert, j->alg == AVOW_JWS_ES256 ? AVOW_P256 : AVOW_P384,
                                      j->signed_part, avow_buf_view(&j->signature), err);
    case AVOW_JWS_NONE:
    case AVOW_JWS_OTHER:
        break;
    }
    return other_alg(j, "RS256, ES256 or ES384", err);
}

/* ---- writing ---- */

const char *avow_jws_alg_of(const struct avow_signer *key)
{
    if (avow_signer_is_rsa(key))
        return "RS256";
    return avow_signer_kind(key) == AVOW_SIGNER_P256 ? "ES256" : "ES384";
}

static int put_json(struct avow_buf *out, const json_t *v, struct avow_error *err)
{
    avow_autofree char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);

    if (!text)
        return AVOW_FAIL(err, NOMEM, "out of memory for a token");
    avow_b64url_put(out, avow_bytes_str(text));
    return avow_buf_ok(out, err);
}

static int put_signed_part(const json_t *header, const char *alg, struct avow_bytes payload,
                           struct avow_buf *out, struct avow_error *err)
{
    avow_autojson json_t *h = header ? json_copy((json_t *)(uintptr_t)header) : json_object();

    if (header && (!json_is_object(header) || json_object_get(header, "alg")))
        return AVOW_FAIL(err, INVAL, "JWS: a header without alg is wanted");
    if (!h || json_object_set_new(h, "alg", json_string(alg)) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory for a token");
    AVOW_TRY(put_json(out, h, err));
    avow_buf_put_str(out, ".");
    avow_b64url_put(out, payload);
    return avow_buf_ok(out, err);
}

static int sign_bytes(const struct avow_signer *key, struct avow_bytes msg, struct avow_buf *out,
                      struct avow_error *err)
{
    enum avow_curve curve = avow_signer_kind(key) == AVOW_SIGNER_P256 ? AVOW_P256 : AVOW_P384;
    uint8_t sig[96];

    if (avow_signer_is_rsa(key))
        return avow_signer_rs256(key, msg, out, err);
    AVOW_TRY(avow_signer_ecdsa(key, curve, msg, sig, err));
    avow_buf_put(out, sig, avow_curve_pair_len(curve));
    return avow_buf_ok(out, err);
}

int avow_jws_sign(const json_t *header, struct avow_bytes payload, const struct avow_signer *key,
                  struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(out->max);
    avow_auto(avow_buf_done) struct avow_buf sig = AVOW_BUF(AVOW_JWS_SIGNATURE_MAX);

    AVOW_TRY(put_signed_part(header, avow_jws_alg_of(key), payload, &text, err));
    AVOW_TRY(sign_bytes(key, avow_buf_view(&text), &sig, err));
    avow_buf_put_str(&text, ".");
    avow_b64url_put(&text, avow_buf_view(&sig));
    AVOW_TRY(avow_buf_ok(&text, err));
    avow_buf_put_bytes(out, avow_buf_view(&text));
    return avow_buf_ok(out, err);
}

int avow_jws_sign_json(const json_t *header, const json_t *payload, const struct avow_signer *key,
                       struct avow_buf *out, struct avow_error *err)
{
    avow_autofree char *text = json_dumps(payload, JSON_COMPACT | JSON_SORT_KEYS);

    if (!text)
        return AVOW_FAIL(err, NOMEM, "out of memory for a token");
    return avow_jws_sign(header, avow_bytes_str(text), key, out, err);
}

int avow_jws_unsecured(const json_t *header, struct avow_bytes payload, struct avow_buf *out,
                       struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(out->max);

    AVOW_TRY(put_signed_part(header, "none", payload, &text, err));
    avow_buf_put_str(&text, ".");
    AVOW_TRY(avow_buf_ok(&text, err));
    avow_buf_put_bytes(out, avow_buf_view(&text));
    return avow_buf_ok(out, err);
}

/* ---- thumbprints (RFC 7638): the required members in order ---- */

static int put_rsa_jwk(const struct avow_signer *key, struct avow_buf *out, struct avow_error *err)
{
    struct avow_rsa_key k;

    AVOW_TRY(avow_signer_rsa(key, &k, err));
    avow_buf_put_str(out, "{\"e\":\"AQAB\",\"kty\":\"RSA\",\"n\":\"");
    avow_b64url_put(out, avow_rsa_n(&k));
    avow_buf_put_str(out, "\"}");
    return avow_buf_ok(out, err);
}

static int put_ec_jwk(const struct avow_signer *key, struct avow_buf *out, struct avow_error *err)
{
    enum avow_curve curve = avow_signer_kind(key) == AVOW_SIGNER_P256 ? AVOW_P256 : AVOW_P384;
    size_t half = avow_curve_pair_len(curve) / 2;
    uint8_t xy[96];

    AVOW_TRY(avow_signer_xy(key, curve, xy, err));
    avow_buf_putf(out, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"",
                  curve == AVOW_P256 ? "P-256" : "P-384");
    avow_b64url_put(out, AVOW_BYTES(xy, half));
    avow_buf_put_str(out, "\",\"y\":\"");
    avow_b64url_put(out, AVOW_BYTES(xy + half, half));
    avow_buf_put_str(out, "\"}");
    return avow_buf_ok(out, err);
}

int avow_jwk_thumbprint(const struct avow_signer *key, struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(JWK_MAX);
    uint8_t digest[32];

    AVOW_TRY(avow_signer_is_rsa(key) ? put_rsa_jwk(key, &text, err) : put_ec_jwk(key, &text, err));
    if (avow_sha256(avow_buf_view(&text), digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    avow_b64url_put(out, AVOW_BYTES_OF(digest));
    return avow_buf_ok(out, err);
}
