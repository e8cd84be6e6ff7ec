/*
 * Hashes, HMAC, HKDF (RFC 5869), X25519 (RFC 7748) and random bytes, on OpenSSL 3. Any thread.
 * -AVOW_E_CRYPTO from any of them means that the library itself failed.
 */
#ifndef AVOW_CRYPTO_HASH_H
#define AVOW_CRYPTO_HASH_H

#include "base/bytes.h"
#include "base/secret.h"

AVOW_MUST_USE int avow_sha256(struct avow_bytes in, uint8_t out[32]);
AVOW_MUST_USE int avow_sha384(struct avow_bytes in, uint8_t out[48]);
AVOW_MUST_USE int avow_sha512(struct avow_bytes in, uint8_t out[64]);
/* SHA-256 of a whole file read from @fd at its current position; @size may be NULL. */
AVOW_MUST_USE int avow_sha256_fd(int fd, uint8_t out[32], uint64_t *size, struct avow_error *err);

AVOW_MUST_USE int avow_hmac_sha256(struct avow_bytes key, struct avow_bytes in, uint8_t out[32]);
AVOW_MUST_USE int avow_hkdf_extract(struct avow_bytes salt, struct avow_bytes ikm,
                                    struct avow_key *prk);
/* @len at most 255*32. */
AVOW_MUST_USE int avow_hkdf_expand(const struct avow_key *prk, struct avow_bytes info, uint8_t *out,
                                   size_t len);

AVOW_MUST_USE int avow_random(void *out, size_t n);

/* A fresh pair. */
AVOW_MUST_USE int avow_x25519_new(struct avow_key *priv, uint8_t pub[32]);
/* -AVOW_E_CRYPTO also for a low-order peer point (an all-zero result). */
AVOW_MUST_USE int avow_x25519(const struct avow_key *priv, const uint8_t peer[32],
                              struct avow_key *shared);

#endif
