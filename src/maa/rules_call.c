#include "maa/rules_internal.h"
#include "maa/rules_jmes.h"

/*
 * The functions of version 1.2: learn.microsoft.com/azure/attestation/claim-rule-functions. Each is
 * given sets; where the language wants one value, a set of another size is an error.
 */

static int need_one(const struct rules_set *s, struct rules_work *w, struct avow_error *err)
{
    if (s->n != 1)
        return RULES_FAIL(err, FORMAT, w->at, "a function needs one value and was given %zu", s->n);
    return 0;
}

static int need_string(const struct rules_set *s, struct rules_work *w, struct avow_error *err)
{
    AVOW_TRY(need_one(s, w, err));
    if (!json_is_string(s->v[0].v))
        return RULES_FAIL(err, FORMAT, w->at,
                          "a function needs a string and was given a value of type %s",
                          rules_value_type(s->v[0].v));
    return 0;
}

/* NULL in @out, and no failure, if the text is no JSON. Jansson bounds the depth at 2048. */
static int parse_json(const json_t *text, struct rules_work *w, json_t **out,
                      struct avow_error *err)
{
    AVOW_TRY(rules_work(w, json_string_length(text), err));
    *out = json_loadb(json_string_value(text), json_string_length(text),
                      JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    return 0;
}

static int call_jmes_path(const struct rules_set *args, struct rules_work *w, struct rules_set *out,
                          struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    avow_autojson json_t *found = NULL;
    avow_autojson json_t *written = NULL;

    AVOW_TRY(need_string(&args[0], w, err));
    AVOW_TRY(need_string(&args[1], w, err));
    if (args[0].v[0].text) /* a JSON string whose quotation marks are gone */
        doc = json_incref(args[0].v[0].v);
    else
        AVOW_TRY(parse_json(args[0].v[0].v, w, &doc, err));
    if (!doc)
        return RULES_FAIL(err, FORMAT, w->at, "JmesPath() was given text that is not JSON");
    AVOW_TRY(rules_jmes(args[1].v[0].v, doc, w, &found, err));
    if (json_is_string(found))
        return rules_set_add(out, found, true, w->at, err);
    AVOW_TRY(rules_json_text(found, w, &written, err));
    return rules_set_add(out, written, false, w->at, err);
}

/* Null adds nothing: a claim of it would be empty, and is not made. */
static int add_json(json_t *v, struct rules_work *w, struct rules_set *out, struct avow_error *err)
{
    AVOW_TRY(rules_work(w, 1, err));
    if (json_is_null(v))
        return 0;
    if (!json_is_string(v) && !json_is_integer(v) && !json_is_boolean(v))
        return RULES_FAIL(err, FORMAT, w->at, "JsonToClaimValue() was given %s",
                          json_is_real(v) ? "a fraction"
                                          : "an object, or an array with an object or array in it");
    return rules_set_add(out, v, false, w->at, err);
}

static int call_json_to_claim_value(const struct rules_set *args, struct rules_work *w,
                                    struct rules_set *out, struct avow_error *err)
{
    avow_autojson json_t *v = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(need_string(&args[0], w, err));
    if (!args[0].v[0].text)
        AVOW_TRY(parse_json(args[0].v[0].v, w, &v, err));
    if (!v) /* the documentation's example has the text abc, without quotation marks, as a string */
        return rules_set_add(out, args[0].v[0].v, false, w->at, err);
    if (!json_is_array(v))
        return add_json(v, w, out, err);
    json_array_foreach(v, i, item)
        AVOW_TRY(add_json(item, w, out, err));
    return 0;
}

static int contains(const struct rules_set *s, const json_t *v, struct rules_work *w, bool *out,
                    struct avow_error *err)
{
    *out = false;
    for (size_t i = 0; i < s->n && !*out; i++) {
        AVOW_TRY(rules_work(w, 1 + json_string_length(v) / 16, err));
        *out = rules_value_equal(s->v[i].v, v);
    }
    return 0;
}

static int add_bool(bool b, struct rules_work *w, struct rules_set *out, struct avow_error *err)
{
    return rules_set_add(out, json_boolean(b), false, w->at, err);
}

static int call_is_subset_of(const struct rules_set *args, struct rules_work *w,
                             struct rules_set *out, struct avow_error *err)
{
    bool in = true;

    for (size_t i = 0; i < args[0].n && in; i++)
        AVOW_TRY(contains(&args[1], args[0].v[i].v, w, &in, err));
    return add_bool(in, w, out, err);
}

static int call_append_string(const struct rules_set *args, struct rules_work *w,
                              struct rules_set *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_MAA_POLICY_VALUE_MAX);
    avow_autojson json_t *v = NULL;

    for (int i = 0; i < 2; i++) {
        const json_t *part = NULL;

        AVOW_TRY(need_string(&args[i], w, err));
        part = args[i].v[0].v;
        AVOW_TRY(rules_work(w, 1 + json_string_length(part) / 16, err));
        if (avow_buf_put(&text, json_string_value(part), json_string_length(part)) < 0)
            return RULES_FAIL(err, LIMIT, w->at, "AppendString(): a value of more than %u bytes",
                              AVOW_MAA_POLICY_VALUE_MAX);
    }
    v = json_stringn(avow_buf_cstr(&text), text.len);
    if (!v)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return rules_set_add(out, v, false, w->at, err);
}

static int call_negate_bool(const struct rules_set *args, struct rules_work *w,
                            struct rules_set *out, struct avow_error *err)
{
    const json_t *v = NULL;

    AVOW_TRY(need_one(&args[0], w, err));
    v = args[0].v[0].v;
    if (!json_is_boolean(v))
        return RULES_FAIL(err, FORMAT, w->at, "NegateBool() was given a value of type %s",
                          rules_value_type(v));
    return add_bool(json_is_false(v), w, out, err);
}

static int call_contains_only_value(const struct rules_set *args, struct rules_work *w,
                                    struct rules_set *out, struct avow_error *err)
{
    const json_t *v = NULL;
    bool only = args[0].n > 0;

    AVOW_TRY(need_one(&args[1], w, err));
    v = args[1].v[0].v;
    for (size_t i = 0; i < args[0].n && only; i++) {
        AVOW_TRY(rules_work(w, 1 + json_string_length(v) / 16, err));
        only = rules_value_equal(args[0].v[i].v, v);
    }
    return add_bool(only, w, out, err);
}

static const struct rules_function functions[] = {
    { "JmesPath", 2, call_jmes_path },      { "JsonToClaimValue", 1, call_json_to_claim_value },
    { "IsSubsetOf", 2, call_is_subset_of }, { "AppendString", 2, call_append_string },
    { "NegateBool", 1, call_negate_bool },  { "ContainsOnlyValue", 2, call_contains_only_value },
};

const struct rules_function *rules_function(struct avow_bytes name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (avow_bytes_equal(name, avow_bytes_str(functions[i].name)))
            return &functions[i];
    return NULL;
}
