/*
 * HTTP client over libcurl: one request, one bounded reply, within a deadline. Never follows
 * redirects; TLS is verified. Blocking; one thread for each call.
 */
#ifndef AVOW_NET_HTTP_H
#define AVOW_NET_HTTP_H

#include "base/bytes.h"

#define AVOW_HTTP_REPLY_MAX (8u << 20)    /* bytes of a body */
#define AVOW_HTTP_HEADERS_MAX (64u << 10) /* bytes of all reply headers */

struct avow_http_request {
    const char *method;         /* "GET", "POST" */
    const char *url;            /* http or https */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct avow_bytes body;
    int64_t timeout_ms;  /* of all of it; required */
    const char *ca_file; /* PEM of the authorities to trust instead of the system's, or NULL */
    bool direct;         /* no proxy, whatever the environment says (link-local services) */
};

struct avow_http_reply {
    long status; /* 200, ... */
    struct avow_buf body;
    struct avow_buf headers; /* lines as received */
    int64_t retry_after_ms;  /* of a Retry-After in seconds or as a date, or -1 */
};

void avow_http_reply_done(struct avow_http_reply *r);

/*
 * Make the request. 0 for any HTTP status (the caller judges it). -AVOW_E_NETWORK, -AVOW_E_TIMEOUT,
 * -AVOW_E_UNTRUSTED (TLS), -AVOW_E_LIMIT (reply too large), -AVOW_E_INVAL (not an http URL),
 * -AVOW_E_CANCELLED (*cancel became non-zero; @cancel may be NULL).
 */
AVOW_MUST_USE int avow_http(const struct avow_http_request *q, const volatile int *cancel,
                            struct avow_http_reply *out, struct avow_error *err);

/* The value of a reply header (case-insensitive name), or NULL; free() it. */
char *avow_http_header(const struct avow_http_reply *r, const char *name);

#endif
