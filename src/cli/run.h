/* Running a plan from the first quote to the report: what `avow run` and `avow demo` share. */
#ifndef AVOW_CLI_RUN_H
#define AVOW_CLI_RUN_H

#include "cli/cli.h"
#include "cli/progress.h"

/* A client with its observer, watched by the signals. */
struct avow_session {
    struct avow_cli *cli;
    struct avow_plan *plan;     /* owned, or NULL */
    struct avow_client *client; /* owned */
    struct avow_progress progress;
};

/* Consumes @take_plan (may be NULL), on failure too. */
AVOW_MUST_USE int avow_session_open(struct avow_session *s, struct avow_cli *cli,
                                    struct avow_plan *take_plan, struct avow_error *err);
void avow_session_close(struct avow_session *s);

/* Attest, form, submit, run, fetch, report; prints all of it. @output: folder for results, or NULL
 * for the plan's. Consumes @take_plan. Returns an enum avow_exit. */
int avow_run_plan(struct avow_cli *cli, struct avow_plan *take_plan, const char *output);

/* Attest the nodes and show what came of it. AVOW_EXIT_OK if all are accepted. */
int avow_run_attest(struct avow_session *s);
/* Follow the started job to its end, Ctrl-C included; says what became of it. */
int avow_run_monitor(struct avow_session *s);
/* Fetch into @dir and show results and aggregate. */
int avow_run_fetch(struct avow_session *s, const char *dir);

/*
 * The plan of a job that was started before: @args[0] is its id (from its record) or a job file;
 * @file: a job file to take the nodes from instead of the record, or NULL. Fills @job. Returns an
 * enum avow_exit, having printed why.
 */
int avow_open_job(struct avow_cli *cli, const struct avow_command *cmd,
                  const struct avow_args *args, const char *file, struct avow_session *s);

#endif
