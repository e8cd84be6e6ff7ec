/*
 * AES-256-GCM for bulk data (NIST SP 800-38D), on Intel's ipsec-mb where that library is present
 * and on OpenSSL elsewhere; both give the same bytes. One object is one key in one direction at a
 * time: one thread at a time.
 */
#ifndef AVOW_CRYPTO_GCM_H
#define AVOW_CRYPTO_GCM_H

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/secret.h"

#define AVOW_GCM_IV_LEN 12
#define AVOW_GCM_TAG_LEN 16

enum avow_gcm_engine {
    AVOW_GCM_AUTO, /* ipsec-mb if it can be loaded, else OpenSSL */
    AVOW_GCM_OPENSSL,
    AVOW_GCM_IPSEC_MB, /* -AVOW_E_UNSUPPORTED where it cannot be loaded */
};

struct avow_gcm; /* owned */

AVOW_MUST_USE int avow_gcm_new(enum avow_gcm_engine engine, const struct avow_key *key,
                               struct avow_gcm **out);
void avow_gcm_free(struct avow_gcm *g); /* wipes the key */
AVOW_DEFINE_CLEANUP(gcm, struct avow_gcm, avow_gcm_free)

/* Which engine AUTO became: "ipsec-mb" or "openssl". */
const char *avow_gcm_engine_name(const struct avow_gcm *g);

/* Use another key from now on. */
AVOW_MUST_USE int avow_gcm_rekey(struct avow_gcm *g, const struct avow_key *key);

/* Seal the @n @parts, one after the other, to @out (as many bytes) and @tag. @out overlaps none. */
AVOW_MUST_USE int avow_gcm_seal(struct avow_gcm *g, const uint8_t iv[AVOW_GCM_IV_LEN],
                                struct avow_bytes aad, const struct avow_bytes *parts, size_t n,
                                uint8_t *out, uint8_t tag[AVOW_GCM_TAG_LEN]);

/* Open @in to @out (as many bytes; no overlap). -AVOW_E_AUTH if the tag is wrong: what is in @out
 * then must not be used. */
AVOW_MUST_USE int avow_gcm_open(struct avow_gcm *g, const uint8_t iv[AVOW_GCM_IV_LEN],
                                struct avow_bytes aad, struct avow_bytes in, uint8_t *out,
                                const uint8_t tag[AVOW_GCM_TAG_LEN]);

#endif
