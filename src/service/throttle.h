/*
 * How many requests each client address may make a second: token buckets in a table of fixed size.
 * A bucket that was not used for a second is full, so it may be forgotten; newcomers that find no
 * room share one. Loop thread only; time is an argument.
 */
#ifndef AVOW_SERVICE_THROTTLE_H
#define AVOW_SERVICE_THROTTLE_H

#include "base/bytes.h"
#include "base/cleanup.h"

#define AVOW_THROTTLE_SETS 1024u
#define AVOW_THROTTLE_WAYS 8u

struct avow_throttle; /* opaque, owned */

AVOW_MUST_USE int avow_throttle_new(uint32_t per_second, struct avow_throttle **out,
                                    struct avow_error *err);
void avow_throttle_free(struct avow_throttle *l);
AVOW_DEFINE_CLEANUP(throttle, struct avow_throttle, avow_throttle_free)
/* Other rates from now on: all buckets are full. */
void avow_throttle_set(struct avow_throttle *l, uint32_t per_second);
/* Whether @address may have one more. */
bool avow_throttle_take(struct avow_throttle *l, const uint8_t address[16], uint64_t now_ns);

#endif
