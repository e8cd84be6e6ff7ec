/* The command line of avow: what every subcommand shares. One thread prints at a time. */
#ifndef AVOW_CLI_CLI_H
#define AVOW_CLI_CLI_H

#include "cli/options.h"
#include "cli/table.h"
#include "client/client.h"

/* Stable: scripts rely on them (docs/errors.md). */
enum avow_exit {
    AVOW_EXIT_OK = 0,
    AVOW_EXIT_REFUSED = 1,       /* evidence was evaluated and refused */
    AVOW_EXIT_USAGE = 2,         /* command line, or a file that cannot be read or is wrong */
    AVOW_EXIT_UNKNOWN = 3,       /* could not be evaluated */
    AVOW_EXIT_NETWORK = 4,       /* a node cannot be reached */
    AVOW_EXIT_NOT_FORMED = 5,    /* one node refused another */
    AVOW_EXIT_FAILED = 6,        /* the job failed */
    AVOW_EXIT_CANCELLED = 7,     /* the job was cancelled, not by this process */
    AVOW_EXIT_INTERRUPTED = 130, /* Ctrl-C; the job was cancelled on the nodes */
};

struct avow_cli {
    bool help, version;
    bool json, quiet, no_progress;
    const char *cluster, *identity;
    bool color;     /* stdout is a terminal that wants colours */
    bool live;      /* stdout is a terminal: one line may be redrawn */
    bool no_record; /* the nodes will not outlive this run */
};

struct avow_command {
    const char *name;
    const char *args;    /* "JOB.yaml" */
    const char *summary; /* one line */
    const char *help;    /* what it does, examples */
    const struct avow_option *options;
    int (*run)(struct avow_cli *cli, const struct avow_args *args); /* an enum avow_exit */
};

extern const struct avow_command avow_cmd_attest, avow_cmd_verify, avow_cmd_run, avow_cmd_status,
    avow_cmd_watch, avow_cmd_fetch, avow_cmd_cancel, avow_cmd_identity, avow_cmd_doctor,
    avow_cmd_demo, avow_cmd_collateral, avow_cmd_policy;

/* "avow: text" with hint and code on stderr. */
void avow_print_error(const struct avow_cli *cli, const struct avow_error *err);
/* A mistake in the command line: prints, returns AVOW_EXIT_USAGE. */
int avow_usage(const struct avow_command *cmd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* To stdout unless --quiet or --json. */
void avow_say(const struct avow_cli *cli, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A heading line. */
void avow_heading(const struct avow_cli *cli, const char *text);
/* Print and free a table, unless --quiet or --json. */
void avow_print_table(const struct avow_cli *cli, struct avow_table *take_table);
/* JSON to stdout, indented, with a newline. */
void avow_print_json(const json_t *doc);

/* What went on when a failure came: decides its exit code. */
enum avow_phase { AVOW_PHASE_FILES, AVOW_PHASE_ATTEST, AVOW_PHASE_FORM, AVOW_PHASE_JOB };
int avow_exit_for(int code, enum avow_phase phase);

/* A size for people: "12.3 KiB". */
void avow_size_text(uint64_t bytes, char out[32]);

#endif
