/*
 * What a worker keeps from one verification to the next: what was read and verified, and what of
 * the store belongs to no machine. As many as verifications that are under way at once. Any thread.
 */
#ifndef AVOW_SERVICE_KIT_H
#define AVOW_SERVICE_KIT_H

#include <pthread.h>

#include "serve/workers.h"
#include "store/store.h"
#include "verify/cache.h"

#define AVOW_KIT_FRESH_S 60 /* after so long the store is read again: a fetch may have come */
#define AVOW_KIT_ROOM 256u  /* items of machines that may add up in between */
#define AVOW_KIT_CACHE 512u /* entries: AVOW_CACHE_ENTRIES_MIN at least */

struct avow_kit {
    struct avow_verify_cache *cache; /* NULL: it goes without */
    struct avow_pool *pool;          /* NULL: not filled yet */
    const struct avow_store *store;  /* that it was filled from, */
    uint64_t serial;                 /* told apart from another that was opened at its address */
    int64_t filled;                  /* unix seconds */
    size_t n_common;
};

/* Those at rest. Zeroed but for the lock. */
struct avow_kits {
    pthread_mutex_t lock; /* protects all below */
    size_t n;
    struct avow_kit *list[AVOW_WORKERS_THREADS_MAX];
};

void avow_kits_init(struct avow_kits *k);
void avow_kits_done(struct avow_kits *k);
/* NULL when memory is short. */
struct avow_kit *avow_kits_take(struct avow_kits *k);
void avow_kits_give(struct avow_kits *k, struct avow_kit *kit);

/* avow_store_complete() of @b, from @store as it was within the last AVOW_KIT_FRESH_S. @serial: of
 * this opening of @store. */
AVOW_MUST_USE int avow_kit_complete(struct avow_kit *kit, struct avow_store *store, uint64_t serial,
                                    int64_t now, struct avow_bundle *b, struct avow_error *err);

#endif
