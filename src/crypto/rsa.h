/* RSA signatures by a public key, as a TPM's attestation key and the signers of tokens make them.
 * Any thread. */
#ifndef AVOW_CRYPTO_RSA_H
#define AVOW_CRYPTO_RSA_H

#include "base/bytes.h"
#include "crypto/x509.h"

#define AVOW_RSA_BYTES_MIN 256u /* of the modulus */
#define AVOW_RSA_BYTES_MAX 512u

/*
 * RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2). @n, @e: big-endian; e must be 65537, n of
 * AVOW_RSA_BYTES_MIN to _MAX bytes without leading zero: -AVOW_E_FORMAT. @sig: as long as n.
 * -AVOW_E_SIGNATURE, -AVOW_E_CRYPTO.
 */
AVOW_MUST_USE int avow_rsa_verify_sha256(struct avow_bytes n, struct avow_bytes e,
                                         struct avow_bytes msg, struct avow_bytes sig,
                                         struct avow_error *err);
/* SHA-256 of the key's DER SubjectPublicKeyInfo. -AVOW_E_FORMAT, -AVOW_E_CRYPTO. */
AVOW_MUST_USE int avow_rsa_spki_sha256(struct avow_bytes n, struct avow_bytes e, uint8_t out[32],
                                       struct avow_error *err);

/* A public key with e = 65537; a value. */
struct avow_rsa_key {
    uint8_t n[AVOW_RSA_BYTES_MAX]; /* big-endian, without leading zero */
    size_t len;
};

static inline struct avow_bytes avow_rsa_n(const struct avow_rsa_key *k)
{
    return AVOW_BYTES(k->n, k->len);
}
struct avow_bytes avow_rsa_e(void); /* 65537, big-endian */

/* @n, @e as above: -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_rsa_key_set(struct avow_rsa_key *out, struct avow_bytes n,
                                   struct avow_bytes e, struct avow_error *err);
/* The key that a certificate holds. -AVOW_E_FORMAT (no such RSA key), -AVOW_E_CRYPTO. */
AVOW_MUST_USE int avow_rsa_key_of_cert(const struct avow_cert *c, struct avow_rsa_key *out,
                                       struct avow_error *err);

#endif
