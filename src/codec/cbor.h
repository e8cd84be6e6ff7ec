/*
 * CBOR (RFC 8949) on libcbor, as far as envelopes of evidence need it: one definite map from text
 * keys to byte or text strings, nothing after it. Any thread.
 */
#ifndef AVOW_CODEC_CBOR_H
#define AVOW_CODEC_CBOR_H

#include "base/bytes.h"

#define AVOW_CBOR_MAX (1u << 20) /* bytes of a document */
#define AVOW_CBOR_PAIRS_MAX 32

typedef int (*avow_cbor_fn)(void *ctx, struct avow_bytes key, struct avow_bytes value,
                            struct avow_error *err);

/* Whether @in begins as a definite map of 1 to 23 pairs. */
bool avow_cbor_likely_map(struct avow_bytes in);

/*
 * Call @each for every pair, in order; views live until it returns, and what it returns ends the
 * walk if it is negative. -AVOW_E_FORMAT (not such a map, a key twice), -AVOW_E_TRAILING,
 * -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_cbor_map(struct avow_bytes in, avow_cbor_fn each, void *ctx,
                                struct avow_error *err);

#endif
