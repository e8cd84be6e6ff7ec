#include "maa/rules_internal.h"

static const char *const property_names[] = { "type", "value", "valueType", "issuer", "claim" };
static const char *const action_names[] = { "permit", "deny", "add", "issue", "issueproperty" };

/* Which action may stand in which section: claim-rule-grammar, "actions allowed in a policy". */
static const bool allowed[RULES_SECTIONS][RULES_ISSUEPROPERTY + 1] = {
    [RULES_CONFIGURATION] = { [RULES_ISSUEPROPERTY] = true },
    [RULES_AUTHORIZATION] = { [RULES_PERMIT] = true, [RULES_DENY] = true, [RULES_ADD] = true },
    [RULES_ISSUANCE] = { [RULES_ADD] = true, [RULES_ISSUE] = true, [RULES_ISSUEPROPERTY] = true },
};
static const char *const homes[RULES_SECTIONS] = {
    "issueproperty()",
    "permit(), deny() and add()",
    "add(), issue() and issueproperty()",
};

const char *rules_property_name(enum rules_property p)
{
    return property_names[p];
}

void rules_rule_done(struct rules_rule *r)
{
    for (size_t i = 0; i < r->n_conditions; i++) {
        for (size_t j = 0; j < r->conditions[i].n_tests; j++)
            rules_expr_free(r->conditions[i].tests[j].with);
        free(r->conditions[i].tests);
    }
    free(r->conditions);
    rules_expr_free(r->type);
    rules_expr_free(r->value);
    rules_expr_free(r->value_type);
}

int rules_property(struct rules_parser *p, enum rules_property *out, struct avow_error *err)
{
    char room[RULES_FOUND_MAX];

    for (int i = RULES_TYPE; p->now.kind == RULES_NAME && i <= RULES_CLAIM; i++)
        if (avow_bytes_equal(p->now.text, avow_bytes_str(property_names[i]))) {
            *out = (enum rules_property)i;
            return rules_next(p, err);
        }
    return RULES_FAIL(err, FORMAT, p->now.at,
                      "a claim has type, value, valueType and issuer, not %s",
                      rules_found(p, room));
}

int rules_reference(const struct rules_parser *p, const struct rules_token *name, unsigned *out,
                    struct avow_error *err)
{
    for (unsigned i = 0; i < p->visible; i++)
        if (avow_bytes_equal(name->text, avow_bytes_str(p->rule->conditions[i].id))) {
            *out = i;
            return 0;
        }
    return RULES_FAIL(err, FORMAT, name->at, "no condition before this one is called \"%.*s\"",
                      name->text.len < 64 ? (int)name->text.len : 64,
                      (const char *)name->text.data);
}

/* ---- conditions ---- */

/* What can never hold is a mistake: say so now, not in production. */
static int check_literal(const struct rules_test *t, struct avow_error *err)
{
    static const char *const issuers[] = { "AttestationService", "AttestationPolicy", "CustomClaim",
                                           NULL };
    static const char *const types[] = { "String", "Integer", "Boolean", NULL };
    const char *const *known = t->property == RULES_ISSUER ? issuers : types;
    const json_t *v = t->with->literal;

    if (t->op > RULES_UNEQUAL && ((v && !json_is_integer(v)) || t->property != RULES_VALUE))
        return RULES_FAIL(err, FORMAT, t->at, "<, <=, > and >= compare integer values");
    if (!v || t->property == RULES_VALUE)
        return 0;
    if (!json_is_string(v))
        return RULES_FAIL(err, FORMAT, t->with->at, "\"%s\" of a claim is a string",
                          property_names[t->property]);
    if (t->property == RULES_TYPE)
        return 0;
    for (; *known; known++)
        if (strcmp(json_string_value(v), *known) == 0)
            return 0;
    return RULES_FAIL(err, FORMAT, t->with->at, "%s is one of %s",
                      t->property == RULES_ISSUER ? "an issuer" : "a valueType",
                      t->property == RULES_ISSUER ? "AttestationService, AttestationPolicy and "
                                                    "CustomClaim"
                                                  : "String, Integer and Boolean");
}

/* property op value; Microsoft's examples also write = where they mean ==. */
static int parse_test(struct rules_parser *p, struct rules_test *t, struct avow_error *err)
{
    char room[RULES_FOUND_MAX];

    t->at = p->now.at;
    AVOW_TRY(rules_property(p, &t->property, err));
    if (t->property == RULES_CLAIM)
        return RULES_FAIL(err, FORMAT, t->at,
                          "a claim has type, value, valueType and issuer, not \"claim\"");
    t->at = p->now.at;
    if (p->now.kind != RULES_OPERATOR && !rules_is_mark(p, '='))
        return RULES_FAIL(err, FORMAT, t->at, "one of == != < <= > >= is needed, not %s",
                          rules_found(p, room));
    t->op = p->now.op; /* of "=": RULES_EQUAL */
    AVOW_TRY(rules_next(p, err));
    AVOW_TRY(rules_expr_parse(p, &t->with, err));
    return check_literal(t, err);
}

static int parse_tests(struct rules_parser *p, struct rules_condition *c, struct avow_error *err)
{
    AVOW_TRY(rules_expect(p, '[', "to open a condition", err));
    do {
        if (c->n_tests)
            AVOW_TRY(rules_next(p, err)); /* the comma */
        AVOW_TRY(rules_grow(&c->tests, c->n_tests, AVOW_MAA_POLICY_PROPERTIES_MAX, sizeof *c->tests,
                            "properties in a condition", p->now.at, err));
        AVOW_TRY(parse_test(p, &c->tests[c->n_tests++], err));
    } while (rules_is_mark(p, ','));
    return rules_expect(p, ']', "to close a condition", err);
}

static int parse_id(struct rules_parser *p, struct rules_condition *c, struct avow_error *err)
{
    struct rules_token name = p->now;

    if (name.text.len > AVOW_MAA_POLICY_NAME_MAX)
        return RULES_FAIL(err, LIMIT, name.at, "an identifier of %zu bytes (at most %u)",
                          name.text.len, AVOW_MAA_POLICY_NAME_MAX);
    for (unsigned i = 0; i < p->visible; i++)
        if (avow_bytes_equal(name.text, avow_bytes_str(p->rule->conditions[i].id)))
            return RULES_FAIL(err, FORMAT, name.at, "two conditions of a rule are called \"%s\"",
                              p->rule->conditions[i].id);
    memcpy(c->id, name.text.data, name.text.len);
    AVOW_TRY(rules_next(p, err));
    return rules_expect(p, ':', "after a condition's identifier", err);
}

static int parse_condition(struct rules_parser *p, struct avow_error *err)
{
    struct rules_rule *r = p->rule;
    struct rules_condition *c = NULL;

    AVOW_TRY(rules_grow(&r->conditions, r->n_conditions, AVOW_MAA_POLICY_CONDITIONS_MAX, sizeof *c,
                        "conditions in a rule", p->now.at, err));
    c = &r->conditions[r->n_conditions++];
    c->at = p->now.at;
    if (rules_is_mark(p, '!')) {
        if (p->policy->minor < 2)
            return RULES_FAIL(err, FORMAT, c->at, "! before a condition needs version=1.2");
        c->negated = true;
        AVOW_TRY(rules_next(p, err));
    } else if (p->now.kind == RULES_NAME) {
        AVOW_TRY(parse_id(p, c, err));
    }
    AVOW_TRY(parse_tests(p, c, err));
    p->visible = (unsigned)r->n_conditions;
    return 0;
}

/* ---- actions ---- */

static int parse_action_name(struct rules_parser *p, struct avow_error *err)
{
    char room[RULES_FOUND_MAX];
    int i = RULES_PERMIT;

    while (i <= RULES_ISSUEPROPERTY &&
           (p->now.kind != RULES_NAME ||
            !avow_bytes_equal(p->now.text, avow_bytes_str(action_names[i]))))
        i++;
    if (i > RULES_ISSUEPROPERTY)
        return RULES_FAIL(err, FORMAT, p->now.at,
                          "permit, deny, add, issue or issueproperty is needed after =>, not %s",
                          rules_found(p, room));
    if (!allowed[p->section][i])
        return RULES_FAIL(err, FORMAT, p->now.at, "%s() has no place here: this section has %s",
                          action_names[i], homes[p->section]);
    p->rule->action = (enum rules_action)i;
    return rules_next(p, err);
}

static int parse_claim(struct rules_parser *p, struct avow_error *err)
{
    struct rules_rule *r = p->rule;
    char room[RULES_FOUND_MAX];

    if (p->now.kind != RULES_NAME)
        return RULES_FAIL(err, FORMAT, p->now.at,
                          "an identifier of a condition is needed after \"claim=\", not %s",
                          rules_found(p, room));
    AVOW_TRY(rules_reference(p, &p->now, &r->claim, err));
    r->has_claim = true;
    return rules_next(p, err);
}

/* One name=value of an action. */
static int parse_assignment(struct rules_parser *p, struct avow_error *err)
{
    struct rules_rule *r = p->rule;
    struct rules_at at = p->now.at;
    enum rules_property property = RULES_TYPE;
    struct rules_expr **slots[] = { &r->type, &r->value, &r->value_type };

    AVOW_TRY(rules_property(p, &property, err));
    if (property == RULES_ISSUER)
        return RULES_FAIL(err, FORMAT, at,
                          "a policy cannot name an issuer: its claims are AttestationPolicy's");
    AVOW_TRY(rules_expect(p, '=', "after a property in an action", err));
    if (r->has_claim ||
        (property == RULES_CLAIM ? r->type || r->value || r->value_type : *slots[property] != NULL))
        return RULES_FAIL(err, FORMAT, at, "\"%s\" is one too many: claim=ID alone, or type, value",
                          property_names[property]);
    if (property == RULES_CLAIM)
        return parse_claim(p, err);
    return rules_expr_parse(p, slots[property], err);
}

static int check_action(const struct rules_rule *r, struct rules_at at, struct avow_error *err)
{
    const char *name = action_names[r->action];
    const json_t *type = r->type ? r->type->literal : NULL;
    const json_t *value = r->value ? r->value->literal : NULL;
    const json_t *value_type = r->value_type ? r->value_type->literal : NULL;

    if (!r->has_claim && (!r->type || !r->value))
        return RULES_FAIL(err, FORMAT, at, "%s() takes type and value, or claim=ID", name);
    if (type && (!json_is_string(type) || !*json_string_value(type)))
        return RULES_FAIL(err, FORMAT, r->type->at, "a claim's type is a string, and not empty");
    if (value && value_type &&
        (!json_is_string(value_type) ||
         strcmp(json_string_value(value_type), rules_value_type(value)) != 0))
        return RULES_FAIL(err, FORMAT, r->value_type->at,
                          "valueType is not that of the value, which is %s",
                          rules_value_type(value));
    return 0;
}

static int parse_action(struct rules_parser *p, struct avow_error *err)
{
    struct rules_rule *r = p->rule;
    struct rules_at at = p->now.at;

    AVOW_TRY(parse_action_name(p, err));
    AVOW_TRY(rules_expect(p, '(', "after an action's name", err));
    if (r->action == RULES_PERMIT || r->action == RULES_DENY)
        return rules_expect(p, ')', "at once: permit() and deny() take nothing", err);
    while (!rules_is_mark(p, ')')) {
        if (r->has_claim || r->type || r->value || r->value_type)
            AVOW_TRY(rules_expect(p, ',', "between the properties of an action", err));
        AVOW_TRY(parse_assignment(p, err));
    }
    AVOW_TRY(check_action(r, at, err));
    return rules_next(p, err);
}

int rules_rule_parse(struct rules_parser *p, struct avow_error *err)
{
    char room[RULES_FOUND_MAX];

    p->rule->at = p->now.at;
    if (p->now.kind != RULES_ARROW)
        AVOW_TRY(parse_condition(p, err));
    while (p->now.kind == RULES_AND) {
        AVOW_TRY(rules_next(p, err));
        AVOW_TRY(parse_condition(p, err));
    }
    if (p->now.kind != RULES_ARROW)
        return RULES_FAIL(err, FORMAT, p->now.at, "&& or => is needed after a condition, not %s",
                          rules_found(p, room));
    AVOW_TRY(rules_next(p, err));
    AVOW_TRY(parse_action(p, err));
    /* Microsoft's first example leaves the ";" out; nothing else could follow. */
    return rules_is_mark(p, ';') ? rules_next(p, err) : 0;
}
