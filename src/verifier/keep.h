/*
 * What a client of Azure Attestation keeps: the keys of issuers, tokens under the digest of what
 * they are about, and the names of those that are bound to nothing. Bounded. Internal to verifier/.
 * Any thread.
 */
#ifndef AVOW_VERIFIER_KEEP_H
#define AVOW_VERIFIER_KEEP_H

#include "base/bytes.h"

#define KEEP_ISSUERS_MAX 16
#define KEEP_KEYS_MAX (256u << 10) /* bytes of one issuer's */
#define KEEP_JTIS_MAX 1024 /* tokens of unbound evidence that are remembered; the oldest goes */

struct keep; /* opaque, owned */

/* @tokens: how many at most; the oldest goes. -AVOW_E_NOMEM. */
AVOW_MUST_USE int keep_new(size_t tokens, struct keep **out, struct avow_error *err);
void keep_free(struct keep *k);

/* Replace the keys of @issuer, fetched at @now (unix seconds). -AVOW_E_LIMIT, -AVOW_E_NOMEM. */
AVOW_MUST_USE int keep_keys_put(struct keep *k, const char *issuer, struct avow_bytes keys,
                                int64_t now, struct avow_error *err);
/* Append them to @out; @fetched: when. -AVOW_E_NOTFOUND, without a text; -AVOW_E_NOMEM. */
AVOW_MUST_USE int keep_keys_get(struct keep *k, const char *issuer, struct avow_buf *out,
                                int64_t *fetched);

/* Keep @token, until it is taken out or too many others came. A failure keeps nothing. */
void keep_token_put(struct keep *k, const uint8_t digest[32], struct avow_bytes token);
/* Append it to @out. False: there is none. */
bool keep_token_get(struct keep *k, const uint8_t digest[32], struct avow_buf *out);
/* A token named @jti was taken for what has @digest. False: it was taken for something else before.
 * "" is no name, and is taken. */
bool keep_jti(struct keep *k, const char *jti, const uint8_t digest[32]);
void keep_token_drop(struct keep *k, const uint8_t digest[32]);

#endif
