/*
 * Nonces: 32 bytes as 64 hex digits that this process made not long ago and takes once. Handing one
 * out costs no memory (random bytes, the time of its end, and an HMAC over both); those that were
 * used are remembered until they have expired, in a table of fixed size. Any thread; time is an
 * argument.
 */
#ifndef AVOW_SERVICE_NONCES_H
#define AVOW_SERVICE_NONCES_H

#include "base/bytes.h"
#include "base/cleanup.h"

#define AVOW_NONCE_TEXT 65          /* bytes with the NUL */
#define AVOW_NONCES_USED_MAX 65536u /* remembered at once */

enum avow_nonce_state {
    AVOW_NONCE_UNKNOWN = 0, /* not one of ours, or expired */
    AVOW_NONCE_FRESH,
    AVOW_NONCE_USED,
    AVOW_NONCE_FULL, /* ours, but too many were used lately to remember one more */
};

struct avow_nonces; /* opaque, owned */

AVOW_MUST_USE int avow_nonces_new(int64_t life_s, struct avow_nonces **out, struct avow_error *err);
void avow_nonces_free(struct avow_nonces *n);
AVOW_DEFINE_CLEANUP(nonces, struct avow_nonces, avow_nonces_free)

/* A new one, good until @expires (unix seconds). -AVOW_E_CRYPTO. */
AVOW_MUST_USE int avow_nonces_make(struct avow_nonces *n, int64_t now, char text[AVOW_NONCE_TEXT],
                                   int64_t *expires, struct avow_error *err);
/* Whether @text may be taken; if it is FRESH it is used from now on. */
enum avow_nonce_state avow_nonces_take(struct avow_nonces *n, const char *text, int64_t now);

#endif
