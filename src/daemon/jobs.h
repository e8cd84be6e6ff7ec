/*
 * Jobs of this node: submission, files, the shell, events, results. Built on job/ (pure machine and
 * journal), formations (peers), broker (fabric) and the shell. Loop thread only.
 */
#ifndef AVOW_DAEMON_JOBS_H
#define AVOW_DAEMON_JOBS_H

#include <event2/event.h>

#include "daemon/formation.h"
#include "daemon/http.h"
#include "fabric/broker.h"
#include "obs/metrics.h"

struct avow_jobs;

struct avow_jobs_config {
    struct event_base *base;
    struct avow_http *http; /* routes are registered on it */
    struct avow_formations *formations;
    struct avow_broker *broker;
    struct avow_metrics *metrics;
    const char *state_dir;    /* <state>/journal.db, <state>/jobs/ */
    const char *shell_path;   /* avow-shell */
    const char *preload_path; /* libavow-fabric.so */
    const char *node_name;
    int job_uid, job_gid; /* -1: stay */
    uint64_t files_max;   /* bytes of program and inputs of one job */
    uint32_t jobs_max;    /* jobs that are not ended, at once */
};

/* Opens the journal, marks what a crash interrupted as FAILED ("state": daemon restarted), sweeps
 * left-over folders, registers routes. Strings of @cfg are copied. */
AVOW_MUST_USE int avow_jobs_new(const struct avow_jobs_config *cfg, struct avow_jobs **out,
                                struct avow_error *err);
/* Ends every running job (reason: daemon stopping) and frees. */
void avow_jobs_free(struct avow_jobs *j);
/* The broker's auth_failed callback. */
void avow_jobs_auth_failed(void *jobs, const char *job, uint32_t peer_node, const char *text);

#endif
