/*
 * JMESPath (jmespath.org/specification.html) as far as policies use it, with MAA's own
 * equals_ignore_case(). Left out: slices, expression references (&) and the functions that take
 * them, arithmetic functions. A query is bounded in nesting, its evaluation by struct rules_work.
 */
#ifndef AVOW_MAA_RULES_JMES_H
#define AVOW_MAA_RULES_JMES_H

#include "maa/rules_internal.h"

#define RULES_JMES_DEPTH_MAX 64u /* of the tree of a query */
#define RULES_JMES_ITEMS_MAX 64u /* of one [a, b], {a: b} or list of arguments */

enum jmes_kind {
    JMES_CURRENT,
    JMES_FIELD,   /* name */
    JMES_INDEX,   /* number */
    JMES_LITERAL, /* value */
    JMES_SUB,     /* left, then right of its result; also | , which ends a projection */
    JMES_PROJECT, /* right of each item of left's array */
    JMES_VALUES,  /* right of each value of left's object */
    JMES_FILTER,  /* right of each item of left's array for which items[0] holds */
    JMES_FLATTEN, /* left's array with its arrays' items in their place */
    JMES_OR,
    JMES_AND,
    JMES_NOT,
    JMES_COMPARE,
    JMES_LIST,
    JMES_HASH, /* names: an array of strings */
    JMES_CALL,
};

struct jmes_function;

struct jmes_node {
    enum jmes_kind kind;
    unsigned depth; /* 1 for a leaf */
    enum rules_operator op;
    json_t *value; /* name, literal, names */
    json_int_t number;
    const struct jmes_function *function;
    struct jmes_node *left, *right;
    struct jmes_node **items;
    size_t n_items;
};

/* Read a query. @at is the policy's, for errors, which count bytes of the query. */
AVOW_MUST_USE int jmes_parse(struct avow_bytes query, struct rules_at at, struct jmes_node **out,
                             struct avow_error *err);
void jmes_free(struct jmes_node *n);
AVOW_DEFINE_CLEANUP(jmes, struct jmes_node, jmes_free)

/* What jmespath.org calls false: null, false, "", [], {}. */
bool jmes_true(const json_t *v);
AVOW_MUST_USE int jmes_equal(const json_t *a, const json_t *b, struct rules_work *w, bool *out,
                             struct avow_error *err);

struct jmes_function {
    const char *name;
    size_t n_min, n_max;
    int (*call)(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                struct avow_error *err);
};

/* NULL if there is none of this name (rules_jmes_call.c). */
const struct jmes_function *jmes_function(struct avow_bytes name);

/*
 * Search @doc with @query, a string. @out is the caller's, JSON null if nothing is found.
 * -AVOW_E_FORMAT (the query), -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int rules_jmes(const json_t *query, json_t *doc, struct rules_work *w, json_t **out,
                             struct avow_error *err);

#endif
