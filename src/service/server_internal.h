/* Shared by server.c (connections) and request.c (requests, replies). */
#ifndef AVOW_SERVICE_SERVER_INTERNAL_H
#define AVOW_SERVICE_SERVER_INTERNAL_H

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event_struct.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <openssl/ssl.h>

#include "serve/route.h"
#include "service/server.h"

struct avow_server_route {
    const char *method;
    const char *pattern;
    avow_serve_fn fn;
    void *ctx;
};

/* One connection; owned by its SSL object (ex_data), so it lives exactly as long. */
struct avow_server_conn {
    struct avow_server *server;
    struct avow_server_conn *next, **link; /* in the server's list, once its address is known */
    struct evhttp_connection *evcon;       /* NULL before the first request */
    struct avow_request *request;          /* under way, or NULL */
    struct event deadline;
    struct avow_client_address from;
    bool known; /* ->from is set */
    bool has_client;
    uint8_t spki[32];
};

struct avow_server {
    struct avow_server_config cfg;
    SSL_CTX *tls;
    struct evhttp *ev;
    struct bufferevent *spare; /* ready for the next connection; NULL: not listening */
    struct event retry;        /* to make a spare again */
    struct evconnlistener *listener;
    struct avow_server_conn *conns; /* whose addresses are known */
    unsigned n_conns;               /* with the spare */
    bool making;                    /* a connection object is being made */
    bool closed;                    /* freed by the owner; waits for its connections */
    size_t n_routes;
    struct avow_server_route routes[AVOW_SERVER_ROUTES_MAX];
};

struct avow_request {
    struct avow_server_conn *conn;
    struct evhttp_request *req;
    const struct avow_server_route *route; /* NULL: none matches */
    struct avow_route_params params;
    struct evkeyvalq query;
    bool has_query;
    char id[AVOW_REQUEST_ID];
    uint64_t began_ns;
    bool deferred;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

/* A request came in on @conn: dispatch it. */
void avow_request_begin(struct avow_server_conn *conn, struct evhttp_request *req);
/* The connection of @r is going down; consumes @r. */
void avow_request_lost(struct avow_request *r);
/* Until the next whole request is there. */
void avow_server_conn_wait(struct avow_server_conn *conn, int seconds);

#endif
