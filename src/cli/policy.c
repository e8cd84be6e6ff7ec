/* avow policy: write a policy from known-good nodes, try one, check one. */
#include "cli/policy.h"

#include <stdio.h>

#include "cli/show.h"
#include "verify/basis.h"

static struct avow_policy_args given;

static const struct avow_option options[] = {
    { "with", 0, "FILE...", "endorsements, collateral and what else belongs to it, in any order",
      NULL, NULL, &given.with },
    { "at", 0, "TIME", "judge as of then: 2026-01-31, 2026-01-31T12:00:00Z or unix seconds", NULL,
      &given.at, NULL },
    { "roots", 0, "FILE", "trust these simulated roots too (PEM)", NULL, &given.roots, NULL },
    { "tight", 0, NULL, "from: pin registers and all else too", &given.tight, NULL, NULL },
    { "pin-machines", 0, NULL, "from: accept these machines and no others", &given.pin_machines,
      NULL, NULL },
    { "allow-debug", 0, NULL, "from: take nodes that the host may look into", &given.allow_debug,
      NULL, NULL },
    { "output", 'o', "FILE", "from: write it there instead of to standard output", NULL,
      &given.output, NULL },
    { "member", 0, "NAME", "test: judge as the node of this name", NULL, &given.member, NULL },
    { NULL, 0, NULL, NULL, NULL, NULL, NULL },
};

AVOW_DEFINE_CLEANUP(setup, struct avow_verify_setup, avow_verify_setup_free)
AVOW_DEFINE_CLEANUP(item, struct avow_verify_item, avow_verify_item_free)

/* ---- evidence ---- */

static int judge_path(struct avow_verify_setup *s, const struct avow_policy_args *a,
                      const char *path, avow_policy_each *each, void *ctx, struct avow_error *err)
{
    avow_auto(avow_cleanup_item) struct avow_verify_item *item = calloc(1, sizeof *item);
    avow_auto(avow_cleanup_pool) struct avow_pool *own = NULL;

    if (!item)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_pool_new(&own, err));
    AVOW_TRY(avow_verify_gather(own, &item->bundle, path, err));
    for (size_t i = 0; a->n == 1 && i < a->with.n; i++)
        AVOW_TRY(avow_verify_gather(own, &item->bundle, a->with.v[i], err));
    if (item->bundle.tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, MISSING,
                         "%s: no report, quote, HCL report, bundle or envelope of one", path);
    if (avow_verify_judge(s, own, NULL, item, err) < 0)
        return avow_error_prefix(err, "%s", path);
    return each(ctx, path, item, err);
}

int avow_policy_judge_each(struct avow_verify_setup *s, const struct avow_policy_args *a,
                           avow_policy_each *each, void *ctx, struct avow_error *err)
{
    for (size_t i = 0; a->n > 1 && i < a->with.n; i++)
        AVOW_TRY(avow_verify_gather(s->pool, &s->with, a->with.v[i], err));
    if (s->with.tee != AVOW_TEE_NONE)
        return AVOW_FAIL(err, EXISTS, "--with: a piece of evidence beside %zu others", a->n);
    if (a->n > 1 && (s->with.tpm_quote.len || s->with.event_log.len || s->with.runtime_data.len))
        return AVOW_FAIL(err, EXISTS,
                         "--with: a TPM quote, event log or runtime data beside %zu pieces of "
                         "evidence: whose is it? Make bundles: avow verify --bundle",
                         a->n);
    for (size_t i = 0; i < a->n; i++)
        AVOW_TRY(judge_path(s, a, a->evidence[i], each, ctx, err));
    return 0;
}

/* ---- test ---- */

struct test {
    const struct avow_cli *cli;
    const struct avow_verify_setup *setup;
    json_t *results; /* owned */
    size_t by_exit[AVOW_EXIT_UNKNOWN + 1];
};

/* Of a rule its key; of a check the document that demands it. */
static const char *demanded_by(const struct avow_claims *c, const struct avow_reason *r)
{
    const char *basis = avow_check_basis(c->tee, r->code);

    return *r->source ? r->source : *basis ? basis : "every policy";
}

static const char *state_of(const struct avow_reason *r)
{
    return !r->ran ? "not-run" : r->passed ? "passed" : "failed";
}

/* Which rule decides: a finding before what could not be evaluated, as the exit status has it. */
static const struct avow_reason *decisive(const struct avow_verdict *v)
{
    for (uint32_t i = 0; i < v->n_reasons; i++)
        if (!v->reasons[i].passed && v->reasons[i].ran)
            return &v->reasons[i];
    return avow_verdict_why(v);
}

static json_t *rule_json(const struct avow_claims *c, const struct avow_reason *r)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "source", demanded_by(c, r), "code", r->code, "state",
                     state_of(r), "text", r->text);
}

static json_t *result_json(const char *path, const struct avow_verify_item *item)
{
    const struct avow_verdict *v = &item->verdict;
    const struct avow_reason *why = decisive(v);
    avow_autojson json_t *rules = json_array();
    avow_autofree char *name = avow_clean_text(path);

    for (uint32_t i = 0; i < v->n_reasons; i++)
        if (json_array_append_new(rules, rule_json(&item->claims, &v->reasons[i])) < 0)
            return NULL;
    return json_pack("{s:s, s:s, s:s, s:b, s:b, s:o, s:O, s:i}", "file", name ? name : "", "tee",
                     avow_tee_name(v->tee), "verdict",
                     avow_verdict_accepts(v) ? "accepted" : "refused", "undecided",
                     avow_verdict_undecided(v) ? 1 : 0, "simulated", v->simulated ? 1 : 0,
                     "decided_by", why ? rule_json(&item->claims, why) : json_null(), "rules",
                     rules, "exit", avow_verify_exit(v));
}

static void show_result(const struct avow_cli *cli, const char *path,
                        const struct avow_verify_item *item)
{
    static const char *const heads[] = { "DEMANDED BY", "", "RULE", "FOUND, AND WHAT IS WANTED",
                                         NULL };
    struct avow_table *t = avow_table_new(heads);
    const struct avow_verdict *v = &item->verdict;
    const struct avow_reason *why = decisive(v);
    avow_autofree char *name = avow_clean_text(path);
    char word[32];

    for (uint32_t i = 0; i < v->n_reasons; i++) {
        const struct avow_reason *r = &v->reasons[i];

        avow_table_cell(t, AVOW_PAINT_DIM, "%s", demanded_by(&item->claims, r));
        avow_table_cell(t,
                        r->passed ? AVOW_PAINT_GOOD
                        : r->ran  ? AVOW_PAINT_BAD
                                  : AVOW_PAINT_WARN,
                        "%s%s",
                        r->passed ? "ok"
                        : r->ran  ? "FAILED"
                                  : "NOT RUN",
                        r == why ? " <- decides" : "");
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", r->code);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", r->text);
    }
    avow_verdict_word(avow_verdict_accepts(v), v->simulated, word);
    avow_say(cli, "%s: %s %s%s\n", name ? name : "", avow_tee_name(v->tee), word,
             avow_verdict_undecided(v) ? ": it could not be evaluated" : "");
    avow_print_table(cli, t);
    if (why)
        avow_say(cli, "  %s decides: %s\n  -> %s\n", demanded_by(&item->claims, why), why->text,
                 avow_check_hint(why->code));
}

static int test_one(void *ctx, const char *path, const struct avow_verify_item *item,
                    struct avow_error *err)
{
    struct test *t = ctx;

    t->by_exit[avow_verify_exit(&item->verdict)]++;
    if (!t->cli->json) {
        show_result(t->cli, path, item);
        return 0;
    }
    return json_array_append_new(t->results, result_json(path, item)) < 0
               ? AVOW_FAIL(err, NOMEM, "out of memory")
               : 0;
}

static int test(struct avow_cli *cli, const char *policy_path, const struct avow_policy_args *a)
{
    avow_auto(avow_cleanup_setup) struct avow_verify_setup *s = calloc(1, sizeof *s);
    avow_autojson json_t *results = json_array();
    struct test t = { .cli = cli, .setup = s, .results = results };
    struct avow_error err = { 0 };
    int rc = s ? avow_verify_setup_init(s, a->at, a->roots, &err) : -AVOW_E_NOMEM;

    if (rc == 0)
        rc = avow_verify_use_store(s, NULL, &err);
    if (rc == 0) {
        s->member = a->member;
        s->own_policy = true;
        rc = avow_policy_load(policy_path, &s->policy, NULL, &err);
    }
    if (rc == 0)
        rc = avow_policy_judge_each(s, a, test_one, &t, &err);
    if (rc < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    if (cli->json) {
        avow_autojson json_t *doc =
            json_pack("{s:s, s:s, s:I, s:O}", "type", "avow/policy-test/1", "policy", policy_path,
                      "at", (json_int_t)s->now, "results", results);

        if (doc)
            avow_print_json(doc);
    }
    return t.by_exit[AVOW_EXIT_REFUSED]   ? AVOW_EXIT_REFUSED
           : t.by_exit[AVOW_EXIT_UNKNOWN] ? AVOW_EXIT_UNKNOWN
                                          : AVOW_EXIT_OK;
}

/* ---- check ---- */

static void say_pins(const struct avow_cli *cli, const char *section, const json_t *pins)
{
    const char *key = NULL;
    json_t *is = NULL;
    avow_auto(avow_buf_done) struct avow_buf yes = AVOW_BUF(256);
    avow_auto(avow_buf_done) struct avow_buf no = AVOW_BUF(256);

    json_object_foreach((json_t *)(uintptr_t)pins, key, is) {
        struct avow_buf *out = json_is_true(is) ? &yes : &no;

        if (strcmp(key, "accepted") != 0)
            avow_buf_putf(out, "%s%s", out->len ? ", " : "", key);
    }
    avow_say(cli, "%s: pins %s; not %s\n", section, yes.len ? avow_buf_cstr(&yes) : "NOTHING",
             no.len ? avow_buf_cstr(&no) : "anything less");
    if (!json_is_true(json_object_get(pins, "measurement")) && !cli->quiet)
        (void)fprintf(stderr,
                      "avow: %s: any measurement is accepted: this says what the machine "
                      "is, not what runs on it\n",
                      section);
}

static void add_keys(struct avow_table *t, const char *prefix, const json_t *section)
{
    const json_t *written = json_object_get(section, "written");
    const char *key = NULL;
    json_t *v = NULL;
    size_t i = 0;

    json_array_foreach(written, i, v) {
        avow_table_cell(t, AVOW_PAINT_NONE, "%s%s", prefix, json_string_value(v));
        avow_table_cell(t, AVOW_PAINT_GOOD, "written");
    }
    json_object_foreach(json_object_get(section, "defaults"), key, v) {
        avow_table_cell(t, AVOW_PAINT_DIM, "%s%s", prefix, key);
        avow_table_cell(t, AVOW_PAINT_DIM, "default: %s", json_string_value(v));
    }
}

static void show_check(const struct avow_cli *cli, const char *path, const json_t *doc)
{
    static const char *const sections[] = { "snp", "tdx", "az-snp", "az-tdx" };
    static const char *const heads[] = { "KEY", "VALUE", NULL };
    struct avow_table *t = avow_table_new(heads);

    avow_say(cli, "%s: a good policy\n", path);
    add_keys(t, "", json_object_get(doc, "top"));
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        const json_t *section = json_object_get(doc, sections[i]);
        char prefix[16];

        if (json_is_null(section))
            continue; /* its key says "refused" */
        snprintf(prefix, sizeof prefix, "%s.", sections[i]);
        say_pins(cli, sections[i], json_object_get(section, "pins"));
        add_keys(t, prefix, section);
    }
    avow_print_table(cli, t);
}

static int check(struct avow_cli *cli, const char *path)
{
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    avow_autojson json_t *doc = NULL;
    struct avow_error err = { 0 };

    if (avow_policy_load(path, &p, NULL, &err) < 0) {
        avow_print_error(cli, &err);
        return AVOW_EXIT_USAGE;
    }
    doc = avow_policy_describe(p);
    if (!doc || json_object_set_new(doc, "type", json_string("avow/policy-check/1")) < 0 ||
        json_object_set_new(doc, "policy", json_string(path)) < 0)
        return AVOW_EXIT_UNKNOWN;
    if (cli->json)
        avow_print_json(doc);
    else
        show_check(cli, path, doc);
    return AVOW_EXIT_OK;
}

/* ---- the command ---- */

static bool only_of(const char *verb, const char *wanted, bool used)
{
    return !used || strcmp(verb, wanted) == 0;
}

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    static const char *const verbs[] = { "from", "test", "check", NULL };
    const char *verb = args->n ? args->list[0] : "";
    const char *near = avow_nearest(verb, verbs);

    if (!only_of(verb, "from",
                 given.tight || given.pin_machines || given.allow_debug || given.output))
        return avow_usage(&avow_cmd_policy, "--tight, --pin-machines, --allow-debug and --output "
                                            "are for avow policy from");
    if (!only_of(verb, "test", given.member != NULL))
        return avow_usage(&avow_cmd_policy, "--member is for avow policy test");
    if (strcmp(verb, "check") == 0)
        return args->n == 2 ? check(cli, args->list[1])
                            : avow_usage(&avow_cmd_policy, "check: one policy is needed");
    if (strcmp(verb, "test") == 0 && args->n < 3)
        return avow_usage(&avow_cmd_policy, "test: a policy and evidence are needed");
    if (strcmp(verb, "test") == 0) {
        given.evidence = args->list + 2;
        given.n = args->n - 2;
        return test(cli, args->list[1], &given);
    }
    if (strcmp(verb, "from") == 0 && args->n < 2)
        return avow_usage(&avow_cmd_policy, "from: the evidence of known-good nodes is needed");
    if (strcmp(verb, "from") == 0) {
        given.evidence = args->list + 1;
        given.n = args->n - 1;
        return avow_policy_from(cli, &given);
    }
    return avow_usage(&avow_cmd_policy, "from, test or check is needed%s%s%s",
                      near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

const struct avow_command avow_cmd_policy = {
    .name = "policy",
    .args = "from EVIDENCE... | test POLICY EVIDENCE... | check POLICY",
    .summary = "write a policy from known-good nodes, try one, check one",
    .help =
        "from writes a commented policy that accepts what the evidence says, on firmware that is\n"
        "at least as new: measurements, floors, and what else these nodes need. Evidence that is\n"
        "not authentic is refused, and so are VMs that the host may look into. --tight pins the\n"
        "registers too (RTMRs, PCRs), --pin-machines the machines.\n\n"
        "test judges evidence by a policy and shows each rule: the key that demands it, what was\n"
        "found, what is wanted, and which rule decides.\n\n"
        "check reads a policy, says where a mistake is, what the policy pins and what it leaves\n"
        "to defaults.\n\n"
        "EVIDENCE and --with are as for avow verify. With several pieces of evidence, each that\n"
        "consists of several files must be a bundle (avow verify --bundle).\n\n"
        "Exit status: 0 accepted, or written; 1 refused; 2 usage, or a file that cannot be read\n"
        "or is wrong; 3 could not be evaluated.\n\n"
        "Examples:\n"
        "  avow policy from report.bin --with vcek.der -o policy.yaml\n"
        "  avow policy from node-*.json --tight --pin-machines -o policy.yaml\n"
        "  avow policy test policy.yaml report.bin --with vcek.der --member hospital-a\n"
        "  avow policy check policy.yaml\n",
    .options = options,
    .run = run,
};
