/*
 * Retry: send a request until it is answered for good. The network's failures, time-outs and the
 * statuses of avow_http_transient are tried again after what Retry-After says or, without it, an
 * exponential time with full jitter; everything else is an answer.
 */
#ifndef AVOW_NET_RETRY_H
#define AVOW_NET_RETRY_H

#include "net/backoff.h"
#include "net/http.h"

/* Called before a wait: @why in words, @ms how long. */
typedef void (*avow_retry_note)(void *ctx, const char *why, int64_t ms);

struct avow_retry {
    struct avow_backoff backoff;                      /* tries in all, step, cap */
    uint32_t deadline_ms;                             /* for all tries and waits */
    int (*before)(void *ctx, struct avow_error *err); /* before each request; or NULL */
    void (*after)(void *ctx, bool connected);         /* after each request; or NULL */
    void (*tried)(void *ctx, int rc, const struct avow_http_reply *r); /* what came of each request:
                                        @r if @rc is 0; or NULL */
    avow_retry_note note;                                              /* or NULL */
    void *ctx;
    uint32_t n_tries; /* out: requests that were sent */
};

/* As avow_http; @rq's own time-out is shortened to what the deadline leaves. What comes back is the
 * last reply or the last failure; a wait that would outlast the deadline is not begun. What
 * ->before takes is not counted; its failure ends all. */
AVOW_MUST_USE int avow_http_retry(const struct avow_http_request *rq, struct avow_retry *retry,
                                  struct avow_http_reply *out, struct avow_error *err);

#endif
