#include "client/aggregate.h"

struct job {
    const char *file;
    const struct avow_aggregate_in *in;
    size_t n;
    json_t *out;
    json_t *differs;
    struct avow_error *err;
};

#define KEY_MAX 256

/* "a.b" is the member b of the member a, unless there is a member "a.b". */
static const json_t *lookup(const json_t *doc, const char *key)
{
    const char *dot = strchr(key, '.');
    const json_t *v = json_object_get(doc, key);
    char head[KEY_MAX];

    if (v || !dot || (size_t)(dot - key) >= sizeof head)
        return v;
    memcpy(head, key, (size_t)(dot - key));
    head[dot - key] = 0;
    return lookup(json_object_get(doc, head), dot + 1);
}

static int value_at(const struct job *j, size_t node, const char *key, const json_t **out)
{
    const struct avow_aggregate_in *in = &j->in[node];

    if (!in->summary)
        return AVOW_FAIL(j->err, NOTFOUND, "node %s has no result %s", in->node, j->file);
    *out = lookup(in->summary, key);
    if (!*out)
        return AVOW_FAIL(j->err, NOTFOUND, "%s of node %s has no \"%s\"", j->file, in->node, key);
    return 0;
}

static int number_at(const struct job *j, size_t node, const char *key, double *out)
{
    const json_t *v = NULL;

    AVOW_TRY(value_at(j, node, key, &v));
    if (!json_is_number(v))
        return AVOW_FAIL(j->err, FORMAT, "%s of node %s: \"%s\" is not a number", j->file,
                         j->in[node].node, key);
    *out = json_number_value(v);
    return 0;
}

/* Whole numbers stay whole as far as a double can say so. */
static json_t *number(double v)
{
    if (v >= -9007199254740992.0 && v <= 9007199254740992.0 && v == (double)(json_int_t)v)
        return json_integer((json_int_t)v);
    return json_real(v); /* NULL for what JSON cannot say: NaN, infinities */
}

enum op { SUM, MEAN, MIN, MAX };

static int fold(const struct job *j, enum op op, const char *key, double *out)
{
    double acc = 0;

    for (size_t i = 0; i < j->n; i++) {
        double v = 0;

        AVOW_TRY(number_at(j, i, key, &v));
        if (op == SUM || op == MEAN)
            acc += v;
        else if (i == 0 || (op == MIN ? v < acc : v > acc))
            acc = v;
    }
    *out = op == MEAN ? acc / (double)j->n : acc;
    return 0;
}

static int put(struct job *j, const char *section, const char *key, json_t *take_value)
{
    json_t *obj = json_object_get(j->out, section);

    if (!take_value)
        return AVOW_FAIL(j->err, FORMAT, "%s of \"%s\" is not a number that JSON can say", section,
                         key);
    if (!obj && json_object_set_new(j->out, section, obj = json_object()) != 0) {
        json_decref(take_value);
        return AVOW_FAIL(j->err, NOMEM, "out of memory");
    }
    return json_object_set_new(obj, key, take_value) == 0
               ? 0
               : AVOW_FAIL(j->err, NOMEM, "out of memory");
}

static int folds(struct job *j, const json_t *spec)
{
    static const char *const names[] = {
        [SUM] = "sum", [MEAN] = "mean", [MIN] = "min", [MAX] = "max"
    };

    for (int op = SUM; op <= MAX; op++) {
        size_t i = 0;
        json_t *key = NULL;

        json_array_foreach(json_object_get(spec, names[op]), i, key) {
            double v = 0;

            AVOW_TRY(fold(j, (enum op)op, json_string_value(key), &v));
            AVOW_TRY(put(j, names[op], json_string_value(key), number(v)));
        }
    }
    return 0;
}

static int ratios(struct job *j, json_t *section)
{
    const char *name = NULL;
    json_t *pair = NULL;

    json_object_foreach(section, name, pair) {
        const char *top = json_string_value(json_array_get(pair, 0));
        const char *bottom = json_string_value(json_array_get(pair, 1));
        double a = 0;
        double b = 0;

        AVOW_TRY(fold(j, SUM, top, &a));
        AVOW_TRY(fold(j, SUM, bottom, &b));
        if (b == 0.0)
            return AVOW_FAIL(j->err, FORMAT, "ratio %s: the sum of \"%s\" is 0", name, bottom);
        AVOW_TRY(put(j, "ratio", name, number(a / b)));
    }
    return 0;
}

static int differs(struct job *j, const char *what, size_t a, size_t b)
{
    json_t *row =
        json_pack("{s:s, s:s, s:s}", "what", what, "a", j->in[a].node, "b", j->in[b].node);

    return json_array_append_new(j->differs, row) == 0 ? 0
                                                       : AVOW_FAIL(j->err, NOMEM, "out of memory");
}

static int same_values(struct job *j, const json_t *list)
{
    size_t k = 0;
    json_t *key = NULL;

    json_array_foreach(list, k, key) {
        const json_t *first = NULL;
        const json_t *v = NULL;

        AVOW_TRY(value_at(j, 0, json_string_value(key), &first));
        for (size_t i = 1; i < j->n; i++) {
            AVOW_TRY(value_at(j, i, json_string_value(key), &v));
            if (!json_equal(first, v))
                AVOW_TRY(differs(j, json_string_value(key), 0, i));
        }
        AVOW_TRY(put(j, "same", json_string_value(key), json_deep_copy(first)));
    }
    return 0;
}

static const char *digest_of(const json_t *results, const char *name)
{
    size_t i = 0;
    json_t *r = NULL;

    json_array_foreach(results, i, r) {
        const char *n = json_string_value(json_object_get(r, "name"));

        if (n && strcmp(n, name) == 0)
            return json_string_value(json_object_get(r, "sha256"));
    }
    return NULL;
}

static int same_files(struct job *j, const json_t *list)
{
    size_t k = 0;
    json_t *item = NULL;

    json_array_foreach(list, k, item) {
        const char *file = json_string_value(item);
        const char *first = NULL;

        for (size_t i = 0; i < j->n; i++) {
            const char *d = digest_of(j->in[i].results, file);

            if (!d)
                return AVOW_FAIL(j->err, NOTFOUND, "node %s has no result %s", j->in[i].node, file);
            if (!first)
                first = d;
            else if (strcmp(first, d) != 0)
                AVOW_TRY(differs(j, file, 0, i));
        }
        AVOW_TRY(put(j, "same-files", file, json_string(first)));
    }
    return 0;
}

int avow_aggregate(const json_t *spec, const struct avow_aggregate_in *in, size_t n, json_t **out,
                   struct avow_error *err)
{
    const char *file = json_string_value(json_object_get(spec, "file"));
    avow_autojson json_t *doc = json_object();
    avow_autojson json_t *list = json_array();
    struct job j = { .file = file ? file : AVOW_AGGREGATE_FILE,
                     .in = in,
                     .n = n,
                     .out = doc,
                     .differs = list,
                     .err = err };

    if (!doc || !list || !n)
        return AVOW_FAIL(err, INVAL, "nothing to aggregate");
    AVOW_TRY(folds(&j, spec));
    AVOW_TRY(ratios(&j, json_object_get(spec, "ratio")));
    AVOW_TRY(same_values(&j, json_object_get(spec, "same")));
    AVOW_TRY(same_files(&j, json_object_get(spec, "same-files")));
    if (json_object_set(doc, "differs", list) != 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    *out = avow_steal(&doc);
    return 0;
}
