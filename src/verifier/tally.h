/*
 * Tally: what a service was asked, what it answered and how long that took, in bounded memory
 * whatever the service says. Filled by the threads that ask; read as a snapshot by whoever shows
 * it. Any thread.
 */
#ifndef AVOW_VERIFIER_TALLY_H
#define AVOW_VERIFIER_TALLY_H

#include <pthread.h>

#include "codec/json.h"
#include "net/http.h"
#include "obs/latency.h"
#include "obs/metrics.h"

#define AVOW_AZURE_CODES_MAX 16 /* of the service that are counted by name; the rest together */
#define AVOW_AZURE_CODE_MAX 47  /* bytes of one; longer ones are among the rest */
#define AVOW_AZURE_REST "other" /* what they are called together */

/* Statuses of HTTP. */
enum avow_azure_class { AVOW_AZURE_2XX, AVOW_AZURE_3XX, AVOW_AZURE_4XX, AVOW_AZURE_5XX };
#define AVOW_AZURE_CLASSES 4
extern const char *const avow_azure_class_names[AVOW_AZURE_CLASSES];

/* Why no token, or no keys, came. */
enum avow_azure_failure {
    AVOW_AZURE_NETWORK,
    AVOW_AZURE_TIMEOUT,
    AVOW_AZURE_TLS,      /* its certificate is not trusted */
    AVOW_AZURE_BUSY,     /* 429 or 5xx to the last try */
    AVOW_AZURE_PROTOCOL, /* an answer that is none */
    AVOW_AZURE_OTHER,
};
#define AVOW_AZURE_FAILURES 6
extern const char *const avow_azure_failure_names[AVOW_AZURE_FAILURES];

struct avow_azure_latency {
    struct avow_histogram histogram; /* seconds */
    double p50, p99, max;            /* seconds; 0 when there are none */
};

/* Since it was made. */
struct avow_azure_stats {
    uint64_t requests;    /* sent, retries and keys included */
    uint64_t tokens;      /* got */
    uint64_t reused;      /* judged by a token that was kept */
    uint64_t throttled;   /* of the requests, answered 429 */
    uint64_t denied;      /* the service refused the evidence (4xx) */
    uint64_t failed;      /* no token, or no keys, after all tries: the sum of ->failures */
    uint64_t key_fetches; /* looks at an issuer's keys */
    uint64_t replies[AVOW_AZURE_CLASSES];
    uint64_t failures[AVOW_AZURE_FAILURES];
    size_t n_codes;
    struct {
        char name[AVOW_AZURE_CODE_MAX + 1]; /* of [A-Za-z0-9._-] */
        uint64_t n;
    } codes[AVOW_AZURE_CODES_MAX]; /* the service's own, in the order of their first use */
    uint64_t other_codes;
    struct avow_azure_latency request; /* one try, if it was answered */
    struct avow_azure_latency token;   /* one token with its retries and waits, got or not */
};

/* {"requests","tokens","reused","throttled","denied","failed","key_fetches","replies","failures",
 * "errors","latency_ms","token_ms"} (docs/formats/report.md): new reference, NULL when memory is
 * short. */
json_t *avow_azure_stats_json(const struct avow_azure_stats *s);
/* One line for people: "2 requests, 2 tokens (p50 3.1 ms, p99 ...); errors: ServerBusy 1". */
void avow_azure_stats_text(const struct avow_azure_stats *s, struct avow_buf *out);

/* ---- internal to verifier/ ---- */

struct tally {
    pthread_mutex_t lock;
    struct avow_azure_stats s;            /* of lock; the quantiles are not in it */
    struct avow_latency requests, tokens; /* of lock */
};

void tally_init(struct tally *t); /* zeroed by the caller */
void tally_done(struct tally *t);
/* One try that took @ns: @r came, or @rc says why not. */
void tally_try(struct tally *t, int rc, const struct avow_http_reply *r, uint64_t ns);
/* A token was asked for, with all tries, for @ns. */
void tally_token(struct tally *t, bool got, uint64_t ns);
/* A request failed for good, by the code @rc. */
void tally_failed(struct tally *t, int rc);
/* One more; @counter is one of @t->s. */
void tally_count(struct tally *t, uint64_t *counter);
void tally_read(struct tally *t, struct avow_azure_stats *out);

#endif
