/*
 * The attestation endpoints: a quote over the channel statement of the very connection that asks,
 * and "again" for later connections between the same two parties (docs/protocols/channel.md). Also
 * the node's identity: its source of evidence, its key, and how often it may be asked. No way leads
 * from a request to report_data. Loop thread only.
 */
#ifndef AVOW_DAEMON_ATTESTATION_H
#define AVOW_DAEMON_ATTESTATION_H

#include "base/clock.h"
#include "daemon/http.h"
#include "obs/metrics.h"
#include "serve/rate.h"
#include "serve/workers.h"
#include "source/source.h"

#define AVOW_AGAIN_MAX 1024        /* clients remembered; the oldest goes */
#define AVOW_QUOTES_WAITING_MAX 64 /* quotes asked for and not yet made; more: busy */

/* What proves this node; borrowed by all who use it. */
struct avow_identity {
    const char *name;
    const struct avow_leaf *leaf;
    struct avow_source *source;
    struct avow_rate quotes;
    struct avow_workers *quoter; /* one thread: a source serves one at a time, and may take its
                                 time, which the loop, that keeps the links alive, has not */
    unsigned n_quotes;           /* waiting for it */
};

/*
 * What became of a quote: @bundle is the text, to be kept or copied before the return, or NULL, and
 * then @err says why not.
 */
typedef void (*avow_quote_fn)(void *ctx, struct avow_buf *bundle, const struct avow_error *err);

/*
 * Ask for a bundle over @statement (copied), counted and limited. If this returns 0, done() is
 * called once, from the loop, later; at the latest when the quoter is freed. -AVOW_E_BUSY when
 * asked too often or when too many wait.
 */
AVOW_MUST_USE int avow_identity_quote(struct avow_identity *id, struct avow_metrics *metrics,
                                      struct avow_bytes statement, avow_quote_fn done, void *ctx,
                                      struct avow_error *err);

struct avow_again; /* table of client key -> again */

AVOW_MUST_USE int avow_again_new(uint64_t period_ns, struct avow_again **out,
                                 struct avow_error *err);
void avow_again_free(struct avow_again *t);
AVOW_DEFINE_CLEANUP(again, struct avow_again, avow_again_free)
/* Replaces what there was for this client. */
void avow_again_put(struct avow_again *t, const uint8_t spki[32], const struct avow_key *key,
                    uint64_t now_ns);
/* The key of this client if it is in date, or NULL. */
const struct avow_key *avow_again_get(struct avow_again *t, const uint8_t spki[32],
                                      uint64_t now_ns);

struct avow_attestation;

/* Registers the routes. All arguments outlive it. */
AVOW_MUST_USE int avow_attestation_new(struct avow_http *http, struct avow_identity *id,
                                       struct avow_metrics *metrics, uint64_t period_ns,
                                       struct avow_attestation **out, struct avow_error *err);
void avow_attestation_free(struct avow_attestation *a);

#endif
