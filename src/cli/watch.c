/* avow watch, avow fetch, avow cancel: a job that was started before. */
#include <stdio.h>

#include "cli/run.h"
#include "client/record.h"
#include "client/report.h"

static const char *job_file;
static const char *output;

static const struct avow_option job_options[] = {
    { "job-file", 0, "FILE", "take the nodes from this job file instead of the job's record", NULL,
      &job_file },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

static const struct avow_option fetch_options[] = {
    { "job-file", 0, "FILE", "take the nodes from this job file instead of the job's record", NULL,
      &job_file },
    { "output", 'o', "DIR", "folder for results (default: the job's own)", NULL, &output },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

static int opened(struct avow_cli *cli, const struct avow_command *cmd,
                  const struct avow_args *args, struct avow_session *s)
{
    int code = avow_open_job(cli, cmd, args, job_file, s);

    if (code != AVOW_EXIT_OK)
        return code;
    code = avow_run_attest(s);
    if (code != AVOW_EXIT_OK)
        avow_session_close(s);
    return code;
}

static void print_report(const struct avow_session *s)
{
    const char *state = json_string_value(json_object_get(s->client->outcome, "state"));
    avow_autojson json_t *report = NULL;

    if (!s->cli->json)
        return;
    report = avow_report(s->client, state ? state : "UNKNOWN", NULL);
    if (report)
        avow_print_json(report);
}

static int watch(struct avow_cli *cli, const struct avow_args *args)
{
    struct avow_session s = { 0 };
    struct avow_error err = { 0 };
    const char *state = NULL;
    int code = opened(cli, &avow_cmd_watch, args, &s);

    if (code != AVOW_EXIT_OK)
        return code;
    /* Ctrl-C here stops the watching, not the job */
    code = avow_run_monitor(&s);
    state = json_string_value(json_object_get(s.client->outcome, "state"));
    if (state && avow_record_save(s.client, state, &err) < 0)
        avow_print_error(cli, &err);
    print_report(&s);
    avow_session_close(&s);
    return code;
}

static int fetch(struct avow_cli *cli, const struct avow_args *args)
{
    struct avow_session s = { 0 };
    int code = opened(cli, &avow_cmd_fetch, args, &s);

    if (code != AVOW_EXIT_OK)
        return code;
    code = avow_run_fetch(&s, output ? output : s.plan->output);
    print_report(&s);
    avow_session_close(&s);
    return code;
}

static int cancel(struct avow_cli *cli, const struct avow_args *args)
{
    struct avow_session s = { 0 };
    struct avow_error err = { 0 };
    int code = opened(cli, &avow_cmd_cancel, args, &s);
    int rc = 0;

    if (code != AVOW_EXIT_OK)
        return code;
    rc = avow_client_cancel(s.client, "cancelled by the owner", &err);
    if (rc < 0) {
        avow_print_error(cli, &err);
        code = avow_exit_for(rc, AVOW_PHASE_JOB);
    } else {
        avow_say(cli, "job %s is cancelled\n", s.client->job);
    }
    print_report(&s);
    avow_session_close(&s);
    return code;
}

const struct avow_command avow_cmd_watch = {
    .name = "watch",
    .args = "JOB-ID",
    .summary = "follow a job to its end",
    .help =
        "Shows what happened so far, then what happens, until the job has ended. Ctrl-C ends the\n"
        "watching and leaves the job alone.\n\n"
        "Exit status: 0 completed, 6 failed, 7 cancelled; otherwise as avow attest.\n\n"
        "Example:\n"
        "  avow watch 1b4e28ba-2fa1-41d2-883f-0016d3cca427\n",
    .options = job_options,
    .run = watch,
};

const struct avow_command avow_cmd_fetch = {
    .name = "fetch",
    .args = "JOB-ID",
    .summary = "fetch the results of a job again",
    .help = "Every file is checked against the digest that its node gives.\n\n"
            "Example:\n"
            "  avow fetch 1b4e28ba-2fa1-41d2-883f-0016d3cca427 --output again\n",
    .options = fetch_options,
    .run = fetch,
};

const struct avow_command avow_cmd_cancel = {
    .name = "cancel",
    .args = "JOB-ID",
    .summary = "cancel a job on its nodes",
    .help = "Example:\n"
            "  avow cancel 1b4e28ba-2fa1-41d2-883f-0016d3cca427\n",
    .options = job_options,
    .run = cancel,
};
