/*
 * PMI-1 server ("simple PMI", wire version 1.1) for the local ranks of one node: what MPICH and its
 * family speak over the descriptor PMI_FD. Only what they use; anything else is answered with an
 * error. Lines of ranks are untrusted. Loop thread only; does no I/O itself.
 */
#ifndef AVOW_LAUNCH_PMI1_H
#define AVOW_LAUNCH_PMI1_H

#include "launch/config.h"

#define AVOW_PMI1_LINE_MAX 4096 /* bytes of one command; MPICH's own limit is 1024 */

struct avow_pmi1_ops {
    /* A reply line, with its line end, for local rank @local. */
    void (*reply)(void *ctx, uint32_t local, struct avow_bytes line);
    void (*connected)(void *ctx, uint32_t local);
    void (*finalized)(void *ctx, uint32_t local);
    void (*aborted)(void *ctx, uint32_t local, int code);
    /* All local ranks are in the barrier: exchange @data (what they put), then call
     * avow_pmi1_release with everybody's. */
    void (*barrier)(void *ctx, struct avow_bytes data);
    /* MPI_Comm_spawn was called. */
    void (*spawn)(void *ctx, uint32_t local);
    void *ctx;
};

struct avow_pmi1;

/* @c must outlive the server; @ops are copied. */
AVOW_MUST_USE int avow_pmi1_new(const struct avow_launch_config *c, const struct avow_pmi1_ops *ops,
                                struct avow_pmi1 **out, struct avow_error *err);
void avow_pmi1_free(struct avow_pmi1 *p);

/* Bytes from local rank @local. A failure (-AVOW_E_PROTOCOL, -AVOW_E_LIMIT): close its socket. */
AVOW_MUST_USE int avow_pmi1_input(struct avow_pmi1 *p, uint32_t local, struct avow_bytes in,
                                  uint64_t now_ms, struct avow_error *err);

/* The barrier is complete on every node; @data: everybody's pairs. */
AVOW_MUST_USE int avow_pmi1_release(struct avow_pmi1 *p, struct avow_bytes data, uint64_t now_ms,
                                    struct avow_error *err);

/*
 * Let ranks out of a barrier that stalls (CONFIG pmi1_stall_ms). MPICH < 4.2 with ch4:ucx waits in
 * MPI_Finalize for peers that already sit in this barrier and cannot answer; upstream removed the
 * barrier (pmodels/mpich PR 6596). Only a barrier without new pairs, and only ranks that have read
 * keys, are let go. Call it now and then.
 */
void avow_pmi1_tick(struct avow_pmi1 *p, uint64_t now_ms);

/* The value of PMI_process_mapping: "(vector,(first node,nodes,ranks each),...)". */
AVOW_MUST_USE int avow_pmi1_mapping(const struct avow_launch_config *c, struct avow_buf *out);

#endif
