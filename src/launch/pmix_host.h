/*
 * PMIx server of one job on one node; the only user of <pmix*.h>. One in a process (libpmix keeps
 * its state in globals). libpmix calls from a thread of its own: those calls are only noted there
 * and delivered to the operations below by avow_pmix_dispatch, in the loop's thread.
 */
#ifndef AVOW_LAUNCH_PMIX_HOST_H
#define AVOW_LAUNCH_PMIX_HOST_H

#include "launch/config.h"

struct avow_pmix_call; /* a question of libpmix that waits for avow_pmix_answer */

struct avow_pmix_ops {
    void (*connected)(void *ctx, uint32_t rank);
    void (*finalized)(void *ctx, uint32_t rank);
    void (*aborted)(void *ctx, uint32_t rank, int code);
    void (*spawn)(void *ctx, uint32_t rank); /* MPI_Comm_spawn was called, and refused */
    /* A fence over @ranks (AVOW_RANK_ALL: all) with this node's data. */
    void (*fence)(void *ctx, struct avow_pmix_call *call, const uint32_t *ranks, size_t n,
                  struct avow_bytes data);
    /* Data of a rank of another node are wanted. */
    void (*modex)(void *ctx, struct avow_pmix_call *call, uint32_t rank);
    /* Data of a local rank, asked for with avow_pmix_ask. */
    void (*local_modex)(void *ctx, uint32_t id, uint32_t node, uint32_t rank, int status,
                        struct avow_bytes data);
    void *ctx;
};

#define AVOW_PMIX_OK 0        /* status of success; others pass through unchanged */
#define AVOW_PMIX_FAILED (-1) /* PMIX_ERROR */

/* Start the server and register the job; @dir: session folder of this job. */
AVOW_MUST_USE int avow_pmix_start(const struct avow_launch_config *c, const char *dir,
                                  const struct avow_pmix_ops *ops, struct avow_error *err);
/* Readable when avow_pmix_dispatch has something to deliver. */
int avow_pmix_fd(void);
void avow_pmix_dispatch(void);
/* Answer a fence or modex call, exactly once; the data are copied. */
void avow_pmix_answer(struct avow_pmix_call *call, int status, struct avow_bytes data);
/* Ask for a local rank's data; ops.local_modex answers, later, with @id and @node as given. */
void avow_pmix_ask(uint32_t id, uint32_t node, uint32_t rank);
/* Append the variables that rank @rank needs to the malloc'ed, NULL-terminated @env. */
AVOW_MUST_USE int avow_pmix_env(uint32_t rank, char ***env, struct avow_error *err);
/* "4.2.2" or so, borrowed. */
const char *avow_pmix_version(void);

#endif
