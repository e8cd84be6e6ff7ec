#include "cli/run.h"

#include <stdio.h>

#include "cli/show.h"
#include "cli/signals.h"
#include "client/record.h"
#include "client/report.h"

/* ---- session ---- */

int avow_session_open(struct avow_session *s, struct avow_cli *cli, struct avow_plan *take_plan,
                      struct avow_error *err)
{
    struct avow_client_options options = { .identity = cli->identity,
                                           .event = avow_progress_event,
                                           .ctx = &s->progress };

    *s = (struct avow_session){ .cli = cli, .plan = take_plan };
    avow_progress_init(&s->progress, cli);
    AVOW_TRY(avow_client_new(&options, &s->client, err));
    s->progress.client = s->client;
    if (s->plan)
        AVOW_TRY(avow_client_use_plan(s->client, s->plan, err));
    avow_signals_watch(s->client);
    return 0;
}

void avow_session_close(struct avow_session *s)
{
    avow_signals_watch(NULL);
    avow_progress_done(&s->progress);
    avow_client_free(s->client);
    avow_plan_free(s->plan);
    *s = (struct avow_session){ 0 };
}

/* ---- attest ---- */

/* Nothing speaks against any of those that were not accepted, but something could not be checked.
 */
static bool undecided(const struct avow_client *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->nodes[i].state == AVOW_NODE_EVALUATED &&
            !avow_verdict_accepts(&c->nodes[i].verdict) &&
            !avow_verdict_undecided(&c->nodes[i].verdict))
            return false;
    return true;
}

int avow_run_attest(struct avow_session *s)
{
    struct avow_error err = { 0 };
    int rc = 0;

    avow_heading(s->cli, "Attest");
    avow_show_verifier(s->cli, s->client);
    rc = avow_client_attest(s->client, &err);
    avow_progress_clear(&s->progress);
    if (rc == -AVOW_E_CANCELLED)
        return AVOW_EXIT_INTERRUPTED;
    avow_show_nodes(s->cli, s->client);
    avow_show_asked(s->cli, s->client);
    if (rc == 0)
        return AVOW_EXIT_OK;
    avow_show_refusals(s->cli, s->client);
    if (rc > 0)
        return undecided(s->client) ? AVOW_EXIT_UNKNOWN : AVOW_EXIT_REFUSED;
    return avow_exit_for(rc, AVOW_PHASE_ATTEST);
}

/* ---- formation ---- */

static int form(struct avow_session *s)
{
    struct avow_client *c = s->client;
    struct avow_error err = { 0 };
    int rc = 0;

    avow_heading(s->cli, "Formation");
    rc = avow_client_form(c, &err);
    avow_progress_clear(&s->progress);
    if (rc == -AVOW_E_CANCELLED)
        return AVOW_EXIT_INTERRUPTED;
    if (json_array_size(c->pairs))
        avow_show_pairs(s->cli, c);
    if (rc == 0) {
        avow_say(s->cli,
                 "  formed in %.1f ms: every node has checked every other, each of %zu "
                 "%s has a key of its own\n",
                 c->phases.formation_ms, c->n * (c->n - 1) / 2, c->n == 2 ? "pair" : "pairs");
        return AVOW_EXIT_OK;
    }
    if (rc < 0)
        avow_print_error(s->cli, &err);
    avow_show_pair_refusals(s->cli, c);
    if (rc == AVOW_CLIENT_REFUSED)
        return AVOW_EXIT_REFUSED;
    return rc > 0 ? AVOW_EXIT_NOT_FORMED : avow_exit_for(rc, AVOW_PHASE_FORM);
}

/* ---- submit, watch ---- */

static int cancel(struct avow_session *s)
{
    struct avow_error err = { 0 };

    avow_progress_clear(&s->progress);
    if (avow_client_cancel(s->client, "interrupted by the owner", &err) < 0)
        avow_print_error(s->cli, &err);
    else
        (void)fprintf(stderr, "avow: the job was cancelled on all nodes\n");
    return AVOW_EXIT_INTERRUPTED;
}

static int submit(struct avow_session *s)
{
    struct avow_client *c = s->client;
    struct avow_error err = { 0 };
    char size[32];
    int rc = 0;

    avow_heading(s->cli, "Submit");
    rc = avow_client_submit(c, &err);
    avow_progress_clear(&s->progress);
    if (rc < 0 && avow_signals_came())
        return cancel(s);
    if (rc < 0) {
        struct avow_error ignored = { 0 };

        avow_print_error(s->cli, &err);
        if (avow_client_cancel(c, "not all files could be sent", &ignored) < 0)
            avow_error_clear(&ignored);
        return avow_exit_for(rc, AVOW_PHASE_JOB);
    }
    avow_size_text(c->uploaded, size);
    avow_say(s->cli, "  job %s: %s sent and started in %.1f ms\n", c->job, size,
             c->phases.submit_ms);
    return AVOW_EXIT_OK;
}

static void say_failure(struct avow_session *s)
{
    const json_t *reason = json_object_get(s->client->outcome, "reason");
    const char *code = json_string_value(json_object_get(reason, "code"));
    const char *message = json_string_value(json_object_get(reason, "message"));
    const char *node = json_string_value(json_object_get(reason, "node"));
    const json_t *rank = json_object_get(reason, "rank");
    struct avow_error err = { 0 };
    char who[64] = "";

    if (json_is_integer(rank))
        (void)snprintf(who, sizeof who, "rank %lld: ", (long long)json_integer_value(rank));
    (void)AVOW_FAIL_CODE(&err,
                         code && avow_err_from_name(code) ? avow_err_from_name(code) : AVOW_E_STATE,
                         "job FAILED: node %s: %s%s", node ? node : "?", who,
                         message ? message : "no reason was given");
    avow_print_error(s->cli, &err);
}

static const char *outcome_code(const struct avow_client *c)
{
    const char *code =
        json_string_value(json_object_get(json_object_get(c->outcome, "reason"), "code"));

    return code ? code : "";
}

int avow_run_monitor(struct avow_session *s)
{
    struct avow_error err = { 0 };
    int rc = 0;

    avow_heading(s->cli, "Run");
    s->progress.began_ms = avow_now_ms();
    rc = avow_client_monitor(s->client, &err);
    avow_progress_clear(&s->progress);
    if (rc == 0) {
        avow_say(s->cli, "  COMPLETED in %.2f s\n", s->client->phases.run_ms / 1e3);
        return AVOW_EXIT_OK;
    }
    if (rc < 0 && avow_signals_came())
        return AVOW_EXIT_INTERRUPTED;
    if (rc < 0) {
        avow_print_error(s->cli, &err);
        return avow_exit_for(rc, AVOW_PHASE_JOB);
    }
    say_failure(s);
    return strcmp(outcome_code(s->client), "cancelled") == 0 ? AVOW_EXIT_CANCELLED
                                                             : AVOW_EXIT_FAILED;
}

/* ---- fetch ---- */

static void show_results(struct avow_session *s, const char *dir)
{
    static const char *const heads[] = { "RESULT", ">SIZE", "SHA-256", NULL };
    struct avow_table *t = avow_table_new(heads);

    for (size_t i = 0; i < s->client->n; i++) {
        const struct avow_node *n = &s->client->nodes[i];
        size_t k = 0;
        json_t *f = NULL;

        json_array_foreach(n->results, k, f) {
            const char *sha = json_string_value(json_object_get(f, "sha256"));
            char size[32];

            avow_size_text((uint64_t)json_integer_value(json_object_get(f, "size")), size);
            avow_table_cell(t, AVOW_PAINT_NONE, "%s/%s/%s", dir, n->name,
                            json_string_value(json_object_get(f, "name")));
            avow_table_cell(t, AVOW_PAINT_NONE, "%s", size);
            avow_table_cell(t, AVOW_PAINT_DIM, "%.16s", sha ? sha : "");
        }
    }
    avow_print_table(s->cli, t);
}

static void show_aggregate(struct avow_session *s)
{
    static const char *const heads[] = { "OVER ALL NODES", "HOW", ">VALUE", NULL };
    struct avow_table *t = avow_table_new(heads);
    const char *how = NULL;
    json_t *section = NULL;
    size_t rows = 0;

    json_object_foreach(s->client->aggregate, how, section) {
        const char *key = NULL;
        json_t *v = NULL;

        json_object_foreach(section, key, v) {
            avow_table_cell(t, AVOW_PAINT_NONE, "%s", key);
            avow_table_cell(t, AVOW_PAINT_DIM, "%s", how);
            if (json_is_string(v))
                avow_table_cell(t, AVOW_PAINT_NONE, "%.16s", json_string_value(v));
            else if (json_is_integer(v))
                avow_table_cell(t, AVOW_PAINT_NONE, "%lld", (long long)json_integer_value(v));
            else
                avow_table_cell(t, AVOW_PAINT_NONE, "%.6g", json_number_value(v));
            rows++;
        }
    }
    if (rows)
        avow_print_table(s->cli, t);
    else
        avow_table_free(t);
}

int avow_run_fetch(struct avow_session *s, const char *dir)
{
    struct avow_error err = { 0 };
    int rc = 0;

    avow_heading(s->cli, "Fetch");
    rc = avow_client_fetch(s->client, dir, &err);
    avow_progress_clear(&s->progress);
    show_results(s, dir);
    show_aggregate(s);
    if (rc == 0)
        return AVOW_EXIT_OK;
    if (avow_signals_came())
        return AVOW_EXIT_INTERRUPTED;
    avow_print_error(s->cli, &err);
    return avow_exit_for(rc, AVOW_PHASE_JOB);
}

/* ---- all of it ---- */

static const char *state_word(int code, const struct avow_client *c)
{
    switch ((enum avow_exit)code) {
    case AVOW_EXIT_OK:
        return "COMPLETED";
    case AVOW_EXIT_REFUSED:
        return "REFUSED";
    case AVOW_EXIT_NOT_FORMED:
        return "NOT_FORMED";
    case AVOW_EXIT_FAILED:
        return c->outcome && strcmp(outcome_code(c), "") != 0 ? "FAILED" : "ERROR";
    case AVOW_EXIT_CANCELLED:
    case AVOW_EXIT_INTERRUPTED:
        return "CANCELLED";
    case AVOW_EXIT_USAGE:
    case AVOW_EXIT_UNKNOWN:
    case AVOW_EXIT_NETWORK:
        break;
    }
    return "ERROR";
}

static bool any_simulated(const struct avow_client *c)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->nodes[i].verdict.simulated)
            return true;
    return false;
}

static void finish(struct avow_session *s, const char *dir, int code)
{
    struct avow_error err = { 0 };
    const char *state = state_word(code, s->client);
    avow_autojson json_t *report = avow_report(s->client, state, NULL);
    avow_autofree char *path = NULL;
    const json_t *sync = json_object_get(report, "sync");

    if (sync)
        avow_say(s->cli, "  %lld sync points: min %.3f ms, median %.3f ms, p99 %.3f ms\n",
                 (long long)json_integer_value(json_object_get(sync, "count")),
                 json_number_value(json_object_get(sync, "min_ms")),
                 json_number_value(json_object_get(sync, "median_ms")),
                 json_number_value(json_object_get(sync, "p99_ms")));
    if (!report || avow_report_write(report, dir, &path, &err) < 0)
        avow_print_error(s->cli, &err);
    else
        avow_say(s->cli, "Report\n  %s\n", path);
    if (any_simulated(s->client))
        avow_say(s->cli,
                 "  %sSIMULATED%s: these nodes are not confidential VMs; no hardware "
                 "protected anything\n",
                 s->cli->color ? avow_paint_code(AVOW_PAINT_WARN) : "",
                 s->cli->color ? AVOW_PAINT_RESET : "");
    if (s->cli->json)
        avow_print_json(report);
    if (s->client->job[0] && !s->cli->no_record && avow_record_save(s->client, state, &err) < 0)
        avow_print_error(s->cli, &err);
}

/* From the moment on that a node knows of the job, its record is kept. */
static int run_job(struct avow_session *s, const char *dir)
{
    struct avow_error err = { 0 };
    int code = AVOW_EXIT_OK;

    if (!s->cli->no_record && avow_record_save(s->client, "PENDING", &err) < 0)
        avow_print_error(s->cli, &err);
    code = submit(s);
    if (code != AVOW_EXIT_OK)
        return code;
    code = avow_run_monitor(s);
    if (code == AVOW_EXIT_INTERRUPTED)
        return cancel(s);
    if (code != AVOW_EXIT_OK)
        return code;
    return avow_run_fetch(s, dir);
}

int avow_run_plan(struct avow_cli *cli, struct avow_plan *take_plan, const char *output)
{
    struct avow_session s;
    struct avow_error err = { 0 };
    int code = AVOW_EXIT_OK;

    if (avow_session_open(&s, cli, take_plan, &err) < 0) {
        avow_print_error(cli, &err);
        avow_session_close(&s);
        return avow_exit_for(err.code, AVOW_PHASE_FILES);
    }
    if (!output)
        output = s.plan->output;
    avow_say(cli, "Job %s on %zu nodes\n", s.plan->name, s.plan->n_nodes);
    code = avow_run_attest(&s);
    if (code == AVOW_EXIT_OK)
        code = form(&s);
    if (code == AVOW_EXIT_OK)
        code = run_job(&s, output);
    finish(&s, output, code);
    avow_client_release(s.client);
    avow_session_close(&s);
    return code;
}

int avow_open_job(struct avow_cli *cli, const struct avow_command *cmd,
                  const struct avow_args *args, const char *file, struct avow_session *s)
{
    struct avow_plan *plan = NULL;
    struct avow_error err = { 0 };
    int rc = 0;

    if (args->n != 1)
        return avow_usage(cmd, "one job's id is needed");
    if (!avow_job_uuid_ok(args->list[0]))
        return avow_usage(cmd, "\"%s\" is not a job's id (avow status lists them)", args->list[0]);
    rc = file ? avow_plan_load(file, cli->cluster, &plan, &err)
              : avow_record_load(args->list[0], &plan, &err);
    if (rc == 0)
        rc = avow_session_open(s, cli, plan, &err);
    if (rc < 0) {
        avow_print_error(cli, &err);
        if (plan)
            avow_session_close(s);
        return avow_exit_for(rc, AVOW_PHASE_FILES);
    }
    (void)snprintf(s->client->job, sizeof s->client->job, "%s", args->list[0]);
    return AVOW_EXIT_OK;
}
