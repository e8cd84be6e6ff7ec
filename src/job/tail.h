/*
 * The last bytes of a stream: grows as bytes come up to a limit, then forgets the oldest. Pure but
 * for memory.
 */
#ifndef AVOW_JOB_TAIL_H
#define AVOW_JOB_TAIL_H

#include "base/bytes.h"

struct avow_tail {
    uint8_t *data; /* ring of @cap bytes; owned */
    size_t cap;
    size_t max;     /* @cap never exceeds it */
    uint64_t total; /* bytes ever put; the kept ones are [total - kept, total) */
    size_t kept;
};

#define AVOW_TAIL(maximum) ((struct avow_tail){ .max = (maximum) })

void avow_tail_done(struct avow_tail *t);
/* -AVOW_E_NOMEM: then the bytes are counted but not kept. */
int avow_tail_put(struct avow_tail *t, struct avow_bytes b);
/* Append to @out what is kept from stream offset @offset on (from the oldest kept byte if that is
 * gone), at most @max bytes; @from gets the offset of the first one. */
int avow_tail_read(const struct avow_tail *t, uint64_t offset, size_t max, uint64_t *from,
                   struct avow_buf *out);

#endif
