/*
 * CONFIG, the first frame (launch/shell.h): strict, bounded, typed. Any thread.
 */
#ifndef AVOW_LAUNCH_CONFIG_H
#define AVOW_LAUNCH_CONFIG_H

#include <netinet/in.h>

#include "base/bytes.h"

#define AVOW_LAUNCH_NODES_MAX 1024
#define AVOW_LAUNCH_RANKS_MAX 65536 /* of the whole job */
#define AVOW_LAUNCH_ARGS_MAX 4096
#define AVOW_LAUNCH_ENV_MAX 1024
#define AVOW_LAUNCH_STALL_DEFAULT_MS 2000
#define AVOW_LAUNCH_TIME_MAX_MS (366LL * 86400 * 1000)

struct avow_launch_node {
    char *name; /* host name characters only */
    uint32_t ranks;
    uint32_t first; /* global number of its first rank */
};

struct avow_launch_config {
    char job[37];  /* UUID, lower case */
    uint32_t node; /* own index */
    uint32_t n_nodes;
    struct avow_launch_node *nodes;
    uint32_t n_ranks; /* of the whole job */
    char *program;
    char **argv; /* NULL-terminated; [0] is the program */
    char **env;  /* NULL-terminated, "KEY=VALUE" */
    char *workdir;
    char *input;   /* the sibling `input` of workdir */
    char *preload; /* "" : none */
    char *hide;    /* folder whose other contents the job does not see; "": none */
    struct in_addr vaddr;
    struct in_addr net;
    unsigned prefix;
    char net_text[24];     /* "10.89.0.0/16" */
    int64_t uid, gid;      /* -1: stay */
    int64_t time_limit_ms; /* 0: none */
    int64_t file_max;      /* bytes of one file that a rank writes; 0: no limit */
    int64_t pmi1_stall_ms; /* 0: off */
    bool require_namespace;
    bool allow_non_mpi;
};

/*
 * @out owned by the caller; release with avow_launch_config_free. -AVOW_E_FORMAT names the key,
 * -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_launch_config_parse(struct avow_bytes text, struct avow_launch_config **out,
                                           struct avow_error *err);
void avow_launch_config_free(struct avow_launch_config *c);

/* Own entry. */
static inline const struct avow_launch_node *avow_launch_self(const struct avow_launch_config *c)
{
    return &c->nodes[c->node];
}

/* Node of a global rank; @rank must be below n_ranks. */
uint32_t avow_launch_node_of(const struct avow_launch_config *c, uint32_t rank);

#endif
