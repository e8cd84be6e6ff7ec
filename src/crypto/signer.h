/* Private keys that sign: certificates (crypto/certmake.h), evidence and tokens. Any thread. */
#ifndef AVOW_CRYPTO_SIGNER_H
#define AVOW_CRYPTO_SIGNER_H

#include "base/bytes.h"
#include "base/cleanup.h"
#include "crypto/rsa.h"
#include "crypto/x509.h"

#define AVOW_SIGNER_PEM_MAX 8192 /* bytes of one private key as PEM */

enum avow_signer_kind {
    AVOW_SIGNER_P256,    /* signs certificates with ECDSA, SHA-256 */
    AVOW_SIGNER_P384,    /* ECDSA, SHA-384 */
    AVOW_SIGNER_RSA2048, /* RSASSA-PKCS1-v1_5, SHA-256: keys of tokens, as MAA has them */
    AVOW_SIGNER_RSA3072, /* the same */
    AVOW_SIGNER_RSA4096, /* RSASSA-PSS, SHA-384, MGF1 SHA-384, salt 48: AMD's profile */
};

struct avow_signer; /* a private key; owned */

/* A fresh key. RSA-4096 takes seconds. */
AVOW_MUST_USE int avow_signer_new(enum avow_signer_kind kind, struct avow_signer **out,
                                  struct avow_error *err);
/* PKCS#8 PEM, unencrypted: the text is secret (avow_buf_done wipes it). */
AVOW_MUST_USE int avow_signer_from_pem(struct avow_bytes pem, struct avow_signer **out,
                                       struct avow_error *err);
AVOW_MUST_USE int avow_signer_to_pem(const struct avow_signer *s, struct avow_buf *out,
                                     struct avow_error *err);
void avow_signer_free(struct avow_signer *s);
AVOW_DEFINE_CLEANUP(signer, struct avow_signer, avow_signer_free)

/* Bytes of x || y, and of r || s, on a curve. */
static inline size_t avow_curve_pair_len(enum avow_curve curve)
{
    return curve == AVOW_P256 ? 64 : 96;
}

/* x || y of an EC key, big-endian; @xy has room for avow_curve_pair_len(). -AVOW_E_INVAL for a key
 * that is not on @curve. */
AVOW_MUST_USE int avow_signer_xy(const struct avow_signer *s, enum avow_curve curve, uint8_t *xy,
                                 struct avow_error *err);
/* ECDSA over @msg (SHA-256 for P-256, SHA-384 for P-384); @sig = r || s, big-endian. */
AVOW_MUST_USE int avow_signer_ecdsa(const struct avow_signer *s, enum avow_curve curve,
                                    struct avow_bytes msg, uint8_t *sig, struct avow_error *err);

enum avow_signer_kind avow_signer_kind(const struct avow_signer *s);
bool avow_signer_is_rsa(const struct avow_signer *s);
/* The public half of an RSA key. -AVOW_E_INVAL for another kind. */
AVOW_MUST_USE int avow_signer_rsa(const struct avow_signer *s, struct avow_rsa_key *out,
                                  struct avow_error *err);
/* Append RSASSA-PKCS1-v1_5 with SHA-256 over @msg, whatever the key signs certificates with.
 * -AVOW_E_INVAL for another kind of key, -AVOW_E_CRYPTO, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_signer_rs256(const struct avow_signer *s, struct avow_bytes msg,
                                    struct avow_buf *out, struct avow_error *err);

#endif
