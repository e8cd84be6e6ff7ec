#include "collateral/document.h"

#include "codec/text.h"

#define SECONDS_OF_DAY 86400

/*
 * The scanner: finds where a value of the envelope begins and ends. It need not understand a value,
 * since the bytes that it delimits are read by the strict JSON reader afterwards: a wrong guess
 * cannot go unnoticed.
 */
static void skip_space(struct avow_rd *r)
{
    while (r->rest.len && (r->rest.data[0] == ' ' || r->rest.data[0] == '\t' ||
                           r->rest.data[0] == '\n' || r->rest.data[0] == '\r'))
        r->rest = AVOW_BYTES(r->rest.data + 1, r->rest.len - 1);
}

static bool take(struct avow_rd *r, char c)
{
    skip_space(r);
    if (!r->rest.len || r->rest.data[0] != (uint8_t)c)
        return false;
    r->rest = AVOW_BYTES(r->rest.data + 1, r->rest.len - 1);
    return true;
}

/* A string without escapes (none of the envelope's own strings needs any); @out is between the
 * quotes. */
static bool take_string(struct avow_rd *r, struct avow_bytes *out)
{
    size_t n = 0;

    if (!take(r, '"'))
        return false;
    while (n < r->rest.len && r->rest.data[n] != '"')
        if (r->rest.data[n] == '\\' || r->rest.data[n++] < 0x20)
            return false;
    return avow_rd_bytes(r, n, out) == 0 && take(r, '"');
}

/* The end of the string that begins at data[at]; len if it does not end. */
static size_t string_end(struct avow_bytes b, size_t at)
{
    for (size_t i = at + 1; i < b.len; i++) {
        if (b.data[i] == '\\')
            i++;
        else if (b.data[i] == '"')
            return i;
    }
    return b.len;
}

/* An object, from its brace to the one that closes it. */
static bool take_object(struct avow_rd *r, struct avow_bytes *out)
{
    size_t depth = 0;

    skip_space(r);
    if (!r->rest.len || r->rest.data[0] != '{')
        return false;
    for (size_t i = 0; i < r->rest.len; i++) {
        uint8_t c = r->rest.data[i];

        if (c == '"')
            i = string_end(r->rest, i);
        else if (c == '{' || c == '[')
            depth++;
        else if ((c == '}' || c == ']') && --depth == 0)
            return avow_rd_bytes(r, i + 1, out) == 0;
    }
    return false;
}

/* One member of the envelope; each of the two exactly once. */
static int take_member(struct avow_rd *r, const char *name, struct avow_bytes *body,
                       struct avow_bytes *signature, struct avow_error *err)
{
    struct avow_bytes key = { 0 };

    if (!take_string(r, &key) || !take(r, ':'))
        return AVOW_FAIL(err, FORMAT, "not an object of \"%s\" and \"signature\"", name);
    if (avow_bytes_equal(key, avow_bytes_str(name))) {
        if (body->data || !take_object(r, body))
            return AVOW_FAIL(err, FORMAT, "\"%s\" is not one object", name);
        return 0;
    }
    if (avow_bytes_equal(key, avow_bytes_str(AVOW_DOCUMENT_KEY_SIGNATURE))) {
        if (signature->data || !take_string(r, signature))
            return AVOW_FAIL(err, FORMAT, "\"signature\" is not one string");
        return 0;
    }
    return AVOW_FAIL(err, FORMAT, "unknown key beside \"%s\" and \"signature\"", name);
}

static int unhex_signature(struct avow_bytes text, uint8_t out[AVOW_DOCUMENT_SIGNATURE_LEN],
                           struct avow_error *err)
{
    char hex[2 * AVOW_DOCUMENT_SIGNATURE_LEN + 1] = { 0 };

    if (text.len != sizeof hex - 1)
        return AVOW_FAIL(err, FORMAT, "\"signature\" has %zu characters, not %zu", text.len,
                         sizeof hex - 1);
    memcpy(hex, text.data, text.len);
    if (avow_unhex(hex, out, AVOW_DOCUMENT_SIGNATURE_LEN) < 0)
        return AVOW_FAIL(err, FORMAT, "\"signature\" is not hex");
    return 0;
}

int avow_document_parse(struct avow_bytes text, const char *name, struct avow_document *out,
                        struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(text);
    struct avow_bytes body = { 0 };
    struct avow_bytes signature = { 0 };
    struct avow_document d = { 0 };

    if (text.len > AVOW_DOCUMENT_MAX)
        return AVOW_FAIL(err, LIMIT, "document of %zu bytes (at most %u)", text.len,
                         AVOW_DOCUMENT_MAX);
    if (!take(&r, '{'))
        return AVOW_FAIL(err, FORMAT, "not a JSON object");
    AVOW_TRY(take_member(&r, name, &body, &signature, err));
    if (!take(&r, ','))
        return AVOW_FAIL(err, FORMAT, "\"%s\" or \"signature\" is missing", name);
    AVOW_TRY(take_member(&r, name, &body, &signature, err));
    if (!take(&r, '}'))
        return AVOW_FAIL(err, FORMAT, "more than \"%s\" and \"signature\"", name);
    skip_space(&r);
    if (r.rest.len)
        return AVOW_FAIL(err, FORMAT, "%zu bytes after the document", r.rest.len);
    AVOW_TRY(unhex_signature(signature, d.signature, err));
    d.signed_bytes = body;
    AVOW_TRY(avow_json_parse(body, &d.body, err));
    *out = d;
    return 0;
}

void avow_document_done(struct avow_document *d)
{
    json_decref(d->body);
    d->body = NULL;
}

/* @n decimal digits at @s. */
static bool digits(const char *s, size_t n, int *out)
{
    int v = 0;

    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return false;
        v = v * 10 + (s[i] - '0');
    }
    *out = v;
    return true;
}

static bool leap(int y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static int days_of_month(int y, int m)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return m == 2 && leap(y) ? 29 : days[m - 1];
}

/* Days from 1970-01-01 to the first of January of @y, y >= 1970. */
static int64_t days_to_year(int y)
{
    int p = y - 1;

    return (int64_t)(y - 1970) * 365 + (p / 4 - 1969 / 4) - (p / 100 - 1969 / 100) +
           (p / 400 - 1969 / 400);
}

int avow_document_date(const char *text, int64_t *out, struct avow_error *err)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:ddZ";
    int y = 0, mon = 0, d = 0, h = 0, min = 0, s = 0;
    int64_t days = 0;
    bool ok = strlen(text) == sizeof shape - 1;

    for (size_t i = 0; ok && shape[i]; i++)
        ok = shape[i] == 'd' || shape[i] == text[i];
    ok = ok && digits(text, 4, &y) && digits(text + 5, 2, &mon) && digits(text + 8, 2, &d) &&
         digits(text + 11, 2, &h) && digits(text + 14, 2, &min) && digits(text + 17, 2, &s);
    if (!ok || y < 1970 || mon < 1 || mon > 12 || d < 1 || d > days_of_month(y, mon) || h > 23 ||
        min > 59 || s > 59)
        return AVOW_FAIL(err, FORMAT, "\"%.32s\" is not a date like 2026-03-16T22:34:05Z", text);
    days = days_to_year(y) + d - 1;
    for (int m = 1; m < mon; m++)
        days += days_of_month(y, m);
    *out = days * SECONDS_OF_DAY + h * 3600 + min * 60 + s;
    return 0;
}

int avow_document_dates(const json_t *body, int64_t *issue_date, int64_t *next_update,
                        struct avow_error *err)
{
    const char *from = NULL;
    const char *until = NULL;

    AVOW_TRY(avow_json_get_str(body, "issueDate", &from, err));
    AVOW_TRY(avow_json_get_str(body, "nextUpdate", &until, err));
    AVOW_TRY(avow_document_date(from, issue_date, err));
    AVOW_TRY(avow_document_date(until, next_update, err));
    if (*issue_date > *next_update)
        return AVOW_FAIL(err, FORMAT, "issueDate %s is after nextUpdate %s", from, until);
    return 0;
}
