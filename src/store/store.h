/*
 * Store: endorsements and collateral of any number of machines in one SQLite file, kept exactly as
 * their vendors sent them and found by what they are for. Nothing in a store is trusted; the
 * verifier judges what a bundle gets from it, at the dates that the vendors wrote. Several
 * processes may use one file. Any thread. Format: docs/formats/collateral-store.md.
 */
#ifndef AVOW_STORE_STORE_H
#define AVOW_STORE_STORE_H

#include "attest/need.h"
#include "attest/pool.h"

#define AVOW_STORE_COMMON_MAX 1024 /* items that no machine owns, taken into a pool */
#define AVOW_STORE_OWN_MAX 64      /* items of one machine or platform */
#define AVOW_STORE_SOURCE_MAX 1024 /* bytes of where an item is from */

struct avow_store; /* opaque, owned */

enum avow_store_mode {
    AVOW_STORE_READ,  /* the file must be there and is not changed */
    AVOW_STORE_WRITE, /* made if it is not there, with its folder (one level; mode 0700) */
};

/* -AVOW_E_NOTFOUND (READ), -AVOW_E_FORMAT (no store), -AVOW_E_VERSION (a newer avow's),
 * -AVOW_E_BUSY, -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_store_open(const char *path, enum avow_store_mode mode,
                                  struct avow_store **out, struct avow_error *err);
void avow_store_close(struct avow_store *s);
AVOW_DEFINE_CLEANUP(store, struct avow_store, avow_store_close)

/* The user's own: $XDG_DATA_HOME/avow/collateral.db, ~/.local/share/avow/collateral.db. NULL in
 * @out where neither is known. free() it. */
AVOW_MUST_USE int avow_store_default_path(char **out, struct avow_error *err);

/* Where it lies: the path that it was opened with; owned by @s. */
const char *avow_store_path(const struct avow_store *s);

/*
 * Keep @item, said to come from @source (a URL or a file's name) at @now (unix seconds). The same
 * bytes a second time change nothing. @added: whether they were new; or NULL.
 */
AVOW_MUST_USE int avow_store_put(struct avow_store *s, const struct avow_item *item,
                                 const char *source, int64_t now, bool *added,
                                 struct avow_error *err);

/* Several puts that are written at once: much faster. Nothing is kept if the process ends before
 * avow_store_commit. One thread between the two. */
AVOW_MUST_USE int avow_store_begin(struct avow_store *s, struct avow_error *err);
AVOW_MUST_USE int avow_store_commit(struct avow_store *s, struct avow_error *err);

/* Into @pool: what belongs to no machine (CAs, CRLs, QE identities; the newest
 * AVOW_STORE_COMMON_MAX of them). Of AMD's CRLs only those that are valid at @now (unix seconds):
 * AMD's evidence can be judged without, so one that is out of date must not be worse than none. */
AVOW_MUST_USE int avow_store_fill_common(struct avow_store *s, int64_t now, struct avow_pool *pool,
                                         struct avow_error *err);
/* Into @pool: the leaves of the chip that @need names, or the TCB info of its platform. */
AVOW_MUST_USE int avow_store_fill(struct avow_store *s, const struct avow_need *need,
                                  struct avow_pool *pool, struct avow_error *err);
/* Both, and then avow_pool_complete of @b at @now. */
AVOW_MUST_USE int avow_store_complete(struct avow_store *s, int64_t now, struct avow_bundle *b,
                                      struct avow_error *err);

/* What a fetch would bring. Fields that a kind does not have are ignored. */
struct avow_store_key {
    enum avow_item_kind kind; /* CERT: a leaf */
    const char *issuer;       /* CRL: issuer CN; CERT without hwid (VLEK): issuer CN, or NULL */
    struct avow_bytes hwid;   /* CERT */
    struct avow_bytes tcb;    /* CERT: 8 bytes */
    struct avow_bytes fmspc;  /* TCB_INFO: 6 bytes */
};
/* Until when what the store has for @key is valid, of those that are valid at @now: unix seconds;
 * 0: none is. */
AVOW_MUST_USE int avow_store_until(struct avow_store *s, const struct avow_store_key *key,
                                   int64_t now, int64_t *until, struct avow_error *err);

struct avow_store_row {
    struct avow_item item; /* views that live until the callback returns */
    const char *source;
    int64_t added; /* unix seconds */
};
/* Every item, by kind and name, of one name the newest first. @fn: non-zero ends it and is
 * returned; it may not change @s. */
typedef int (*avow_store_fn)(void *ctx, const struct avow_store_row *row);
AVOW_MUST_USE int avow_store_each(struct avow_store *s, avow_store_fn fn, void *ctx,
                                  struct avow_error *err);

/* Drop what expired before @before (unix seconds); how many in @n. */
AVOW_MUST_USE int avow_store_prune(struct avow_store *s, int64_t before, uint64_t *n,
                                   struct avow_error *err);

#endif
