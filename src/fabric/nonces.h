/*
 * Set of the connector nonces that one job and epoch has seen, so that a recorded header opens
 * nothing twice. Grows to AVOW_NONCES_MAX and then refuses. One thread at a time.
 */
#ifndef AVOW_FABRIC_NONCES_H
#define AVOW_FABRIC_NONCES_H

#include "base/bytes.h"
#include "fabric/wire.h"

#define AVOW_NONCES_MAX (1u << 20) /* connections into one node in one epoch of a job */
#define AVOW_NONCES_KEPT 16        /* bytes: nonces are random, 128 bits tell them apart */

struct avow_nonces {                   /* caller-owned, zeroed at the start */
    uint8_t (*slot)[AVOW_NONCES_KEPT]; /* open addressing; all zero = free */
    size_t n;
    size_t cap; /* a power of two, or 0 */
};

/* 0 the first time, -AVOW_E_EXISTS after that; -AVOW_E_LIMIT, -AVOW_E_NOMEM. An all-zero nonce is
 * -AVOW_E_INVAL. */
AVOW_MUST_USE int avow_nonces_add(struct avow_nonces *s,
                                  const uint8_t nonce[AVOW_FABRIC_NONCE_LEN]);
void avow_nonces_done(struct avow_nonces *s);

#endif
