/*
 * The node port and the links between daemons (docs/protocols/formation.md, "Links"). A link is a
 * TLS 1.3 connection (ALPN avow-peer/1) that carries frames: u32be length of the payload, u8 type,
 * payload. Who the other side is, and whether to trust it, is decided by the formation that adopts
 * the link; until then next to nothing is taken from it. Loop thread only.
 */
#ifndef AVOW_DAEMON_PEER_H
#define AVOW_DAEMON_PEER_H

#include <event2/event.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "channel/tls.h"
#include "group/roster.h"

#define AVOW_FRAME_HELLO 1     /* first frame of whoever connects */
#define AVOW_FRAME_CONFIRM 2   /* 32 bytes: avow_pair_confirm */
#define AVOW_FRAME_HEARTBEAT 3 /* empty */
#define AVOW_FRAME_USER_MIN 32 /* from here on frames belong to formations' users */

#define AVOW_FRAME_HEAD 5               /* bytes before the payload */
#define AVOW_FRAME_EARLY_MAX 256        /* bytes of payload before the link is up */
#define AVOW_LINK_DEADLINE_MS 10000     /* from its start until the link is up */
#define AVOW_LINK_QUEUE_MAX (64u << 20) /* bytes not yet sent */
#define AVOW_STRANGERS_MAX 1280 /* incoming connections that are not up; over AVOW_MEMBERS_MAX */
#define AVOW_FIRST_BYTE_MS 5000

/* Payload of HELLO: formation (36 bytes), epoch (u64be), length of the name (u8), name. */
struct avow_hello {
    char formation[37];
    uint64_t epoch;
    char member[AVOW_MEMBER_NAME_MAX + 1]; /* who connects */
};

AVOW_MUST_USE int avow_hello_parse(struct avow_bytes payload, struct avow_hello *out,
                                   struct avow_error *err);
AVOW_MUST_USE int avow_hello_emit(const struct avow_hello *h, struct avow_buf *out,
                                  struct avow_error *err);

/* One frame at the start of @in: payload and total length. -AVOW_E_TRUNCATED: more must come;
 * -AVOW_E_LIMIT: longer than @max. Pure. */
AVOW_MUST_USE int avow_frame_parse(struct avow_bytes in, size_t max, uint8_t *type,
                                   struct avow_bytes *payload, size_t *used);

struct avow_peers; /* node port and all links */
struct avow_link;  /* one */

struct avow_link_events {
    /* An own connection has its TLS; pin the other side before anything is sent. */
    void (*ready)(void *ctx, struct avow_link *l);
    void (*frame)(void *ctx, struct avow_link *l, uint8_t type, struct avow_bytes payload);
    /* The link failed and is freed after this; @early: before TLS was complete. */
    void (*closed)(void *ctx, struct avow_link *l, bool early, const char *why);
};

struct avow_peers_config {
    struct event_base *base;
    const struct avow_leaf *leaf; /* outlives the peers */
    /* Somebody connected, said HELLO and sent its CONFIRM: adopt or close the link. */
    void (*incoming)(void *ctx, struct avow_link *l, const struct avow_hello *hello,
                     const uint8_t mac[32]);
    /* An accepted connection whose first byte was AVOW_FABRIC_MAGIC0. NULL: closed. */
    void (*fabric)(void *ctx, int take_fd);
    /* An incoming connection that came to nothing; for the log. May be NULL. */
    void (*dropped)(void *ctx, const char *why);
    void *ctx;
};

AVOW_MUST_USE int avow_peers_new(const struct avow_peers_config *cfg, struct avow_peers **out,
                                 struct avow_error *err);
AVOW_MUST_USE int avow_peers_listen(struct avow_peers *p, const struct sockaddr *addr,
                                    socklen_t len, uint16_t *port, struct avow_error *err);
/* Links that formations hold must be closed by them before. */
void avow_peers_free(struct avow_peers *p);

/* @events borrowed until the link is closed. */
AVOW_MUST_USE int avow_link_connect(struct avow_peers *p, const struct sockaddr *addr,
                                    socklen_t len, const struct avow_link_events *events, void *ctx,
                                    struct avow_link **out, struct avow_error *err);
/* Take over an incoming link. Its deadline goes on until avow_link_up. */
void avow_link_adopt(struct avow_link *l, const struct avow_link_events *events, void *ctx);
/* Confirmed: heartbeats, frames of full size, and lost when silent for AVOW_PEER_LOST_MS. */
void avow_link_up(struct avow_link *l);
SSL *avow_link_ssl(const struct avow_link *l);
/* -AVOW_E_BUSY over AVOW_LINK_QUEUE_MAX, -AVOW_E_LIMIT for too long a payload. */
AVOW_MUST_USE int avow_link_send(struct avow_link *l, uint8_t type, struct avow_bytes payload);
/* Close and free; no event comes of it. */
void avow_link_close(struct avow_link *l);

#endif
