/*
 * Configuration of avowd: one YAML file (packaging/avowd.yaml shows every key), and what it names:
 * authorised clients, the operator's minimum policy, roots of simulated vendors.
 */
#ifndef AVOW_DAEMON_CONFIG_H
#define AVOW_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "group/roster.h"
#include "policy/policy.h"
#include "serve/clients.h"
#include "source/settings.h"
#include "verifier/settings.h"
#include "verify/anchors.h"

#define AVOW_CONFIG_LISTEN "0.0.0.0:7440"
#define AVOW_CONFIG_LISTEN_NODES "0.0.0.0:7441"
#define AVOW_CONFIG_STATE_DIR "/var/lib/avow"
#define AVOW_CONFIG_CLIENTS "/etc/avow/authorized-clients"
#define AVOW_CONFIG_PERIOD_MS 3600000
#define AVOW_CONFIG_QUOTE_RATE 20
#define AVOW_CONFIG_JOBS_MAX 8
#define AVOW_CONFIG_FILES_MAX ((uint64_t)16 << 30)

/* Strings are owned; NULL if optional and absent. */
struct avow_config {
    char *name; /* of this node, as in rosters */
    char *listen;
    char *listen_nodes;
    char *listen_metrics; /* NULL: no plain /metrics */
    char *state_dir;
    struct avow_source_settings tee;
    char *authorized_clients;
    char *policy;                           /* the operator's minimum, or NULL */
    char *simulated_roots;                  /* PEM, or NULL */
    struct avow_verifier_settings verifier; /* who judges other nodes */
    char *collateral; /* store of what this node's evidence is judged with, or NULL */
    char *shell;
    char *preload;
    int job_uid, job_gid; /* -1: stay */
    uint64_t attestation_period_ms;
    uint32_t quote_rate;
    uint32_t jobs_max;
    uint64_t files_max;
};

/* @cfg is written only on success. Paths are not opened, but those of shell and preload, if not
 * given, are looked for beside the program. */
AVOW_MUST_USE int avow_config_load(const char *path, struct avow_config *cfg,
                                   struct avow_error *err);
void avow_config_done(struct avow_config *cfg);
/* Whether the files that it names can be read and make sense. */
AVOW_MUST_USE int avow_config_check(const struct avow_config *cfg, struct avow_error *err);

/* NULL if @path is NULL. */
AVOW_MUST_USE int avow_config_policy(const char *path, struct avow_policy **out,
                                     struct avow_error *err);
/* The vendors' roots and, if @path is not NULL, those in it. */
AVOW_MUST_USE int avow_config_anchors(const char *path, struct avow_anchors *out,
                                      struct avow_error *err);

#endif
