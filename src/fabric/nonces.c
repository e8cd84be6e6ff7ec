#include "fabric/nonces.h"

#include <stdlib.h>

#define FIRST_CAP 256

/* The slot of @nonce: where it is, or the free one where it would go. Nonces reach the set only
 * after their header has authenticated, so nobody outside chooses where they land. */
static uint8_t *find(const struct avow_nonces *s, const uint8_t *nonce)
{
    size_t i = 0;

    memcpy(&i, nonce, sizeof i);
    for (;; i++) {
        uint8_t *slot = s->slot[i & (s->cap - 1)];

        if (avow_bytes_zero(AVOW_BYTES(slot, AVOW_NONCES_KEPT)) ||
            memcmp(slot, nonce, AVOW_NONCES_KEPT) == 0)
            return slot;
    }
}

static int grow(struct avow_nonces *s)
{
    struct avow_nonces bigger = { .cap = s->cap ? 2 * s->cap : FIRST_CAP, .n = s->n };

    bigger.slot = calloc(bigger.cap, sizeof *bigger.slot);
    if (!bigger.slot)
        return -AVOW_E_NOMEM;
    for (size_t i = 0; i < s->cap; i++)
        if (!avow_bytes_zero(AVOW_BYTES(s->slot[i], AVOW_NONCES_KEPT)))
            memcpy(find(&bigger, s->slot[i]), s->slot[i], AVOW_NONCES_KEPT);
    free(s->slot);
    *s = bigger;
    return 0;
}

int avow_nonces_add(struct avow_nonces *s, const uint8_t nonce[AVOW_FABRIC_NONCE_LEN])
{
    uint8_t *slot = NULL;

    if (avow_bytes_zero(AVOW_BYTES(nonce, AVOW_NONCES_KEPT)))
        return -AVOW_E_INVAL;
    if (s->cap && memcmp(find(s, nonce), nonce, AVOW_NONCES_KEPT) == 0)
        return -AVOW_E_EXISTS;
    if (s->n == AVOW_NONCES_MAX)
        return -AVOW_E_LIMIT;
    if (2 * s->n >= s->cap)
        AVOW_TRY(grow(s));
    slot = find(s, nonce);
    memcpy(slot, nonce, AVOW_NONCES_KEPT);
    s->n++;
    return 0;
}

void avow_nonces_done(struct avow_nonces *s)
{
    free(s->slot);
    *s = (struct avow_nonces){ 0 };
}
