/*
 * HTTPS for the verifier, over serve/https.h. Anybody may connect; a client certificate is asked
 * for only where the service has administrators, and believed for the digest of its key alone.
 * Every request gets an id; errors have MAA's shape. Loop thread only.
 */
#ifndef AVOW_SERVICE_SERVER_H
#define AVOW_SERVICE_SERVER_H

#include <event2/event.h>
#include <sys/socket.h>

#include "codec/json.h"

#define AVOW_SERVER_BODY_MAX (1u << 20)
#define AVOW_SERVER_HEADERS_MAX (16u << 10)
#define AVOW_SERVER_IDLE_S 30    /* without a byte */
#define AVOW_SERVER_REQUEST_S 60 /* from one reply to the next whole request */
#define AVOW_SERVER_HANDSHAKE_S 10
#define AVOW_SERVER_ADDRESS_TEXT 64
#define AVOW_REQUEST_ID 37 /* bytes with the NUL */

struct avow_server;  /* opaque, owned */
struct avow_request; /* one request under way */

/* A client's address, for limits: IPv4 as ::ffff:a.b.c.d, IPv6 by its /64. */
struct avow_client_address {
    uint8_t key[16];
    char text[AVOW_SERVER_ADDRESS_TEXT];
};

/* One request was answered. Strings are borrowed. */
struct avow_answered {
    const char *method;
    const char *pattern; /* of the route; "" if there was none such */
    const char *client;  /* address */
    const char *id;
    int status;
    const char *code; /* of the error, "" for success */
    const char *text;
    double seconds;
};

struct avow_server_config {
    struct event_base *base;
    const char *cert, *key; /* PEM files: chain, private key (0600) */
    bool ask_clients;       /* ask for a client certificate */
    unsigned conns_max, conns_per_client;
    /* Asked before anything else is done for a request: false gives 429 with Retry-After. */
    bool (*admit)(void *ctx, const struct avow_client_address *from);
    void (*answered)(void *ctx, const struct avow_answered *a);
    void *ctx;
};

/* -AVOW_E_UNTRUSTED (a key that others can read), -AVOW_E_FORMAT, -AVOW_E_CRYPTO, -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_server_new(const struct avow_server_config *cfg, struct avow_server **out,
                                  struct avow_error *err);
/* Starts to listen; @port gets the port in use (for port 0 in @addr). Once. */
AVOW_MUST_USE int avow_server_listen(struct avow_server *s, const struct sockaddr *addr,
                                     socklen_t len, uint16_t *port, struct avow_error *err);
/* Read certificate and key again: connections from now on see them. On failure all stays. */
AVOW_MUST_USE int avow_server_reload(struct avow_server *s, const char *cert, const char *key,
                                     bool ask_clients, struct avow_error *err);
/* Closes everything; deferred requests get their gone(). The loop must run once more
 * (EVLOOP_NONBLOCK) before the event base is freed. */
void avow_server_free(struct avow_server *s);
AVOW_DEFINE_CLEANUP(server, struct avow_server, avow_server_free)
unsigned avow_server_connections(const struct avow_server *s);

typedef void (*avow_serve_fn)(void *ctx, struct avow_request *r);
/* @pattern as serve/route.h has it, in lower case: paths are compared without case. Static. */
void avow_server_route(struct avow_server *s, const char *method, const char *pattern,
                       avow_serve_fn fn, void *ctx);

/* Path parameter (lower case), query parameter, request header: NULL if absent. Borrowed. */
const char *avow_request_param(const struct avow_request *r, const char *name);
const char *avow_request_query(const struct avow_request *r, const char *name);
const char *avow_request_header(const struct avow_request *r, const char *name);
struct avow_bytes avow_request_body(const struct avow_request *r);
const char *avow_request_id(const struct avow_request *r);
const struct avow_client_address *avow_request_from(const struct avow_request *r);
/* SHA-256 of the client certificate's SubjectPublicKeyInfo; NULL if it showed none. */
const uint8_t *avow_request_spki(const struct avow_request *r);

/* A header for the reply. */
void avow_request_answer_with(struct avow_request *r, const char *name, const char *value);
/* Exactly one of these ends a request. @take_body is consumed. */
void avow_request_reply(struct avow_request *r, int status, const char *type,
                        struct avow_bytes body);
void avow_request_reply_json(struct avow_request *r, int status, json_t *take_body);
/* {"error":{"code":..,"message":..}} with x-ms-error-code. */
void avow_request_fail(struct avow_request *r, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* It failed by no fault of the client's: @status is 500, or 503 where a later try may do. @detail
 * (of paths, of errors of the system's) is for the log alone; the client is told the request's id.
 */
void avow_request_broken(struct avow_request *r, int status, const char *detail);
/* A handler that does not answer at once keeps @r; if the client goes away first, gone(@ctx) is
 * called and @r is dead. */
void avow_request_defer(struct avow_request *r, void (*gone)(void *ctx), void *ctx);

#endif
