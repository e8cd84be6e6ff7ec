#include "policy/keys.h"

#include <stdio.h>

#include "codec/yaml.h"
#include "policy/values.h"

/* JSON's true and false stand nowhere in particular: the section does. */
static const json_t *place_of(const json_t *v, const json_t *section)
{
    return v && !json_is_boolean(v) ? v : section;
}

int keys_read(const json_t *doc, const char *name, const struct policy_key *table,
              struct section *s, void *rules, const json_t **at, struct avow_error *err)
{
    snprintf(s->name, sizeof s->name, "%s", name);
    s->table = table;
    s->written = 0;
    s->present = true;
    for (size_t i = 0; table[i].name; i++) {
        const json_t *v = json_object_get(doc, table[i].name);
        int rc = table[i].read(doc, &table[i], (uint8_t *)rules + table[i].offset, err);

        if (rc < 0) {
            *at = place_of(v, doc);
            return rc;
        }
        if (v)
            s->written |= 1ull << i;
    }
    return 0;
}

static bool has(const struct policy_key *table, const char *name, const char **nearest,
                size_t *best)
{
    for (const struct policy_key *k = table; k && k->name; k++) {
        size_t d = avow_word_distance(name, k->name);

        if (d == 0)
            return true;
        if (d < *best && d < strlen(k->name)) {
            *best = d;
            *nearest = k->name;
        }
    }
    return false;
}

int keys_only(const json_t *doc, const struct policy_key *a, const struct policy_key *b,
              const json_t **at, struct avow_error *err)
{
    const char *key = NULL;
    json_t *item = NULL;

    json_object_foreach((json_t *)(uintptr_t)doc, key, item) {
        const char *nearest = NULL;
        size_t best = 3; /* two slips at most */

        if (has(a, key, &nearest, &best) || has(b, key, &nearest, &best))
            continue;
        *at = place_of(item, doc);
        if (nearest)
            return AVOW_FAIL(err, FORMAT, "unknown key \"%.64s\" (did you mean \"%s\"?)", key,
                             nearest);
        return AVOW_FAIL(err, FORMAT, "unknown key \"%.64s\"", key);
    }
    return 0;
}

void keys_from(const struct section *s, const char *key, struct avow_verdict *v)
{
    bool written = false;

    for (size_t i = 0; s->table && s->table[i].name; i++)
        if (strcmp(s->table[i].name, key) == 0)
            written = (s->written >> i & 1) != 0;
    avow_verdict_from(v, "%s%s%s%s", written ? "" : "default: ", s->name, *s->name ? "." : "", key);
}

int keys_bool(const json_t *section, const struct policy_key *k, void *out, struct avow_error *err)
{
    return avow_json_opt_bool(section, k->name, out, err);
}

int keys_u32(const json_t *section, const struct policy_key *k, void *out, struct avow_error *err)
{
    uint32_t *value = out;
    int64_t n = 0;

    AVOW_TRY(avow_json_opt_int(section, k->name, 0, UINT32_MAX, &n, err));
    *value = (uint32_t)n;
    return 0;
}

int keys_values(const json_t *section, const struct policy_key *k, void *out,
                struct avow_error *err)
{
    return values_read(section, k->name, k->arg, false, out, err);
}

int keys_measured(const json_t *section, const struct policy_key *k, void *out,
                  struct avow_error *err)
{
    return values_read(section, k->name, k->arg, true, out, err);
}

int keys_strings(const json_t *section, const char *key, size_t max, size_t len, bool may_be_empty,
                 json_t **out, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!json_object_get(section, key))
        return 0;
    AVOW_TRY(avow_json_get_array(section, key, max, &list, err));
    if (json_array_size(list) == 0 && !may_be_empty)
        return AVOW_FAIL(err, FORMAT, "\"%s\" is empty: nothing could be accepted", key);
    json_array_foreach(list, i, item) {
        if (!json_is_string(item))
            return AVOW_FAIL(err, FORMAT, "\"%s\"[%zu] is not a string", key, i);
        if (json_string_length(item) > len)
            return AVOW_FAIL(err, FORMAT, "\"%s\"[%zu] has more than %zu bytes", key, i, len);
    }
    *out = json_incref(list);
    return 0;
}
