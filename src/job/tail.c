#include "job/tail.h"

#include <stdlib.h>

#define FIRST_CAP 4096

void avow_tail_done(struct avow_tail *t)
{
    free(t->data);
    *t = AVOW_TAIL(t->max);
}

/* Byte k of the stream is at index k % cap. As long as nothing was forgotten that is k itself under
 * any capacity, so growing is a plain realloc; afterwards the ring keeps its size. */
static int grow(struct avow_tail *t, size_t need)
{
    size_t cap = t->cap ? t->cap : FIRST_CAP;
    uint8_t *p = NULL;

    if (t->kept && t->kept != t->total)
        return 0;

    while (cap < need && cap < t->max)
        cap *= 2;
    if (cap > t->max)
        cap = t->max;
    if (cap <= t->cap)
        return 0;
    p = realloc(t->data, cap);
    if (!p)
        return -AVOW_E_NOMEM;
    t->data = p;
    t->cap = cap;
    return 0;
}

int avow_tail_put(struct avow_tail *t, struct avow_bytes b)
{
    size_t at = 0;
    size_t first = 0;

    if (b.len == 0)
        return 0;
    if (t->kept + b.len > t->cap && (grow(t, t->kept + b.len) < 0 || !t->cap)) {
        t->total += b.len;
        t->kept = 0; /* what follows would not join what was kept */
        return -AVOW_E_NOMEM;
    }
    if (b.len > t->cap) {
        t->total += b.len - t->cap;
        b = avow_bytes_sub(b, b.len - t->cap, t->cap);
    }
    at = (size_t)(t->total % t->cap);
    first = b.len < t->cap - at ? b.len : t->cap - at;
    memcpy(t->data + at, b.data, first);
    memcpy(t->data, b.data + first, b.len - first);
    t->total += b.len;
    t->kept = t->kept + b.len < t->cap ? t->kept + b.len : t->cap;
    return 0;
}

int avow_tail_read(const struct avow_tail *t, uint64_t offset, size_t max, uint64_t *from,
                   struct avow_buf *out)
{
    uint64_t oldest = t->total - t->kept;
    size_t n = 0;
    size_t at = 0;
    size_t first = 0;

    if (offset < oldest)
        offset = oldest;
    if (offset > t->total)
        offset = t->total;
    *from = offset;
    n = (size_t)(t->total - offset);
    if (n > max)
        n = max;
    if (n == 0)
        return 0;
    at = (size_t)(offset % t->cap);
    first = n < t->cap - at ? n : t->cap - at;
    AVOW_TRY(avow_buf_put(out, t->data + at, first));
    return avow_buf_put(out, t->data, n - first);
}
