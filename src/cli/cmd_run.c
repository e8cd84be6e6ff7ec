/* avow run: the main job. */
#include "cli/run.h"

static const char *output;

static const struct avow_option options[] = {
    { "output", 'o', "DIR", "folder for results (default: the job file's, or ./results/NAME)", NULL,
      &output },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    struct avow_plan *plan = NULL;
    struct avow_error err = { 0 };

    if (args->n != 1)
        return avow_usage(&avow_cmd_run, "one job file is needed");
    if (avow_plan_load(args->list[0], cli->cluster, &plan, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    return avow_run_plan(cli, plan, output);
}

const struct avow_command avow_cmd_run = {
    .name = "run",
    .args = "JOB.yaml",
    .summary = "attest the nodes, form the group, run the job, fetch its results",
    .help =
        "Nothing is sent to a node before its evidence is accepted here, and nothing of the job\n"
        "is sent to any node unless all are accepted, by this client and by each other.\n"
        "Ctrl-C cancels the job on the nodes; a second Ctrl-C leaves at once.\n\n"
        "The report is written to report.json in the folder of the results.\n\n"
        "Exit status: 0 completed, 1 evidence refused, 2 usage or a wrong file, 3 could not be\n"
        "evaluated, 4 a node cannot be reached, 5 one node refused another, 6 the job failed,\n"
        "7 the job was cancelled elsewhere, 130 interrupted.\n\n"
        "Examples:\n"
        "  avow run job.yaml\n"
        "  avow run job.yaml --cluster cluster.yaml --output out --json\n",
    .options = options,
    .run = run,
};
