#include "service/kit.h"

#include <stdlib.h>

void avow_kits_init(struct avow_kits *k)
{
    *k = (struct avow_kits){ 0 };
    pthread_mutex_init(&k->lock, NULL);
}

static void kit_free(struct avow_kit *kit)
{
    if (kit->cache)
        avow_verify_cache_free(kit->cache);
    if (kit->pool)
        avow_pool_free(kit->pool);
    free(kit);
}

void avow_kits_done(struct avow_kits *k)
{
    while (k->n)
        kit_free(k->list[--k->n]);
    pthread_mutex_destroy(&k->lock);
}

struct avow_kit *avow_kits_take(struct avow_kits *k)
{
    struct avow_kit *kit = NULL;

    pthread_mutex_lock(&k->lock);
    if (k->n)
        kit = k->list[--k->n];
    pthread_mutex_unlock(&k->lock);
    if (!kit)
        kit = calloc(1, sizeof *kit);
    if (kit && !kit->cache && avow_verify_cache_new(AVOW_KIT_CACHE, &kit->cache, NULL) < 0)
        kit->cache = NULL;
    return kit;
}

void avow_kits_give(struct avow_kits *k, struct avow_kit *kit)
{
    bool kept = false;

    pthread_mutex_lock(&k->lock);
    kept = k->n < AVOW_WORKERS_THREADS_MAX;
    if (kept)
        k->list[k->n++] = kit;
    pthread_mutex_unlock(&k->lock);
    if (!kept)
        kit_free(kit);
}

static bool stale(const struct avow_kit *kit, const struct avow_store *store, uint64_t serial,
                  int64_t now)
{
    return !kit->pool || kit->store != store || kit->serial != serial || now < kit->filled ||
           now - kit->filled >= AVOW_KIT_FRESH_S ||
           avow_pool_count(kit->pool) > kit->n_common + AVOW_KIT_ROOM;
}

static int refill(struct avow_kit *kit, struct avow_store *store, uint64_t serial, int64_t now,
                  struct avow_error *err)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;

    AVOW_TRY(avow_pool_new(&pool, err));
    AVOW_TRY(avow_store_fill_common(store, now, pool, err));
    if (kit->pool)
        avow_pool_free(kit->pool);
    kit->pool = avow_steal(&pool);
    kit->store = store;
    kit->serial = serial;
    kit->filled = now;
    kit->n_common = avow_pool_count(kit->pool);
    return 0;
}

int avow_kit_complete(struct avow_kit *kit, struct avow_store *store, uint64_t serial, int64_t now,
                      struct avow_bundle *b, struct avow_error *err)
{
    struct avow_need need = { 0 };

    AVOW_TRY(avow_need_of(b, &need, err));
    if (need.hardware == AVOW_TEE_NONE)
        return 0;
    if (stale(kit, store, serial, now))
        AVOW_TRY(refill(kit, store, serial, now, err));
    AVOW_TRY(avow_store_fill(store, &need, kit->pool, err));
    return avow_pool_complete(kit->pool, now, b, err);
}
