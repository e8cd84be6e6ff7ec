#include "maa/rules_internal.h"

const char *rules_value_type(const json_t *v)
{
    return json_is_string(v) ? "String" : json_is_integer(v) ? "Integer" : "Boolean";
}

const char *rules_issuer_name(enum rules_issuer issuer)
{
    static const char *const names[] = { "AttestationService", "AttestationPolicy", "CustomClaim" };

    return names[issuer];
}

static struct avow_bytes bytes_of(const json_t *s)
{
    return AVOW_BYTES(json_string_value(s), json_string_length(s));
}

/* Values of two types are never equal: the language does not convert. */
bool rules_value_equal(const json_t *a, const json_t *b)
{
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_string(a))
        return avow_bytes_equal(bytes_of(a), bytes_of(b));
    return !json_is_integer(a) || json_integer_value(a) == json_integer_value(b);
}

int rules_work(struct rules_work *w, size_t n, struct avow_error *err)
{
    if (n > w->left) {
        w->left = 0;
        return RULES_FAIL(err, LIMIT, w->at,
                          "the policy takes more work than %u steps over these claims",
                          AVOW_MAA_POLICY_WORK_MAX);
    }
    w->left -= n;
    return 0;
}

int rules_set_add(struct rules_set *s, json_t *v, bool text, struct rules_at at,
                  struct avow_error *err)
{
    AVOW_TRY(rules_grow(&s->v, s->n, AVOW_MAA_POLICY_CLAIMS_MAX, sizeof *s->v, "values in a set",
                        at, err));
    s->v[s->n++] = (struct rules_value){ .v = json_incref(v), .text = text };
    return 0;
}

void rules_set_done(struct rules_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        json_decref(s->v[i].v);
    free(s->v);
    *s = (struct rules_set){ 0 };
}

int rules_claims_add(struct rules_claims *c, json_t *type, struct rules_value value,
                     enum rules_issuer issuer, struct rules_at at, struct avow_error *err)
{
    size_t bytes = json_string_length(type) + json_string_length(value.v);

    if (json_string_length(value.v) > AVOW_MAA_POLICY_VALUE_MAX)
        return RULES_FAIL(err, LIMIT, at, "a value of more than %u bytes",
                          AVOW_MAA_POLICY_VALUE_MAX);
    if (bytes > AVOW_MAA_POLICY_BYTES_MAX - c->bytes)
        return RULES_FAIL(err, LIMIT, at, "claims of more than %u bytes together",
                          AVOW_MAA_POLICY_BYTES_MAX);
    AVOW_TRY(rules_grow(&c->v, c->n, AVOW_MAA_POLICY_CLAIMS_MAX, sizeof *c->v, "claims", at, err));
    c->bytes += bytes;
    c->v[c->n++] = (struct rules_claim){ .type = json_incref(type),
                                         .value = { json_incref(value.v), value.text },
                                         .issuer = issuer };
    return 0;
}

void rules_claims_done(struct rules_claims *c)
{
    for (size_t i = 0; i < c->n; i++) {
        json_decref(c->v[i].type);
        json_decref(c->v[i].value.v);
    }
    free(c->v);
    *c = (struct rules_claims){ 0 };
}

/* ---- JSON in and out ---- */

static bool is_primitive(const json_t *v)
{
    return json_is_string(v) || json_is_integer(v) || json_is_boolean(v);
}

static bool is_flat(const json_t *array)
{
    json_t *item = NULL;
    size_t i = 0;

    if (!json_is_array(array))
        return false;
    json_array_foreach(array, i, item)
        if (!is_primitive(item))
            return false;
    return true;
}

static int put_bounded(const char *data, size_t n, void *out)
{
    return avow_buf_put(out, data, n) < 0 ? -1 : 0;
}

int rules_json_text(const json_t *v, struct rules_work *w, json_t **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_MAA_POLICY_VALUE_MAX);
    int rc =
        json_dump_callback(v, put_bounded, &text, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);

    AVOW_TRY(rules_work(w, text.len, err));
    if (text.failed)
        return RULES_FAIL(err, LIMIT, w->at, "a value of more than %u bytes",
                          AVOW_MAA_POLICY_VALUE_MAX);
    if (rc < 0)
        return RULES_FAIL(err, FORMAT, w->at, "a value that cannot be written as JSON");
    *out = json_stringn(avow_buf_cstr(&text), text.len);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int read_member(struct rules_claims *c, const char *key, json_t *v, enum rules_issuer issuer,
                       struct avow_error *err)
{
    struct rules_work work = { .left = AVOW_MAA_POLICY_WORK_MAX };
    avow_autojson json_t *type = json_string(key);
    avow_autojson json_t *text = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!type)
        return AVOW_FAIL(err, FORMAT, "a claim's name that is not UTF-8");
    if (is_primitive(v))
        return rules_claims_add(c, type, (struct rules_value){ .v = v }, issuer, work.at, err);
    if (!is_flat(v)) {
        AVOW_TRY(rules_json_text(v, &work, &text, err));
        return rules_claims_add(c, type, (struct rules_value){ .v = text }, issuer, work.at, err);
    }
    json_array_foreach(v, i, item)
        AVOW_TRY(
            rules_claims_add(c, type, (struct rules_value){ .v = item }, issuer, work.at, err));
    return 0;
}

int rules_claims_read(struct rules_claims *c, const json_t *object, enum rules_issuer issuer,
                      struct avow_error *err)
{
    const char *key = NULL;
    json_t *item = NULL;

    if (!object)
        return 0;
    if (!json_is_object(object))
        return AVOW_FAIL(err, INVAL, "claims that are not an object");
    json_object_foreach((json_t *)(uintptr_t)object, key, item) {
        struct avow_error why = { 0 };
        int rc = read_member(c, key, item, issuer, &why);

        if (rc < 0)
            return AVOW_FAIL_CODE(err, rc, "incoming claim \"%.64s\": %s", key, why.text);
    }
    return 0;
}

int rules_put(json_t *object, const char *type, json_t *value, struct avow_error *err)
{
    json_t *old = json_object_get(object, type);
    avow_autojson json_t *array = NULL;
    int rc = 0;

    if (!old)
        rc = json_object_set(object, type, value);
    else if (json_is_array(old)) /* of values that the policy put: none is an array itself */
        rc = json_array_append(old, value);
    else if ((array = json_pack("[OO]", old, value)) == NULL)
        rc = -1;
    else
        rc = json_object_set(object, type, array);
    return rc < 0 ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}
