#include "policy/values.h"

#include <stdio.h>

#include "codec/text.h"
#include "collateral/document.h"

/* A day stands for its first second, or, where a window ends, for its last. */
static int read_time(const json_t *item, const char *key, bool end, int64_t *out,
                     struct avow_error *err)
{
    const char *text = NULL;
    char full[32];

    AVOW_TRY(avow_json_opt_str(item, key, &text, err));
    if (!text)
        return 0;
    if (strlen(text) == 10) {
        snprintf(full, sizeof full, "%sT%s", text, end ? "23:59:59Z" : "00:00:00Z");
        text = full;
    }
    if (avow_document_date(text, out, NULL) < 0)
        return AVOW_FAIL(err, FORMAT,
                         "\"%s\": \"%s\" is no time such as 2026-03-01 or "
                         "2026-03-01T12:00:00Z",
                         key, text);
    return 0;
}

static int read_item(const json_t *item, size_t len, struct value_set *out, struct avow_error *err)
{
    static const char *const known[] = { "value", "from", "until", "note", NULL };
    const char *hex = json_string_value(item);
    size_t i = out->n;

    out->from[i] = INT64_MIN;
    out->until[i] = INT64_MAX;
    if (json_is_object(item)) {
        AVOW_TRY(avow_json_only(item, known, err));
        AVOW_TRY(avow_json_get_str(item, "value", &hex, err));
        AVOW_TRY(read_time(item, "from", false, &out->from[i], err));
        AVOW_TRY(read_time(item, "until", true, &out->until[i], err));
        if (out->from[i] > out->until[i])
            return AVOW_FAIL(err, FORMAT, "the window ends before it begins");
    }
    if (!hex || avow_unhex(hex, out->v[i], len) < 0)
        return AVOW_FAIL(err, FORMAT, "not %zu bytes in hex", len);
    out->n++;
    return 0;
}

int values_read(const json_t *obj, const char *key, size_t len, bool required,
                struct value_set *out, struct avow_error *err)
{
    const json_t *v = json_object_get(obj, key);
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!v && required)
        return AVOW_FAIL(err, FORMAT, "\"%s\" is missing; write \"any\" if any value will do", key);
    if (!v || (json_is_string(v) && strcmp(json_string_value(v), "any") == 0))
        return 0;
    AVOW_TRY(avow_json_get_array(obj, key, AVOW_POLICY_VALUES_MAX, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"%s\" is empty: nothing could be accepted", key);
    json_array_foreach(list, i, item) {
        struct avow_error why = { 0 };
        int rc = read_item(item, len, out, &why);

        if (rc < 0)
            return AVOW_FAIL_CODE(err, rc, "\"%s\"[%zu]: %s", key, i, why.text);
    }
    out->listed = true;
    return 0;
}

static bool is_open(const struct value_set *set, size_t i, int64_t now)
{
    return set->from[i] <= now && now <= set->until[i];
}

static bool is_equal(const struct value_set *set, size_t i, struct avow_bytes value)
{
    return avow_bytes_equal(AVOW_BYTES(set->v[i], value.len), value);
}

bool values_allow(const struct value_set *set, struct avow_bytes value, int64_t now)
{
    for (size_t i = 0; i < set->n; i++)
        if (is_open(set, i, now) && is_equal(set, i, value))
            return true;
    return !set->listed;
}

static void put_window(struct avow_buf *out, const struct value_set *set, size_t i)
{
    char from[AVOW_TIME_TEXT], until[AVOW_TIME_TEXT];

    avow_claims_time(set->from[i], from);
    avow_claims_time(set->until[i], until);
    if (set->from[i] != INT64_MIN)
        avow_buf_putf(out, " from %s", from);
    if (set->until[i] != INT64_MAX)
        avow_buf_putf(out, " until %s", until);
}

#define WINDOWS_NAMED 2 /* as many as a reason has room for */

/* "value 1 of 2 from X until Y, value 2 of 2": those that equal @value and whose window is as @open
 * says. Returns how many there are. */
static size_t put_matches(struct avow_buf *out, const struct value_set *set,
                          struct avow_bytes value, int64_t now, bool open)
{
    size_t n = 0;

    for (size_t i = 0; i < set->n; i++) {
        if (!is_equal(set, i, value) || is_open(set, i, now) != open)
            continue;
        if (++n > WINDOWS_NAMED)
            continue;
        avow_buf_putf(out, "%svalue %zu of %zu", n > 1 ? ", " : "", i + 1, set->n);
        put_window(out, set, i);
    }
    if (n > WINDOWS_NAMED)
        avow_buf_putf(out, " and %zu more", n - WINDOWS_NAMED);
    return n;
}

void values_appraise(const struct value_set *set, const char *code, const char *what,
                     struct avow_bytes value, int64_t now, struct avow_verdict *v)
{
    avow_auto(avow_buf_done) struct avow_buf open = AVOW_BUF(256);
    avow_auto(avow_buf_done) struct avow_buf shut = AVOW_BUF(256);
    char hex[20], time[AVOW_TIME_TEXT];

    avow_hex(AVOW_BYTES(value.data, 8), hex);
    avow_claims_time(now, time);
    if (!set->listed)
        (void)avow_verdict_add(v, code, true, "%s %s..: any is allowed", what, hex);
    else if (put_matches(&open, set, value, now, true))
        (void)avow_verdict_add(v, code, true, "%s %s.. is allowed: %s", what, hex,
                               avow_buf_cstr(&open));
    else if (put_matches(&shut, set, value, now, false))
        (void)avow_verdict_add(v, code, false, "%s %s.. is not allowed on %s: %s alone", what, hex,
                               time, avow_buf_cstr(&shut));
    else
        (void)avow_verdict_add(v, code, false, "%s %s.. is not among the %zu allowed", what, hex,
                               set->n);
}
