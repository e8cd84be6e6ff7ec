/*
 * The last bytes of a stream. Any thread.
 */
#ifndef AVOW_LAUNCH_TAIL_H
#define AVOW_LAUNCH_TAIL_H

#include "base/bytes.h"

#define AVOW_TAIL_KEPT 1000 /* bytes */

struct avow_tail {
    size_t len;
    uint8_t bytes[AVOW_TAIL_KEPT];
    bool cut; /* there was more before */
};

void avow_tail_add(struct avow_tail *t, struct avow_bytes in);
/* What is kept, from the start of a line on if that leaves anything; borrowed. */
struct avow_bytes avow_tail_view(const struct avow_tail *t);

#endif
