/*
 * Client: the desktop side of a job on N nodes. Attest all of them, form the group, submit, watch,
 * fetch. Nothing but the requests that attest it is sent to a node before its verdict is accepted,
 * and nothing of a job is sent to any node unless all are accepted.
 *
 * One thread calls these functions; they use more inside. avow_client_stop may come from any
 * thread.
 */
#ifndef AVOW_CLIENT_CLIENT_H
#define AVOW_CLIENT_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "attest/attest.h"
#include "client/plan.h"
#include "client/wire.h"
#include "codec/json.h"
#include "net/backoff.h"
#include "verifier/verifier.h"

/* Outcomes, besides 0 and negative errors. */
enum avow_client_outcome {
    AVOW_CLIENT_OK = 0,
    AVOW_CLIENT_REFUSED = 1,    /* a node's evidence was evaluated and refused, here */
    AVOW_CLIENT_NOT_FORMED = 2, /* a node refused another one, or a pair could not confirm */
    AVOW_CLIENT_FAILED = 3,     /* the job ended, and not with COMPLETED */
};

/*
 * What happens, as it happens; calls never overlap, on any thread. @node is NULL if it is about
 * all. retry     {"what","failed","tries","delay_ms","code","message"} attested  {"accepted","ms"}
 * the node's verdict is in formed    {} upload    {"name","have","size"} started   {} fetched
 * {"name","size"} and the node's own events: state, progress, output, rank, note, lost
 * (docs/protocols/node-api.md).
 */
typedef void (*avow_client_event_fn)(void *ctx, const char *node, const char *type,
                                     const json_t *data);

struct avow_client_options {
    const char *identity; /* PEM file; NULL: AVOW_IDENTITY, then $XDG_CONFIG_HOME/avow/client.pem */
    struct avow_backoff backoff; /* zeroed: the default */
    avow_client_event_fn event;  /* may be NULL */
    void *ctx;
};

enum avow_node_state { AVOW_NODE_UNKNOWN = 0, AVOW_NODE_UNREACHED, AVOW_NODE_EVALUATED };

struct avow_client;

/* A node as this client sees it. */
struct avow_node {
    struct avow_client *client;
    char name[AVOW_JOB_NODE_NAME_MAX + 1];
    enum avow_tee expect; /* NONE: any */
    char *address;
    char *node_address;       /* or NULL */
    struct avow_wire *wire;   /* requests */
    struct avow_wire *stream; /* events */

    enum avow_node_state state;
    struct avow_verdict verdict; /* refused until judged */
    json_t *claims;              /* or NULL */
    struct avow_error error;     /* why it was not evaluated */
    double attest_ms;            /* connect, quote, transfer, verification */
    double verify_ms;            /* verification alone */
    uint8_t spki[32];
    /* protects again, which both wires may renew, and the cache, once the node was attested */
    pthread_mutex_t lock;
    struct avow_key again;
    struct avow_verify_cache *cache; /* its evidence comes twice: channel and formation */

    json_t *formation;      /* {"x25519","nonce"}: reply to propose */
    struct avow_buf bundle; /* over the formation statement */
    json_t *job;            /* the job as the node last described it */
    json_t *sync;           /* sync telemetry, when it ended */
    json_t *results;        /* [{"name","size","sha256"}] fetched */
    uint64_t last_event;    /* sequence number */
    bool ended;             /* the final state's event was seen */
    bool lost;              /* its events cannot be had any more */
};

struct avow_phases {
    double attest_ms, formation_ms, submit_ms, run_ms, fetch_ms;
};

struct avow_client {
    struct avow_client_options options;
    char *identity;
    struct avow_leaf *leaf;
    atomic_bool stop;         /* what requests look at */
    atomic_bool stop_streams; /* what event streams look at */
    pthread_mutex_t lock; /* protects the observer, pairs and uploaded; never held while waiting */

    struct avow_anchors anchors;
    const struct avow_policy *policy; /* borrowed: of the plan or the caller */
    const struct avow_plan *plan;     /* borrowed, or NULL */
    struct avow_verifier *verifier;   /* who judges; NULL: here alone */
    size_t n;
    struct avow_node *nodes; /* in the plan's order: sorted by name */

    char job[AVOW_JOB_UUID_LEN + 1];
    char formation[AVOW_JOB_UUID_LEN + 1];
    bool proposed; /* nodes may know of it */
    struct avow_buf manifest;
    struct avow_buf roster;
    uint8_t roster_digest[32];
    json_t *pairs;     /* [{"verifier","member","verdict","ms"}] and confirmations */
    json_t *links;     /* [{"a","b","state","code","message","ms"}] */
    uint64_t uploaded; /* bytes */
    json_t *outcome;   /* {"state","reason"} once the job ended */
    json_t *aggregate; /* once fetched */
    int64_t began;     /* unix ms */
    struct avow_phases phases;
};

AVOW_MUST_USE int avow_client_new(const struct avow_client_options *options,
                                  struct avow_client **out, struct avow_error *err);
void avow_client_free(struct avow_client *c);
AVOW_DEFINE_CLEANUP(client, struct avow_client, avow_client_free)

/* Path of the identity that @given, AVOW_IDENTITY and XDG_CONFIG_HOME lead to; free() it. */
AVOW_MUST_USE int avow_client_identity_path(const char *given, char **out, struct avow_error *err);
void avow_client_spki(const struct avow_client *c, uint8_t out[32]);

/* The nodes, policy and anchors of a plan (borrowed until avow_client_free). */
AVOW_MUST_USE int avow_client_use_plan(struct avow_client *c, const struct avow_plan *plan,
                                       struct avow_error *err);
/* Or one by one: policy and anchors first (both borrowed or copied), then each node. */
void avow_client_use_policy(struct avow_client *c, const struct avow_policy *policy,
                            const struct avow_anchors *anchors);
AVOW_MUST_USE int avow_client_reserve(struct avow_client *c, size_t n, struct avow_error *err);
AVOW_MUST_USE int avow_client_add_node(struct avow_client *c, const char *name, enum avow_tee tee,
                                       const char *address, const char *node_address,
                                       struct avow_error *err);

/*
 * Attest every node, in parallel. 0: all accepted. AVOW_CLIENT_REFUSED: at least one was evaluated
 * and refused. Negative: none was refused but at least one could not be evaluated; @err has the
 * first, each node its own.
 */
AVOW_MUST_USE int avow_client_attest(struct avow_client *c, struct avow_error *err);

/* Propose, roster, verify, confirm. 0, AVOW_CLIENT_REFUSED, AVOW_CLIENT_NOT_FORMED, or an error.
 * What was begun on the nodes is taken back unless it succeeded. */
AVOW_MUST_USE int avow_client_form(struct avow_client *c, struct avow_error *err);

/*
 * Take the formation back on every node, if there is one: its job has ended, or none will come of
 * it. Best effort: a node that does not hear it, or whose job still runs, lets it expire later.
 */
void avow_client_release(struct avow_client *c);

/* Submit the job to the formed group: files, then start. */
AVOW_MUST_USE int avow_client_submit(struct avow_client *c, struct avow_error *err);

/* Follow the job to its end: 0 COMPLETED, AVOW_CLIENT_FAILED (see ->outcome), -AVOW_E_CANCELLED. */
AVOW_MUST_USE int avow_client_monitor(struct avow_client *c, struct avow_error *err);

/* Fetch the results of every node into @dir/NODE/, check their digests, aggregate.
 * -AVOW_E_DIGEST: a file is not what the node said, or `same` values differ. */
AVOW_MUST_USE int avow_client_fetch(struct avow_client *c, const char *dir, struct avow_error *err);

/* Cancel job ->job on every node (each is tried; the first failure is returned). Clears stop. */
AVOW_MUST_USE int avow_client_cancel(struct avow_client *c, const char *reason,
                                     struct avow_error *err);

/* Make whatever waits return with -AVOW_E_CANCELLED. Any thread. */
void avow_client_stop(struct avow_client *c);

/* ---- used by the parts of the client ---- */

/* Only the event streams. */
void avow_client_stop_streams(struct avow_client *c);

/* Quote, judge: fills verdict, claims, again and pin of @n. 0 when evaluated, accepted or not. */
AVOW_MUST_USE int avow_node_attest(struct avow_node *n, struct avow_error *err);

struct avow_node_call {
    const char *method;
    const char *path;
    const json_t *json;         /* body, or NULL */
    struct avow_bytes raw;      /* body, if not JSON */
    uint32_t timeout_ms;        /* 0: AVOW_NODE_TIMEOUT_MS */
    uint32_t busy_ms;           /* how long a "busy" is waited out, besides the usual tries */
    bool single;                /* one try: it matters little whether it succeeds */
    bool once;                  /* repeating it after it may have been carried out does harm */
    int also;                   /* an HTTP status besides 2xx whose body is wanted, or 0 */
    struct avow_buf *raw_reply; /* instead of JSON, or NULL */
};
#define AVOW_NODE_TIMEOUT_MS 60000

/*
 * One request on the attested connection of @n, with retries. The reply (may be NULL) is a new
 * reference. Returns 0, or the code that the node named, with its message.
 */
AVOW_MUST_USE int avow_node_call(struct avow_node *n, const struct avow_node_call *call,
                                 json_t **reply, struct avow_error *err);

/* The events of a job, handed to @sink as they come, from ->last_event on; until the stream ends.
 */
AVOW_MUST_USE int avow_node_stream(struct avow_node *n, const char *path,
                                   int (*sink)(void *ctx, struct avow_bytes piece), void *ctx,
                                   struct avow_error *err);

/* Sleep after failure number @failed, if it is worth trying again (then true); tell the observer.
 */
bool avow_node_backoff(struct avow_node *n, struct avow_wire *w, const char *what, unsigned failed,
                       const struct avow_error *why);

/* Tell the observer; consumes @take_data. */
void avow_client_emit(struct avow_client *c, const char *node, const char *type, json_t *take_data);

/* Call fn for every node in parallel, gather the results: the first negative one, else the largest.
 * The error is prefixed with the node's name. */
AVOW_MUST_USE int avow_client_each(struct avow_client *c, bool all,
                                   int (*fn)(struct avow_node *n, void *ctx,
                                             struct avow_error *err),
                                   void *ctx, struct avow_error *err);

double avow_now_ms(void); /* monotonic */
int64_t avow_unix_ms(void);
AVOW_MUST_USE int avow_uuid_new(char out[AVOW_JOB_UUID_LEN + 1], struct avow_error *err);

#endif
