/*
 * JSON Web Signatures in compact form (RFC 7515), read strictly and written: what tokens (RFC 7519)
 * and MAA's policies are. The one place that writes them. Pure but for the signer's randomness. Any
 * thread.
 */
#ifndef AVOW_CRYPTO_JWS_H
#define AVOW_CRYPTO_JWS_H

#include "codec/json.h"
#include "crypto/rsa.h"
#include "crypto/signer.h"

#define AVOW_JWS_MAX (1u << 20)         /* bytes of the compact form, to be read */
#define AVOW_JWS_HEADER_MAX (16u << 10) /* bytes of the decoded header */
#define AVOW_JWS_SIGNATURE_MAX 512u     /* bytes, decoded */

enum avow_jws_alg {
    AVOW_JWS_OTHER = 0, /* one that is not served: HS256 and the like; verifies with nothing */
    AVOW_JWS_NONE,      /* unsecured: verifies with nothing */
    AVOW_JWS_RS256,
    AVOW_JWS_ES256,
    AVOW_JWS_ES384,
};

/* Owned but for the views. */
struct avow_jws {
    struct avow_bytes signed_part; /* header.payload: view into the text that was parsed */
    enum avow_jws_alg alg;
    const char *alg_text; /* as the header has it; borrowed from ->header */
    json_t *header;       /* an object */
    struct avow_buf payload;
    struct avow_buf signature; /* empty with alg none */
};

void avow_jws_done(struct avow_jws *j); /* may be used again afterwards */

/*
 * Three parts of base64url without padding; the header a JSON object without duplicates, with
 * "alg", without "crit" (RFC 7515, 4.1.11: it would have to be understood). @text must outlive
 * @out. Nothing is verified. On failure @out is zeroed. -AVOW_E_FORMAT, -AVOW_E_LIMIT (the text
 * says whether the whole or the header is too long), -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_jws_parse(struct avow_bytes text, struct avow_jws *out,
                                 struct avow_error *err);
/* The payload as a JSON object without duplicates; new reference. -AVOW_E_FORMAT, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_jws_claims(const struct avow_jws *j, json_t **out, struct avow_error *err);

/* The header must say RS256, literally. -AVOW_E_UNSUPPORTED (another alg), -AVOW_E_SIGNATURE. */
AVOW_MUST_USE int avow_jws_verify_rs256(const struct avow_jws *j, const struct avow_rsa_key *key,
                                        struct avow_error *err);
/* ES256 with P-256, ES384 with P-384; @xy is the bare key. Codes as above; -AVOW_E_FORMAT: the key
 * is not on the curve. */
AVOW_MUST_USE int avow_jws_verify_ec(const struct avow_jws *j, enum avow_curve curve,
                                     struct avow_bytes xy, struct avow_error *err);
/* By the certificate's key, of the kind that alg needs. Whether the certificate may be believed is
 * for the caller. Codes as above. */
AVOW_MUST_USE int avow_jws_verify_cert(const struct avow_jws *j, const struct avow_cert *cert,
                                       struct avow_error *err);

/* "RS256" for an RSA key, "ES256" or "ES384" for one on a curve. */
const char *avow_jws_alg_of(const struct avow_signer *key);
/*
 * Append the compact form. @header: an object, or NULL; "alg" is put beside its members as the key
 * demands, members in sorted order. @payload: any bytes. -AVOW_E_INVAL (@header is no object or has
 * an "alg"), -AVOW_E_CRYPTO, -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_jws_sign(const json_t *header, struct avow_bytes payload,
                                const struct avow_signer *key, struct avow_buf *out,
                                struct avow_error *err);
/* The same of a JSON value, compact, members in sorted order. */
AVOW_MUST_USE int avow_jws_sign_json(const json_t *header, const json_t *payload,
                                     const struct avow_signer *key, struct avow_buf *out,
                                     struct avow_error *err);
/* The same with alg none and an empty signature: an unsigned policy, a draft's token. */
AVOW_MUST_USE int avow_jws_unsecured(const json_t *header, struct avow_bytes payload,
                                     struct avow_buf *out, struct avow_error *err);

/* Append the JWK thumbprint (RFC 7638) of the key's public half, base64url of SHA-256. */
AVOW_MUST_USE int avow_jwk_thumbprint(const struct avow_signer *key, struct avow_buf *out,
                                      struct avow_error *err);

#endif
