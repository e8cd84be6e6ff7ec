/*
 * Plan: what a job file (docs/formats/job-file.md) asks for, checked, with every path resolved.
 * Every error names file, line, column and key. Reads files; contacts nobody.
 */
#ifndef AVOW_CLIENT_PLAN_H
#define AVOW_CLIENT_PLAN_H

#include "codec/json.h"
#include "evidence/tee.h"
#include "job/manifest.h"
#include "policy/policy.h"
#include "verifier/settings.h"
#include "verify/anchors.h"

#define AVOW_PLAN_NODES_MAX AVOW_MANIFEST_NODES_MAX
#define AVOW_PLAN_OUTPUTS_DEFAULT (1ull << 30) /* bytes of results from one node */
#define AVOW_PLAN_TIME_DEFAULT_MS (60ull * 60 * 1000)

/* This side, in reports; no node may be called so. */
#define AVOW_PLAN_NAME_CLIENT "client"

struct avow_plan_input {
    char name[AVOW_JOB_FILE_NAME_MAX + 1]; /* on the node */
    char *path;                            /* here; owned */
};

struct avow_plan_node {
    char name[AVOW_JOB_NODE_NAME_MAX + 1];
    enum avow_tee tee;
    uint32_t ranks;
    char *address;      /* host:port of the API; owned */
    char *node_address; /* host:port for other nodes; owned */
    size_t n_inputs;
    struct avow_plan_input *inputs; /* owned */
};

struct avow_plan {
    char *path; /* of the job file, as given; owned */
    char name[AVOW_JOB_NAME_MAX + 1];
    char *program;                          /* path; owned */
    json_t *args;                           /* list of strings; owned */
    json_t *env;                            /* object of strings; owned */
    struct avow_policy *policy;             /* owned */
    struct avow_buf policy_text;            /* its canonical JSON */
    struct avow_anchors anchors;            /* the built-in ones and those of simulated-roots */
    struct avow_verifier_settings verifier; /* who judges the nodes' evidence */
    char *roots;                            /* path of simulated-roots, or NULL; owned */
    uint64_t time_limit_ms;
    uint64_t outputs_max;
    char *output;      /* folder for results; owned */
    json_t *aggregate; /* the section as written, or NULL; owned */
    size_t n_nodes;
    struct avow_plan_node *nodes; /* sorted by name; owned */
};

/*
 * Read a job file. @cluster: a cluster file that says where nodes are, or NULL (then the file's own
 * `cluster` key, if any). -AVOW_E_FORMAT, -AVOW_E_MISSING, -AVOW_E_EXISTS, -AVOW_E_LIMIT,
 * -AVOW_E_NOTFOUND (a file that it names), -AVOW_E_UNSUPPORTED.
 */
AVOW_MUST_USE int avow_plan_load(const char *path, const char *cluster, struct avow_plan **out,
                                 struct avow_error *err);
void avow_plan_free(struct avow_plan *p);
AVOW_DEFINE_CLEANUP(plan, struct avow_plan, avow_plan_free)

/*
 * The manifest for job @uuid: digests of program and inputs are computed here.
 * Appends its canonical text to @out.
 */
AVOW_MUST_USE int avow_plan_manifest(const struct avow_plan *p, const char *uuid,
                                     struct avow_buf *out, struct avow_error *err);

/* Where the nodes are, by name, from a cluster file: {name: {"address","node-address"}}. */
AVOW_MUST_USE int avow_cluster_load(const char *path, json_t **out, struct avow_error *err);

/* A policy document (YAML or JSON) and its canonical text. @text may be NULL. */
AVOW_MUST_USE int avow_policy_load(const char *path, struct avow_policy **out,
                                   struct avow_buf *text, struct avow_error *err);
/* Add the roots of a PEM file to @anchors. */
AVOW_MUST_USE int avow_roots_load(const char *path, struct avow_anchors *anchors,
                                  struct avow_error *err);

/* Split "host:port" or "[v6]:port"; @host has room for @n bytes. False if it is neither. */
bool avow_address_split(const char *address, char *host, size_t n, uint16_t *port);

#endif
