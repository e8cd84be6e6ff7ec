#include "crypto/der.h"

#define SECONDS_OF_DAY 86400
#define YEAR_MIN 1950 /* the first that UTCTime can say in certificates: RFC 5280, 4.1.2.5.1 */

bool avow_der_at(const struct avow_rd *r, unsigned tag)
{
    return r->rest.len > 0 && r->rest.data[0] == tag;
}

/* The length after the tag: definite, in the fewest bytes. @header: bytes up to the contents. */
static bool read_length(struct avow_bytes b, size_t *header, size_t *len)
{
    size_t n = 0;
    size_t v = 0;

    if (b.len < 2)
        return false;
    if (b.data[1] < 0x80) {
        *header = 2;
        *len = b.data[1];
        return true;
    }
    n = b.data[1] & 0x7F;
    if (n == 0 || n > 3 || b.len < 2 + n || b.data[2] == 0) /* 16 MiB: more than any limit here */
        return false;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | b.data[2 + i];
    *header = 2 + n;
    *len = v;
    return v >= 0x80;
}

bool avow_der_take(struct avow_rd *r, unsigned tag, struct avow_bytes *contents,
                   struct avow_bytes *whole)
{
    size_t header = 0;
    size_t len = 0;

    if (!avow_der_at(r, tag) || !read_length(r->rest, &header, &len) || len > r->rest.len - header)
        return false;
    *contents = AVOW_BYTES(r->rest.data + header, len);
    if (whole)
        *whole = AVOW_BYTES(r->rest.data, header + len);
    r->rest = AVOW_BYTES(r->rest.data + header + len, r->rest.len - header - len);
    return true;
}

bool avow_der_enter(struct avow_rd *r, unsigned tag, struct avow_rd *inside)
{
    struct avow_bytes contents = { 0 };

    if (!avow_der_take(r, tag, &contents, NULL))
        return false;
    *inside = avow_rd_init(contents);
    return true;
}

bool avow_der_bool(struct avow_rd *r, bool *out)
{
    struct avow_bytes v = { 0 };

    if (!avow_der_take(r, AVOW_DER_BOOLEAN, &v, NULL) || v.len != 1 ||
        (v.data[0] != 0 && v.data[0] != 0xFF))
        return false;
    *out = v.data[0] != 0;
    return true;
}

bool avow_der_is_unsigned(struct avow_bytes v)
{
    return v.len > 0 && !(v.data[0] & 0x80) &&
           (v.len == 1 || v.data[0] != 0 || (v.data[1] & 0x80) != 0);
}

bool avow_der_unsigned(struct avow_rd *r, struct avow_bytes *out)
{
    return avow_der_take(r, AVOW_DER_INTEGER, out, NULL) && avow_der_is_unsigned(*out);
}

/* X.690, 8.19: numbers in base 128, each in the fewest bytes, the last one complete. */
bool avow_der_oid(struct avow_rd *r, struct avow_bytes *out)
{
    bool first = true;

    if (!avow_der_take(r, AVOW_DER_OID, out, NULL) || out->len == 0)
        return false;
    for (size_t i = 0; i < out->len; i++) {
        if (first && out->data[i] == 0x80)
            return false;
        first = !(out->data[i] & 0x80);
    }
    return first;
}

bool avow_der_octet_bits(struct avow_rd *r, struct avow_bytes *out)
{
    struct avow_bytes v = { 0 };

    if (!avow_der_take(r, AVOW_DER_BITS, &v, NULL) || v.len < 2 || v.data[0] != 0)
        return false;
    *out = AVOW_BYTES(v.data + 1, v.len - 1);
    return true;
}

/* ---- times ---- */

/* Two digits at @p; over 99 if they are none. */
static int two(const uint8_t *p)
{
    if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9')
        return 100;
    return (p[0] - '0') * 10 + (p[1] - '0');
}

static int days_of_month(int y, int m)
{
    static const int days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

    return m == 2 && leap ? 29 : days[m - 1];
}

/* Days from 1970-01-01 to the first of January of @y, y >= YEAR_MIN: a year's days, its leap days.
 */
static int64_t days_to_year(int y)
{
    int p = y - 1;

    return (int64_t)(y - 1970) * 365 + (p / 4 - 1969 / 4) - (p / 100 - 1969 / 100) +
           (p / 400 - 1969 / 400);
}

/* "MMDDHHMMSSZ" of the year @y. */
static bool read_within_year(const uint8_t *p, int y, int64_t *out)
{
    int mon = two(p), d = two(p + 2), h = two(p + 4), min = two(p + 6), s = two(p + 8);
    int64_t days = 0;

    if (y < YEAR_MIN || mon < 1 || mon > 12 || d < 1 || d > days_of_month(y, mon) || h > 23 ||
        min > 59 || s > 59 || p[10] != 'Z')
        return false;
    days = days_to_year(y);
    for (int m = 1; m < mon; m++)
        days += days_of_month(y, m);
    *out = (days + d - 1) * SECONDS_OF_DAY + h * 3600 + min * 60 + s;
    return true;
}

bool avow_der_time(struct avow_rd *r, int64_t *out)
{
    struct avow_bytes v = { 0 };
    int y = 0;

    if (avow_der_at(r, AVOW_DER_UTC_TIME)) {
        if (!avow_der_take(r, AVOW_DER_UTC_TIME, &v, NULL) || v.len != 13)
            return false;
        y = two(v.data);
        return y < 100 && read_within_year(v.data + 2, y < 50 ? 2000 + y : 1900 + y, out);
    }
    if (!avow_der_take(r, AVOW_DER_TIME, &v, NULL) || v.len != 15)
        return false;
    if (two(v.data) > 99 || two(v.data + 2) > 99)
        return false;
    return read_within_year(v.data + 4, two(v.data) * 100 + two(v.data + 2), out);
}

/* ---- texts ---- */

/* How many bytes the character at @i takes; 0 if it is none (RFC 3629, 4) or is NUL. */
static size_t utf8_char(struct avow_bytes b, size_t i)
{
    static const uint32_t least[] = { 0, 1, 0x80, 0x800, 0x10000 };
    uint8_t c = b.data[i];
    size_t n = c < 0x80 ? 1 : c >> 5 == 6 ? 2 : c >> 4 == 14 ? 3 : c >> 3 == 30 ? 4 : 0;
    uint32_t v = n == 1 ? c : c & (0x7Fu >> n);

    if (n == 0 || n > b.len - i)
        return 0;
    for (size_t k = 1; k < n; k++) {
        if (b.data[i + k] >> 6 != 2)
            return 0;
        v = v << 6 | (b.data[i + k] & 0x3F);
    }
    return v < least[n] || v > 0x10FFFF || (v >= 0xD800 && v <= 0xDFFF) ? 0 : n;
}

static bool is_utf8(struct avow_bytes b)
{
    size_t n = 0;

    for (size_t i = 0; i < b.len; i += n) {
        n = utf8_char(b, i);
        if (n == 0)
            return false;
    }
    return true;
}

static bool is_ascii(struct avow_bytes b)
{
    for (size_t i = 0; i < b.len; i++)
        if (b.data[i] < ' ' || b.data[i] > '~')
            return false;
    return true;
}

bool avow_der_text(struct avow_rd *r, struct avow_bytes *out)
{
    if (avow_der_at(r, AVOW_DER_UTF8))
        return avow_der_take(r, AVOW_DER_UTF8, out, NULL) && is_utf8(*out);
    if (avow_der_at(r, AVOW_DER_IA5))
        return avow_der_take(r, AVOW_DER_IA5, out, NULL) && is_ascii(*out);
    return avow_der_take(r, AVOW_DER_PRINTABLE, out, NULL) && is_ascii(*out);
}

/* ---- OIDs in dotted form ---- */

/* One decimal number and the dot after it, if there is one. */
static bool take_number(const char **at, uint32_t *out)
{
    const char *p = *at;
    uint32_t v = 0;

    if (*p < '0' || *p > '9' || (*p == '0' && p[1] >= '0' && p[1] <= '9'))
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (v > (UINT32_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint32_t)(*p - '0');
    }
    if (*p == '.' && !p[1])
        return false;
    *out = v;
    *at = *p == '.' ? p + 1 : p;
    return *p == '.' || !*p;
}

static size_t put_base128(uint32_t v, uint8_t *out, size_t room)
{
    size_t n = 1;

    for (uint32_t w = v >> 7; w; w >>= 7)
        n++;
    if (n > room)
        return 0;
    for (size_t i = n; i-- > 0; v >>= 7)
        out[i] = (uint8_t)((v & 0x7F) | (i + 1 < n ? 0x80 : 0));
    return n;
}

size_t avow_der_oid_from_text(const char *dotted, uint8_t out[AVOW_DER_OID_MAX])
{
    const char *p = dotted;
    uint32_t a = 0, b = 0;
    size_t len = 0;

    /* X.690, 8.19.4: the first two are one number */
    if (!take_number(&p, &a) || !*p || !take_number(&p, &b) || a > 2 || (a < 2 && b > 39) ||
        b > UINT32_MAX - 80)
        return 0;
    len = put_base128(a * 40 + b, out, AVOW_DER_OID_MAX);
    while (*p) {
        size_t n = 0;

        if (!take_number(&p, &a))
            return 0;
        n = put_base128(a, out + len, AVOW_DER_OID_MAX - len);
        if (n == 0)
            return 0;
        len += n;
    }
    return len;
}
