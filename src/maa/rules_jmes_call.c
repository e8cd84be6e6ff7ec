#include "maa/rules_jmes.h"

/* jmespath.org/specification.html, "built-in functions"; equals_ignore_case is MAA's own, seen in
 * Microsoft's sample policies (policy-version-1-2). */

static int wrong(struct rules_work *w, const char *name, const char *what, struct avow_error *err)
{
    return RULES_FAIL(err, FORMAT, w->at, "JMESPath %s() takes %s", name, what);
}

static struct avow_bytes bytes_of(const json_t *s)
{
    return AVOW_BYTES(json_string_value(s), json_string_length(s));
}

static int give_int(size_t n, json_t **out, struct avow_error *err)
{
    *out = json_integer((json_int_t)n);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int give_bool(bool b, json_t **out)
{
    *out = json_boolean(b);
    return 0;
}

/* Of a string: its code points. */
static int call_length(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                       struct avow_error *err)
{
    struct avow_bytes s = bytes_of(args[0]);
    size_t points = 0;

    (void)n;
    if (json_is_array(args[0]))
        return give_int(json_array_size(args[0]), out, err);
    if (json_is_object(args[0]))
        return give_int(json_object_size(args[0]), out, err);
    if (!json_is_string(args[0]))
        return wrong(w, "length", "a string, an array or an object", err);
    AVOW_TRY(rules_work(w, s.len / 16, err));
    for (size_t i = 0; i < s.len; i++)
        points += (s.data[i] & 0xc0) != 0x80;
    return give_int(points, out, err);
}

static int call_contains(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                         struct avow_error *err)
{
    struct avow_bytes text = bytes_of(args[0]), part = bytes_of(args[1]);
    bool found = false;

    (void)n;
    if (json_is_string(args[0])) {
        if (!json_is_string(args[1]))
            return give_bool(false, out);
        AVOW_TRY(rules_work(w, text.len, err));
        return give_bool(memmem(text.data, text.len, part.data, part.len) != NULL, out);
    }
    if (!json_is_array(args[0]))
        return wrong(w, "contains", "a string or an array, and what may be in it", err);
    for (size_t i = 0; i < json_array_size(args[0]) && !found; i++)
        AVOW_TRY(jmes_equal(json_array_get(args[0], i), args[1], w, &found, err));
    return give_bool(found, out);
}

static int two_strings(json_t *const *args, const char *name, struct rules_work *w,
                       struct avow_error *err)
{
    if (!json_is_string(args[0]) || !json_is_string(args[1]))
        return wrong(w, name, "two strings", err);
    return rules_work(w, json_string_length(args[0]) / 16, err);
}

static int call_starts_with(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                            struct avow_error *err)
{
    struct avow_bytes part = bytes_of(args[1]);

    (void)n;
    AVOW_TRY(two_strings(args, "starts_with", w, err));
    return give_bool(avow_bytes_equal(avow_bytes_sub(bytes_of(args[0]), 0, part.len), part), out);
}

static int call_ends_with(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                          struct avow_error *err)
{
    struct avow_bytes text = bytes_of(args[0]), part = bytes_of(args[1]);

    (void)n;
    AVOW_TRY(two_strings(args, "ends_with", w, err));
    return give_bool(
        part.len <= text.len &&
            avow_bytes_equal(avow_bytes_sub(text, text.len - part.len, part.len), part),
        out);
}

/* Letters of ASCII alone. Anything that is no string equals nothing: events lack members. */
static int call_equals_ignore_case(json_t *const *args, size_t n, struct rules_work *w,
                                   json_t **out, struct avow_error *err)
{
    (void)n;
    if (!json_is_string(args[0]) || !json_is_string(args[1]))
        return give_bool(false, out);
    AVOW_TRY(two_strings(args, "equals_ignore_case", w, err));
    return give_bool(strcasecmp(json_string_value(args[0]), json_string_value(args[1])) == 0, out);
}

static int call_not_null(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                         struct avow_error *err)
{
    size_t i = 0;

    (void)w;
    (void)err;
    while (i + 1 < n && json_is_null(args[i]))
        i++;
    *out = json_incref(args[i]);
    return 0;
}

static int call_type(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                     struct avow_error *err)
{
    const json_t *v = args[0];

    (void)n;
    (void)w;
    *out = json_string(json_is_string(v)    ? "string"
                       : json_is_number(v)  ? "number"
                       : json_is_boolean(v) ? "boolean"
                       : json_is_array(v)   ? "array"
                       : json_is_object(v)  ? "object"
                                            : "null");
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int call_to_string(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                          struct avow_error *err)
{
    (void)n;
    if (!json_is_string(args[0]))
        return rules_json_text(args[0], w, out, err);
    *out = json_incref(args[0]);
    return 0;
}

static int call_to_array(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                         struct avow_error *err)
{
    (void)n;
    (void)w;
    *out = json_is_array(args[0]) ? json_incref(args[0]) : json_pack("[O]", args[0]);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

/* Each key, or each value, of an object. */
static int members(json_t *const *args, bool keys, struct rules_work *w, json_t **out,
                   struct avow_error *err)
{
    avow_autojson json_t *list = json_array();
    const char *key = NULL;
    json_t *item = NULL;

    if (!list)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (!json_is_object(args[0]))
        return wrong(w, keys ? "keys" : "values", "an object", err);
    AVOW_TRY(rules_work(w, 32 * json_object_size(args[0]), err));
    json_object_foreach(args[0], key, item)
        if (json_array_append_new(list, keys ? json_string(key) : json_incref(item)) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    *out = avow_steal(&list);
    return 0;
}

static int call_keys(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                     struct avow_error *err)
{
    (void)n;
    return members(args, true, w, out, err);
}

static int call_values(json_t *const *args, size_t n, struct rules_work *w, json_t **out,
                       struct avow_error *err)
{
    (void)n;
    return members(args, false, w, out, err);
}

static const struct jmes_function functions[] = {
    { "length", 1, 1, call_length },
    { "contains", 2, 2, call_contains },
    { "starts_with", 2, 2, call_starts_with },
    { "ends_with", 2, 2, call_ends_with },
    { "equals_ignore_case", 2, 2, call_equals_ignore_case },
    { "not_null", 1, RULES_JMES_ITEMS_MAX, call_not_null },
    { "type", 1, 1, call_type },
    { "to_string", 1, 1, call_to_string },
    { "to_array", 1, 1, call_to_array },
    { "keys", 1, 1, call_keys },
    { "values", 1, 1, call_values },
};

const struct jmes_function *jmes_function(struct avow_bytes name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (avow_bytes_equal(name, avow_bytes_str(functions[i].name)))
            return &functions[i];
    return NULL;
}
