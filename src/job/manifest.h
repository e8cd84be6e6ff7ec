/*
 * Manifest: what a job is, in canonical JSON (docs/formats/manifest.md). The client makes it from
 * the job file; its SHA-256 is in the roster, so every node has agreed to exactly these bytes.
 * Pure.
 */
#ifndef AVOW_JOB_MANIFEST_H
#define AVOW_JOB_MANIFEST_H

#include "base/bytes.h"
#include "base/cleanup.h"
#include "job/names.h"

#define AVOW_MANIFEST_MAX (8u << 20) /* bytes of the text */
#define AVOW_MANIFEST_NODES_MAX 1024
#define AVOW_MANIFEST_RANKS_MAX 1024  /* on one node */
#define AVOW_MANIFEST_INPUTS_MAX 4096 /* files for one node */
#define AVOW_MANIFEST_ARGS_MAX 1024
#define AVOW_MANIFEST_ENV_MAX 256
#define AVOW_MANIFEST_STRING_MAX 32768             /* bytes of one argument or value */
#define AVOW_MANIFEST_FILE_MAX ((uint64_t)1 << 44) /* bytes of one file, and of all outputs */
#define AVOW_MANIFEST_TIME_MAX_MS ((uint64_t)30 * 86400 * 1000)

struct avow_job_file {
    char name[AVOW_JOB_FILE_NAME_MAX + 1];
    uint64_t size; /* bytes */
    uint8_t sha256[32];
};

struct avow_job_env {
    char *name;  /* owned */
    char *value; /* owned */
};

struct avow_job_node {
    char name[AVOW_JOB_NODE_NAME_MAX + 1];
    char tee[8];    /* "snp", "tdx", "az-snp" or "az-tdx" */
    uint32_t ranks; /* 1.. */
    size_t n_inputs;
    struct avow_job_file *inputs; /* owned; sorted by name */
};

struct avow_manifest {
    char job[AVOW_JOB_UUID_LEN + 1];
    char name[AVOW_JOB_NAME_MAX + 1];
    struct avow_job_file program; /* its name is one component */
    size_t n_args;
    char **args; /* owned, each too; without argv[0] */
    size_t n_env;
    struct avow_job_env *env; /* owned */
    uint64_t time_limit_ms;   /* 0: none */
    uint64_t outputs_max;     /* bytes of all files in output/ of one node */
    size_t n_nodes;
    struct avow_job_node *nodes; /* owned; sorted by name: the index is the node's on the wire */
};

/* Frees what it holds and zeroes it. */
void avow_manifest_done(struct avow_manifest *m);

/*
 * @text untrusted, must be canonical. @out is written only on success (avow_manifest_done it).
 * -AVOW_E_FORMAT (the text names the key), -AVOW_E_LIMIT, -AVOW_E_VERSION (another type).
 */
AVOW_MUST_USE int avow_manifest_parse(struct avow_bytes text, struct avow_manifest *out,
                                      struct avow_error *err);
/* Sorts nodes and inputs, appends the canonical text; what parse would refuse is refused here. */
AVOW_MUST_USE int avow_manifest_emit(struct avow_manifest *m, struct avow_buf *out,
                                     struct avow_error *err);

/* Index of a node, or -1. */
int avow_manifest_node(const struct avow_manifest *m, const char *name);
/* Number of the first global rank of node @index (ranks are consecutive, node by node). */
uint32_t avow_manifest_first_rank(const struct avow_manifest *m, size_t index);
/* Node index of a global rank, or -1. */
int avow_manifest_rank_node(const struct avow_manifest *m, uint32_t rank);
/* Bytes of the program and of the inputs of node @index. */
uint64_t avow_manifest_bytes(const struct avow_manifest *m, size_t index);

#endif
