/* Token bucket: at most so many a second, and as many at once. Pure: time is an argument. */
#ifndef AVOW_SERVE_RATE_H
#define AVOW_SERVE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct avow_rate {
    uint32_t per_second; /* 0: nothing passes */
    uint64_t parts;      /* billionths of a token */
    uint64_t last_ns;
};

/* A full bucket. */
void avow_rate_init(struct avow_rate *r, uint32_t per_second, uint64_t now_ns);
/* Take one token; false if there is none. */
bool avow_rate_take(struct avow_rate *r, uint64_t now_ns);

#endif
