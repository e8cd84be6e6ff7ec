#include "maa/policy_text.h"

#include "codec/text.h"
#include "crypto/hash.h"

#define MEMBER "AttestationPolicy"
#define ENCODED_MAX (AVOW_MAA_POLICY_MAX / 3u * 4u + 8u)

static int encode(struct avow_bytes text, struct avow_buf *out, struct avow_error *err)
{
    if (text.len > AVOW_MAA_POLICY_MAX)
        return AVOW_FAIL(err, LIMIT, "a policy of %zu bytes (at most %u)", text.len,
                         AVOW_MAA_POLICY_MAX);
    (void)avow_b64url_put(out, text);
    return avow_buf_ok(out, err);
}

int avow_maa_policy_hash(struct avow_bytes text, char out[AVOW_MAA_POLICY_HASH_TEXT],
                         struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf encoded = AVOW_BUF(ENCODED_MAX);
    avow_auto(avow_buf_done) struct avow_buf hash = AVOW_BUF(AVOW_MAA_POLICY_HASH_TEXT);
    uint8_t digest[32];

    AVOW_TRY(encode(text, &encoded, err));
    if (avow_sha256(avow_buf_view(&encoded), digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    (void)avow_b64url_put(&hash, AVOW_BYTES_OF(digest));
    AVOW_TRY(avow_buf_ok(&hash, err));
    memcpy(out, avow_buf_cstr(&hash), hash.len + 1);
    return 0;
}

void avow_maa_policy_text_done(struct avow_maa_policy_text *t)
{
    avow_buf_done(&t->text);
    avow_cert_free(t->signer);
    *t = (struct avow_maa_policy_text){ 0 };
}

/* ---- opening ---- */

static int read_text(const struct avow_jws *jws, struct avow_buf *out, struct avow_error *err)
{
    static const char *const known[] = { MEMBER, NULL };
    avow_autojson json_t *payload = NULL;
    const char *encoded = NULL;

    AVOW_TRY(avow_jws_claims(jws, &payload, err));
    AVOW_TRY(avow_json_only(payload, known, err));
    AVOW_TRY(avow_json_get_str(payload, MEMBER, &encoded, err));
    if (strlen(encoded) > ENCODED_MAX)
        return AVOW_FAIL(err, LIMIT, "a policy of more than %u bytes", AVOW_MAA_POLICY_MAX);
    *out = AVOW_BUF(AVOW_MAA_POLICY_MAX);
    if (avow_unb64url_put(out, avow_bytes_str(encoded)) < 0)
        return AVOW_FAIL(err, FORMAT, "\"" MEMBER "\" is not base64url of a policy's text");
    return 0;
}

static int read_signer(const struct avow_jws *jws, struct avow_cert **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    const json_t *x5c = json_object_get(jws->header, "x5c");
    const char *text = json_string_value(json_array_get(x5c, 0)); /* base64: RFC 7515, 4.1.6 */

    if (!x5c)
        return AVOW_FAIL(err, MISSING, "the header has no certificate (x5c)");
    if (!text || json_array_size(x5c) > AVOW_MAA_POLICY_CERTS_MAX)
        return AVOW_FAIL(err, FORMAT, "x5c is not a list of 1 to %u certificates",
                         AVOW_MAA_POLICY_CERTS_MAX);
    if (avow_unb64_put(&der, avow_bytes_str(text)) < 0)
        return AVOW_FAIL(err, FORMAT, "x5c is not base64 of a certificate");
    return avow_cert_parse(avow_buf_view(&der), out, err);
}

static int verify(const struct avow_jws *jws, struct avow_cert **out, struct avow_error *err)
{
    if (jws->alg == AVOW_JWS_NONE && jws->signature.len == 0)
        return 0;
    if (jws->alg == AVOW_JWS_NONE)
        return AVOW_FAIL(err, FORMAT, "alg is none, and there is a signature");
    if (jws->alg != AVOW_JWS_RS256)
        return AVOW_FAIL(err, UNSUPPORTED, "alg is \"%.32s\": policies are signed with RS256",
                         jws->alg_text);
    AVOW_TRY(read_signer(jws, out, err));
    return avow_jws_verify_cert(jws, *out, err);
}

static int open_jws(struct avow_bytes text, struct avow_maa_policy_text *out,
                    struct avow_error *err)
{
    avow_auto(avow_jws_done) struct avow_jws jws = { 0 };

    AVOW_TRY(avow_jws_parse(text, &jws, err));
    AVOW_TRY(verify(&jws, &out->signer, err));
    return read_text(&jws, &out->text, err);
}

int avow_maa_policy_open(struct avow_bytes jws, struct avow_maa_policy_text *out,
                         struct avow_error *err)
{
    int rc = 0;

    *out = (struct avow_maa_policy_text){ 0 };
    rc = open_jws(jws, out, err);
    if (rc < 0) {
        avow_maa_policy_text_done(out);
        if (err)
            (void)avow_error_prefix(err, "policy");
    }
    return rc;
}

int avow_maa_policy_open_removal(struct avow_bytes text, struct avow_cert **signer,
                                 struct avow_error *err)
{
    avow_auto(avow_jws_done) struct avow_jws jws = { 0 };
    avow_auto(avow_cleanup_cert) struct avow_cert *cert = NULL;

    *signer = NULL;
    AVOW_TRY(avow_jws_parse(text, &jws, err));
    AVOW_TRY(verify(&jws, &cert, err));
    if (jws.payload.len)
        return AVOW_FAIL(err, FORMAT, "the payload is not empty: it does not ask for a removal");
    *signer = avow_steal(&cert);
    return 0;
}

/* ---- wrapping ---- */

static int make_payload(struct avow_bytes text, json_t **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf encoded = AVOW_BUF(ENCODED_MAX);

    AVOW_TRY(encode(text, &encoded, err));
    *out = json_pack("{ss}", MEMBER, avow_buf_cstr(&encoded));
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int make_header(const struct avow_bytes *certs, size_t n, json_t **out,
                       struct avow_error *err)
{
    avow_autojson json_t *header = json_pack("{s[]}", "x5c");
    json_t *x5c = json_object_get(header, "x5c");

    if (n == 0 || n > AVOW_MAA_POLICY_CERTS_MAX)
        return AVOW_FAIL(err, INVAL, "a signed policy needs 1 to %u certificates, not %zu",
                         AVOW_MAA_POLICY_CERTS_MAX, n);
    for (size_t i = 0; i < n; i++) {
        avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(2u * AVOW_CERT_DER_MAX);

        (void)avow_b64_put(&text, certs[i]);
        AVOW_TRY(avow_buf_ok(&text, err));
        if (json_array_append_new(x5c, json_string(avow_buf_cstr(&text))) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    *out = avow_steal(&header);
    return 0;
}

int avow_maa_policy_wrap(struct avow_bytes text, const struct avow_signer *signer,
                         const struct avow_bytes *certs, size_t n, struct avow_buf *out,
                         struct avow_error *err)
{
    avow_autojson json_t *payload = NULL;
    avow_autojson json_t *header = NULL;
    avow_autofree char *body = NULL;

    AVOW_TRY(make_payload(text, &payload, err));
    if (!signer) {
        body = json_dumps(payload, JSON_COMPACT);
        if (!body)
            return AVOW_FAIL(err, NOMEM, "out of memory");
        return avow_jws_unsecured(NULL, avow_bytes_str(body), out, err);
    }
    if (strcmp(avow_jws_alg_of(signer), "RS256") != 0)
        return AVOW_FAIL(err, UNSUPPORTED, "policies are signed with RSA keys alone");
    AVOW_TRY(make_header(certs, n, &header, err));
    return avow_jws_sign_json(header, payload, signer, out, err);
}
