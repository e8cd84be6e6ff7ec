/*
 * One request on a connection of serve/https.h and its reply: what was asked, a reply at once or
 * later, and the word when the client leaves before it. What a body or an error looks like is its
 * user's. Loop thread only.
 */
#ifndef AVOW_SERVE_EXCHANGE_H
#define AVOW_SERVE_EXCHANGE_H

#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>

#include "base/bytes.h"
#include "serve/https.h"
#include "serve/route.h"

/* Its user's struct begins with one; zeroed, then avow_exchange_begin. */
struct avow_exchange {
    struct avow_https_conn *conn;
    struct evhttp_request *req;
    struct avow_route_params params; /* of the path, once it was routed */
    struct evkeyvalq query;
    bool has_query;
    bool deferred; /* the reply comes later */
    uint64_t began_ns;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

/* @x is what is under way on @conn from now on. */
void avow_exchange_begin(struct avow_exchange *x, struct avow_https_conn *conn,
                         struct evhttp_request *req);
/* @x is over: its reply was sent, or it was lost. Frees what is in it, not itself. */
void avow_exchange_done(struct avow_exchange *x);
/* For the hook: lets go of the request. Its user then ends @x, and calls gone() last. */
void avow_exchange_lost(struct avow_exchange *x);

/* Parse the URL's query; false if it is malformed. */
bool avow_exchange_take_query(struct avow_exchange *x);
/* Path parameter, query parameter, header of the request: NULL if absent. Borrowed. */
const char *avow_exchange_param(const struct avow_exchange *x, const char *name);
const char *avow_exchange_query(const struct avow_exchange *x, const char *name);
const char *avow_exchange_header(const struct avow_exchange *x, const char *name);
/* The whole body; borrowed. */
struct avow_bytes avow_exchange_body(const struct avow_exchange *x);
/* "GET"; "?" for one that no server here takes. */
const char *avow_exchange_method(const struct avow_exchange *x);
/* Since it began. */
double avow_exchange_seconds(const struct avow_exchange *x);
/* The path as it was sent, NULL if there is none. Borrowed. */
const char *avow_exchange_path(const struct avow_exchange *x);

/* A header for the reply; both are copied. */
void avow_exchange_answer_with(struct avow_exchange *x, const char *name, const char *value);
/* Send the reply: exactly one for each exchange that is not lost. Cache-Control: no-store, unless
 * the reply has that header. To HEAD without the body, whose length it says. */
void avow_exchange_reply(struct avow_exchange *x, int status, const char *type,
                         struct avow_bytes body);
/* The reply comes later; if the client goes away first, its user calls gone(@ctx). */
void avow_exchange_defer(struct avow_exchange *x, void (*gone)(void *ctx), void *ctx);

/* For streams. The connection's buffers: */
struct bufferevent *avow_exchange_bufferevent(const struct avow_exchange *x);
/* While a reply is pending nothing is read but to learn of a close, and only the client's side of
 * the idle limit counts; afterwards the next request needs it lifted. */
void avow_exchange_reads_no_request(struct avow_exchange *x);
void avow_exchange_reads_as_usual(struct avow_exchange *x);

#endif
