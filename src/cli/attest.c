/* avow attest: what do these nodes prove? */
#include <stdio.h>

#include "cli/run.h"
#include "cli/show.h"
#include "client/report.h"

static const char *policy_path;
static const char *roots_path;

static const struct avow_option options[] = {
    { "policy", 0, "FILE", "judge by this policy (needed with HOST:PORT)", NULL, &policy_path },
    { "roots", 0, "FILE", "trust these simulated roots too (PEM)", NULL, &roots_path },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

static json_t *report_of(const struct avow_client *c)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < c->n; i++)
        (void)json_array_append_new(list, avow_report_node(&c->nodes[i]));
    return json_pack("{s:s, s:o, s:o}", "type", "avow/attest/1", "nodes", list, "verifier",
                     avow_verifier_json(c->verifier));
}

static int attest_plan(struct avow_cli *cli, const char *path)
{
    struct avow_session s = { 0 };
    struct avow_plan *plan = NULL;
    struct avow_error err = { 0 };
    int code = AVOW_EXIT_OK;

    if (avow_plan_load(path, cli->cluster, &plan, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    if (avow_session_open(&s, cli, plan, &err) < 0) {
        avow_print_error(cli, &err);
        code = AVOW_EXIT_USAGE;
    } else {
        code = avow_run_attest(&s);
    }
    if (cli->json && s.client) {
        avow_autojson json_t *report = report_of(s.client);

        avow_print_json(report);
    }
    avow_session_close(&s);
    return code;
}

static int add_addresses(struct avow_client *c, const struct avow_args *args,
                         struct avow_error *err)
{
    char host[300];
    uint16_t port = 0;

    AVOW_TRY(avow_client_reserve(c, args->n, err));
    for (size_t i = 0; i < args->n; i++) {
        if (!avow_address_split(args->list[i], host, sizeof host, &port))
            return AVOW_FAIL(err, FORMAT, "\"%s\" is neither a job file nor HOST:PORT",
                             args->list[i]);
        AVOW_TRY(avow_client_add_node(c, args->list[i], AVOW_TEE_NONE, args->list[i], NULL, err));
    }
    return 0;
}

static int attest_addresses(struct avow_cli *cli, const struct avow_args *args)
{
    struct avow_session s = { 0 };
    avow_auto(avow_cleanup_policy) struct avow_policy *policy = NULL;
    struct avow_anchors anchors;
    struct avow_error err = { 0 };
    int code = AVOW_EXIT_USAGE;

    avow_anchors_builtin(&anchors);
    if (avow_policy_load(policy_path, &policy, NULL, &err) < 0 ||
        (roots_path && avow_roots_load(roots_path, &anchors, &err) < 0) ||
        avow_session_open(&s, cli, NULL, &err) < 0 || add_addresses(s.client, args, &err) < 0) {
        avow_print_error(cli, &err);
    } else {
        avow_client_use_policy(s.client, policy, &anchors);
        code = avow_run_attest(&s);
        if (cli->json) {
            avow_autojson json_t *report = report_of(s.client);

            avow_print_json(report);
        }
    }
    avow_session_close(&s);
    return code;
}

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    char host[300];
    uint16_t port = 0;

    if (!args->n)
        return avow_usage(&avow_cmd_attest, "a job file or an address is needed");
    if (avow_address_split(args->list[0], host, sizeof host, &port)) {
        if (!policy_path)
            return avow_usage(&avow_cmd_attest, "with HOST:PORT a --policy is needed");
        return attest_addresses(cli, args);
    }
    if (args->n > 1)
        return avow_usage(&avow_cmd_attest, "one job file at a time");
    return attest_plan(cli, args->list[0]);
}

const struct avow_command avow_cmd_attest = {
    .name = "attest",
    .args = "JOB.yaml | HOST:PORT...",
    .summary = "ask nodes for evidence, judge it here, show the verdicts",
    .help =
        "Opens a channel to each node, sends a fresh nonce, gets evidence bound to that very\n"
        "channel, and verifies and appraises it on this machine. Nothing else is sent.\n\n"
        "Exit status: 0 all accepted, 1 at least one refused, 2 usage or a file that cannot be\n"
        "read, 3 could not be evaluated, 4 a node cannot be reached.\n\n"
        "Examples:\n"
        "  avow attest job.yaml\n"
        "  avow attest job.yaml --json\n"
        "  avow attest --policy policy.yaml node1.example.org:7440\n",
    .options = options,
    .run = run,
};
