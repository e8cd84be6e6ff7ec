/* A store in a folder of its own, and real endorsements put into it. */
#ifndef AVOW_TEST_STORE_MAKER_H
#define AVOW_TEST_STORE_MAKER_H

#include <ftw.h>

#include "../snp_vectors.h"
#include "store/store.h"

#define NOW 1760000000 /* 2025-10-09 */

struct made {
    char dir[64];
    char path[96];
    struct avow_store *store;
};

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

static inline void made_new(struct made *m)
{
    struct avow_error err = { 0 };

    (void)snprintf(m->dir, sizeof m->dir, "/tmp/avow-store-XXXXXX");
    assert_non_null(mkdtemp(m->dir));
    (void)snprintf(m->path, sizeof m->path, "%s/sub/c.db", m->dir);
    if (avow_store_open(m->path, AVOW_STORE_WRITE, &m->store, &err) < 0)
        fail_msg("%s", err.text);
}

static inline void made_done(struct made *m)
{
    if (m->store)
        avow_store_close(m->store);
    (void)nftw(m->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* One vector file as an item of the store. */
static inline void made_put(struct made *m, enum avow_item_kind kind, const char *class,
                            const char *dir, const char *file)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    struct avow_error err = { 0 };
    size_t n = 0;
    avow_autofree uint8_t *data = test_vector(class, dir, file, &n);

    assert_non_null(data);
    assert_int_equal(avow_pool_new(&pool, NULL), 0);
    if (avow_pool_put(pool, kind, AVOW_BYTES(data, n), &err) < 0 ||
        avow_store_put(m->store, avow_pool_item(pool, 0), file, NOW, NULL, &err) < 0)
        fail_msg("%s", err.text);
}

/* A report or quote of the vectors as a bundle of its own. */
static inline void made_evidence(struct avow_bundle *b, enum avow_tee tee, const char *class,
                                 const char *dir, const char *file)
{
    size_t n = 0;
    avow_autofree uint8_t *data = test_vector(class, dir, file, &n);

    assert_non_null(data);
    b->tee = tee;
    test_put(b, AVOW_PART_EVIDENCE, data, n);
}

#endif
