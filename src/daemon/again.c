#include <stdlib.h>

#include "daemon/attestation.h"

struct entry {
    uint8_t spki[32];
    struct avow_key key;
    uint64_t since_ns;
    bool used;
};

struct avow_again {
    uint64_t period_ns;
    struct entry list[AVOW_AGAIN_MAX];
};

int avow_again_new(uint64_t period_ns, struct avow_again **out, struct avow_error *err)
{
    struct avow_again *t = calloc(1, sizeof *t);

    if (!t)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    t->period_ns = period_ns;
    *out = t;
    return 0;
}

void avow_again_free(struct avow_again *t)
{
    if (t)
        avow_wipe(t, sizeof *t);
    free(t);
}

static struct entry *find(struct avow_again *t, const uint8_t spki[32])
{
    for (size_t i = 0; i < AVOW_AGAIN_MAX; i++)
        if (t->list[i].used && memcmp(t->list[i].spki, spki, 32) == 0)
            return &t->list[i];
    return NULL;
}

static struct entry *free_or_oldest(struct avow_again *t)
{
    struct entry *oldest = &t->list[0];

    for (size_t i = 0; i < AVOW_AGAIN_MAX; i++) {
        if (!t->list[i].used)
            return &t->list[i];
        if (t->list[i].since_ns < oldest->since_ns)
            oldest = &t->list[i];
    }
    return oldest;
}

void avow_again_put(struct avow_again *t, const uint8_t spki[32], const struct avow_key *key,
                    uint64_t now_ns)
{
    struct entry *e = find(t, spki);

    if (!e)
        e = free_or_oldest(t);
    memcpy(e->spki, spki, 32);
    e->key = *key;
    e->since_ns = now_ns;
    e->used = true;
}

const struct avow_key *avow_again_get(struct avow_again *t, const uint8_t spki[32], uint64_t now_ns)
{
    struct entry *e = find(t, spki);

    if (!e)
        return NULL;
    if (now_ns - e->since_ns >= t->period_ns) {
        avow_wipe(e, sizeof *e);
        return NULL;
    }
    return &e->key;
}
