/*
 * Within the policy language: tokens, the tree that the parser makes, and the sets of values that
 * the evaluator works on. Values are jansson's strings, integers and booleans, shared by reference.
 */
#ifndef AVOW_MAA_RULES_INTERNAL_H
#define AVOW_MAA_RULES_INTERNAL_H

#include "maa/rules.h"

/* A place in the text, both from 1; columns in bytes. */
struct rules_at {
    unsigned line, column;
};

#define RULES_FAIL(err, name, at, fmt, ...) \
    AVOW_FAIL(err, name, "policy line %u column %u: " fmt, (at).line, (at).column, ##__VA_ARGS__)

/* ---- tokens (rules_lexer.c) ---- */

enum rules_token_kind {
    RULES_END,
    RULES_NAME,
    RULES_STRING, /* text: between the quotation marks, still escaped */
    RULES_NUMBER,
    RULES_ARROW, /* => */
    RULES_AND,   /* && */
    RULES_OPERATOR,
    RULES_MARK, /* one of [ ] ( ) { } , ; : . ! = */
};

enum rules_operator {
    RULES_EQUAL,
    RULES_UNEQUAL,
    RULES_LESS,
    RULES_LESS_EQUAL,
    RULES_GREATER,
    RULES_GREATER_EQUAL,
};

struct rules_token {
    enum rules_token_kind kind;
    struct rules_at at;
    struct avow_bytes text; /* borrowed from the policy's text */
    int64_t number;
    enum rules_operator op;
};

struct rules_lexer {
    struct avow_bytes text;
    size_t pos;
    struct rules_at at;
};

/* The next token; RULES_END at the end of the text, again and again. -AVOW_E_FORMAT. */
AVOW_MUST_USE int rules_lex(struct rules_lexer *l, struct rules_token *out, struct avow_error *err);
/* The value of a RULES_STRING: \" and \\ undone. @out the caller's. -AVOW_E_FORMAT. */
AVOW_MUST_USE int rules_string(const struct rules_token *t, json_t **out, struct avow_error *err);

/* ---- the tree (rules_parse.c, rules_rule.c, rules_expr.c) ---- */

enum rules_property {
    RULES_TYPE,
    RULES_VALUE,
    RULES_VALUE_TYPE,
    RULES_ISSUER,
    RULES_CLAIM, /* an action's claim=ID; no property of a claim */
};

enum rules_section {
    RULES_CONFIGURATION,
    RULES_AUTHORIZATION,
    RULES_ISSUANCE,
    RULES_SECTIONS,
};

enum rules_expr_kind {
    RULES_LITERAL,
    RULES_REFERENCE,
    RULES_CALL,
};

struct rules_function;

struct rules_expr {
    enum rules_expr_kind kind;
    struct rules_at at;
    json_t *literal;
    unsigned condition; /* of a reference: which of the rule's conditions */
    enum rules_property property;
    const struct rules_function *function;
    unsigned n_args;
    struct rules_expr *args[2];
};

struct rules_test {
    enum rules_property property;
    enum rules_operator op;
    struct rules_expr *with;
    struct rules_at at;
};

struct rules_condition {
    struct rules_at at;
    bool negated;
    char id[AVOW_MAA_POLICY_NAME_MAX + 1]; /* "" if it has none */
    struct rules_test *tests;
    size_t n_tests;
};

enum rules_action {
    RULES_PERMIT,
    RULES_DENY,
    RULES_ADD,
    RULES_ISSUE,
    RULES_ISSUEPROPERTY,
};

struct rules_rule {
    struct rules_at at;
    struct rules_condition *conditions;
    size_t n_conditions;
    enum rules_action action;
    bool has_claim;
    unsigned claim; /* claim=ID: which of the conditions */
    struct rules_expr *type, *value, *value_type;
};

struct rules_list {
    struct rules_rule *v;
    size_t n;
};

struct avow_maa_policy {
    unsigned minor; /* of the version, 0 to 2 */
    struct rules_list sections[RULES_SECTIONS];
};

struct rules_parser {
    struct rules_lexer lexer;
    struct rules_token now;
    struct avow_maa_policy *policy;
    enum rules_section section;
    struct rules_rule *rule; /* the one being read */
    unsigned visible;        /* its conditions that may be referred to: the first so many */
};

/* Room for one more item in *@v, which has @n of at most @max. -AVOW_E_NOMEM, -AVOW_E_LIMIT. */
AVOW_MUST_USE int rules_grow(void *v, size_t n, size_t max, size_t item, const char *what,
                             struct rules_at at, struct avow_error *err);
AVOW_MUST_USE int rules_next(struct rules_parser *p, struct avow_error *err);
bool rules_is_mark(const struct rules_parser *p, char mark);
AVOW_MUST_USE int rules_expect(struct rules_parser *p, char mark, const char *where,
                               struct avow_error *err);
/* The token at hand, for messages; in @room or static. */
#define RULES_FOUND_MAX 48u
const char *rules_found(const struct rules_parser *p, char room[RULES_FOUND_MAX]);
/* Which of the rule's conditions @name is; -AVOW_E_FORMAT if none that may be referred to. */
AVOW_MUST_USE int rules_reference(const struct rules_parser *p, const struct rules_token *name,
                                  unsigned *out, struct avow_error *err);
/* Consume a property's name. RULES_CLAIM is returned for "claim": only actions know it. */
AVOW_MUST_USE int rules_property(struct rules_parser *p, enum rules_property *out,
                                 struct avow_error *err);
const char *rules_property_name(enum rules_property p);

void rules_rule_done(struct rules_rule *r);
/* One rule with its ";" (rules_rule.c). The caller keeps @p->rule also after a failure. */
AVOW_MUST_USE int rules_rule_parse(struct rules_parser *p, struct avow_error *err);
AVOW_MUST_USE int rules_expr_parse(struct rules_parser *p, struct rules_expr **out,
                                   struct avow_error *err);
void rules_expr_free(struct rules_expr *e);
AVOW_DEFINE_CLEANUP(rules_expr, struct rules_expr, rules_expr_free)

/* ---- claims and sets of values (rules_set.c) ---- */

enum rules_issuer {
    RULES_SERVICE,
    RULES_POLICY,
    RULES_CUSTOM,
};

/*
 * @text: a string that JmesPath() found as a JSON string and handed out without quotation marks, so
 * that JsonToClaimValue() does not take "true" in it for a boolean.
 */
struct rules_value {
    json_t *v;
    bool text;
};

struct rules_set {
    struct rules_value *v;
    size_t n;
};

struct rules_claim {
    json_t *type;
    struct rules_value value;
    enum rules_issuer issuer;
};

struct rules_claims {
    struct rules_claim *v;
    size_t n;
    size_t bytes;
};

/* "String", "Integer", "Boolean". */
const char *rules_value_type(const json_t *v);
const char *rules_issuer_name(enum rules_issuer issuer);
bool rules_value_equal(const json_t *a, const json_t *b);
/* Adds a value; takes no ownership. */
AVOW_MUST_USE int rules_set_add(struct rules_set *s, json_t *v, bool text, struct rules_at at,
                                struct avow_error *err);
void rules_set_done(struct rules_set *s);
/* Adds a claim; takes no ownership. -AVOW_E_LIMIT names @at. */
AVOW_MUST_USE int rules_claims_add(struct rules_claims *c, json_t *type, struct rules_value value,
                                   enum rules_issuer issuer, struct rules_at at,
                                   struct avow_error *err);
/* All members of @object as claims: see struct avow_maa_policy_in. */
AVOW_MUST_USE int rules_claims_read(struct rules_claims *c, const json_t *object,
                                    enum rules_issuer issuer, struct avow_error *err);
void rules_claims_done(struct rules_claims *c);
/* Put @value at @type of an object of outgoing claims: see struct avow_maa_policy_out. */
AVOW_MUST_USE int rules_put(json_t *object, const char *type, json_t *value,
                            struct avow_error *err);

/* ---- functions (rules_call.c) ---- */

/* What all evaluation draws on; -AVOW_E_LIMIT when it is used up. */
struct rules_work {
    uint64_t left;
    struct rules_at at; /* the expression that is evaluated */
};

AVOW_MUST_USE int rules_work(struct rules_work *w, size_t n, struct avow_error *err);

struct rules_function {
    const char *name;
    unsigned n_args;
    int (*call)(const struct rules_set *args, struct rules_work *w, struct rules_set *out,
                struct avow_error *err);
};

/* NULL if there is none of this name. */
const struct rules_function *rules_function(struct avow_bytes name);
/* JSON text of @v, sorted keys, no white space, at most AVOW_MAA_POLICY_VALUE_MAX bytes. */
AVOW_MUST_USE int rules_json_text(const json_t *v, struct rules_work *w, json_t **out,
                                  struct avow_error *err);

#endif
