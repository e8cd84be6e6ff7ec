/* avow status: this user's jobs, or one of them as its nodes see it. */
#include <stdio.h>
#include <time.h>

#include "cli/run.h"
#include "cli/show.h"
#include "client/record.h"

#define LIST_MAX 50

static const char *job_file;

static const struct avow_option options[] = {
    { "job-file", 0, "FILE", "take the nodes from this job file instead of the job's record", NULL,
      &job_file },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

static void time_text(json_int_t ms, char out[32])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;

    if (!localtime_r(&t, &tm) || strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        (void)snprintf(out, 32, "?");
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s ? s : "";
}

static int list_jobs(struct avow_cli *cli)
{
    static const char *const heads[] = { "JOB", "NAME", "STARTED", "LAST KNOWN", NULL };
    struct avow_error err = { 0 };
    avow_autojson json_t *list = NULL;
    struct avow_table *t = NULL;
    size_t i = 0;
    json_t *row = NULL;

    if (avow_record_list(LIST_MAX, &list, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    if (cli->json) {
        avow_print_json(list);
        return AVOW_EXIT_OK;
    }
    t = avow_table_new(heads);
    json_array_foreach(list, i, row) {
        char when[32];

        time_text(json_integer_value(json_object_get(row, "created")), when);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", text_at(row, "job"));
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", text_at(row, "name"));
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", when);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", text_at(row, "state"));
    }
    avow_print_table(cli, t);
    return AVOW_EXIT_OK;
}

static int ask(struct avow_node *n, void *ctx, struct avow_error *err)
{
    struct avow_node_call call = { .method = "GET", .path = ctx };

    /* each node's own trouble is shown in its row */
    if (n->state == AVOW_NODE_EVALUATED && avow_verdict_accepts(&n->verdict) &&
        avow_node_call(n, &call, &n->job, &n->error) < 0)
        avow_error_clear(err);
    return 0;
}

/* FAILED if any node says so, COMPLETED if all do, else the state that is furthest from its end. */
static const char *overall(const struct avow_client *c)
{
    static const char *const order[] = { "FAILED", "PENDING", "SYNCING", "RUNNING", "COMPLETED" };

    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++)
        for (size_t i = 0; i < c->n; i++)
            if (strcmp(text_at(c->nodes[i].job, "state"), order[k]) == 0)
                return order[k];
    return "UNKNOWN";
}

static void show(const struct avow_cli *cli, const struct avow_client *c)
{
    static const char *const heads[] = { "NODE", "VERDICT", "STATE", ">ITERATION", "WHY", NULL };
    struct avow_table *t = avow_table_new(heads);

    for (size_t i = 0; i < c->n; i++) {
        const struct avow_node *n = &c->nodes[i];
        const json_t *reason = json_object_get(n->job, "reason");
        const char *state = text_at(n->job, "state");
        char word[32] = "no verdict";

        if (n->state == AVOW_NODE_EVALUATED)
            avow_verdict_word(avow_verdict_accepts(&n->verdict), n->verdict.simulated, word);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", n->name);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", word);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", *state ? state : "unknown");
        avow_table_cell(t, AVOW_PAINT_NONE, "%lld",
                        (long long)json_integer_value(json_object_get(n->job, "iteration")));
        avow_table_cell(t, AVOW_PAINT_NONE, "%s%s%s", reason ? text_at(reason, "code") : "",
                        reason ? ": " : "", reason ? text_at(reason, "message") : n->error.text);
    }
    avow_print_table(cli, t);
}

static void report(const struct avow_client *c)
{
    json_t *nodes = json_array();
    avow_autojson json_t *doc =
        json_pack("{s:s, s:s, s:s, s:o, s:o}", "type", "avow/status/1", "job", c->job, "state",
                  overall(c), "nodes", nodes, "verifier", avow_verifier_json(c->verifier));

    for (size_t i = 0; doc && i < c->n; i++) {
        const struct avow_node *n = &c->nodes[i];
        json_t *o =
            json_pack("{s:s, s:b, s:o}", "node", n->name, "accepted",
                      avow_verdict_accepts(&n->verdict), "verdict", avow_verdict_json(&n->verdict));

        if (o && n->job)
            (void)json_object_set(o, "job", n->job);
        if (o && n->error.code)
            (void)json_object_set_new(o, "error",
                                      json_pack("{s:s, s:s}", "code", avow_err_name(n->error.code),
                                                "message", n->error.text));
        (void)json_array_append_new(nodes, o);
    }
    if (doc)
        avow_print_json(doc);
}

static int show_job(struct avow_cli *cli, const struct avow_args *args)
{
    struct avow_session s = { 0 };
    struct avow_error err = { 0 };
    char path[96];
    int code = avow_open_job(cli, &avow_cmd_status, args, job_file, &s);
    int rc = 0;
    size_t n_known = 0;

    if (code != AVOW_EXIT_OK)
        return code;
    avow_show_verifier(cli, s.client);
    rc = avow_client_attest(s.client, &err);
    (void)snprintf(path, sizeof path, "/v1/jobs/%s", s.client->job);
    if (avow_client_each(s.client, false, ask, path, &err) < 0)
        avow_print_error(cli, &err);
    avow_progress_clear(&s.progress);
    for (size_t i = 0; i < s.client->n; i++)
        n_known += s.client->nodes[i].job != NULL;
    avow_say(cli, "Job %s: %s\n", s.client->job, overall(s.client));
    show(cli, s.client);
    avow_show_asked(cli, s.client);
    if (cli->json)
        report(s.client);
    if (rc > 0) {
        avow_show_refusals(cli, s.client);
        code = AVOW_EXIT_REFUSED;
    } else if (n_known == 0 && rc < 0) {
        avow_print_error(cli, &err);
        code = avow_exit_for(rc, AVOW_PHASE_ATTEST);
    } else if (n_known == 0) {
        code = AVOW_EXIT_USAGE; /* all nodes answered, none knows the job */
    }
    avow_session_close(&s);
    return code;
}

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    return args->n ? show_job(cli, args) : list_jobs(cli);
}

const struct avow_command avow_cmd_status = {
    .name = "status",
    .args = "[JOB-ID]",
    .summary = "list the jobs started from here, or show one as its nodes see it",
    .help =
        "Where the nodes of a job are was noted when it was started ($XDG_STATE_HOME/avow/jobs).\n"
        "The nodes are attested anew before anything is asked of them, and judged by whom the\n"
        "job file named.\n\n"
        "Exit status: 0 whatever the job's state is; otherwise as avow attest.\n\n"
        "Examples:\n"
        "  avow status\n"
        "  avow status 1b4e28ba-2fa1-41d2-883f-0016d3cca427 --json\n",
    .options = options,
    .run = run,
};
