#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"

uint32_t avow_bytes_u32le(struct avow_bytes a, size_t off)
{
    struct avow_rd r = avow_rd_init(avow_bytes_sub(a, off, 4));
    uint32_t v = 0;

    return avow_rd_u32le(&r, &v) < 0 ? UINT32_MAX : v;
}

int avow_rd_bytes(struct avow_rd *r, size_t n, struct avow_bytes *out)
{
    if (r->rest.len < n)
        return -AVOW_E_TRUNCATED;
    *out = AVOW_BYTES(r->rest.data, n);
    if (n) {
        r->rest.data += n;
        r->rest.len -= n;
    }
    return 0;
}

int avow_rd_copy(struct avow_rd *r, void *dst, size_t n)
{
    struct avow_bytes v = { 0 };

    AVOW_TRY(avow_rd_bytes(r, n, &v));
    if (n)
        memcpy(dst, v.data, n);
    return 0;
}

int avow_rd_skip(struct avow_rd *r, size_t n)
{
    struct avow_bytes v = { 0 };

    return avow_rd_bytes(r, n, &v);
}

static int rd_le(struct avow_rd *r, size_t n, uint64_t *out)
{
    struct avow_bytes v = { 0 };
    uint64_t x = 0;

    AVOW_TRY(avow_rd_bytes(r, n, &v));
    for (size_t i = n; i-- > 0;)
        x = x << 8 | v.data[i];
    *out = x;
    return 0;
}

static int rd_be(struct avow_rd *r, size_t n, uint64_t *out)
{
    struct avow_bytes v = { 0 };
    uint64_t x = 0;

    AVOW_TRY(avow_rd_bytes(r, n, &v));
    for (size_t i = 0; i < n; i++)
        x = x << 8 | v.data[i];
    *out = x;
    return 0;
}

#define RD(name, type, order, n)                     \
    int avow_rd_##name(struct avow_rd *r, type *out) \
    {                                                \
        uint64_t x = 0;                              \
                                                     \
        AVOW_TRY(rd_##order(r, n, &x));              \
        *out = (type)x;                              \
        return 0;                                    \
    }
RD(u8, uint8_t, le, 1)
RD(u16le, uint16_t, le, 2)
RD(u32le, uint32_t, le, 4)
RD(u64le, uint64_t, le, 8)
RD(u16be, uint16_t, be, 2)
RD(u32be, uint32_t, be, 4)
RD(u64be, uint64_t, be, 8)
#undef RD

int avow_rd_end(const struct avow_rd *r)
{
    return r->rest.len ? -AVOW_E_TRAILING : 0;
}

void avow_buf_done(struct avow_buf *b)
{
    if (b->data) {
        avow_wipe(b->data, b->cap);
        free(b->data);
    }
    b->data = NULL;
    b->len = b->cap = 0;
    b->failed = 0;
}

void avow_buf_reset(struct avow_buf *b)
{
    b->len = 0;
    b->failed = 0;
    if (b->data)
        b->data[0] = 0;
}

/* Not realloc: old contents must be wiped, a buffer may hold secrets. */
static int buf_grow(struct avow_buf *b, size_t more)
{
    size_t cap = b->cap ? b->cap : 64;
    uint8_t *p = NULL;

    if (b->failed)
        return b->failed;
    if (more > b->max || b->len > b->max - more)
        return b->failed = -AVOW_E_LIMIT;
    if (b->cap > b->len + more)
        return 0;
    while (cap <= b->len + more)
        cap = cap > SIZE_MAX / 2 ? b->len + more + 1 : cap * 2;
    p = malloc(cap);
    if (!p)
        return b->failed = -AVOW_E_NOMEM;
    if (b->data) {
        memcpy(p, b->data, b->len);
        avow_wipe(b->data, b->cap);
        free(b->data);
    }
    b->data = p;
    b->cap = cap;
    b->data[b->len] = 0;
    return 0;
}

int avow_buf_put(struct avow_buf *b, const void *data, size_t n)
{
    AVOW_TRY(buf_grow(b, n));
    if (n)
        memcpy(b->data + b->len, data, n);
    b->len += n;
    b->data[b->len] = 0;
    return 0;
}

int avow_buf_put_bytes(struct avow_buf *b, struct avow_bytes v)
{
    return avow_buf_put(b, v.data, v.len);
}

int avow_buf_put_str(struct avow_buf *b, const char *s)
{
    return avow_buf_put(b, s, strlen(s));
}

int avow_buf_put_zero(struct avow_buf *b, size_t n)
{
    AVOW_TRY(buf_grow(b, n));
    memset(b->data + b->len, 0, n + 1);
    b->len += n;
    return 0;
}

int avow_buf_putf(struct avow_buf *b, const char *fmt, ...)
{
    va_list ap;
    int n = 0;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return b->failed = -AVOW_E_FORMAT;
    AVOW_TRY(buf_grow(b, (size_t)n));
    va_start(ap, fmt);
    n = vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    if (n > 0)
        b->len += (size_t)n;
    return 0;
}

static int put_le(struct avow_buf *b, size_t n, uint64_t v)
{
    uint8_t x[8];

    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)(v >> (8 * i));
    return avow_buf_put(b, x, n);
}

static int put_be(struct avow_buf *b, size_t n, uint64_t v)
{
    uint8_t x[8];

    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    return avow_buf_put(b, x, n);
}

#define PUT(name, type, order, n)                       \
    int avow_buf_put_##name(struct avow_buf *b, type v) \
    {                                                   \
        return put_##order(b, n, v);                    \
    }
PUT(u8, uint8_t, le, 1)
PUT(u16le, uint16_t, le, 2)
PUT(u32le, uint32_t, le, 4)
PUT(u64le, uint64_t, le, 8)
PUT(u16be, uint16_t, be, 2)
PUT(u32be, uint32_t, be, 4)
PUT(u64be, uint64_t, be, 8)
#undef PUT

int avow_buf_ok(const struct avow_buf *b, struct avow_error *err)
{
    if (!b->failed)
        return 0;
    return AVOW_FAIL_CODE(err, b->failed, "%s (buffer of at most %zu bytes)",
                          avow_err_text(b->failed), b->max);
}

uint8_t *avow_buf_steal(struct avow_buf *b, size_t *len)
{
    uint8_t *p = b->data;

    if (len)
        *len = b->len;
    b->data = NULL;
    b->len = b->cap = 0;
    b->failed = 0;
    return p;
}
