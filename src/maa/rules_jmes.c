#include "maa/rules_jmes.h"

/* An item of a new array or object costs memory, so it costs more than a look at one. */
#define ITEM_WORK 32u

static int search(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                  struct avow_error *err);

bool jmes_true(const json_t *v)
{
    if (json_is_string(v))
        return json_string_length(v) > 0;
    if (json_is_array(v))
        return json_array_size(v) > 0;
    if (json_is_object(v))
        return json_object_size(v) > 0;
    return !json_is_null(v) && !json_is_false(v);
}

static int equal_arrays(const json_t *a, const json_t *b, struct rules_work *w, bool *out,
                        struct avow_error *err)
{
    *out = json_array_size(a) == json_array_size(b);
    for (size_t i = 0; i < json_array_size(a) && *out; i++)
        AVOW_TRY(jmes_equal(json_array_get(a, i), json_array_get(b, i), w, out, err));
    return 0;
}

static int equal_objects(const json_t *a, const json_t *b, struct rules_work *w, bool *out,
                         struct avow_error *err)
{
    const char *key = NULL;
    json_t *item = NULL;

    *out = json_object_size(a) == json_object_size(b);
    json_object_foreach((json_t *)(uintptr_t)a, key, item) {
        const json_t *other = json_object_get(b, key);

        if (!other)
            *out = false;
        if (!*out)
            return 0;
        AVOW_TRY(jmes_equal(item, other, w, out, err));
    }
    return 0;
}

/* Not json_equal: a value may hold another many times over, and each time is work. */
int jmes_equal(const json_t *a, const json_t *b, struct rules_work *w, bool *out,
               struct avow_error *err)
{
    AVOW_TRY(rules_work(w, 1 + json_string_length(a) / 16, err));
    if (json_is_real(a) || json_is_real(b)) {
        *out = json_is_number(a) && json_is_number(b) &&
               !(json_number_value(a) < json_number_value(b)) &&
               !(json_number_value(a) > json_number_value(b));
        return 0;
    }
    *out = json_typeof(a) == json_typeof(b);
    if (*out && json_is_array(a))
        return equal_arrays(a, b, w, out, err);
    if (*out && json_is_object(a))
        return equal_objects(a, b, w, out, err);
    if (*out && !json_is_null(a))
        *out = rules_value_equal(a, b);
    return 0;
}

static int append(json_t *array, json_t *v, struct rules_work *w, struct avow_error *err)
{
    AVOW_TRY(rules_work(w, ITEM_WORK, err));
    return json_array_append(array, v) < 0 ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}

/* ---- one function for each kind of node that is not a line ---- */

static int find_index(const struct jmes_node *n, const json_t *v, json_t **out)
{
    json_int_t size = (json_int_t)json_array_size(v); /* 0 if it is no array */
    json_int_t i = n->number < 0 ? size + n->number : n->number;

    *out = i >= 0 && i < size ? json_incref(json_array_get(v, (size_t)i)) : json_null();
    return 0;
}

static int find_sub(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                    struct avow_error *err)
{
    avow_autojson json_t *left = NULL;

    AVOW_TRY(search(n->left, v, w, &left, err));
    return search(n->right, left, w, out, err);
}

/* @item, if the node's condition lets it pass, with the right side applied; nulls are left out. */
static int project_item(const struct jmes_node *n, json_t *item, struct rules_work *w, json_t *to,
                        struct avow_error *err)
{
    avow_autojson json_t *passes = NULL;
    avow_autojson json_t *result = NULL;

    if (n->kind == JMES_FILTER) {
        AVOW_TRY(search(n->items[0], item, w, &passes, err));
        if (!jmes_true(passes))
            return 0;
    }
    if (n->right)
        AVOW_TRY(search(n->right, item, w, &result, err));
    else
        result = json_incref(item);
    return json_is_null(result) ? 0 : append(to, result, w, err);
}

static int find_projection(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                           struct avow_error *err)
{
    avow_autojson json_t *left = NULL;
    avow_autojson json_t *found = json_array();
    const char *key = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!found)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(search(n->left, v, w, &left, err));
    if (n->kind == JMES_VALUES && json_is_object(left)) {
        json_object_foreach(left, key, item)
            AVOW_TRY(project_item(n, item, w, found, err));
    } else if (n->kind != JMES_VALUES && json_is_array(left)) {
        json_array_foreach(left, i, item)
            AVOW_TRY(project_item(n, item, w, found, err));
    } else {
        *out = json_null();
        return 0;
    }
    *out = avow_steal(&found);
    return 0;
}

static int find_flat(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                     struct avow_error *err)
{
    avow_autojson json_t *left = NULL;
    avow_autojson json_t *flat = json_array();
    json_t *item = NULL, *inner = NULL;
    size_t i = 0, j = 0;

    if (!flat)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(search(n->left, v, w, &left, err));
    if (!json_is_array(left)) {
        *out = json_null();
        return 0;
    }
    json_array_foreach(left, i, item) {
        if (!json_is_array(item))
            AVOW_TRY(append(flat, item, w, err));
        json_array_foreach(item, j, inner)
            AVOW_TRY(append(flat, inner, w, err));
    }
    *out = avow_steal(&flat);
    return 0;
}

static int find_logic(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                      struct avow_error *err)
{
    avow_autojson json_t *left = NULL;

    AVOW_TRY(search(n->left, v, w, &left, err));
    if (n->kind == JMES_NOT) {
        *out = json_boolean(!jmes_true(left));
        return 0;
    }
    if (jmes_true(left) == (n->kind == JMES_OR)) {
        *out = avow_steal(&left);
        return 0;
    }
    return search(n->right, v, w, out, err);
}

static bool ordered(const json_t *a, enum rules_operator op, const json_t *b)
{
    bool both = json_is_integer(a) && json_is_integer(b);
    bool less = both ? json_integer_value(a) < json_integer_value(b)
                     : json_number_value(a) < json_number_value(b);
    bool more = both ? json_integer_value(a) > json_integer_value(b)
                     : json_number_value(a) > json_number_value(b);

    if (op == RULES_LESS || op == RULES_LESS_EQUAL)
        return op == RULES_LESS ? less : !more;
    return op == RULES_GREATER ? more : !less;
}

static int find_comparison(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                           struct avow_error *err)
{
    avow_autojson json_t *left = NULL;
    avow_autojson json_t *right = NULL;
    bool equal = false;

    AVOW_TRY(search(n->left, v, w, &left, err));
    AVOW_TRY(search(n->right, v, w, &right, err));
    if (n->op > RULES_UNEQUAL) {
        *out = json_is_number(left) && json_is_number(right)
                   ? json_boolean(ordered(left, n->op, right))
                   : json_null();
        return 0;
    }
    AVOW_TRY(jmes_equal(left, right, w, &equal, err));
    *out = json_boolean(equal == (n->op == RULES_EQUAL));
    return 0;
}

static int find_list(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                     struct avow_error *err)
{
    avow_autojson json_t *made = n->kind == JMES_HASH ? json_object() : json_array();

    if (!made)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (size_t i = 0; i < n->n_items && !json_is_null(v); i++) {
        avow_autojson json_t *item = NULL;

        AVOW_TRY(search(n->items[i], v, w, &item, err));
        AVOW_TRY(rules_work(w, ITEM_WORK, err));
        if ((n->kind == JMES_HASH
                 ? json_object_set(made, json_string_value(json_array_get(n->value, i)), item)
                 : json_array_append(made, item)) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    *out = json_is_null(v) ? json_null() : avow_steal(&made);
    return 0;
}

struct arguments {
    json_t *v[RULES_JMES_ITEMS_MAX];
};

static void arguments_done(struct arguments *a)
{
    for (size_t i = 0; i < RULES_JMES_ITEMS_MAX; i++)
        json_decref(a->v[i]);
}

static int find_call(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                     struct avow_error *err)
{
    avow_auto(arguments_done) struct arguments args = { 0 };

    for (size_t i = 0; i < n->n_items; i++)
        AVOW_TRY(search(n->items[i], v, w, &args.v[i], err));
    return n->function->call(args.v, n->n_items, w, out, err);
}

static int search(const struct jmes_node *n, json_t *v, struct rules_work *w, json_t **out,
                  struct avow_error *err)
{
    AVOW_TRY(rules_work(w, 1, err));
    switch (n->kind) {
    case JMES_CURRENT:
        *out = json_incref(v);
        return 0;
    case JMES_LITERAL:
        *out = json_incref(n->value);
        return 0;
    case JMES_FIELD:
        *out = json_incref(json_object_get(v, json_string_value(n->value)));
        if (!*out)
            *out = json_null();
        return 0;
    case JMES_INDEX:
        return find_index(n, v, out);
    case JMES_SUB:
        return find_sub(n, v, w, out, err);
    case JMES_PROJECT:
    case JMES_VALUES:
    case JMES_FILTER:
        return find_projection(n, v, w, out, err);
    case JMES_FLATTEN:
        return find_flat(n, v, w, out, err);
    case JMES_OR:
    case JMES_AND:
    case JMES_NOT:
        return find_logic(n, v, w, out, err);
    case JMES_COMPARE:
        return find_comparison(n, v, w, out, err);
    case JMES_LIST:
    case JMES_HASH:
        return find_list(n, v, w, out, err);
    case JMES_CALL:
        break;
    }
    return find_call(n, v, w, out, err);
}

int rules_jmes(const json_t *query, json_t *doc, struct rules_work *w, json_t **out,
               struct avow_error *err)
{
    avow_auto(avow_cleanup_jmes) struct jmes_node *tree = NULL;
    struct avow_bytes text = AVOW_BYTES(json_string_value(query), json_string_length(query));

    AVOW_TRY(rules_work(w, text.len, err));
    AVOW_TRY(jmes_parse(text, w->at, &tree, err));
    return search(tree, doc, w, out, err);
}
