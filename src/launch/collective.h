/*
 * Collectives across nodes (PMIx fences and PMI-1 barriers, alike): every participating node sends
 * its part to the head; when all have, the head sends the parts, concatenated, back to each. A
 * collective is known by its signature: job, kind and list of ranks. Loop thread only; no I/O.
 */
#ifndef AVOW_LAUNCH_COLLECTIVE_H
#define AVOW_LAUNCH_COLLECTIVE_H

#include "launch/config.h"

#define AVOW_COLLECTIVES_MAX 4096 /* in progress at once */
#define AVOW_RANK_ALL 0xffffffffu /* every rank of the job */

enum avow_coll_kind { AVOW_COLL_FENCE = 1, AVOW_COLL_BARRIER = 2 };

/* Append the signature of @kind over @ranks (order matters; AVOW_RANK_ALL may be the only one). */
AVOW_MUST_USE int avow_coll_sign(const struct avow_launch_config *c, enum avow_coll_kind kind,
                                 const uint32_t *ranks, size_t n, struct avow_buf *out);

/* Nodes as bits. */
struct avow_node_set {
    uint64_t bits[AVOW_LAUNCH_NODES_MAX / 64];
};

static inline bool avow_node_set_has(const struct avow_node_set *s, uint32_t node)
{
    return s->bits[node / 64] >> (node % 64) & 1;
}

/* Participating nodes and kind of a signature. -AVOW_E_PROTOCOL if it is not one of this job. */
AVOW_MUST_USE int avow_coll_read(const struct avow_launch_config *c, struct avow_bytes signature,
                                 enum avow_coll_kind *kind, struct avow_node_set *nodes,
                                 struct avow_error *err);

/* Head's side. */
struct avow_coll_head;

AVOW_MUST_USE int avow_coll_head_new(const struct avow_launch_config *c,
                                     struct avow_coll_head **out, struct avow_error *err);
void avow_coll_head_free(struct avow_coll_head *h);

struct avow_coll_done {
    struct avow_node_set nodes; /* to whom the release goes */
    struct avow_buf data;       /* the parts, concatenated; the caller's */
};

/*
 * Node @from contributes. Returns 1 and fills @out when this part was the last one, 0 when others
 * are awaited; -AVOW_E_PROTOCOL (not a participant, or twice), -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_coll_head_add(struct avow_coll_head *h, uint32_t from,
                                     struct avow_bytes signature, struct avow_bytes data,
                                     struct avow_coll_done *out, struct avow_error *err);

/* A node's side: who waits for which release. @token NULL: the PMI-1 server. */
struct avow_coll_local;

AVOW_MUST_USE int avow_coll_local_new(struct avow_coll_local **out, struct avow_error *err);
void avow_coll_local_free(struct avow_coll_local *l);
/* -AVOW_E_STATE if this node already waits for the same collective, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_coll_local_wait(struct avow_coll_local *l, struct avow_bytes signature,
                                       void *token, struct avow_error *err);
/* Take the waiter of @signature. -AVOW_E_PROTOCOL if nobody waits for it. */
AVOW_MUST_USE int avow_coll_local_take(struct avow_coll_local *l, struct avow_bytes signature,
                                       void **token, struct avow_error *err);

#endif
