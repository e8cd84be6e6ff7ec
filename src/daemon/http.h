/*
 * HTTP for the daemon, over serve/https.h: routes, the rule that a connection must be authorised
 * and attested, JSON bodies, error bodies, event streams. Loop thread only.
 */
#ifndef AVOW_DAEMON_HTTP_H
#define AVOW_DAEMON_HTTP_H

#include <event2/event.h>
#include <event2/http.h>

#include "channel/tls.h"
#include "codec/json.h"

struct avow_http; /* the API server */
struct avow_call; /* one request under way */

#define AVOW_HTTP_BODY_MAX AVOW_JSON_MAX /* of an authorised client; all bundles of a formation */
#define AVOW_HTTP_PART_MAX (4u << 20)    /* of AVOW_ROUTE_RAW */
#define AVOW_HTTP_HEADERS_MAX (16u << 10)
#define AVOW_HTTP_IDLE_S 60                /* without a byte; streams are exempt */
#define AVOW_HTTP_STRANGER_S 10            /* life of a connection whose client is not authorised */
#define AVOW_HTTP_STRANGER_MAX (64u << 10) /* bytes such a connection may send */
#define AVOW_HTTP_CONNS_MAX 512            /* default */
#define AVOW_STREAM_KEEPALIVE_S 10

/* One request was answered; for logs and metrics. Strings are borrowed. */
struct avow_served {
    const char *method;
    const char *pattern; /* of the route; "" if there was none such */
    int status;
    int code;         /* AVOW_E_*, 0 for success */
    const char *text; /* of the error, "" for success */
    double seconds;
};

struct avow_http_config {
    struct event_base *base;
    const struct avow_leaf *leaf; /* outlives the server */
    unsigned conns_max;           /* 0: AVOW_HTTP_CONNS_MAX */
    /* Asked for each request, so that a client taken off the list is out at once. */
    bool (*authorised)(void *ctx, const uint8_t spki[32]);
    void (*served)(void *ctx, const struct avow_served *s); /* may be NULL */
    void *ctx;
};

AVOW_MUST_USE int avow_http_new(const struct avow_http_config *cfg, struct avow_http **out,
                                struct avow_error *err);
/* Starts to listen; @port gets the port in use (for port 0 in @addr). More than once is fine. */
AVOW_MUST_USE int avow_http_listen(struct avow_http *h, const struct sockaddr *addr, socklen_t len,
                                   uint16_t *port, struct avow_error *err);
/* Closes everything; pending calls and streams get their gone(). The loop must run once more
 * (EVLOOP_NONBLOCK) before the event base is freed: libevent releases connections from there. */
void avow_http_free(struct avow_http *h);

enum avow_route_flags {
    AVOW_ROUTE_OPEN = 1,       /* no authorised client needed (healthz) */
    AVOW_ROUTE_UNATTESTED = 2, /* may come before the channel is attested */
    AVOW_ROUTE_RAW = 4,        /* the body is file content, not JSON */
};

typedef void (*avow_handler_fn)(void *ctx, struct avow_call *call);

/* Pattern: literal segments and {name} segments, the last may be {name...} (rest of the path).
 * "GET", "/v1/jobs/{job}/results/{name...}". Patterns are static strings. */
void avow_http_route(struct avow_http *h, const char *method, const char *pattern, unsigned flags,
                     avow_handler_fn fn, void *ctx);

/* Path parameter, query parameter (NULL if absent), client, body. Borrowed from the call. */
const char *avow_call_param(const struct avow_call *c, const char *name);
const char *avow_call_query(const struct avow_call *c, const char *name);
const uint8_t *avow_call_client_spki(const struct avow_call *c); /* 32 bytes */
const json_t *avow_call_json(const struct avow_call *c);         /* {} if the body was empty */
struct avow_bytes avow_call_body(const struct avow_call *c);     /* AVOW_ROUTE_RAW */

/* For the attestation endpoints: the TLS connection of this call, and "its channel is attested". */
SSL *avow_call_ssl(const struct avow_call *c);
void avow_call_set_attested(struct avow_call *c);

/* Exactly one of these ends a call. @take_body is consumed. */
void avow_call_reply(struct avow_call *c, int status, json_t *take_body);
void avow_call_reply_bytes(struct avow_call *c, int status, const char *content_type,
                           struct avow_bytes body);
void avow_call_fail(struct avow_call *c, const struct avow_error *err); /* maps code to status */

/*
 * Deferred reply: a handler that does not answer at once keeps @c; if the client goes away first,
 * @gone(ctx) is called and @c is dead.
 */
void avow_call_defer(struct avow_call *c, void (*gone)(void *ctx), void *ctx);

/* Server-sent events on this call; @gone when the client left. Queue bound: AVOW_STREAM_QUEUE_MAX
 * bytes not yet sent, beyond which avow_stream_send returns -AVOW_E_LIMIT and sends nothing. */
#define AVOW_STREAM_QUEUE_MAX (1u << 20)
struct avow_stream;
struct avow_stream *avow_stream_start(struct avow_call *c, void (*gone)(void *ctx), void *ctx);
int avow_stream_send(struct avow_stream *s, uint64_t id, const char *event, const char *json_text);
void avow_stream_end(struct avow_stream *s);

#endif
