/*
 * Starting one rank.
 */
#ifndef AVOW_LAUNCH_SPAWN_H
#define AVOW_LAUNCH_SPAWN_H

#include <sys/types.h>

#include "launch/environ.h"

/* What the launcher keeps of a started rank; the caller owns the descriptors; the pipes do not
 * block. */
struct avow_spawned {
    pid_t pid;      /* leader of a session and process group of its own */
    int exec_errno; /* not 0: the program could not be started; the process ends by itself */
    int out[2];     /* read ends: its stdout, its stderr */
    int pmi;        /* socket of the PMI-1 protocol */
    int job;        /* socket of libavow-job's datagrams */
};

/*
 * Start rank @rank. @take_fabric: the rank's end of its socket to the broker. @env: base
 * environment with PMIx's variables; pins are added. -AVOW_E_SYSTEM, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_spawn(const struct avow_launch_config *c, uint32_t rank, int take_fabric,
                             struct avow_environ *env, struct avow_spawned *out,
                             struct avow_error *err);

#endif
