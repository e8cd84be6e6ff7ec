/*
 * Endpoint: a service that speaks Azure Attestation's API, as something to send requests to. So
 * many at a time, others wait; each with its tries and its deadline; all of it counted. Believes
 * nothing of what comes back. Internal to verifier/. Any thread.
 */
#ifndef AVOW_VERIFIER_ENDPOINT_H
#define AVOW_VERIFIER_ENDPOINT_H

#include "maa/request.h"
#include "policy/verdict.h"
#include "verifier/tally.h"

#define ENDPOINT_DEADLINE_MS 30000u /* one request with its tries */
#define ENDPOINT_TRIES 5u
#define ENDPOINT_REPLY_MAX (256u << 10)
#define ENDPOINT_API "2025-06-01"
#define ENDPOINT_API_SNP_BEFORE "2022-08-01"
#define ENDPOINT_API_TDX_BEFORE "2023-04-01-preview"

struct endpoint {
    const char *url;   /* borrowed; without a slash at its end */
    const char *ca;    /* borrowed; NULL: the system's */
    int stop_fd;       /* net/http.h */
    unsigned parallel; /* requests for tokens under way at most */
    struct tally tally;
    pthread_mutex_t lock;
    pthread_cond_t room;
    unsigned under_way; /* of lock */
    bool old_api[2];    /* of lock; SNP, TDX: the service knows only an older version */
};

void endpoint_init(struct endpoint *e); /* zeroed but for what the caller says */
void endpoint_done(struct endpoint *e);

/*
 * Send @body (maa/request.h) of @type and append the token that comes to @token. Nothing of it, and
 * 0: the service refused, and @v says why ("service"). -AVOW_E_NETWORK, -AVOW_E_TIMEOUT,
 * -AVOW_E_UNTRUSTED (its TLS certificate), -AVOW_E_BUSY, -AVOW_E_PROTOCOL, -AVOW_E_LIMIT,
 * -AVOW_E_CANCELLED, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int endpoint_token(struct endpoint *e, enum avow_maa_type type,
                                 struct avow_bytes body, struct avow_buf *token,
                                 struct avow_verdict *v, struct avow_error *err);
/* Append what @issuer's /certs answers to @out. The same errors. */
AVOW_MUST_USE int endpoint_keys(struct endpoint *e, const char *issuer, struct avow_buf *out,
                                struct avow_error *err);

#endif
