/* avow policy from: a policy written from the evidence of known-good nodes. */
#include <stdio.h>

#include "cli/policy.h"
#include "codec/yaml.h"
#include "policy/draft.h"

struct node {
    char *name; /* owned */
    struct avow_claims claims;
};

struct from {
    struct avow_draft *draft; /* owned */
    size_t n;
    struct node **nodes; /* owned */
    int64_t now;
    int exit; /* of a failure */
};

static void from_done(struct from *f)
{
    for (size_t i = 0; i < f->n; i++) {
        free(f->nodes[i]->name);
        free(f->nodes[i]);
    }
    free(f->nodes);
    avow_draft_free(f->draft);
}

static int keep(struct from *f, const char *name, const struct avow_claims *c,
                struct avow_error *err)
{
    struct node *node = calloc(1, sizeof *node);

    if (!f->nodes)
        f->nodes = calloc(AVOW_DRAFT_NODES_MAX, sizeof(struct node *));
    if (!f->nodes || !node || !(node->name = strdup(name))) {
        free(node);
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    node->claims = *c;
    f->nodes[f->n++] = node; /* the draft has taken it in, so there is room */
    return 0;
}

static int take(void *ctx, const char *path, const struct avow_verify_item *item,
                struct avow_error *err)
{
    struct from *f = ctx;
    const struct avow_reason *why = avow_verdict_why(&item->verdict);
    const char *slash = strrchr(path, '/');
    const char *name = slash && slash[1] ? slash + 1 : path;

    if (!item->claims.authentic) {
        bool undecided = avow_verdict_undecided(&item->verdict);

        f->exit = undecided ? AVOW_EXIT_UNKNOWN : AVOW_EXIT_REFUSED;
        return AVOW_FAIL_CODE(err, undecided ? AVOW_E_MISSING : AVOW_E_REFUSED,
                              "%s: %s: no policy is made of it: %s: %s", path,
                              undecided ? "it could not be verified" : "NOT AUTHENTIC",
                              why ? why->code : "", why ? why->text : "");
    }
    f->exit = AVOW_EXIT_REFUSED;
    if (avow_draft_add(f->draft, &item->claims, name, err) < 0)
        return avow_error_prefix(err, "%s", path);
    AVOW_TRY(keep(f, path, &item->claims, err));
    f->exit = AVOW_EXIT_USAGE;
    return 0;
}

/* What was written is read as any policy is, and must accept every node: or nothing is written. */
static int check_text(const struct from *f, struct avow_bytes text, json_t **doc,
                      struct avow_error *err)
{
    static const struct avow_schema any = { .type = AVOW_YAML_ANY };
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;

    AVOW_TRY(avow_yaml_parse(text, "the policy that was written", &any, doc, err));
    AVOW_TRY(avow_policy_from_json(*doc, &p, err));
    for (size_t i = 0; i < f->n; i++) {
        struct avow_verdict v = { 0 };

        avow_policy_appraise(p, &f->nodes[i]->claims, NULL, f->now, &v);
        avow_verdict_conclude(&v);
        if (!avow_verdict_accepts(&v))
            return AVOW_FAIL(
                err, INVAL, "%s: the policy that was written does not accept it: %s: %s",
                f->nodes[i]->name, avow_verdict_why(&v)->source, avow_verdict_why(&v)->text);
    }
    return 0;
}

static int write_policy(const struct avow_cli *cli, const struct avow_policy_args *a,
                        const struct from *f, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_POLICY_MAX);
    avow_autojson json_t *doc = NULL;

    AVOW_TRY(avow_draft_write(f->draft, &text, err));
    AVOW_TRY(check_text(f, avow_buf_view(&text), &doc, err));
    if (a->output)
        AVOW_TRY(avow_verify_write(a->output, avow_buf_view(&text), err));
    if (cli->json)
        avow_print_json(doc);
    else if (a->output)
        avow_say(cli, "%s: a policy from %zu %s\n", a->output, f->n, f->n == 1 ? "node" : "nodes");
    else
        (void)fwrite(avow_buf_cstr(&text), 1, text.len, stdout);
    return 0;
}

/* What a reader of the terminal should not have to find in the comments. */
static void warn(const struct from *f)
{
    size_t simulated = 0, debug = 0;

    for (size_t i = 0; i < f->n; i++) {
        simulated += f->nodes[i]->claims.simulated ? 1 : 0;
        debug += f->nodes[i]->claims.debug ? 1 : 0;
    }
    if (simulated)
        (void)fprintf(stderr,
                      "avow: SIMULATED: %zu of %zu nodes; the policy accepts what protects "
                      "nothing\n",
                      simulated, f->n);
    if (debug)
        (void)fprintf(stderr,
                      "avow: DEBUG: the host may read the memory of %zu of %zu nodes; the "
                      "policy accepts that\n",
                      debug, f->n);
}

static int make(struct avow_cli *cli, const struct avow_policy_args *a, struct from *f,
                struct avow_verify_setup *s, struct avow_error *err)
{
    const struct avow_draft_options *o = NULL;
    struct avow_draft_options options = { .tight = a->tight,
                                          .pin_machines = a->pin_machines,
                                          .allow_debug = a->allow_debug };

    AVOW_TRY(avow_verify_setup_init(s, a->at, a->roots, err));
    AVOW_TRY(avow_verify_use_store(s, NULL, err));
    AVOW_TRY(avow_verify_no_policy(s, err));
    f->now = options.now = s->now;
    o = &options;
    AVOW_TRY(avow_draft_new(o, &f->draft, err));
    AVOW_TRY(avow_policy_judge_each(s, a, take, f, err));
    return write_policy(cli, a, f, err);
}

AVOW_DEFINE_CLEANUP(setup, struct avow_verify_setup, avow_verify_setup_free)

int avow_policy_from(struct avow_cli *cli, const struct avow_policy_args *a)
{
    avow_auto(from_done) struct from f = { .exit = AVOW_EXIT_USAGE };
    avow_auto(avow_cleanup_setup) struct avow_verify_setup *s = calloc(1, sizeof *s);
    struct avow_error err = { 0 };

    if (!s)
        return AVOW_EXIT_UNKNOWN;
    if (make(cli, a, &f, s, &err) < 0) {
        avow_print_error(cli, &err);
        return f.exit;
    }
    warn(&f);
    return AVOW_EXIT_OK;
}
