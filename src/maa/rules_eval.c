#include "maa/rules_internal.h"

/* Claims that satisfied a condition: indices, since claims move when more are added. */
struct matches {
    uint32_t *v;
    size_t n;
};

struct run {
    struct rules_claims claims;
    size_t n_service; /* the first so many claims are the service's own */
    struct matches matches[AVOW_MAA_POLICY_CONDITIONS_MAX];
    struct rules_work work;
    struct avow_maa_policy_out *out;
};

static void run_done(struct run *r)
{
    rules_claims_done(&r->claims);
    for (size_t i = 0; i < AVOW_MAA_POLICY_CONDITIONS_MAX; i++)
        free(r->matches[i].v);
}

/* ---- expressions ---- */

static int add_property(struct run *r, const struct rules_claim *c, enum rules_property property,
                        struct rules_set *out, struct avow_error *err)
{
    avow_autojson json_t *name = NULL;

    AVOW_TRY(rules_work(&r->work, 1, err));
    if (property == RULES_TYPE)
        return rules_set_add(out, c->type, false, r->work.at, err);
    if (property == RULES_VALUE)
        return rules_set_add(out, c->value.v, c->value.text, r->work.at, err);
    name = json_string(property == RULES_ISSUER ? rules_issuer_name(c->issuer)
                                                : rules_value_type(c->value.v));
    if (!name)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return rules_set_add(out, name, false, r->work.at, err);
}

static void args_done(struct rules_set (*args)[2])
{
    rules_set_done(&(*args)[0]);
    rules_set_done(&(*args)[1]);
}

static int evaluate(struct run *r, const struct rules_expr *e, struct rules_set *out,
                    struct avow_error *err)
{
    avow_auto(args_done) struct rules_set args[2] = { 0 };
    const struct matches *m = &r->matches[e->condition];

    if (e->kind == RULES_LITERAL)
        return rules_set_add(out, e->literal, false, e->at, err);
    if (e->kind == RULES_CALL) {
        for (unsigned i = 0; i < e->n_args; i++)
            AVOW_TRY(evaluate(r, e->args[i], &args[i], err));
        r->work.at = e->at;
        return e->function->call(args, &r->work, out, err);
    }
    r->work.at = e->at;
    for (size_t i = 0; i < m->n; i++)
        AVOW_TRY(add_property(r, &r->claims.v[m->v[i]], e->property, out, err));
    return 0;
}

/* ---- conditions ---- */

static bool compare(const json_t *a, enum rules_operator op, const json_t *b)
{
    json_int_t x = json_integer_value(a);
    json_int_t y = json_integer_value(b);

    if (op == RULES_EQUAL)
        return rules_value_equal(a, b);
    if (op == RULES_UNEQUAL)
        return !rules_value_equal(a, b);
    if (!json_is_integer(a) || !json_is_integer(b))
        return false;
    if (op == RULES_LESS || op == RULES_LESS_EQUAL)
        return x < y || (op == RULES_LESS_EQUAL && x == y);
    return x > y || (op == RULES_GREATER_EQUAL && x == y);
}

static bool compare_name(const char *name, enum rules_operator op, const json_t *b)
{
    bool equal = json_is_string(b) && strcmp(name, json_string_value(b)) == 0;

    return op == RULES_EQUAL ? equal : !equal;
}

/* Against a set, it is enough that one member compares so. */
static int holds(struct run *r, const struct rules_claim *c, const struct rules_test *t,
                 const struct rules_set *with, bool *out, struct avow_error *err)
{
    *out = false;
    for (size_t i = 0; i < with->n && !*out; i++) {
        const json_t *v = with->v[i].v;

        AVOW_TRY(rules_work(&r->work, 1 + json_string_length(v) / 16, err));
        if (t->property == RULES_VALUE)
            *out = compare(c->value.v, t->op, v);
        else if (t->property == RULES_TYPE)
            *out = compare(c->type, t->op, v);
        else if (t->property == RULES_ISSUER)
            *out = compare_name(rules_issuer_name(c->issuer), t->op, v);
        else
            *out = compare_name(rules_value_type(c->value.v), t->op, v);
    }
    return 0;
}

static int satisfies(struct run *r, const struct rules_condition *c,
                     const struct rules_claim *claim, const struct rules_set *with, bool *out,
                     struct avow_error *err)
{
    *out = true;
    for (size_t i = 0; i < c->n_tests && *out; i++)
        AVOW_TRY(holds(r, claim, &c->tests[i], &with[i], out, err));
    return 0;
}

struct operands {
    struct rules_set v[AVOW_MAA_POLICY_PROPERTIES_MAX];
};

static void operands_done(struct operands *o)
{
    for (size_t i = 0; i < AVOW_MAA_POLICY_PROPERTIES_MAX; i++)
        rules_set_done(&o->v[i]);
}

/* Every claim that satisfies @c; a negated condition holds if there is none. */
static int match(struct run *r, const struct rules_condition *c, struct matches *m, bool *out,
                 struct avow_error *err)
{
    avow_auto(operands_done) struct operands with = { 0 };

    m->n = 0;
    for (size_t i = 0; i < c->n_tests; i++)
        AVOW_TRY(evaluate(r, c->tests[i].with, &with.v[i], err));
    r->work.at = c->at;
    for (size_t i = 0; i < r->claims.n; i++) {
        bool satisfied = false;

        AVOW_TRY(satisfies(r, c, &r->claims.v[i], with.v, &satisfied, err));
        if (!satisfied)
            continue;
        if (c->negated) {
            *out = false;
            return 0;
        }
        AVOW_TRY(rules_grow(&m->v, m->n, AVOW_MAA_POLICY_CLAIMS_MAX, sizeof *m->v, "claims", c->at,
                            err));
        m->v[m->n++] = (uint32_t)i;
    }
    *out = c->negated || m->n > 0;
    return 0;
}

/* ---- actions ---- */

bool avow_maa_claim_reserved(const char *name)
{
    static const char *const prefixes[] = { "x-ms-", "x-avow-", "tdx_", NULL };
    static const char *const names[] = { "iss",         "sub",     "aud",
                                         "exp",         "nbf",     "iat",
                                         "jti",         "cnf",     "nonce",
                                         "eat_profile", "intuse",  "dbgstat",
                                         "eat_nonce",   "rp_data", "attester_tcb_status",
                                         NULL };

    for (const char *const *p = prefixes; *p; p++)
        if (strncasecmp(name, *p, strlen(*p)) == 0)
            return true;
    for (const char *const *p = names; *p; p++)
        if (strcmp(name, *p) == 0)
            return true;
    return false;
}

/* A name of the service's may be issued as the service found it, and no other way. */
static int check_reserved(struct run *r, const json_t *type, const json_t *value,
                          struct avow_error *err)
{
    if (!avow_maa_claim_reserved(json_string_value(type)))
        return 0;
    for (size_t i = 0; i < r->n_service; i++) {
        AVOW_TRY(rules_work(&r->work, 1 + json_string_length(value) / 16, err));
        if (rules_value_equal(r->claims.v[i].type, type) &&
            rules_value_equal(r->claims.v[i].value.v, value))
            return 0;
    }
    return RULES_FAIL(err, REFUSED, r->work.at,
                      "\"%.64s\" is a claim of the service's own: a policy cannot issue it with "
                      "another value; choose another name",
                      json_string_value(type));
}

/* Where the claims of an action go besides the incoming ones; NULL if nowhere. */
static json_t *outlet(struct run *r, const struct rules_rule *rule, enum rules_section section)
{
    if (rule->action == RULES_ISSUE)
        return r->out->issued;
    if (rule->action == RULES_ISSUEPROPERTY)
        return section == RULES_CONFIGURATION ? r->out->configuration : r->out->properties;
    return NULL;
}

static int emit(struct run *r, const struct rules_rule *rule, json_t *to, json_t *type,
                json_t *value, struct avow_error *err)
{
    if (!to)
        return 0;
    if (rule->action == RULES_ISSUE)
        AVOW_TRY(check_reserved(r, type, value, err));
    AVOW_TRY(rules_work(&r->work, 1, err));
    return rules_put(to, json_string_value(type), value, err);
}

/* claim=ID: the claims are among the incoming ones already, and stay their issuers'. */
static int act_claim(struct run *r, const struct rules_rule *rule, json_t *to,
                     struct avow_error *err)
{
    const struct matches *m = &r->matches[rule->claim];

    for (size_t i = 0; i < m->n; i++) {
        const struct rules_claim *c = &r->claims.v[m->v[i]];

        AVOW_TRY(emit(r, rule, to, c->type, c->value.v, err));
    }
    return 0;
}

static int check_value_type(struct run *r, const struct rules_rule *rule, const json_t *value,
                            struct avow_error *err)
{
    avow_auto(rules_set_done) struct rules_set said = { 0 };

    if (!rule->value_type)
        return 0;
    AVOW_TRY(evaluate(r, rule->value_type, &said, err));
    if (said.n != 1 || !compare_name(rules_value_type(value), RULES_EQUAL, said.v[0].v))
        return RULES_FAIL(err, FORMAT, rule->value_type->at,
                          "valueType is not that of the value, which is %s",
                          rules_value_type(value));
    return 0;
}

static int act_value(struct run *r, const struct rules_rule *rule, json_t *to,
                     struct avow_error *err)
{
    avow_auto(rules_set_done) struct rules_set types = { 0 };
    avow_auto(rules_set_done) struct rules_set values = { 0 };

    AVOW_TRY(evaluate(r, rule->type, &types, err));
    if (types.n != 1 || !json_is_string(types.v[0].v) || !*json_string_value(types.v[0].v))
        return RULES_FAIL(err, FORMAT, rule->type->at,
                          "a claim's type is one string that is not empty (these are %zu values)",
                          types.n);
    AVOW_TRY(evaluate(r, rule->value, &values, err));
    r->work.at = rule->at;
    for (size_t i = 0; i < values.n; i++) {
        AVOW_TRY(check_value_type(r, rule, values.v[i].v, err));
        AVOW_TRY(emit(r, rule, to, types.v[0].v, values.v[i].v, err));
        AVOW_TRY(
            rules_claims_add(&r->claims, types.v[0].v, values.v[i], RULES_POLICY, rule->at, err));
    }
    return 0;
}

static int act(struct run *r, const struct rules_rule *rule, enum rules_section section,
               struct avow_error *err)
{
    struct avow_maa_policy_out *out = r->out;
    json_t *to = outlet(r, rule, section);

    if (rule->action == RULES_PERMIT || rule->action == RULES_DENY) {
        if (rule->action == RULES_DENY || !out->permitted) {
            out->line = rule->at.line;
            out->column = rule->at.column;
        }
        out->denied = rule->action == RULES_DENY;
        out->permitted = !out->denied;
        return 0;
    }
    r->work.at = rule->at;
    return rule->has_claim ? act_claim(r, rule, to, err) : act_value(r, rule, to, err);
}

/* ---- sections ---- */

static int run_rule(struct run *r, const struct rules_rule *rule, enum rules_section section,
                    struct avow_error *err)
{
    bool fires = true;

    r->work.at = rule->at;
    AVOW_TRY(rules_work(&r->work, 1, err));
    for (size_t i = 0; i < rule->n_conditions && fires; i++)
        AVOW_TRY(match(r, &rule->conditions[i], &r->matches[i], &fires, err));
    return fires ? act(r, rule, section, err) : 0;
}

/* A deny() is final: what comes after it is not looked at. */
static int run_section(struct run *r, const struct avow_maa_policy *p, enum rules_section section,
                       struct avow_error *err)
{
    const struct rules_list *list = &p->sections[section];

    for (size_t i = 0; i < list->n && !r->out->denied; i++)
        AVOW_TRY(run_rule(r, &list->v[i], section, err));
    return 0;
}

static int run_policy(struct run *r, const struct avow_maa_policy *p, struct avow_error *err)
{
    AVOW_TRY(run_section(r, p, RULES_CONFIGURATION, err));
    AVOW_TRY(run_section(r, p, RULES_AUTHORIZATION, err));
    if (!r->out->permitted)
        return 0;
    r->out->issued = json_object();
    r->out->properties = json_object();
    if (!r->out->issued || !r->out->properties)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return run_section(r, p, RULES_ISSUANCE, err);
}

int avow_maa_policy_run(const struct avow_maa_policy *p, const struct avow_maa_policy_in *in,
                        struct avow_maa_policy_out *out, struct avow_error *err)
{
    avow_auto(run_done) struct run r = { .work = { .left = AVOW_MAA_POLICY_WORK_MAX }, .out = out };
    int rc = 0;

    out->configuration = json_object();
    if (!out->configuration)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(rules_claims_read(&r.claims, in->service, RULES_SERVICE, err));
    r.n_service = r.claims.n;
    AVOW_TRY(rules_claims_read(&r.claims, in->custom, RULES_CUSTOM, err));
    rc = run_policy(&r, p, err);
    if (rc < 0)
        out->permitted = false;
    return rc;
}

void avow_maa_policy_out_done(struct avow_maa_policy_out *out)
{
    json_decref(out->issued);
    json_decref(out->configuration);
    json_decref(out->properties);
    *out = (struct avow_maa_policy_out){ 0 };
}

int avow_maa_policy_eval(const struct avow_maa_policy *p, const json_t *service_claims,
                         json_t **issued, bool *permitted, struct avow_error *err)
{
    avow_auto(avow_maa_policy_out_done) struct avow_maa_policy_out out = { 0 };
    struct avow_maa_policy_in in = { .service = service_claims };

    *permitted = false;
    AVOW_TRY(avow_maa_policy_run(p, &in, &out, err));
    *issued = out.permitted ? avow_steal(&out.issued) : json_object();
    if (!*issued)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    *permitted = out.permitted;
    return 0;
}
