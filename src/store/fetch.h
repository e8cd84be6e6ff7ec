/*
 * Fetch: bring into a store what evidence needs and it does not have, from the vendors' servers:
 * in turn with every other process of this user that asks the same server, no faster than it
 * allows, retried, and never twice for one thing. What comes is checked to be what was asked for,
 * kept as it is, and trusted by nobody until a verifier has judged it.
 */
#ifndef AVOW_STORE_FETCH_H
#define AVOW_STORE_FETCH_H

#include "store/vendor.h"

#define AVOW_FETCH_TIMEOUT_MS 60000u   /* one request with its retries, waits for a turn apart */
#define AVOW_FETCH_TURN_MS 600000u     /* waiting for a turn */
#define AVOW_FETCH_TRIES 5u            /* of one request */
#define AVOW_FETCH_BODY_MAX (4u << 20) /* Intel's CRLs have some hundred KiB at most */
#define AVOW_FETCH_WANTS_MAX 65536u    /* requests of one list */

enum avow_fetch_state {
    AVOW_FETCH_PRESENT, /* the store had it and it is valid for long enough */
    AVOW_FETCH_BROUGHT,
    AVOW_FETCH_STALE, /* brought, and kept, but not valid now by its own dates: a cache that sleeps
                       */
    AVOW_FETCH_FAILED,
};

struct avow_fetch {
    struct avow_store *store;
    struct avow_vendors vendors;
    int64_t now;              /* unix seconds: what is valid */
    int64_t ahead;            /* seconds: what expires sooner than this from now is brought anew */
    bool refresh;             /* bring all anew */
    uint32_t timeout_ms;      /* 0: AVOW_FETCH_TIMEOUT_MS */
    uint32_t tries;           /* 0: AVOW_FETCH_TRIES */
    uint32_t kds_interval_ms; /* between two requests to AMD's KDS (vendors.kds) */
    const char *ca_file;      /* for servers with certificates of their own; or NULL */
    int stop_fd;              /* see net/http.h */
    /* Called before a wait, and for each thing when it is settled; either may be NULL. @why: of a
     * failure. */
    void (*note)(void *ctx, const char *text);
    void (*settled)(void *ctx, const struct avow_want *w, enum avow_fetch_state state,
                    const struct avow_error *why);
    void *ctx;
};

/* A list of requests, each URL once. */
struct avow_wants; /* opaque, owned */
AVOW_MUST_USE int avow_wants_new(struct avow_wants **out, struct avow_error *err);
void avow_wants_free(struct avow_wants *w);
AVOW_DEFINE_CLEANUP(wants, struct avow_wants, avow_wants_free)
size_t avow_wants_count(const struct avow_wants *w);

/*
 * What @need calls for; @essential: only that without which it cannot be judged (not AMD's CRL).
 * For a version 2 report the product line may be one of two: both are asked for, the second only if
 * the first does not know the chip. A VLEK that the bundle does not have cannot be fetched by
 * anybody: -AVOW_E_MISSING. Evidence that names no chip or platform: -AVOW_E_MISSING.
 * -AVOW_E_LIMIT, -AVOW_E_NOMEM; of vendor.h.
 */
AVOW_MUST_USE int avow_wants_add_need(struct avow_wants *w, const struct avow_vendors *v,
                                      const struct avow_need *need, bool essential,
                                      struct avow_error *err);
/* The CRL of a product line of AMD; all that one of Intel's platforms needs; one request. */
AVOW_MUST_USE int avow_wants_add_product(struct avow_wants *w, const struct avow_vendors *v,
                                         const char *product, struct avow_error *err);
AVOW_MUST_USE int avow_wants_add_fmspc(struct avow_wants *w, const struct avow_vendors *v,
                                       const uint8_t fmspc[6], bool processor,
                                       struct avow_error *err);
AVOW_MUST_USE int avow_wants_add(struct avow_wants *w, const struct avow_want *one,
                                 struct avow_error *err);
/* What @store has that is issued anew from time to time: CRLs, TCB infos, the QE identity. */
AVOW_MUST_USE int avow_wants_add_renewals(struct avow_wants *w, const struct avow_vendors *v,
                                          struct avow_store *store, struct avow_error *err);

/*
 * Bring all of @w. One that fails does not keep the others from being brought: 0 if all is there,
 * else the code of the first failure, after which all were tried; -AVOW_E_CANCELLED at once. A
 * server that cannot be reached is not asked again for the rest of the list.
 */
AVOW_MUST_USE int avow_fetch(const struct avow_fetch *f, const struct avow_wants *w,
                             struct avow_error *err);

#endif
