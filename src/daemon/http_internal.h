/* Shared by http.c (server, connections) and call.c (requests, replies, streams). */
#ifndef AVOW_DAEMON_HTTP_INTERNAL_H
#define AVOW_DAEMON_HTTP_INTERNAL_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <time.h>

#include "daemon/http.h"
#include "serve/route.h"

struct avow_route {
    const char *method;
    const char *pattern;
    unsigned flags;
    avow_handler_fn fn;
    void *ctx;
};

/* One connection; owned by its SSL object (ex_data), so it lives exactly as long. */
struct avow_conn {
    struct avow_http *http;
    struct evhttp_connection *evcon; /* NULL before the first request */
    struct avow_call *call;          /* the request under way, or NULL */
    struct event deadline;           /* for strangers */
    size_t received;                 /* bytes of TLS records, until authorised */
    uint8_t spki[32];
    bool identified; /* handshake looked at; spki is set if has_client */
    bool has_client; /* a certificate was shown */
    bool authorised; /* once; asked again for each request */
    bool attested;
};

struct avow_http {
    struct avow_http_config cfg;
    SSL_CTX *tls;
    struct evhttp *ev;
    struct bufferevent *spare; /* ready for the next connection; NULL: not listening */
    struct event retry;        /* to make a spare again */
    struct evconnlistener *listeners[4];
    size_t n_listeners;
    unsigned n_conns; /* with the spare */
    bool making;      /* a connection object is being made */
    bool closed;      /* freed by the owner; waits for its connections */
    size_t n_routes;
    struct avow_route routes[AVOW_HTTP_ROUTES_MAX];
};

struct avow_call {
    struct avow_conn *conn;
    struct evhttp_request *req;
    const struct avow_route *route; /* NULL: none matches */
    struct avow_route_params params;
    struct evkeyvalq query;
    bool has_query;
    json_t *json;
    struct timespec began;
    bool deferred;
    void (*gone)(void *ctx);
    void *gone_ctx;
    struct avow_stream *stream;
};

/* A request came in on @conn: dispatch it. */
void avow_call_begin(struct avow_conn *conn, struct evhttp_request *req);
/* The connection of @c is going down; consumes @c. */
void avow_call_connection_closed(struct avow_call *c);

/* 0 if the connection is what it must be; sets spki, has_client. */
AVOW_MUST_USE int avow_conn_identify(struct avow_conn *conn, SSL *ssl, struct avow_error *err);

#endif
