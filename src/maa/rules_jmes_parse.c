#include "maa/rules_jmes.h"
#include "maa/rules_jmes_lexer.h"

/*
 * Precedence climbing. A projection ([*], *, [?..], []) takes what follows as its right side up to
 * a sign that binds less than PROJECTION_STOP: a pipe, a comparison, the end.
 */
#define PROJECTION_STOP 10u
#define POWER_FLATTEN 9u
#define POWER_STAR 20u
#define POWER_FILTER 21u
#define POWER_DOT 40u
#define POWER_NOT 6u /* !a.b is !(a.b), !a == b is (!a) == b */

struct jmes_parser {
    struct jmes_lexer lexer;
    struct jmes_token now;
    unsigned depth; /* of the parser's own recursion */
};

static int expression(struct jmes_parser *p, unsigned power, struct jmes_node **out,
                      struct avow_error *err);

void jmes_free(struct jmes_node *n)
{
    if (!n)
        return;
    json_decref(n->value);
    jmes_free(n->left);
    jmes_free(n->right);
    for (size_t i = 0; i < n->n_items; i++)
        jmes_free(n->items[i]);
    free(n->items);
    free(n);
}

static int next(struct jmes_parser *p, struct avow_error *err)
{
    return jmes_lex(&p->lexer, &p->now, err);
}

static int need(struct jmes_parser *p, enum jmes_token_kind kind, const char *what,
                struct avow_error *err)
{
    if (p->now.kind != kind)
        return JMES_FAIL(err, FORMAT, &p->lexer, "%s is missing", what);
    return next(p, err);
}

static unsigned depth_of(const struct jmes_node *n)
{
    return n ? n->depth : 0;
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* A node; takes @left and @right in any case. */
static int make(struct jmes_parser *p, enum jmes_kind kind, struct jmes_node *left,
                struct jmes_node *right, struct jmes_node **out, struct avow_error *err)
{
    struct jmes_node *n = calloc(1, sizeof *n);

    if (!n) {
        jmes_free(left);
        jmes_free(right);
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    *n = (struct jmes_node){ .kind = kind, .left = left, .right = right };
    n->depth = 1 + larger(depth_of(left), depth_of(right));
    if (n->depth > RULES_JMES_DEPTH_MAX) {
        jmes_free(n);
        return JMES_FAIL(err, LIMIT, &p->lexer, "nested deeper than %u", RULES_JMES_DEPTH_MAX);
    }
    *out = n;
    return 0;
}

static int make_leaf(struct jmes_parser *p, enum jmes_kind kind, struct jmes_node **out,
                     struct avow_error *err)
{
    AVOW_TRY(make(p, kind, NULL, NULL, out, err));
    (*out)->value = json_incref(p->now.value);
    (*out)->number = p->now.number;
    return next(p, err);
}

static int add_item(struct jmes_parser *p, struct jmes_node *n, struct avow_error *err)
{
    AVOW_TRY(rules_grow(&n->items, n->n_items, RULES_JMES_ITEMS_MAX, sizeof *n->items,
                        "items in a JMESPath list", p->lexer.at, err));
    AVOW_TRY(expression(p, 0, &n->items[n->n_items], err));
    n->depth = larger(n->depth, 1 + n->items[n->n_items++]->depth);
    if (n->depth > RULES_JMES_DEPTH_MAX)
        return JMES_FAIL(err, LIMIT, &p->lexer, "nested deeper than %u", RULES_JMES_DEPTH_MAX);
    return 0;
}

static int list_of(struct jmes_parser *p, struct jmes_node *n, enum jmes_token_kind end,
                   struct avow_error *err)
{
    AVOW_TRY(add_item(p, n, err));
    while (p->now.kind == JMES_T_COMMA) {
        AVOW_TRY(next(p, err));
        AVOW_TRY(add_item(p, n, err));
    }
    return need(p, end, "a bracket that closes a list", err);
}

/* [a, b], after the [ */
static int multi_list(struct jmes_parser *p, struct jmes_node **out, struct avow_error *err)
{
    AVOW_TRY(make(p, JMES_LIST, NULL, NULL, out, err));
    return list_of(p, *out, JMES_T_RBRACKET, err);
}

/* {a: b}, after the { */
static int multi_hash(struct jmes_parser *p, struct jmes_node **out, struct avow_error *err)
{
    AVOW_TRY(make(p, JMES_HASH, NULL, NULL, out, err));
    (*out)->value = json_array();
    if (!(*out)->value)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (bool more = true; more;) {
        if (p->now.kind != JMES_T_NAME)
            return JMES_FAIL(err, FORMAT, &p->lexer, "a name is missing in { }");
        if (json_array_append((*out)->value, p->now.value) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
        AVOW_TRY(next(p, err));
        AVOW_TRY(need(p, JMES_T_COLON, "a colon in { }", err));
        AVOW_TRY(add_item(p, *out, err));
        more = p->now.kind == JMES_T_COMMA;
        if (more)
            AVOW_TRY(next(p, err));
    }
    return need(p, JMES_T_RBRACE, "a } that closes", err);
}

static int call(struct jmes_parser *p, struct avow_bytes name, struct jmes_node **out,
                struct avow_error *err)
{
    const struct jmes_function *f = jmes_function(name);

    if (!f)
        return JMES_FAIL(err, FORMAT, &p->lexer, "no function \"%.*s\" here",
                         name.len < 32 ? (int)name.len : 32, (const char *)name.data);
    AVOW_TRY(make(p, JMES_CALL, NULL, NULL, out, err));
    (*out)->function = f;
    AVOW_TRY(next(p, err));
    if (p->now.kind == JMES_T_RPAREN)
        AVOW_TRY(next(p, err));
    else
        AVOW_TRY(list_of(p, *out, JMES_T_RPAREN, err));
    if ((*out)->n_items < f->n_min || (*out)->n_items > f->n_max)
        return JMES_FAIL(err, FORMAT, &p->lexer, "%s() does not take %zu arguments", f->name,
                         (*out)->n_items);
    return 0;
}

static int name_or_call(struct jmes_parser *p, struct jmes_node **out, struct avow_error *err)
{
    struct avow_bytes name = p->now.text;
    bool quoted = p->now.quoted;

    AVOW_TRY(make_leaf(p, JMES_FIELD, out, err));
    if (quoted || p->now.kind != JMES_T_LPAREN)
        return 0;
    jmes_free(avow_steal(out));
    return call(p, name, out, err);
}

/* What may stand right of a dot. */
static int after_dot(struct jmes_parser *p, unsigned power, struct jmes_node **out,
                     struct avow_error *err)
{
    if (p->now.kind == JMES_T_NAME || p->now.kind == JMES_T_STAR)
        return expression(p, power, out, err);
    if (p->now.kind == JMES_T_LBRACKET) {
        AVOW_TRY(next(p, err));
        return multi_list(p, out, err);
    }
    if (p->now.kind == JMES_T_LBRACE) {
        AVOW_TRY(next(p, err));
        return multi_hash(p, out, err);
    }
    return JMES_FAIL(err, FORMAT, &p->lexer, "a name, *, [ or { is missing after the dot");
}

/* What a projection does to each item: .x, [x], or nothing. NULL for nothing. */
static int projected(struct jmes_parser *p, unsigned power, struct jmes_node **out,
                     struct avow_error *err)
{
    if (p->now.kind == JMES_T_LBRACKET || p->now.kind == JMES_T_FILTER)
        return expression(p, power, out, err);
    if (p->now.kind == JMES_T_DOT) {
        AVOW_TRY(next(p, err));
        return after_dot(p, power, out, err);
    }
    if (p->now.power >= PROJECTION_STOP)
        return JMES_FAIL(err, FORMAT, &p->lexer, "a dot or bracket is missing after a projection");
    return 0;
}

/* The projection @kind of *@left, whose sign is read, up to what binds less than @power. */
static int project(struct jmes_parser *p, enum jmes_kind kind, unsigned power,
                   struct jmes_node **left, struct jmes_node *condition, struct jmes_node **out,
                   struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *filter = condition;
    avow_auto(avow_cleanup_jmes) struct jmes_node *right = NULL;
    struct jmes_node *node = NULL;

    AVOW_TRY(projected(p, power, &right, err));
    AVOW_TRY(make(p, kind, avow_steal(left), avow_steal(&right), &node, err));
    *out = node;
    if (!filter)
        return 0;
    AVOW_TRY(rules_grow(&node->items, 0, 1, sizeof *node->items, "conditions", p->lexer.at, err));
    node->depth = larger(node->depth, 1 + filter->depth);
    node->items[node->n_items++] = avow_steal(&filter);
    return node->depth <= RULES_JMES_DEPTH_MAX
               ? 0
               : JMES_FAIL(err, LIMIT, &p->lexer, "nested deeper than %u", RULES_JMES_DEPTH_MAX);
}

/* [?condition], after the [? */
static int filter(struct jmes_parser *p, struct jmes_node **left, struct jmes_node **out,
                  struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *condition = NULL;

    AVOW_TRY(expression(p, 0, &condition, err));
    AVOW_TRY(need(p, JMES_T_RBRACKET, "a ] that closes a filter", err));
    return project(p, JMES_FILTER, POWER_FILTER, left, avow_steal(&condition), out, err);
}

/* [], after it: what is left flattened, each item of it then projected. */
static int flatten(struct jmes_parser *p, struct jmes_node **left, struct jmes_node **out,
                   struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *flat = NULL;

    AVOW_TRY(make(p, JMES_FLATTEN, avow_steal(left), NULL, &flat, err));
    return project(p, JMES_PROJECT, POWER_FLATTEN, &flat, NULL, out, err);
}

/* [1], [*], after the [; with nothing on its left also [a, b] */
static int bracket(struct jmes_parser *p, struct jmes_node **left, bool may_list,
                   struct jmes_node **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *index = NULL;

    if (p->now.kind == JMES_T_NUMBER) {
        AVOW_TRY(make_leaf(p, JMES_INDEX, &index, err));
        if (p->now.kind == JMES_T_COLON)
            return JMES_FAIL(err, FORMAT, &p->lexer, "slices are not known here");
        AVOW_TRY(need(p, JMES_T_RBRACKET, "a ] after an index", err));
        return make(p, JMES_SUB, avow_steal(left), avow_steal(&index), out, err);
    }
    if (p->now.kind == JMES_T_STAR) {
        struct jmes_lexer before = p->lexer;

        AVOW_TRY(next(p, err));
        if (p->now.kind == JMES_T_RBRACKET) {
            AVOW_TRY(next(p, err));
            return project(p, JMES_PROJECT, POWER_STAR, left, NULL, out, err);
        }
        p->lexer = before;
        json_decref(p->now.value);
        p->now = (struct jmes_token){ .kind = JMES_T_STAR, .power = POWER_STAR };
    }
    if (!may_list)
        return JMES_FAIL(err, FORMAT, &p->lexer, "an index or * is missing after [");
    jmes_free(avow_steal(left));
    return multi_list(p, out, err);
}

static int negation(struct jmes_parser *p, struct jmes_node **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *inner = NULL;

    AVOW_TRY(next(p, err));
    AVOW_TRY(expression(p, POWER_NOT, &inner, err));
    return make(p, JMES_NOT, avow_steal(&inner), NULL, out, err);
}

/* What begins with a sign whose left side is the current value. */
static int prefix_sign(struct jmes_parser *p, enum jmes_token_kind kind, struct jmes_node **out,
                       struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *current = NULL;

    AVOW_TRY(next(p, err));
    if (kind == JMES_T_LBRACE)
        return multi_hash(p, out, err);
    if (kind == JMES_T_LPAREN) {
        AVOW_TRY(expression(p, 0, out, err));
        return need(p, JMES_T_RPAREN, "a ) that closes", err);
    }
    AVOW_TRY(make(p, JMES_CURRENT, NULL, NULL, &current, err));
    if (kind == JMES_T_LBRACKET)
        return bracket(p, &current, true, out, err);
    if (kind == JMES_T_FILTER)
        return filter(p, &current, out, err);
    if (kind == JMES_T_FLATTEN)
        return flatten(p, &current, out, err);
    return project(p, JMES_VALUES, POWER_STAR, &current, NULL, out, err);
}

static int prefix(struct jmes_parser *p, struct jmes_node **out, struct avow_error *err)
{
    switch (p->now.kind) {
    case JMES_T_NAME:
        return name_or_call(p, out, err);
    case JMES_T_VALUE:
        return make_leaf(p, JMES_LITERAL, out, err);
    case JMES_T_AT:
        return make_leaf(p, JMES_CURRENT, out, err);
    case JMES_T_NOT:
        return negation(p, out, err);
    case JMES_T_LBRACE:
    case JMES_T_LPAREN:
    case JMES_T_LBRACKET:
    case JMES_T_FILTER:
    case JMES_T_FLATTEN:
    case JMES_T_STAR:
        return prefix_sign(p, p->now.kind, out, err);
    case JMES_T_END:
    case JMES_T_NUMBER:
    case JMES_T_COMPARE:
    case JMES_T_OR:
    case JMES_T_AND:
    case JMES_T_PIPE:
    case JMES_T_RBRACKET:
    case JMES_T_RPAREN:
    case JMES_T_RBRACE:
    case JMES_T_DOT:
    case JMES_T_COMMA:
    case JMES_T_COLON:
        break;
    }
    return JMES_FAIL(err, FORMAT, &p->lexer, "a value is missing");
}

static int binary(struct jmes_parser *p, enum jmes_kind kind, const struct jmes_token *sign,
                  struct jmes_node **left, struct jmes_node **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *right = NULL;

    AVOW_TRY(expression(p, sign->power, &right, err));
    AVOW_TRY(make(p, kind, avow_steal(left), avow_steal(&right), out, err));
    (*out)->op = sign->op;
    return 0;
}

static int dot(struct jmes_parser *p, struct jmes_node **left, struct jmes_node **out,
               struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *right = NULL;

    if (p->now.kind == JMES_T_STAR) {
        AVOW_TRY(next(p, err));
        return project(p, JMES_VALUES, POWER_STAR, left, NULL, out, err);
    }
    AVOW_TRY(after_dot(p, POWER_DOT, &right, err));
    return make(p, JMES_SUB, avow_steal(left), avow_steal(&right), out, err);
}

/* *@left followed by the sign at hand. */
static int infix(struct jmes_parser *p, struct jmes_node **left, struct jmes_node **out,
                 struct avow_error *err)
{
    struct jmes_token sign = p->now;

    AVOW_TRY(next(p, err));
    if (sign.kind == JMES_T_DOT)
        return dot(p, left, out, err);
    if (sign.kind == JMES_T_LBRACKET)
        return bracket(p, left, false, out, err);
    if (sign.kind == JMES_T_FILTER)
        return filter(p, left, out, err);
    if (sign.kind == JMES_T_FLATTEN)
        return flatten(p, left, out, err);
    if (sign.kind == JMES_T_PIPE)
        return binary(p, JMES_SUB, &sign, left, out, err);
    if (sign.kind == JMES_T_OR)
        return binary(p, JMES_OR, &sign, left, out, err);
    if (sign.kind == JMES_T_AND)
        return binary(p, JMES_AND, &sign, left, out, err);
    if (sign.kind == JMES_T_COMPARE)
        return binary(p, JMES_COMPARE, &sign, left, out, err);
    return JMES_FAIL(err, FORMAT, &p->lexer, "an operator is missing");
}

static int climb(struct jmes_parser *p, unsigned power, struct jmes_node **out,
                 struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *left = NULL;

    AVOW_TRY(prefix(p, &left, err));
    while (p->now.power > power) {
        struct jmes_node *joined = NULL;
        int rc = infix(p, &left, &joined, err);

        jmes_free(left); /* what infix did not take */
        left = joined;
        AVOW_TRY(rc);
    }
    *out = avow_steal(&left);
    return 0;
}

static int expression(struct jmes_parser *p, unsigned power, struct jmes_node **out,
                      struct avow_error *err)
{
    int rc = 0;

    if (p->depth >= RULES_JMES_DEPTH_MAX)
        return JMES_FAIL(err, LIMIT, &p->lexer, "nested deeper than %u", RULES_JMES_DEPTH_MAX);
    p->depth++;
    rc = climb(p, power, out, err);
    p->depth--;
    return rc;
}

static void parser_done(struct jmes_parser *p)
{
    json_decref(p->now.value);
}

int jmes_parse(struct avow_bytes query, struct rules_at at, struct jmes_node **out,
               struct avow_error *err)
{
    avow_auto(parser_done) struct jmes_parser p = { .lexer = { .text = query, .at = at } };
    avow_auto(avow_cleanup_jmes) struct jmes_node *tree = NULL;

    AVOW_TRY(next(&p, err));
    if (p.now.kind == JMES_T_END)
        return JMES_FAIL(err, FORMAT, &p.lexer, "an empty query");
    AVOW_TRY(expression(&p, 0, &tree, err));
    if (p.now.kind != JMES_T_END)
        return JMES_FAIL(err, FORMAT, &p.lexer, "more than one query");
    *out = avow_steal(&tree);
    return 0;
}
