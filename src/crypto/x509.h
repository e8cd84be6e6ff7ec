/*
 * X.509 certificates and CRLs, and raw ECDSA, as the vendors' chains need them. Chains are walked
 * by the verifier itself, step by step: genuine AMD leaves break strict X.509 profiles (no AKI, no
 * KU, serial 0), so OpenSSL's path building is not used. Pure but for memory. Any thread.
 */
#ifndef AVOW_CRYPTO_X509_H
#define AVOW_CRYPTO_X509_H

#include "base/bytes.h"
#include "base/cleanup.h"

#define AVOW_CERT_DER_MAX (64u << 10)
#define AVOW_CRL_DER_MAX (1u << 20)

struct avow_cert; /* owned */
struct avow_crl;  /* owned */

/* One DER certificate, nothing after it; unknown critical extensions and a second CN are refused.
 * -AVOW_E_FORMAT, -AVOW_E_TRAILING, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_cert_parse(struct avow_bytes der, struct avow_cert **out,
                                  struct avow_error *err);
void avow_cert_free(struct avow_cert *c);
AVOW_DEFINE_CLEANUP(cert, struct avow_cert, avow_cert_free)

/*
 * Every certificate of a PEM text (CRLF and a trailing NUL tolerated, other PEM blocks passed over)
 * as DER appended one after the other to @store; @ders[i] views it, until the next put to @store.
 * -AVOW_E_FORMAT if there is none, -AVOW_E_LIMIT over @max.
 */
AVOW_MUST_USE int avow_pem_to_der(struct avow_bytes pem, struct avow_buf *store,
                                  struct avow_bytes *ders, size_t max, size_t *n,
                                  struct avow_error *err);

struct avow_bytes avow_cert_der(const struct avow_cert *c);  /* as given to parse; owned by c */
const char *avow_cert_subject_cn(const struct avow_cert *c); /* "" if none; owned by c */
const char *avow_cert_issuer_cn(const struct avow_cert *c);
void avow_cert_spki_sha256(const struct avow_cert *c, uint8_t out[32]);
void avow_cert_validity(const struct avow_cert *c, int64_t *from, int64_t *until);
bool avow_cert_is_ca(const struct avow_cert *c);
bool avow_cert_self_issued(const struct avow_cert *c); /* subject == issuer, by DER */
enum avow_cert_use { AVOW_USE_SIGN_CERTS, AVOW_USE_SIGN_CRLS };
/* True only for a CA certificate whose key usage is present and allows @use. */
bool avow_cert_may(const struct avow_cert *c, enum avow_cert_use use);
/* The raw content of the extension with this dotted OID; view into c. -AVOW_E_NOTFOUND, and
 * -AVOW_E_FORMAT if it is there twice. */
AVOW_MUST_USE int avow_cert_extension(const struct avow_cert *c, const char *oid,
                                      struct avow_bytes *value);
/* issuer name == @issuer's subject (DER) and the signature verifies with its key (RSA-PSS SHA-384
 * or ECDSA with SHA-256 or SHA-384; RSA keys of at least 3072 bits, EC keys on P-256 or P-384). 0,
 * or -AVOW_E_SIGNATURE. Whether @issuer is a CA is for the caller (avow_cert_may). */
AVOW_MUST_USE int avow_cert_signed_by(const struct avow_cert *c, const struct avow_cert *issuer,
                                      struct avow_error *err);

enum avow_curve { AVOW_P256, AVOW_P384 };

/* ECDSA over @msg (hashed with SHA-256 for P-256, SHA-384 for P-384) with the certificate's EC key;
 * @sig = r || s, big-endian, 64 or 96 bytes; r and s must be in 1..n-1. 0, -AVOW_E_SIGNATURE, or
 * -AVOW_E_FORMAT if the key is on another curve. */
AVOW_MUST_USE int avow_cert_ecdsa_verify(const struct avow_cert *c, enum avow_curve curve,
                                         struct avow_bytes msg, struct avow_bytes sig,
                                         struct avow_error *err);
/* The same with a bare public key x || y (must be on the curve: -AVOW_E_FORMAT). */
AVOW_MUST_USE int avow_ecdsa_verify(enum avow_curve curve, struct avow_bytes xy,
                                    struct avow_bytes msg, struct avow_bytes sig,
                                    struct avow_error *err);

/* One CRL, DER or PEM. Without nextUpdate, or with a critical extension (delta and partial CRLs):
 * -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_crl_parse(struct avow_bytes text, struct avow_crl **out,
                                 struct avow_error *err);
void avow_crl_free(struct avow_crl *c);
AVOW_DEFINE_CLEANUP(crl, struct avow_crl, avow_crl_free)
AVOW_MUST_USE int avow_crl_signed_by(const struct avow_crl *crl, const struct avow_cert *issuer,
                                     struct avow_error *err);
const char *avow_crl_issuer_cn(const struct avow_crl *crl);
void avow_crl_validity(const struct avow_crl *crl, int64_t *this_update, int64_t *next_update);
/* Append its DER. */
AVOW_MUST_USE int avow_crl_der(const struct avow_crl *crl, struct avow_buf *out,
                               struct avow_error *err);
/* Whether the CRL (same issuer name as @c's) lists @c's serial. */
bool avow_crl_revokes(const struct avow_crl *crl, const struct avow_cert *c);

#endif
