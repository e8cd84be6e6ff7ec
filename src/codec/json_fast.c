#include "codec/json_fast.h"

#include "codec/json.h"

#define KEY_MAX 64
#define DIGITS_MAX 18 /* so that no number overflows */

static json_t *read_value(struct avow_rd *r, int depth);

static void advance(struct avow_rd *r, size_t n)
{
    if (n) /* nothing of nothing may have no address */
        r->rest = AVOW_BYTES(r->rest.data + n, r->rest.len - n);
}

/* The next byte that is no white space; 0 at the end. */
static uint8_t peek(struct avow_rd *r)
{
    size_t i = 0;

    while (i < r->rest.len && (r->rest.data[i] == ' ' || r->rest.data[i] == '\t' ||
                               r->rest.data[i] == '\n' || r->rest.data[i] == '\r'))
        i++;
    advance(r, i);
    return r->rest.len ? r->rest.data[0] : 0;
}

static bool take(struct avow_rd *r, uint8_t c)
{
    if (peek(r) != c || c == 0)
        return false;
    advance(r, 1);
    return true;
}

/* The characters between the quotes; ASCII alone. @escapes: how many of them are two for one. */
static bool take_quoted(struct avow_rd *r, struct avow_bytes *out, size_t *escapes)
{
    const uint8_t *p = NULL;
    size_t n = 0;

    *escapes = 0;
    if (!take(r, '"'))
        return false;
    p = r->rest.data;
    for (n = 0; n < r->rest.len && p[n] != '"'; n++) {
        if (p[n] < ' ' || p[n] > '~')
            return false;
        if (p[n] != '\\')
            continue;
        (*escapes)++;
        if (++n == r->rest.len)
            return false;
    }
    if (n == r->rest.len)
        return false;
    *out = AVOW_BYTES(p, n);
    advance(r, n + 1);
    return true;
}

/* What a backslash and @c stand for; 0 if not a single character. */
static char unescaped(uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/':
        return (char)c;
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default: /* u, or none of JSON's */
        return 0;
    }
}

static json_t *unescape(struct avow_bytes in, size_t escapes)
{
    avow_autofree char *text = malloc(in.len - escapes + 1);
    size_t n = 0;

    if (!text)
        return NULL;
    for (size_t i = 0; i < in.len; i++) {
        char c = (char)in.data[i];

        if (c == '\\' && !(c = unescaped(in.data[++i])))
            return NULL;
        text[n++] = c;
    }
    return json_stringn_nocheck(text, n);
}

static json_t *read_string(struct avow_rd *r)
{
    struct avow_bytes in = { 0 };
    size_t escapes = 0;

    if (!take_quoted(r, &in, &escapes))
        return NULL;
    return escapes ? unescape(in, escapes) : json_stringn_nocheck((const char *)in.data, in.len);
}

static bool read_key(struct avow_rd *r, char key[KEY_MAX])
{
    struct avow_bytes in = { 0 };
    size_t escapes = 0;

    if (!take_quoted(r, &in, &escapes) || escapes || in.len >= KEY_MAX)
        return false;
    memcpy(key, in.data, in.len);
    key[in.len] = 0;
    return true;
}

static json_t *read_object(struct avow_rd *r, int depth)
{
    avow_autojson json_t *v = json_object();

    if (!v || !take(r, '{'))
        return NULL;
    while (!take(r, '}')) {
        avow_autojson json_t *member = NULL;
        char key[KEY_MAX];

        if ((json_object_size(v) && !take(r, ',')) || !read_key(r, key) ||
            json_object_get(v, key) || !take(r, ':') || !(member = read_value(r, depth + 1)) ||
            json_object_set_nocheck(v, key, member) < 0)
            return NULL;
    }
    return avow_steal(&v);
}

static json_t *read_array(struct avow_rd *r, int depth)
{
    avow_autojson json_t *v = json_array();

    if (!v || !take(r, '['))
        return NULL;
    while (!take(r, ']')) {
        avow_autojson json_t *item = NULL;

        if ((json_array_size(v) && !take(r, ',')) || !(item = read_value(r, depth + 1)) ||
            json_array_append(v, item) < 0)
            return NULL;
    }
    return avow_steal(&v);
}

/* Integers of few digits; not -0, nor a number with a fraction or an exponent. */
static json_t *read_number(struct avow_rd *r)
{
    const uint8_t *p = r->rest.data;
    bool minus = p[0] == '-';
    size_t n = minus;
    json_int_t v = 0;

    for (; n < r->rest.len && p[n] >= '0' && p[n] <= '9'; n++) {
        if (n - minus == DIGITS_MAX)
            return NULL;
        v = v * 10 + (p[n] - '0');
    }
    if (n == minus || (p[minus] == '0' && (minus || n > 1)))
        return NULL;
    if (n < r->rest.len && (p[n] == '.' || p[n] == 'e' || p[n] == 'E'))
        return NULL;
    advance(r, n);
    return json_integer(minus ? -v : v);
}

static bool take_word(struct avow_rd *r, const char *word)
{
    struct avow_bytes w = avow_bytes_str(word);

    if (!avow_bytes_equal(avow_bytes_sub(r->rest, 0, w.len), w))
        return false;
    advance(r, w.len);
    return true;
}

static json_t *read_value(struct avow_rd *r, int depth)
{
    uint8_t c = peek(r);

    if (depth > AVOW_JSON_FAST_DEPTH)
        return NULL;
    if (c == '"')
        return read_string(r);
    if (c == '{')
        return read_object(r, depth);
    if (c == '[')
        return read_array(r, depth);
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(r);
    if (take_word(r, "true"))
        return json_true();
    if (take_word(r, "false"))
        return json_false();
    return take_word(r, "null") ? json_null() : NULL;
}

json_t *avow_json_fast(struct avow_bytes text)
{
    struct avow_rd r = avow_rd_init(text);
    avow_autojson json_t *v = NULL;
    uint8_t c = peek(&r);

    if (c != '{' && c != '[')
        return NULL;
    v = read_value(&r, 0);
    if (!v || peek(&r) != 0 || r.rest.len)
        return NULL;
    return avow_steal(&v);
}
