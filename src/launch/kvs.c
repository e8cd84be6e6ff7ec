#include "launch/kvs.h"

#include <stdlib.h>

#include "base/cleanup.h"

#define BUCKETS 16384 /* a few keys for each of the most ranks that a job may have */

struct pair {
    struct pair *next;
    char *value;
    char key[];
};

struct avow_kvs {
    size_t used;
    struct pair *buckets[BUCKETS];
};

/* FNV-1a, 32 bits: http://www.isthe.com/chongo/tech/comp/fnv/ */
static size_t bucket_of(const char *key)
{
    uint32_t h = 2166136261u;

    for (; *key; key++)
        h = (h ^ (uint8_t)*key) * 16777619u;
    return h % BUCKETS;
}

static struct pair *find(const struct avow_kvs *k, const char *key)
{
    struct pair *p = k->buckets[bucket_of(key)];

    while (p && strcmp(p->key, key) != 0)
        p = p->next;
    return p;
}

int avow_kvs_new(struct avow_kvs **out, struct avow_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "no memory for the key-value space");
}

void avow_kvs_free(struct avow_kvs *k)
{
    if (!k)
        return;
    for (size_t i = 0; i < BUCKETS; i++)
        while (k->buckets[i]) {
            struct pair *p = k->buckets[i];

            k->buckets[i] = p->next;
            free(p->value);
            free(p);
        }
    free(k);
}

int avow_kvs_put(struct avow_kvs *k, const char *key, const char *value)
{
    size_t n = strlen(key) + 1, v = strlen(value) + 1;
    struct pair *p = find(k, key);
    avow_autofree char *copy = NULL;

    if (n > AVOW_KVS_KEY_MAX || v > AVOW_KVS_VALUE_MAX || k->used + n + v > AVOW_KVS_MAX)
        return -AVOW_E_LIMIT;
    copy = strdup(value);
    if (!copy)
        return -AVOW_E_NOMEM;
    if (!p) {
        size_t b = bucket_of(key);

        p = calloc(1, sizeof *p + n);
        if (!p)
            return -AVOW_E_NOMEM;
        memcpy(p->key, key, n);
        p->next = k->buckets[b];
        k->buckets[b] = p;
        k->used += n;
    }
    free(p->value);
    p->value = avow_steal(&copy);
    k->used += v;
    return 0;
}

const char *avow_kvs_get(const struct avow_kvs *k, const char *key)
{
    const struct pair *p = find(k, key);

    return p ? p->value : NULL;
}
