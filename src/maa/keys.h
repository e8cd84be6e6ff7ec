/*
 * The keys that sign tokens: MAA's /certs (a JWK set, RFC 7517) read, and avow's own written, with
 * the OpenID configuration beside it. Pure.
 */
#ifndef AVOW_MAA_KEYS_H
#define AVOW_MAA_KEYS_H

#include "codec/json.h"
#include "crypto/rsa.h"
#include "crypto/signer.h"

#define AVOW_MAA_JWKS_MAX (1u << 20) /* bytes of the text */
#define AVOW_MAA_KEYS_MAX 32u        /* of a set; real ones have up to 5 */
#define AVOW_MAA_X5C_MAX 8u          /* certificates of a key */
#define AVOW_MAA_KID_MAX 128u        /* bytes; real ones have 27 to 44 */
/* A member of avow-verifier's own keys: no policy of its can issue claims called x-avow-. */
#define AVOW_MAA_OWN_CLAIMS "x-avow-claims"
#define AVOW_MAA_OWN_RESERVED "reserved"

/* A value. */
struct avow_maa_key {
    char kid[AVOW_MAA_KID_MAX + 1]; /* opaque: Microsoft's have two grammars; "" if there is none */
    bool usable;
    char why[160]; /* if it is not */
    struct avow_rsa_key rsa;
    bool has_cert;
    bool self_issued; /* the certificate: its CN is then the issuer's URL */
    char cn[128];     /* of the certificate's subject */
    bool own_claims;  /* claims called x-avow- in its tokens are the service's own findings: its set
                         says so (AVOW_MAA_OWN_CLAIMS), which no policy can */
};

struct avow_maa_keys {
    size_t n;
    struct avow_maa_key list[AVOW_MAA_KEYS_MAX];
};

/*
 * @text: untrusted JSON. Of each key the first certificate of x5c counts; where n and e are there
 * too they must be that certificate's, and alone they are enough. A key that is no RSA key of 2048
 * to 4096 bits, contradicts itself, or has another's kid is kept as not usable, so that the others
 * of the set stay; whether it is the right set's is for TLS to say. The dates of the certificates
 * mean nothing (MAA's run to 2050). -AVOW_E_FORMAT, -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_maa_keys_parse(struct avow_bytes text, struct avow_maa_keys *out,
                                      struct avow_error *err);
/* By kid, byte for byte; NULL if there is none. Borrowed from @keys. */
const struct avow_maa_key *avow_maa_keys_find(const struct avow_maa_keys *keys, const char *kid);

/*
 * The JWK of a key of avow's own: kid (its thumbprint, RFC 7638), kty, alg, use, the public
 * numbers, AVOW_MAA_OWN_CLAIMS, and x5c of @certs (DER, the key's own first; none: left out). RSA,
 * P-256 and P-384.
 * @out: new reference. -AVOW_E_INVAL: the first certificate is not that key's; -AVOW_E_LIMIT,
 * -AVOW_E_CRYPTO, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_maa_jwk(const struct avow_signer *key, const struct avow_bytes *certs,
                               size_t n_certs, json_t **out, struct avow_error *err);

/* What /.well-known/openid-configuration says of @issuer (a URL without slash at its end): new
 * reference, NULL when memory is short. */
json_t *avow_maa_openid(const char *issuer);

#endif
