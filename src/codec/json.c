#include "codec/json.h"

#include "codec/json_fast.h"
#include "codec/text.h"

#define DEPTH_MAX 32

static int canonical(const json_t *v, struct avow_buf *out, int depth, struct avow_error *err);

static int check_depth(const json_t *v, int depth)
{
    const char *key = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (depth > DEPTH_MAX)
        return -AVOW_E_LIMIT;
    if (json_is_array(v)) {
        json_array_foreach(v, i, item)
            AVOW_TRY(check_depth(item, depth + 1));
    } else if (json_is_object(v)) {
        json_object_foreach((json_t *)(uintptr_t)v, key, item)
            AVOW_TRY(check_depth(item, depth + 1));
    }
    return 0;
}

int avow_json_parse(struct avow_bytes text, json_t **out, struct avow_error *err)
{
    json_error_t je;
    avow_autojson json_t *v = NULL;

    if (text.len > AVOW_JSON_MAX)
        return AVOW_FAIL(err, LIMIT, "JSON document of %zu bytes (at most %u)", text.len,
                         AVOW_JSON_MAX);
    v = avow_json_fast(text);
    if (!v)
        v = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &je);
    if (!v)
        return AVOW_FAIL(err, FORMAT, "JSON line %d column %d: %s", je.line, je.column, je.text);
    if (check_depth(v, 0) < 0)
        return AVOW_FAIL(err, LIMIT, "JSON nested deeper than %d", DEPTH_MAX);
    *out = avow_steal(&v);
    return 0;
}

static int put_escaped(struct avow_buf *out, const json_t *s)
{
    char *text = json_dumps(s, JSON_ENCODE_ANY | JSON_COMPACT);
    int rc = 0;

    if (!text)
        return -AVOW_E_NOMEM;
    rc = avow_buf_put_str(out, text);
    free(text);
    return rc;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int canonical_object(const json_t *v, struct avow_buf *out, int depth,
                            struct avow_error *err)
{
    size_t n = json_object_size(v);
    size_t i = 0;
    avow_autofree const char **keys = calloc(n ? n : 1, sizeof *keys);
    const char *key = NULL;
    json_t *item = NULL;

    if (!keys)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_object_foreach((json_t *)(uintptr_t)v, key, item)
        keys[i++] = key;
    qsort(keys, n, sizeof *keys, compare_keys);
    AVOW_TRY(avow_buf_put_str(out, "{"));
    for (i = 0; i < n; i++) {
        avow_autojson json_t *k = json_string(keys[i]);

        if (!k)
            return AVOW_FAIL(err, FORMAT, "a key is not UTF-8");
        if (i)
            AVOW_TRY(avow_buf_put_str(out, ","));
        AVOW_TRY(put_escaped(out, k));
        AVOW_TRY(avow_buf_put_str(out, ":"));
        AVOW_TRY(canonical(json_object_get(v, keys[i]), out, depth + 1, err));
    }
    return avow_buf_put_str(out, "}");
}

static int canonical(const json_t *v, struct avow_buf *out, int depth, struct avow_error *err)
{
    json_t *item = NULL;
    size_t i = 0;

    if (depth > DEPTH_MAX)
        return AVOW_FAIL(err, LIMIT, "JSON nested deeper than %d", DEPTH_MAX);
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return canonical_object(v, out, depth, err);
    case JSON_ARRAY:
        AVOW_TRY(avow_buf_put_str(out, "["));
        json_array_foreach(v, i, item) {
            if (i)
                AVOW_TRY(avow_buf_put_str(out, ","));
            AVOW_TRY(canonical(item, out, depth + 1, err));
        }
        return avow_buf_put_str(out, "]");
    case JSON_STRING:
        return put_escaped(out, v);
    case JSON_INTEGER:
        return avow_buf_putf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    case JSON_TRUE:
        return avow_buf_put_str(out, "true");
    case JSON_FALSE:
        return avow_buf_put_str(out, "false");
    case JSON_REAL:
    case JSON_NULL:
        break;
    }
    return AVOW_FAIL(err, FORMAT, "a real number or null has no canonical form");
}

int avow_json_canonical(const json_t *v, struct avow_buf *out, struct avow_error *err)
{
    int rc = canonical(v, out, 0, err);

    if (rc < 0 && err && !err->code)
        return AVOW_FAIL_CODE(err, rc, "%s", avow_err_text(rc));
    return rc;
}

int avow_json_check_canonical(struct avow_bytes text, struct avow_error *err)
{
    avow_autojson json_t *v = NULL;
    avow_auto(avow_buf_done) struct avow_buf again = AVOW_BUF(AVOW_JSON_MAX);

    AVOW_TRY(avow_json_parse(text, &v, err));
    AVOW_TRY(avow_json_canonical(v, &again, err));
    if (!avow_bytes_equal(text, avow_buf_view(&again)))
        return AVOW_FAIL(err, FORMAT, "JSON is not in canonical form");
    return 0;
}

static int need(const json_t *obj, const char *key, json_t **out, struct avow_error *err)
{
    *out = json_object_get(obj, key);
    if (!*out)
        return AVOW_FAIL(err, FORMAT, "\"%s\" is missing", key);
    return 0;
}

int avow_json_opt_str(const json_t *obj, const char *key, const char **out, struct avow_error *err)
{
    json_t *v = json_object_get(obj, key);

    if (!v)
        return 0;
    if (!json_is_string(v) || strlen(json_string_value(v)) != json_string_length(v))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not a string", key);
    *out = json_string_value(v);
    return 0;
}

int avow_json_get_str(const json_t *obj, const char *key, const char **out, struct avow_error *err)
{
    json_t *v = NULL;

    AVOW_TRY(need(obj, key, &v, err));
    return avow_json_opt_str(obj, key, out, err);
}

int avow_json_opt_int(const json_t *obj, const char *key, int64_t min, int64_t max, int64_t *out,
                      struct avow_error *err)
{
    json_t *v = json_object_get(obj, key);

    if (!v)
        return 0;
    if (!json_is_integer(v))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not an integer", key);
    if (json_integer_value(v) < min || json_integer_value(v) > max)
        return AVOW_FAIL(err, LIMIT, "\"%s\" is %lld, outside %lld..%lld", key,
                         (long long)json_integer_value(v), (long long)min, (long long)max);
    *out = json_integer_value(v);
    return 0;
}

int avow_json_get_int(const json_t *obj, const char *key, int64_t min, int64_t max, int64_t *out,
                      struct avow_error *err)
{
    json_t *v = NULL;

    AVOW_TRY(need(obj, key, &v, err));
    return avow_json_opt_int(obj, key, min, max, out, err);
}

int avow_json_opt_bool(const json_t *obj, const char *key, bool *out, struct avow_error *err)
{
    json_t *v = json_object_get(obj, key);

    if (!v)
        return 0;
    if (!json_is_boolean(v))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not true or false", key);
    *out = json_is_true(v);
    return 0;
}

int avow_json_get_obj(const json_t *obj, const char *key, json_t **out, struct avow_error *err)
{
    json_t *v = NULL;

    AVOW_TRY(need(obj, key, &v, err));
    if (!json_is_object(v))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not an object", key);
    *out = v;
    return 0;
}

int avow_json_get_array(const json_t *obj, const char *key, size_t max_items, json_t **out,
                        struct avow_error *err)
{
    json_t *v = NULL;

    AVOW_TRY(need(obj, key, &v, err));
    if (!json_is_array(v))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not a list", key);
    if (json_array_size(v) > max_items)
        return AVOW_FAIL(err, LIMIT, "\"%s\" has %zu items (at most %zu)", key, json_array_size(v),
                         max_items);
    *out = v;
    return 0;
}

int avow_json_get_hex(const json_t *obj, const char *key, void *out, size_t n,
                      struct avow_error *err)
{
    const char *s = NULL;

    AVOW_TRY(avow_json_get_str(obj, key, &s, err));
    if (avow_unhex(s, out, n) < 0)
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not %zu bytes in hex", key, n);
    return 0;
}

int avow_json_only(const json_t *obj, const char *const *known, struct avow_error *err)
{
    const char *key = NULL;
    json_t *item = NULL;

    json_object_foreach((json_t *)(uintptr_t)obj, key, item) {
        const char *const *k = known;

        while (*k && strcmp(*k, key) != 0)
            k++;
        if (!*k)
            return AVOW_FAIL(err, FORMAT, "unknown key \"%s\"", key);
    }
    return 0;
}
