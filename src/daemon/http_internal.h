/* Shared by http.c (server, connections), call.c (requests, replies) and stream.c. */
#ifndef AVOW_DAEMON_HTTP_INTERNAL_H
#define AVOW_DAEMON_HTTP_INTERNAL_H

#include "daemon/http.h"
#include "serve/exchange.h"

/* What a route does; by its number. */
struct http_handler {
    unsigned flags;
    avow_handler_fn fn;
    void *ctx;
};

/* One connection. */
struct avow_conn {
    struct avow_https_conn base;
    size_t received; /* bytes of TLS records, until authorised */
    uint8_t spki[32];
    bool identified; /* handshake looked at; spki is set if has_client */
    bool has_client; /* a certificate was shown */
    bool authorised; /* once; asked again for each request */
    bool attested;
};

struct avow_http {
    struct avow_http_config cfg;
    struct avow_https *https;
    struct avow_routes routes;
    struct http_handler handlers[AVOW_ROUTES_MAX];
};

struct avow_call {
    struct avow_exchange x;
    struct avow_conn *conn;
    int route; /* its number, negative: none matches */
    json_t *json;
    struct avow_stream *stream;
};

/* A request came in on @conn: dispatch it. */
void avow_call_begin(struct avow_conn *conn, struct evhttp_request *req);
/* The hook: what comes in is too large for a request. */
void avow_call_too_large(struct avow_https_conn *conn, struct avow_buf *headers,
                         struct avow_buf *body);
/* The hook: the connection of the call goes down. */
void avow_call_lost(struct avow_exchange *x);
/* For metrics and logs: @c is answered so. */
void avow_call_report(const struct avow_call *c, int status, const struct avow_error *err);
void avow_call_free(struct avow_call *c);

/* The connection of its call goes down: consumes @s, and says whom to tell. */
void avow_stream_lost(struct avow_stream *s, void (**gone)(void *ctx), void **ctx);

/* The server of a connection. */
struct avow_http *avow_conn_http(const struct avow_conn *conn);
/* 0 if the connection is what it must be; sets spki, has_client. */
AVOW_MUST_USE int avow_conn_identify(struct avow_conn *conn, struct avow_error *err);

#endif
