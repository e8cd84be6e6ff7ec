/*
 * Public keys as OpenSSL has them, from the numbers in evidence and certificates: an order of
 * magnitude faster than its decoders (d2i_PUBKEY: 140 to 240 us). For this folder. Any thread.
 */
#ifndef AVOW_CRYPTO_KEY_H
#define AVOW_CRYPTO_KEY_H

#include <openssl/evp.h>

#include "crypto/x509.h"
#include "crypto/x509_read.h"

/* What avow_rsa_key_new wants of the numbers. -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_rsa_key_check(struct avow_bytes n, struct avow_bytes e,
                                     struct avow_error *err);
/* An RSA key of 2048 to 4096 bits and e = 65537 (AVOW_RSA_BYTES_MIN, _MAX). @n, @e: big-endian,
 * without leading zero. -AVOW_E_FORMAT, -AVOW_E_CRYPTO. */
AVOW_MUST_USE int avow_rsa_key_new(struct avow_bytes n, struct avow_bytes e, EVP_PKEY **out,
                                   struct avow_error *err);
/* @point: 04 || x || y, on the curve (-AVOW_E_FORMAT). -AVOW_E_CRYPTO. */
AVOW_MUST_USE int avow_ec_key_new(enum avow_curve curve, struct avow_bytes point, EVP_PKEY **out,
                                  struct avow_error *err);
/* The key of a certificate. -AVOW_E_FORMAT also if it is of another kind. */
AVOW_MUST_USE int avow_spki_key_new(const struct avow_spki *spki, EVP_PKEY **out,
                                    struct avow_error *err);

/* Whether the algorithm of @s is one that the vendors use, both times the same, and its signature
 * verifies with @key (NULL: one that could not be made), an RSA key of at least 3072 bits for
 * RSA-PSS with SHA-384, an EC key for ECDSA with SHA-256 or SHA-384. 0, or -AVOW_E_SIGNATURE;
 * @what is for the text. */
AVOW_MUST_USE int avow_key_signed(EVP_PKEY *key, enum avow_key_kind kind,
                                  const struct avow_signed *s, const char *what,
                                  struct avow_error *err);

/* ECDSA: avow_ecdsa_verify() with a key that is on @curve. */
AVOW_MUST_USE int avow_key_ecdsa(EVP_PKEY *key, enum avow_curve curve, struct avow_bytes msg,
                                 struct avow_bytes sig, struct avow_error *err);

#endif
