/* The parts of avow demo: a cluster of simulated VMs on this machine, and the hospitals' job. */
#ifndef AVOW_CLI_DEMO_H
#define AVOW_CLI_DEMO_H

#include <sys/types.h>

#include "cli/cli.h"

#define AVOW_DEMO_NODES_MAX 26 /* hospital-a to hospital-z */

struct avow_demo_node {
    char name[32];
    enum avow_tee tee;
    char api[64], nodes[64]; /* addresses, once the daemon is ready */
    pid_t pid;               /* 0: not started */
    int ready;               /* the daemon's --ready-fd, our end, or -1 */
};

/* The service that judges for client and nodes; of no use with ->local. */
struct avow_demo_verifier {
    bool local;     /* there is none: everybody judges for himself */
    pid_t pid;      /* 0: not started */
    int ready;      /* as a node's */
    char *url, *ca; /* owned, once it is ready */
};

struct avow_demo {
    struct avow_cli *cli;
    char *dir;     /* owned */
    bool made_dir; /* by us: may be removed */
    struct avow_demo_verifier verifier;
    size_t n;
    struct avow_demo_node nodes[AVOW_DEMO_NODES_MAX];
};

/* demo_nodes.c: simulated vendor, a machine and an avowd for each node; addresses are known after.
 */
AVOW_MUST_USE int avow_demo_start(struct avow_demo *d, struct avow_error *err);
/* Ends the daemons and waits for them, bounded. */
void avow_demo_stop(struct avow_demo *d);

/*
 * A process of this one, which ends when it does: @argv with "--ready-fd N" behind it, output to
 * the file @log; what it writes to that descriptor is read from *@ready.
 */
AVOW_MUST_USE int avow_demo_spawn(const char *const *argv, const char *log, pid_t *pid, int *ready,
                                  struct avow_error *err);
/* The line of JSON that it writes once it is ready; if none comes, the end of @log is shown. */
AVOW_MUST_USE int avow_demo_await(int ready, const char *log, const char *what, json_t **out,
                                  struct avow_error *err);

/* demo_verifier.c: a service with a store of the vendors' collateral; after the machines are made,
 * before the nodes start. Nothing with ->local. */
AVOW_MUST_USE int avow_demo_verifier_start(struct avow_demo *d, struct avow_error *err);
/* Append the keys `verifier` of a job file or of avowd's configuration. */
void avow_demo_verifier_put(const struct avow_demo *d, struct avow_buf *out);
void avow_demo_verifier_done(struct avow_demo *d); /* once its process is gone */

/* demo_job.c: policy.yaml (which the nodes use too), before the start. */
AVOW_MUST_USE int avow_demo_policy(const struct avow_demo *d, struct avow_error *err);
/* Data of each hospital, cluster.yaml and job.yaml; *@job is the job file's path, owned. */
AVOW_MUST_USE int avow_demo_job(const struct avow_demo *d, unsigned iterations, char **job,
                                struct avow_error *err);

/* "sev=3,tdx=2" into the names and kinds of nodes. -AVOW_E_FORMAT, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_demo_nodes(struct avow_demo *d, const char *spec, struct avow_error *err);

/* A formatted path; free() it. */
AVOW_MUST_USE int avow_demo_path(char **out, struct avow_error *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Make a new folder that every user may pass through, as the jobs' own must; also where the umask
 * says otherwise. -AVOW_E_SYSTEM, errno of mkdir(2) or chmod(2). */
AVOW_MUST_USE int avow_demo_folder(const char *path, struct avow_error *err);
/* Write a new file of @text. */
AVOW_MUST_USE int avow_demo_write(const char *path, const struct avow_buf *text,
                                  struct avow_error *err);
/* Append a YAML string in double quotes. */
void avow_demo_quote(struct avow_buf *out, const char *text);

#endif
