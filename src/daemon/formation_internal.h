/* Shared by formation.c (table, life), formation_join.c (propose, roster), formation_verify.c and
 * formation_pair.c (keys, links, confirm). */
#ifndef AVOW_DAEMON_FORMATION_INTERNAL_H
#define AVOW_DAEMON_FORMATION_INTERNAL_H

#include <event2/event_struct.h>
#include <pthread.h>

#include "daemon/attestation.h"
#include "daemon/formation.h"
#include "daemon/http.h"
#include "daemon/peer.h"
#include "daemon/proposal.h"
#include "policy/verdict.h"
#include "serve/quiet.h"
#include "serve/workers.h"
#include "verify/cache.h"

#define AVOW_CONNECT_RETRY_MS 200
#define AVOW_RESOLVE_MS 10000 /* all members' addresses; the one under way may take longer */

enum avow_formation_state {
    AVOW_FORMATION_RESOLVING = 1, /* proposed; addresses are being looked up */
    AVOW_FORMATION_PROPOSED,      /* own key and nonce are made */
    AVOW_FORMATION_QUOTING,       /* has a roster; own evidence is being made */
    AVOW_FORMATION_ROSTERED,      /* own evidence is made */
    AVOW_FORMATION_VERIFYING,
    AVOW_FORMATION_VERIFIED, /* everybody accepted: the pairs have their secrets */
    AVOW_FORMATION_CONFIRMING,
    AVOW_FORMATION_FORMED,
    AVOW_FORMATION_FAILED, /* a pair failed or was lost: only another epoch helps */
};

const char *avow_formation_state_name(enum avow_formation_state s);

enum avow_pair_state { AVOW_PAIR_WAITING = 0, AVOW_PAIR_CONFIRMED, AVOW_PAIR_FAILED };

struct avow_pair {
    struct avow_formation *formation;
    uint32_t index; /* of the peer */
    enum avow_pair_state state;
    struct avow_key prk;
    struct avow_link *link;
    struct event retry; /* the next attempt to connect */
    bool has_mac;       /* of a link that came before we had verified */
    uint8_t mac[32];
    uint64_t since_ns;
    double ms; /* from the first attempt to the confirmation */
    int code;  /* if failed */
    char text[192];
};

/* What became of one bundle; a value for a worker and back. */
struct avow_judged {
    struct avow_formation *formation;
    uint32_t index;
    struct avow_buf bundle;
    uint8_t digest[32];
    struct avow_verdict *verdict; /* NULL: could not be evaluated */
    struct avow_error err;
    double ms;
};

struct avow_formation {
    struct avow_formation *next;
    struct avow_formations *all;
    unsigned refs;  /* the table and each work item under way */
    unsigned holds; /* by jobs */
    bool deleted;
    enum avow_formation_state state;
    struct avow_proposal proposal;
    uint8_t owner[32];
    uint64_t touched_ns;
    struct avow_key x25519; /* wiped once the pairs have their secrets */
    uint8_t x25519_pub[32];
    uint8_t nonce[32];
    struct avow_roster roster; /* from QUOTING on */
    uint8_t h[32];
    struct avow_buf bundle;     /* own */
    struct avow_judged *judged; /* n; from VERIFYING on */
    size_t n_judging;           /* work items under way */
    json_t *verdicts;           /* of the last verification */
    bool simulated;
    struct avow_pair *pairs; /* n; own entry unused; from ROSTERED on */
    struct event confirm_deadline;
    struct avow_call *call;        /* that waits for an answer, or NULL */
    struct avow_error resolve_err; /* written by the worker */
};

/*
 * What workers read and verified before (verify/cache.h): one cache for each judgement under way,
 * the one used last first, so that there are as many as workers were ever at it together.
 */
struct avow_caches {
    pthread_mutex_t lock; /* protects the rest */
    struct avow_verify_cache *idle[AVOW_WORKERS_THREADS_MAX];
    size_t n_idle;
};

struct avow_formations {
    struct avow_formations_config cfg;
    struct avow_caches caches;
    struct avow_formation *first;
    size_t n;
    struct event sweep;
    struct avow_quiet not_linked; /* links that strangers may ask for */
    struct avow_formation_user user;
};

/* formation.c */
struct avow_formation *avow_formation_ref(struct avow_formation *f);
void avow_formation_unref(struct avow_formation *f);
/* Wipes its keys, closes its links, takes it off the table. */
void avow_formation_delete(struct avow_formation *f, const char *why);
void avow_formation_wait(struct avow_formation *f, struct avow_call *c); /* deferred answer */
/* The formation named in the body, if the caller may drive it and it is in one of @states (bit 1 <<
 * state). -AVOW_E_NOTFOUND, -AVOW_E_STATE. */
AVOW_MUST_USE int avow_formation_of_call(struct avow_formations *fs, struct avow_call *c,
                                         unsigned states, struct avow_formation **out,
                                         struct avow_error *err);

/* formation_join.c, formation_verify.c, formation_pair.c: handlers; ctx is the formations. */
void avow_formation_on_propose(void *ctx, struct avow_call *c);
void avow_formation_on_roster(void *ctx, struct avow_call *c);
void avow_formation_on_verify(void *ctx, struct avow_call *c);
void avow_formation_on_confirm(void *ctx, struct avow_call *c);

void avow_formation_on_confirm_deadline(evutil_socket_t fd, short what, void *formation);

void avow_caches_init(struct avow_caches *all);
void avow_caches_done(struct avow_caches *all); /* no worker is at it any more */
void avow_judged_free(struct avow_judged *list, size_t n);
/* The pairs, still without secrets: from now on peers may connect. */
AVOW_MUST_USE int avow_pairs_new(struct avow_formation *f);
/* Pair secrets with every other member. On failure @who is the member at fault. */
AVOW_MUST_USE int avow_pairs_make(struct avow_formation *f, uint32_t *who, struct avow_error *err);
void avow_pairs_free(struct avow_formation *f);
/* Links that came early may now be answered. */
void avow_pairs_answer(struct avow_formation *f);

#endif
