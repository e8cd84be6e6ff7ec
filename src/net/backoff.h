/*
 * Backoff: how long to wait before trying again. Exponential with full jitter (a random time
 * between nothing and the step), so that many clients do not come back together. Pure.
 */
#ifndef AVOW_NET_BACKOFF_H
#define AVOW_NET_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

#define AVOW_TRIES_DEFAULT 6
#define AVOW_TRIES_MAX 100
#define AVOW_BACKOFF_BASE_MS 100
#define AVOW_BACKOFF_CAP_MS 5000

struct avow_backoff {
    unsigned tries;   /* in all, the first one included */
    uint32_t base_ms; /* step after the first failure; doubles each time */
    uint32_t cap_ms;  /* of a step */
};

#define AVOW_BACKOFF_DEFAULT                                 \
    ((struct avow_backoff){ .tries = AVOW_TRIES_DEFAULT,     \
                            .base_ms = AVOW_BACKOFF_BASE_MS, \
                            .cap_ms = AVOW_BACKOFF_CAP_MS })

/*
 * Delay after failure number @failed (from 1), in ms: anything from 0 to the step,
 * chosen by @random (any 32 bits). The caller stops when @failed reaches ->tries.
 */
uint32_t avow_backoff_delay_ms(const struct avow_backoff *b, unsigned failed, uint32_t random);

/* Whether trying again can help: the network, a time-out, a busy node. Sign of @code ignored. */
bool avow_backoff_transient(int code);

#endif
