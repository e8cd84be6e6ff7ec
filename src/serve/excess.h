/*
 * A request that is too long, refused in its server's own words. evhttp (libevent 2.1) keeps a
 * whole body before it calls anybody, and answers one over its limit with a page that cannot be
 * changed. So it gets no limit; what comes in is counted here, and at too much the connection is
 * taken from evhttp: the reply is written, the rest is thrown away, and evhttp learns only of the
 * end. Loop thread only.
 */
#ifndef AVOW_SERVE_EXCESS_H
#define AVOW_SERVE_EXCESS_H

#include <event2/bufferevent.h>
#include <event2/event_struct.h>

#include "base/bytes.h"
#include "base/cleanup.h"

/* Append to @headers lines that the reply shall have besides the usual ones, each with its CRLF,
 * and to @body its JSON. */
typedef void (*avow_excess_fn)(void *ctx, struct avow_buf *headers, struct avow_buf *body);

/* Of one connection; zeroed at first. */
struct avow_excess {
    struct bufferevent *bev;
    size_t unread, max; /* bytes since the last request, without TLS's own */
    struct event refuse;
    bool refused;
    avow_excess_fn words;
    void *ctx;
    bufferevent_event_cb on_event; /* evhttp's */
    void *on_event_arg;
};

/* Count what comes in on @bev; over @max bytes between two requests, refuse with 413 and what
 * @words(@ctx) says. The caller hangs up some time later, as @words is the sign for. -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_excess_begin(struct avow_excess *e, struct event_base *base,
                                    struct bufferevent *bev, size_t max, avow_excess_fn words,
                                    void *ctx, struct avow_error *err);
/* A whole request came in. */
void avow_excess_next(struct avow_excess *e);
/* Fine for one that was not begun. */
void avow_excess_done(struct avow_excess *e);

#endif
