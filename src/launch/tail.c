#include "launch/tail.h"

void avow_tail_add(struct avow_tail *t, struct avow_bytes in)
{
    size_t keep = 0;

    if (in.len == 0)
        return;
    if (in.len > sizeof t->bytes) {
        in = avow_bytes_sub(in, in.len - sizeof t->bytes, sizeof t->bytes);
        t->cut = true;
    }
    keep = sizeof t->bytes - in.len;
    if (t->len > keep) {
        memmove(t->bytes, t->bytes + (t->len - keep), keep);
        t->len = keep;
        t->cut = true;
    }
    memcpy(t->bytes + t->len, in.data, in.len);
    t->len += in.len;
}

struct avow_bytes avow_tail_view(const struct avow_tail *t)
{
    const uint8_t *line = t->cut ? memchr(t->bytes, '\n', t->len) : NULL;
    size_t skip = line ? (size_t)(line - t->bytes) + 1 : 0;

    if (skip >= t->len)
        skip = 0;
    return AVOW_BYTES(t->bytes + skip, t->len - skip);
}
