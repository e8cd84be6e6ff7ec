#include "service/throttle.h"

#include "crypto/hash.h"
#include "serve/rate.h"

#define FORGET_NS 1000000000u

struct entry {
    bool used;
    uint8_t address[16];
    struct avow_rate rate;
};

struct avow_throttle {
    uint32_t per_second;
    uint64_t seed[2]; /* so that nobody can choose addresses of one set */
    struct avow_rate others;
    struct entry table[AVOW_THROTTLE_SETS][AVOW_THROTTLE_WAYS];
};

int avow_throttle_new(uint32_t per_second, struct avow_throttle **out, struct avow_error *err)
{
    struct avow_throttle *l = calloc(1, sizeof *l);

    if (!l)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (avow_random(l->seed, sizeof l->seed) < 0) {
        free(l);
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    }
    avow_throttle_set(l, per_second);
    *out = l;
    return 0;
}

void avow_throttle_free(struct avow_throttle *l)
{
    free(l);
}

void avow_throttle_set(struct avow_throttle *l, uint32_t per_second)
{
    l->per_second = per_second;
    memset(l->table, 0, sizeof l->table);
    avow_rate_init(&l->others, per_second, 0);
}

static size_t set_of(const struct avow_throttle *l, const uint8_t address[16])
{
    uint64_t w[2];
    uint64_t h = 0;

    memcpy(w, address, sizeof w);
    h = (w[0] ^ l->seed[0]) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
    h = (h + w[1] + l->seed[1]) * 0xbf58476d1ce4e5b9u;
    return (size_t)(h >> 40) % AVOW_THROTTLE_SETS;
}

bool avow_throttle_take(struct avow_throttle *l, const uint8_t address[16], uint64_t now_ns)
{
    struct entry *set = l->table[set_of(l, address)];
    struct entry *room = NULL;

    for (size_t i = 0; i < AVOW_THROTTLE_WAYS; i++) {
        if (set[i].used && avow_bytes_equal(AVOW_BYTES_OF(set[i].address), AVOW_BYTES(address, 16)))
            return avow_rate_take(&set[i].rate, now_ns);
        if (!room && (!set[i].used || now_ns - set[i].rate.last_ns > FORGET_NS))
            room = &set[i];
    }
    if (!room)
        return avow_rate_take(&l->others, now_ns);
    *room = (struct entry){ .used = true };
    memcpy(room->address, address, sizeof room->address);
    avow_rate_init(&room->rate, l->per_second, now_ns);
    return avow_rate_take(&room->rate, now_ns);
}
