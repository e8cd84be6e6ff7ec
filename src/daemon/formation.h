/*
 * Formations as the rest of the daemon sees them: a formed group of nodes with pair secrets, and
 * authenticated links that carry messages between their daemons. Loop thread only.
 */
#ifndef AVOW_DAEMON_FORMATION_H
#define AVOW_DAEMON_FORMATION_H

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "codec/json.h"
#include "group/roster.h"
#include "verifier/verifier.h"

struct avow_formations; /* all of them */
struct avow_formation;  /* one */

struct avow_http;
struct avow_identity;
struct avow_link;
struct avow_hello;
struct avow_metrics;
struct avow_peers;
struct avow_policy;
struct avow_anchors;
struct avow_workers;

#define AVOW_FORMATIONS_MAX 32       /* of all clients */
#define AVOW_FORMATIONS_CLIENT_MAX 8 /* of one client, besides those that its jobs use */
#define AVOW_FORMATION_IDLE_S 600    /* then it is forgotten, unless held */
#define AVOW_CONFIRM_MS 10000

/* All outlive the formations. */
struct avow_formations_config {
    struct event_base *base;
    struct avow_http *http; /* routes are registered on it */
    struct avow_peers *peers;
    struct avow_workers *pool;
    struct avow_identity *identity;
    struct avow_metrics *metrics;
    const struct avow_anchors *anchors;
    const struct avow_policy *minimum; /* the operator's own, or NULL */
    struct avow_verifier *verifier;    /* who judges other nodes; NULL: this one alone */
};

AVOW_MUST_USE int avow_formations_new(const struct avow_formations_config *cfg,
                                      struct avow_formations **out, struct avow_error *err);
/* Wipes keys and closes links. The pool must have been freed before. */
void avow_formations_free(struct avow_formations *fs);
/* The peers' incoming callback; @fs is a struct avow_formations. */
void avow_formations_incoming(void *fs, struct avow_link *l, const struct avow_hello *hello,
                              const uint8_t mac[32]);

/* One frame on a peer link is at most this long. */
#define AVOW_PEER_FRAME_MAX (8u << 20)
/* A peer that is silent this long is lost (heartbeats every AVOW_PEER_HEARTBEAT_MS). */
#define AVOW_PEER_HEARTBEAT_MS 400
#define AVOW_PEER_LOST_MS 1500

/* By UUID; NULL if unknown. */
struct avow_formation *avow_formation_find(struct avow_formations *fs, const char *uuid);
bool avow_formation_formed(const struct avow_formation *f); /* every pair confirmed */
const struct avow_roster *avow_formation_roster(const struct avow_formation *f);
uint32_t avow_formation_self(const struct avow_formation *f); /* own index in the roster */
struct avow_bytes avow_formation_manifest(const struct avow_formation *f); /* canonical text */
bool avow_formation_simulated(const struct avow_formation *f); /* any member is simulated */
/* Accepted verdicts of all members as {name: verdict}; borrowed. */
const json_t *avow_formation_verdicts(const struct avow_formation *f);
/* SPKI of the client that proposed it: only that client may use it. */
const uint8_t *avow_formation_owner(const struct avow_formation *f);
/* Pair secret and address of the node port of member @node (not self). */
const struct avow_key *avow_formation_prk(const struct avow_formation *f, uint32_t node);
int avow_formation_addr(const struct avow_formation *f, uint32_t node,
                        struct sockaddr_storage *addr, socklen_t *len);

/* Message types on a link belong to whoever registers them (job: 32..63). */
struct avow_formation_user {
    void (*message)(void *ctx, struct avow_formation *f, uint32_t from, uint8_t type,
                    struct avow_bytes payload);
    void (*lost)(void *ctx, struct avow_formation *f, uint32_t node, const char *why);
    void *ctx;
};
void avow_formations_set_user(struct avow_formations *fs, const struct avow_formation_user *u);

/* Queue a frame for a peer; -AVOW_E_PEERLOST if the link is down, -AVOW_E_BUSY over 64 MiB queued.
 */
AVOW_MUST_USE int avow_formation_send(struct avow_formation *f, uint32_t node, uint8_t type,
                                      struct avow_bytes payload);
/* While a job uses it a formation is not expired. Balanced calls. */
void avow_formation_hold(struct avow_formation *f);
void avow_formation_release(struct avow_formation *f);

#endif
