/*
 * An HTTPS server: libevent's evhttp behind OpenSSL bufferevents, with what every server of ours
 * needs of a connection's life: never in the clear, bounded in number, a deadline, hung up on
 * demand. What a connection may do is its user's, by hooks; requests and replies are in
 * serve/exchange.h. Loop thread only.
 */
#ifndef AVOW_SERVE_HTTPS_H
#define AVOW_SERVE_HTTPS_H

#include <event2/event_struct.h>
#include <event2/http.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "serve/excess.h"

#define AVOW_HTTPS_LISTENERS_MAX 4
#define AVOW_HTTPS_LINGER_S 5 /* for a client to read why its request is too large */

struct avow_https; /* the server; opaque, owned */
struct avow_exchange;

/* One connection. Its user's struct begins with one; made zeroed, and freed with its TLS object. */
struct avow_https_conn {
    struct avow_https *https;
    SSL *ssl;                        /* lives as long */
    struct evhttp_connection *evcon; /* NULL before the first request */
    struct avow_exchange *exchange;  /* the request under way, or NULL */
    struct event accepted, deadline;
    struct avow_excess excess;
};

struct avow_https_hooks {
    /* @conn was accepted, and has an address; false hangs up. No byte need ever come in: what is
     * counted here is all that a client can hold. May be NULL. */
    bool (*accepted)(struct avow_https_conn *conn);
    /* A TLS record of @len bytes came in; false hangs up. */
    bool (*record)(struct avow_https_conn *conn, size_t len);
    /* Its deadline passed; false hangs up. NULL: always. */
    bool (*overdue)(struct avow_https_conn *conn);
    /* A whole request came in; false closes the connection. */
    bool (*request)(struct avow_https_conn *conn, struct evhttp_request *req);
    /* What came in is too long for a request and is refused: see serve/excess.h. */
    void (*too_large)(struct avow_https_conn *conn, struct avow_buf *headers,
                      struct avow_buf *body);
    /* The connection goes down while @x is under way, and takes it along (avow_exchange_lost). */
    void (*lost)(struct avow_exchange *x);
    /* @conn is about to be freed. May be NULL. */
    void (*forget)(struct avow_https_conn *conn);
    /* After avow_https_free, when the last connection is gone, too: @ctx is not used any more. */
    void (*released)(void *ctx);
};

struct avow_https_config {
    struct event_base *base;
    const struct avow_https_hooks *hooks; /* static */
    void *ctx;                            /* avow_https_ctx; lives until it is released */
    size_t conn_size;                     /* of its user's struct */
    unsigned conns_max;
    int first_s;         /* deadline of a connection when it is accepted */
    int idle_s;          /* without a byte either way */
    size_t headers_max;  /* beyond them evhttp answers by itself */
    size_t body_max;     /* too_large, beyond these two together */
    int methods;         /* EVHTTP_REQ_*, or-ed; others: 501 */
    bool may_just_leave; /* a client's end without TLS's close_notify is no failure */
};

/* @take_tls is consumed in any case. -AVOW_E_CRYPTO, -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_https_new(const struct avow_https_config *cfg, SSL_CTX *take_tls,
                                 struct avow_https **out, struct avow_error *err);
/* Starts to listen; @port (may be NULL) gets the port in use (for port 0 in @addr). At most
 * AVOW_HTTPS_LISTENERS_MAX times. -AVOW_E_LIMIT, -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_https_listen(struct avow_https *h, const struct sockaddr *addr,
                                    socklen_t len, uint16_t *port, struct avow_error *err);
/* Connections from now on get @take_tls. */
void avow_https_set_tls(struct avow_https *h, SSL_CTX *take_tls);
/* Closes everything; exchanges under way are lost. The loop must run once more (EVLOOP_NONBLOCK)
 * before the event base is freed: libevent releases connections from there. */
void avow_https_free(struct avow_https *h);
AVOW_DEFINE_CLEANUP(https, struct avow_https, avow_https_free)

void *avow_https_ctx(const struct avow_https *h);
struct event_base *avow_https_base(const struct avow_https *h);
/* Open ones. */
unsigned avow_https_connections(const struct avow_https *h);
/* From now until the overdue hook is asked. */
void avow_https_conn_wait(struct avow_https_conn *conn, int seconds);
/* Not until the next avow_https_conn_wait. */
void avow_https_conn_wait_no_more(struct avow_https_conn *conn);
/* evhttp's own limit of this server's connections. */
int avow_https_idle_s(const struct avow_https *h);

#endif
