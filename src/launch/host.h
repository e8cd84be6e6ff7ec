/*
 * The launch host: one job on one node, in the process that is init of the job's PID namespace.
 * Hosts PMIx and PMI-1, starts and reaps the ranks, talks to avowd (launch/shell.h) and, through
 * it, to the hosts of the other nodes (launch/peer.h).
 */
#ifndef AVOW_LAUNCH_HOST_H
#define AVOW_LAUNCH_HOST_H

#include <sys/types.h>

#include "launch/config.h"

/* Everything that the host starts with; its descriptors are taken. */
struct avow_host_start {
    const struct avow_launch_config *config; /* outlives the host */
    int link;                                /* to avowd */
    int monitor;                             /* readable (EOF) when the monitor process is gone */
    pid_t bell;                              /* child that serves the doorbell */
    pid_t shown_pid;                         /* pid of the shell as avowd knows it */
    bool in_namespace;
    const char *session_dir; /* exists, private, empty */
    int *fabric;             /* one for each local rank; set to -1 as they are taken */
};

/* Run the job to its end, including DONE. Call with no thread but the own one. Returns 0 when DONE
 * was delivered. */
AVOW_MUST_USE int avow_host_run(const struct avow_host_start *start, struct avow_error *err);

/* JSON of DONE for @o, appended to @out. */
struct avow_outcome;
AVOW_MUST_USE int avow_outcome_json(const struct avow_outcome *o, struct avow_buf *out);

#endif
