/*
 * HTTP: one request to a server of somebody else (AMD's KDS, Intel's PCS, a cloud's metadata, an
 * attestation service), with a deadline, limits and no surprises: TLS verified, no redirects, no
 * cookies, no .netrc. Any thread.
 */
#ifndef AVOW_NET_HTTP_H
#define AVOW_NET_HTTP_H

#include "base/bytes.h"
#include "base/cleanup.h"

#define AVOW_HTTP_BODY_MAX (8u << 20) /* bytes of a reply's body at most */
#define AVOW_HTTP_HEADERS_MAX \
    (256u << 10) /* bytes of a reply's headers; Intel's chains are there */
#define AVOW_HTTP_TIMEOUT_MS 30000u
#define AVOW_HTTP_CONNECT_MS 10000u

/* All borrowed; what is zero has a sensible meaning. */
struct avow_http_request {
    const char *method;         /* NULL: GET, or POST if there is a body */
    const char *url;            /* https://, or http:// with ->plain */
    const char *const *headers; /* "Name: value", NULL at the end; or NULL */
    struct avow_bytes body;
    const char *ca_file;   /* PEM of certificates to trust instead of the system's; or NULL */
    const char *cert_file; /* PEM of a client certificate and its key; or NULL */
    bool plain;            /* http:// is allowed: services of the machine itself, tests */
    bool direct;           /* never through a proxy */
    uint32_t timeout_ms;   /* for all of it; 0: AVOW_HTTP_TIMEOUT_MS */
    uint32_t connect_ms;   /* for the connection; 0: AVOW_HTTP_CONNECT_MS */
    size_t body_max;       /* of the reply; 0: AVOW_HTTP_BODY_MAX */
    int stop_fd;           /* becomes readable when the caller wants to stop; 0 or less: never */
};

struct avow_http_reply {
    long status; /* 200, 404 ... */
    struct avow_buf body;
    struct avow_buf headers; /* "name: value\n", names in lower case; NUL-terminated text */
    int64_t retry_after_ms;  /* what Retry-After asks for; -1 if it is not there */
    bool connected;          /* a server was reached, whatever came of it */
};
void avow_http_reply_done(struct avow_http_reply *r);

/*
 * Send @rq, take the whole reply, whatever its status is. @out is zeroed first;
 * avow_http_reply_done it in any case. -AVOW_E_NETWORK (no connection), -AVOW_E_TIMEOUT,
 * -AVOW_E_UNTRUSTED (the server's certificate), -AVOW_E_PROTOCOL (no HTTP), -AVOW_E_LIMIT,
 * -AVOW_E_CANCELLED, -AVOW_E_FORMAT (the URL), -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_http(const struct avow_http_request *rq, struct avow_http_reply *out,
                            struct avow_error *err);

/* The value of the header @name (lower case), copied to @out; false if it is not there or longer.
 */
bool avow_http_header(const struct avow_http_reply *r, const char *name, struct avow_buf *out);

/* Whether asking again later can help: 408, 425, 429, 500, 502, 503, 504. */
bool avow_http_transient(long status);

/* "https://host:port/path" -> "host:port". -AVOW_E_FORMAT; -AVOW_E_LIMIT over @size. */
AVOW_MUST_USE int avow_url_host(const char *url, char *out, size_t size, struct avow_error *err);

#endif
