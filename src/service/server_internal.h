/* Shared by server.c (connections) and request.c (requests, replies). */
#ifndef AVOW_SERVICE_SERVER_INTERNAL_H
#define AVOW_SERVICE_SERVER_INTERNAL_H

#include "serve/exchange.h"
#include "service/server.h"

/* What a route does; by its number. */
struct server_handler {
    avow_serve_fn fn;
    void *ctx;
};

/* One connection. */
struct avow_server_conn {
    struct avow_https_conn base;
    struct avow_server_conn *next, **link; /* in the server's list, once its address is known */
    struct avow_client_address from;
    bool known; /* ->from is set */
    bool asked; /* for a certificate, whose spki is set if has_client */
    bool has_client;
    uint8_t spki[32];
};

struct avow_server {
    struct avow_server_config cfg;
    struct avow_https *https;
    struct avow_server_conn *conns; /* whose addresses are known */
    struct avow_routes routes;
    struct server_handler handlers[AVOW_ROUTES_MAX];
};

struct avow_request {
    struct avow_exchange x;
    struct avow_server_conn *conn;
    int route; /* its number, negative: none matches */
    char id[AVOW_REQUEST_ID];
};

/* The server of a connection. */
struct avow_server *avow_server_of(const struct avow_server_conn *conn);
/* A request came in on @conn: dispatch it. */
void avow_request_begin(struct avow_server_conn *conn, struct evhttp_request *req);
/* The hook: what comes in is too large for a request. */
void avow_request_too_large(struct avow_https_conn *conn, struct avow_buf *headers,
                            struct avow_buf *body);
/* The hook: the connection of the request goes down. */
void avow_request_lost(struct avow_exchange *x);

#endif
