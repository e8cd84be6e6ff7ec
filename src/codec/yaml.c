#include "codec/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <yaml.h>

#include "base/read.h"

#define KEY_MAX 255 /* bytes of a mapping's key */

struct mark {
    const json_t *value;
    size_t line, column;
};

struct avow_yaml {
    char *name;
    json_t *value;
    size_t n_marks;
    size_t cap_marks;
    struct mark *marks; /* sorted by ->value */
};

struct reader {
    yaml_parser_t parser;
    struct avow_yaml *doc;
    struct avow_error *err;
    size_t n_values;
};

static int value_of(struct reader *r, const yaml_event_t *ev, const struct avow_schema *s,
                    const char *key, int depth, json_t **out);

static void cleanup_event(yaml_event_t *ev)
{
    yaml_event_delete(ev);
}

#define FAIL_AT(r, mark, code, ...) fail_at((r), (mark), AVOW_E_##code, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 5, 6))) static int fail_at(struct reader *r, yaml_mark_t mark,
                                                         int code, int line, const char *fmt, ...)
{
    char text[AVOW_ERROR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return avow_error_set(r->err, code, 0, __FILE__, line, "%s:%zu:%zu: %s", r->doc->name,
                          mark.line + 1, mark.column + 1, text);
}

/* libyaml's own complaint, with its position. */
static int parser_failed(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    yaml_mark_t mark = p->problem_mark;

    switch (p->error) {
    case YAML_MEMORY_ERROR:
        return AVOW_FAIL(r->err, NOMEM, "out of memory");
    case YAML_READER_ERROR:
        return AVOW_FAIL(r->err, FORMAT, "%s: byte %zu: %s", r->doc->name, p->problem_offset,
                         p->problem ? p->problem : "not UTF-8 text");
    case YAML_NO_ERROR:
    case YAML_SCANNER_ERROR:
    case YAML_PARSER_ERROR:
    case YAML_COMPOSER_ERROR:
    case YAML_WRITER_ERROR:
    case YAML_EMITTER_ERROR:
        break;
    }
    return FAIL_AT(r, mark, FORMAT, "%s%s%s", p->problem ? p->problem : "not YAML",
                   p->context ? ", " : "", p->context ? p->context : "");
}

static int next(struct reader *r, yaml_event_t *ev)
{
    if (!yaml_parser_parse(&r->parser, ev)) {
        memset(ev, 0, sizeof *ev);
        return parser_failed(r);
    }
    return 0;
}

static const char *kind_of(const yaml_event_t *ev)
{
    if (ev->type == YAML_SEQUENCE_START_EVENT)
        return "a list";
    if (ev->type == YAML_MAPPING_START_EVENT)
        return "a mapping";
    return "a single value";
}

static const char *wanted(const struct avow_schema *s)
{
    if (s->what)
        return s->what;
    switch (s->type) {
    case AVOW_YAML_STRING:
        return "text";
    case AVOW_YAML_INT:
        return "a whole number";
    case AVOW_YAML_BOOL:
        return "true or false";
    case AVOW_YAML_SIZE:
        return "a size such as 512MiB";
    case AVOW_YAML_DURATION:
        return "a time with its unit such as 10m or 90s";
    case AVOW_YAML_MAP:
    case AVOW_YAML_DICT:
        return "a mapping";
    case AVOW_YAML_LIST:
        return "a list";
    case AVOW_YAML_EITHER:
    case AVOW_YAML_ANY:
        break;
    }
    return "a value";
}

/* Remember where @v stood; takes ownership of nothing. */
static int mark_value(struct reader *r, const json_t *v, yaml_mark_t at)
{
    struct avow_yaml *d = r->doc;

    if (d->n_marks == d->cap_marks) {
        size_t cap = d->cap_marks ? d->cap_marks * 2 : 64;
        struct mark *p = reallocarray(d->marks, cap, sizeof *p);

        if (!p)
            return AVOW_FAIL(r->err, NOMEM, "out of memory");
        d->marks = p;
        d->cap_marks = cap;
    }
    d->marks[d->n_marks++] = (struct mark){ .value = v, .line = at.line, .column = at.column };
    return 0;
}

/* ---- scalars ---- */

static bool parse_int(const char *s, int64_t *out)
{
    char *end = NULL;
    const char *digits = s[0] == '-' ? s + 1 : s;

    if (digits[0] < '0' || digits[0] > '9' || (digits[0] == '0' && digits[1]))
        return false;
    errno = 0;
    *out = strtoll(s, &end, 10);
    return errno == 0 && *end == 0;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* One "<number><unit>" at *@p; false if it is not one or overflows. */
static bool parse_unit(const char **p, const struct unit *units, int64_t *out)
{
    const char *s = *p;
    size_t n = 0;
    int64_t v = 0;

    if (*s < '0' || *s > '9')
        return false;
    for (; *s >= '0' && *s <= '9'; s++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v))
            return false;
    while (*s == ' ')
        s++;
    while ((s[n] >= 'a' && s[n] <= 'z') || (s[n] >= 'A' && s[n] <= 'Z'))
        n++;
    for (const struct unit *u = units; u->name; u++) {
        if (strlen(u->name) == n && strncmp(u->name, s, n) == 0) {
            *p = s + n;
            return !__builtin_mul_overflow(v, u->factor, out);
        }
    }
    return false;
}

int avow_parse_size(const char *text, int64_t *bytes)
{
    static const struct unit units[] = {
        { "", 1 },          { "B", 1 },           { "kB", 1000 },
        { "MB", 1000000 },  { "GB", 1000000000 }, { "KiB", 1 << 10 },
        { "MiB", 1 << 20 }, { "GiB", 1 << 30 },   { "TiB", 1ll << 40 },
        { NULL, 0 },
    };
    const char *p = text;
    int64_t v = 0;

    if (!parse_unit(&p, units, &v) || *p)
        return -AVOW_E_FORMAT;
    *bytes = v;
    return 0;
}

int avow_parse_duration(const char *text, int64_t *ms)
{
    static const struct unit units[] = {
        { "ms", 1 },      { "s", 1000 },     { "m", 60000 },
        { "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
    };
    const char *p = text;
    int64_t sum = 0;
    int64_t v = 0;

    do {
        if (!parse_unit(&p, units, &v) || __builtin_add_overflow(sum, v, &sum))
            return -AVOW_E_FORMAT;
    } while (*p);
    *ms = sum;
    return 0;
}

static bool plain(const yaml_event_t *ev)
{
    return ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* YAML's many ways to write nothing; a key with no value is an oversight more often than a wish. */
static bool is_null(const yaml_event_t *ev)
{
    const char *s = (const char *)ev->data.scalar.value;

    return plain(ev) && (!*s || strcmp(s, "~") == 0 || strcasecmp(s, "null") == 0);
}

static int check_range(struct reader *r, const yaml_event_t *ev, const struct avow_schema *s,
                       const char *key, int64_t v)
{
    const char *text = (const char *)ev->data.scalar.value;
    const char *unit = s->type == AVOW_YAML_DURATION ? " ms"
                       : s->type == AVOW_YAML_SIZE   ? " bytes"
                                                     : "";

    if ((s->min == 0 && s->max == 0) || (v >= s->min && v <= s->max))
        return 0;
    return FAIL_AT(r, ev->start_mark, LIMIT, "%s: %s is outside %lld..%lld%s", key, text,
                   (long long)s->min, (long long)s->max, unit);
}

static int string_of(struct reader *r, const yaml_event_t *ev, const struct avow_schema *s,
                     const char *key, json_t **out)
{
    const char *text = (const char *)ev->data.scalar.value;
    size_t len = ev->data.scalar.length;

    if (s->max && (len < (size_t)s->min || len > (size_t)s->max))
        return FAIL_AT(r, ev->start_mark, LIMIT, "%s: text of %zu bytes, outside %lld..%lld", key,
                       len, (long long)s->min, (long long)s->max);
    *out = json_stringn(text, len);
    return *out ? 0 : AVOW_FAIL(r->err, NOMEM, "out of memory");
}

static int number_of(struct reader *r, const yaml_event_t *ev, const struct avow_schema *s,
                     const char *key, json_t **out)
{
    const char *text = (const char *)ev->data.scalar.value;
    int64_t v = 0;
    bool good = false;

    if (s->type == AVOW_YAML_SIZE)
        good = avow_parse_size(text, &v) == 0;
    else if (s->type == AVOW_YAML_DURATION)
        good = avow_parse_duration(text, &v) == 0;
    else
        good = plain(ev) && parse_int(text, &v);
    if (!good)
        return FAIL_AT(r, ev->start_mark, FORMAT, "%s: \"%.64s\" is not %s", key, text, wanted(s));
    AVOW_TRY(check_range(r, ev, s, key, v));
    *out = json_integer(v);
    return *out ? 0 : AVOW_FAIL(r->err, NOMEM, "out of memory");
}

static int bool_of(struct reader *r, const yaml_event_t *ev, const struct avow_schema *s,
                   const char *key, json_t **out)
{
    const char *text = (const char *)ev->data.scalar.value;

    if (!plain(ev) || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
        return FAIL_AT(r, ev->start_mark, FORMAT, "%s: \"%.64s\" is not %s", key, text, wanted(s));
    *out = json_boolean(text[0] == 't');
    return 0;
}

static int any_scalar(struct reader *r, const yaml_event_t *ev, const char *key, json_t **out)
{
    static const struct avow_schema string = { .type = AVOW_YAML_STRING };
    const char *text = (const char *)ev->data.scalar.value;
    int64_t v = 0;

    if (plain(ev) && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)) {
        *out = json_boolean(text[0] == 't');
        return 0;
    }
    if (plain(ev) && parse_int(text, &v)) {
        *out = json_integer(v);
        return *out ? 0 : AVOW_FAIL(r->err, NOMEM, "out of memory");
    }
    return string_of(r, ev, &string, key, out);
}

static int scalar_of(struct reader *r, const yaml_event_t *ev, const struct avow_schema *s,
                     const char *key, json_t **out)
{
    if (strlen((const char *)ev->data.scalar.value) != ev->data.scalar.length)
        return FAIL_AT(r, ev->start_mark, FORMAT, "%s: a NUL character in the text", key);
    if (is_null(ev))
        return FAIL_AT(r, ev->start_mark, FORMAT, "%s has no value; %s is wanted", key, wanted(s));
    switch (s->type) {
    case AVOW_YAML_STRING:
        return string_of(r, ev, s, key, out);
    case AVOW_YAML_INT:
    case AVOW_YAML_SIZE:
    case AVOW_YAML_DURATION:
        return number_of(r, ev, s, key, out);
    case AVOW_YAML_BOOL:
        return bool_of(r, ev, s, key, out);
    case AVOW_YAML_ANY:
        return any_scalar(r, ev, key, out);
    case AVOW_YAML_MAP:
    case AVOW_YAML_DICT:
    case AVOW_YAML_LIST:
    case AVOW_YAML_EITHER:
        break;
    }
    return FAIL_AT(r, ev->start_mark, FORMAT, "%s: \"%.64s\" is not %s", key,
                   (const char *)ev->data.scalar.value, wanted(s));
}

/* ---- unknown keys ---- */

size_t avow_word_distance(const char *a, const char *b)
{
    enum { WORD_MAX = 40 };
    size_t row[WORD_MAX + 1];
    size_t la = strlen(a);
    size_t lb = strlen(b);

    if (la > WORD_MAX || lb > WORD_MAX)
        return WORD_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t up = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            best = best < up + 1 ? best : up + 1;
            best = best < row[j - 1] + 1 ? best : row[j - 1] + 1;
            diagonal = up;
            row[j] = best;
        }
    }
    return row[lb];
}

static int unknown_key(struct reader *r, yaml_mark_t at, const struct avow_schema *s,
                       const char *name)
{
    const char *closest = NULL;
    size_t best = 3; /* two slips at most */
    avow_auto(avow_buf_done) struct avow_buf known = AVOW_BUF(256);

    for (const struct avow_schema_key *k = s->keys; k->name; k++) {
        size_t d = avow_word_distance(name, k->name);

        if (d < best && d < strlen(k->name)) {
            best = d;
            closest = k->name;
        }
        (void)avow_buf_putf(&known, "%s%s", known.len ? ", " : "", k->name);
    }
    if (closest)
        return FAIL_AT(r, at, FORMAT, "unknown key \"%.64s\" (did you mean \"%s\"?)", name,
                       closest);
    return FAIL_AT(r, at, FORMAT, "unknown key \"%.64s\" (known here: %s)", name,
                   avow_buf_cstr(&known));
}

/* ---- mappings and lists ---- */

static const struct avow_schema *key_schema(const struct avow_schema *s, const char *name)
{
    if (s->type != AVOW_YAML_MAP)
        return s->item;
    for (const struct avow_schema_key *k = s->keys; k->name; k++)
        if (strcmp(k->name, name) == 0)
            return k->value;
    return NULL;
}

static int check_key(struct reader *r, const yaml_event_t *ev, const struct avow_schema *s,
                     const json_t *map)
{
    const char *name = (const char *)ev->data.scalar.value;

    if (ev->type != YAML_SCALAR_EVENT)
        return FAIL_AT(r, ev->start_mark, FORMAT, "a key must be a word, not %s", kind_of(ev));
    if (ev->data.scalar.anchor || ev->data.scalar.tag)
        return FAIL_AT(r, ev->start_mark, UNSUPPORTED, "anchors and tags are not allowed");
    if (strlen(name) != ev->data.scalar.length || ev->data.scalar.length > KEY_MAX || !*name)
        return FAIL_AT(r, ev->start_mark, LIMIT, "a key must have 1 to %d bytes and no NUL",
                       KEY_MAX);
    if (json_object_get(map, name))
        return FAIL_AT(r, ev->start_mark, EXISTS, "duplicate key \"%.64s\"", name);
    if (!key_schema(s, name))
        return unknown_key(r, ev->start_mark, s, name);
    return 0;
}

static int check_count(struct reader *r, yaml_mark_t at, const struct avow_schema *s,
                       const char *key, size_t n)
{
    if (s->max && (n < (size_t)s->min || n > (size_t)s->max))
        return FAIL_AT(r, at, LIMIT, "%s has %zu items; %lld to %lld are allowed", key, n,
                       (long long)s->min, (long long)s->max);
    return 0;
}

static int map_of(struct reader *r, yaml_mark_t at, const struct avow_schema *s, const char *key,
                  int depth, json_t **out)
{
    avow_autojson json_t *map = json_object();

    if (!map)
        return AVOW_FAIL(r->err, NOMEM, "out of memory");
    for (;;) {
        avow_auto(cleanup_event) yaml_event_t name = { 0 };
        avow_auto(cleanup_event) yaml_event_t ev = { 0 };
        avow_autojson json_t *v = NULL;
        const char *word = NULL;

        AVOW_TRY(next(r, &name));
        if (name.type == YAML_MAPPING_END_EVENT)
            break;
        AVOW_TRY(check_key(r, &name, s, map));
        word = (const char *)name.data.scalar.value;
        AVOW_TRY(next(r, &ev));
        AVOW_TRY(value_of(r, &ev, key_schema(s, word), word, depth + 1, &v));
        if (json_object_set(map, word, v) != 0)
            return AVOW_FAIL(r->err, NOMEM, "out of memory");
    }
    for (const struct avow_schema_key *k = s->keys; s->type == AVOW_YAML_MAP && k->name; k++)
        if (k->required && !json_object_get(map, k->name))
            return FAIL_AT(r, at, MISSING, "key \"%s\" is missing%s%s", k->name, *key ? " in " : "",
                           key);
    if (s->type == AVOW_YAML_DICT)
        AVOW_TRY(check_count(r, at, s, key, json_object_size(map)));
    *out = avow_steal(&map);
    return 0;
}

static int list_of(struct reader *r, yaml_mark_t at, const struct avow_schema *s, const char *key,
                   int depth, json_t **out)
{
    avow_autojson json_t *list = json_array();

    if (!list)
        return AVOW_FAIL(r->err, NOMEM, "out of memory");
    for (;;) {
        avow_auto(cleanup_event) yaml_event_t ev = { 0 };
        avow_autojson json_t *v = NULL;

        AVOW_TRY(next(r, &ev));
        if (ev.type == YAML_SEQUENCE_END_EVENT)
            break;
        AVOW_TRY(value_of(r, &ev, s->item, key, depth + 1, &v));
        if (json_array_append(list, v) != 0)
            return AVOW_FAIL(r->err, NOMEM, "out of memory");
    }
    AVOW_TRY(check_count(r, at, s, key, json_array_size(list)));
    *out = avow_steal(&list);
    return 0;
}

static int refuse_extras(struct reader *r, const yaml_event_t *ev)
{
    bool extra = false;

    if (ev->type == YAML_ALIAS_EVENT)
        return FAIL_AT(r, ev->start_mark, UNSUPPORTED, "aliases (*name) are not allowed");
    if (ev->type == YAML_SCALAR_EVENT)
        extra = ev->data.scalar.anchor || ev->data.scalar.tag;
    else if (ev->type == YAML_SEQUENCE_START_EVENT)
        extra = ev->data.sequence_start.anchor || ev->data.sequence_start.tag;
    else if (ev->type == YAML_MAPPING_START_EVENT)
        extra = ev->data.mapping_start.anchor || ev->data.mapping_start.tag;
    if (extra)
        return FAIL_AT(r, ev->start_mark, UNSUPPORTED,
                       "anchors (&name) and tags (!name) are not allowed");
    return 0;
}

/* The schema for a value of this kind, or NULL if it may not stand here. */
static const struct avow_schema *schema_for(const yaml_event_t *ev, const struct avow_schema *s)
{
    static const struct avow_schema any = { .type = AVOW_YAML_ANY };
    static const struct avow_schema any_map = { .type = AVOW_YAML_DICT, .item = &any };
    static const struct avow_schema any_list = { .type = AVOW_YAML_LIST, .item = &any };
    bool is_map = ev->type == YAML_MAPPING_START_EVENT;
    bool is_list = ev->type == YAML_SEQUENCE_START_EVENT;

    if (s->type == AVOW_YAML_EITHER)
        s = is_map ? s->map : is_list ? s->list : s->scalar;
    if (!s)
        return NULL;
    if (s->type == AVOW_YAML_ANY)
        return is_map ? &any_map : is_list ? &any_list : s;
    if (is_map)
        return s->type == AVOW_YAML_MAP || s->type == AVOW_YAML_DICT ? s : NULL;
    if (is_list)
        return s->type == AVOW_YAML_LIST ? s : NULL;
    return s;
}

static int value_of(struct reader *r, const yaml_event_t *ev, const struct avow_schema *s,
                    const char *key, int depth, json_t **out)
{
    const struct avow_schema *as = NULL;

    AVOW_TRY(refuse_extras(r, ev));
    if (depth > AVOW_YAML_DEPTH_MAX)
        return FAIL_AT(r, ev->start_mark, LIMIT, "nested deeper than %d", AVOW_YAML_DEPTH_MAX);
    if (++r->n_values > AVOW_YAML_VALUES_MAX)
        return FAIL_AT(r, ev->start_mark, LIMIT, "more than %u values", AVOW_YAML_VALUES_MAX);
    as = schema_for(ev, s);
    if (!as)
        return FAIL_AT(r, ev->start_mark, FORMAT, "%s%s%s where %s is wanted", key,
                       *key ? " is " : "", kind_of(ev), wanted(s));
    if (ev->type == YAML_MAPPING_START_EVENT)
        AVOW_TRY(map_of(r, ev->start_mark, as, key, depth, out));
    else if (ev->type == YAML_SEQUENCE_START_EVENT)
        AVOW_TRY(list_of(r, ev->start_mark, as, key, depth, out));
    else
        AVOW_TRY(scalar_of(r, ev, as, *key ? key : "the file", out));
    return mark_value(r, *out, ev->start_mark);
}

/* stream start, document start, the value, document end, stream end */
static int document_of(struct reader *r, const struct avow_schema *s)
{
    avow_auto(cleanup_event) yaml_event_t start = { 0 };
    avow_auto(cleanup_event) yaml_event_t doc = { 0 };
    avow_auto(cleanup_event) yaml_event_t value = { 0 };
    avow_auto(cleanup_event) yaml_event_t doc_end = { 0 };
    avow_auto(cleanup_event) yaml_event_t end = { 0 };

    AVOW_TRY(next(r, &start));
    AVOW_TRY(next(r, &doc));
    if (doc.type != YAML_DOCUMENT_START_EVENT)
        return FAIL_AT(r, doc.start_mark, FORMAT, "the file is empty");
    AVOW_TRY(next(r, &value));
    AVOW_TRY(value_of(r, &value, s, "", 0, &r->doc->value));
    AVOW_TRY(next(r, &doc_end));
    AVOW_TRY(next(r, &end));
    if (end.type != YAML_STREAM_END_EVENT)
        return FAIL_AT(r, end.start_mark, UNSUPPORTED, "a second document; one file holds one");
    return 0;
}

static int compare_marks(const void *a, const void *b)
{
    const struct mark *x = a;
    const struct mark *y = b;

    return ((uintptr_t)x->value > (uintptr_t)y->value) -
           ((uintptr_t)x->value < (uintptr_t)y->value);
}

int avow_yaml_load(struct avow_bytes text, const char *name, const struct avow_schema *schema,
                   struct avow_yaml **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *doc = calloc(1, sizeof *doc);
    struct reader r = { .doc = doc, .err = err };
    int rc = 0;

    if (!doc || !(doc->name = strdup(name)))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (text.len > AVOW_YAML_MAX)
        return AVOW_FAIL(err, LIMIT, "%s: %zu bytes (at most %u)", name, text.len, AVOW_YAML_MAX);
    if (!yaml_parser_initialize(&r.parser))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    /* said, not guessed: a byte order mark must not turn the file into UTF-16 */
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, text.len ? text.data : (const uint8_t *)"", text.len);
    rc = document_of(&r, schema);
    yaml_parser_delete(&r.parser);
    AVOW_TRY(rc);
    qsort(doc->marks, doc->n_marks, sizeof *doc->marks, compare_marks);
    *out = avow_steal(&doc);
    return 0;
}

int avow_yaml_load_file(const char *path, const struct avow_schema *schema, struct avow_yaml **out,
                        struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_YAML_MAX);
    avow_autofclose FILE *f = fopen(path, "re");

    if (!f && errno == ENOENT)
        return AVOW_FAIL(err, NOTFOUND, "%s: there is no such file", path);
    if (!f)
        return AVOW_FAIL_SYS(err, "%s", path);
    AVOW_TRY(avow_read_all(f, path, &text, err));
    return avow_yaml_load(avow_buf_view(&text), path, schema, out, err);
}

void avow_yaml_free(struct avow_yaml *y)
{
    if (!y)
        return;
    json_decref(y->value);
    free(y->marks);
    free(y->name);
    free(y);
}

json_t *avow_yaml_value(const struct avow_yaml *y)
{
    return y->value;
}

int avow_yaml_fail(const struct avow_yaml *y, const json_t *value, int code, struct avow_error *err,
                   const char *fmt, ...)
{
    struct mark key = { .value = value };
    const struct mark *m = NULL;
    char text[AVOW_ERROR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (value && !json_is_boolean(value))
        m = bsearch(&key, y->marks, y->n_marks, sizeof key, compare_marks);
    if (!m)
        return AVOW_FAIL_CODE(err, code, "%s: %s", y->name, text);
    return AVOW_FAIL_CODE(err, code, "%s:%zu:%zu: %s", y->name, m->line + 1, m->column + 1, text);
}

int avow_yaml_parse(struct avow_bytes text, const char *name, const struct avow_schema *schema,
                    json_t **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *doc = NULL;

    AVOW_TRY(avow_yaml_load(text, name, schema, &doc, err));
    *out = json_incref(doc->value);
    return 0;
}
