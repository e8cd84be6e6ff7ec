#include "maa/rules_internal.h"

static int parse(struct rules_parser *p, unsigned depth, struct rules_expr **out,
                 struct avow_error *err);

void rules_expr_free(struct rules_expr *e)
{
    if (!e)
        return;
    json_decref(e->literal);
    for (unsigned i = 0; i < e->n_args; i++)
        rules_expr_free(e->args[i]);
    free(e);
}

static int parse_call(struct rules_parser *p, unsigned depth, struct rules_expr *e,
                      const struct rules_token *name, struct avow_error *err)
{
    e->kind = RULES_CALL;
    e->function = rules_function(name->text);
    if (p->policy->minor < 2)
        return RULES_FAIL(err, FORMAT, name->at, "functions need version=1.2");
    if (!e->function)
        return RULES_FAIL(err, FORMAT, name->at,
                          "no function \"%.*s\"; there are JmesPath, JsonToClaimValue, IsSubsetOf, "
                          "AppendString, NegateBool, ContainsOnlyValue",
                          (int)(name->text.len < 40 ? name->text.len : 40), name->text.data);
    AVOW_TRY(rules_expect(p, '(', "after a function's name", err));
    while (e->n_args < e->function->n_args) {
        if (e->n_args)
            AVOW_TRY(rules_expect(p, ',', "between the arguments of a function", err));
        AVOW_TRY(parse(p, depth + 1, &e->args[e->n_args], err));
        e->n_args++;
    }
    if (!rules_is_mark(p, ')'))
        return RULES_FAIL(err, FORMAT, p->now.at, "%s() takes %u argument%s", e->function->name,
                          e->function->n_args, e->function->n_args == 1 ? "" : "s");
    return rules_next(p, err);
}

static int parse_name(struct rules_parser *p, unsigned depth, struct rules_expr *e,
                      struct avow_error *err)
{
    struct rules_token name = p->now;

    AVOW_TRY(rules_next(p, err));
    if (rules_is_mark(p, '('))
        return parse_call(p, depth, e, &name, err);
    if (avow_bytes_equal(name.text, avow_bytes_str("true")) ||
        avow_bytes_equal(name.text, avow_bytes_str("false"))) {
        e->literal = json_boolean(name.text.len == 4);
        return 0;
    }
    e->kind = RULES_REFERENCE;
    AVOW_TRY(rules_reference(p, &name, &e->condition, err));
    AVOW_TRY(rules_expect(p, '.', "after an identifier, as in ID.value", err));
    return rules_property(p, &e->property, err);
}

static int parse_into(struct rules_parser *p, unsigned depth, struct rules_expr *e,
                      struct avow_error *err)
{
    char room[RULES_FOUND_MAX];

    if (p->now.kind == RULES_NAME)
        return parse_name(p, depth, e, err);
    if (p->now.kind == RULES_STRING)
        AVOW_TRY(rules_string(&p->now, &e->literal, err));
    else if (p->now.kind == RULES_NUMBER)
        e->literal = json_integer(p->now.number);
    else
        return RULES_FAIL(err, FORMAT, e->at,
                          "a value is needed (a string, an integer, true, false, ID.value or a "
                          "function), not %s",
                          rules_found(p, room));
    if (!e->literal)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return rules_next(p, err);
}

static int parse(struct rules_parser *p, unsigned depth, struct rules_expr **out,
                 struct avow_error *err)
{
    avow_auto(avow_cleanup_rules_expr) struct rules_expr *e = calloc(1, sizeof *e);

    if (!e)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    e->at = p->now.at;
    if (depth > AVOW_MAA_POLICY_NESTING_MAX)
        return RULES_FAIL(err, LIMIT, e->at, "calls nested deeper than %u",
                          AVOW_MAA_POLICY_NESTING_MAX);
    AVOW_TRY(parse_into(p, depth, e, err));
    *out = avow_steal(&e);
    return 0;
}

int rules_expr_parse(struct rules_parser *p, struct rules_expr **out, struct avow_error *err)
{
    return parse(p, 0, out, err);
}
