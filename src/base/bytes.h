/*
 * Bytes: borrowed views (avow_bytes), a reader that only shrinks (avow_rd), and an owned growable
 * buffer with a hard maximum (avow_buf). Endianness is in every name. Any thread.
 */
#ifndef AVOW_BASE_BYTES_H
#define AVOW_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"

/* A borrowed view; valid as long as the bytes it points to. */
struct avow_bytes {
    const uint8_t *data;
    size_t len; /* bytes */
};

#define AVOW_BYTES(ptr, n) ((struct avow_bytes){ .data = (const uint8_t *)(ptr), .len = (n) })
#define AVOW_BYTES_OF(array) AVOW_BYTES((array), sizeof(array))

static inline struct avow_bytes avow_bytes_str(const char *s)
{
    return AVOW_BYTES(s, s ? strlen(s) : 0);
}

/* For public data only; secrets are compared with avow_ct_equal (base/secret.h). */
static inline bool avow_bytes_equal(struct avow_bytes a, struct avow_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool avow_bytes_zero(struct avow_bytes a)
{
    for (size_t i = 0; i < a.len; i++)
        if (a.data[i])
            return false;
    return true;
}

/* [off, off+n) of @a; an empty view with NULL data if that is not inside @a. */
static inline struct avow_bytes avow_bytes_sub(struct avow_bytes a, size_t off, size_t n)
{
    if (off > a.len || n > a.len - off)
        return AVOW_BYTES(NULL, 0);
    return AVOW_BYTES(off ? a.data + off : a.data, n); /* of nothing, whose address may be NULL */
}

/* The little-endian number at @off of @a; UINT32_MAX if that is not inside @a. */
uint32_t avow_bytes_u32le(struct avow_bytes a, size_t off);

/* A reader. A failed read consumes nothing and returns -AVOW_E_TRUNCATED. */
struct avow_rd {
    struct avow_bytes rest;
};

static inline struct avow_rd avow_rd_init(struct avow_bytes b)
{
    return (struct avow_rd){ .rest = b };
}

AVOW_MUST_USE int avow_rd_bytes(struct avow_rd *r, size_t n, struct avow_bytes *out);
AVOW_MUST_USE int avow_rd_copy(struct avow_rd *r, void *dst, size_t n);
AVOW_MUST_USE int avow_rd_skip(struct avow_rd *r, size_t n);
AVOW_MUST_USE int avow_rd_u8(struct avow_rd *r, uint8_t *out);
AVOW_MUST_USE int avow_rd_u16le(struct avow_rd *r, uint16_t *out);
AVOW_MUST_USE int avow_rd_u32le(struct avow_rd *r, uint32_t *out);
AVOW_MUST_USE int avow_rd_u64le(struct avow_rd *r, uint64_t *out);
AVOW_MUST_USE int avow_rd_u16be(struct avow_rd *r, uint16_t *out);
AVOW_MUST_USE int avow_rd_u32be(struct avow_rd *r, uint32_t *out);
AVOW_MUST_USE int avow_rd_u64be(struct avow_rd *r, uint64_t *out);
/* 0 when everything was read, else -AVOW_E_TRAILING. */
AVOW_MUST_USE int avow_rd_end(const struct avow_rd *r);

/*
 * An owned, growable buffer. @max is a hard maximum given at the start: a growth beyond it fails
 * with -AVOW_E_LIMIT and leaves the contents as they were. The contents are always followed by a
 * NUL byte that is not counted. A failure is sticky (->failed), so a chain of puts may be checked
 * once at its end with avow_buf_ok().
 */
struct avow_buf {
    uint8_t *data;
    size_t len;
    size_t cap;
    size_t max;
    int failed; /* 0, or the first negative code */
};

#define AVOW_BUF(maximum) ((struct avow_buf){ .max = (maximum) })

void avow_buf_done(struct avow_buf *b);  /* frees; wipes first; the buffer may be used again */
void avow_buf_reset(struct avow_buf *b); /* length 0, keeps the memory */
int avow_buf_put(struct avow_buf *b, const void *data, size_t n);
int avow_buf_put_bytes(struct avow_buf *b, struct avow_bytes v);
int avow_buf_put_str(struct avow_buf *b, const char *s);
int avow_buf_putf(struct avow_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int avow_buf_put_zero(struct avow_buf *b, size_t n);
int avow_buf_put_u8(struct avow_buf *b, uint8_t v);
int avow_buf_put_u16le(struct avow_buf *b, uint16_t v);
int avow_buf_put_u32le(struct avow_buf *b, uint32_t v);
int avow_buf_put_u64le(struct avow_buf *b, uint64_t v);
int avow_buf_put_u16be(struct avow_buf *b, uint16_t v);
int avow_buf_put_u32be(struct avow_buf *b, uint32_t v);
int avow_buf_put_u64be(struct avow_buf *b, uint64_t v);
/* 0, or the first failure of any put, recorded in @err. */
AVOW_MUST_USE int avow_buf_ok(const struct avow_buf *b, struct avow_error *err);
/* The contents as a view (valid until the next put). */
static inline struct avow_bytes avow_buf_view(const struct avow_buf *b)
{
    return AVOW_BYTES(b->data, b->len);
}
/* The contents as a NUL-terminated string ("" when empty); borrowed. */
static inline const char *avow_buf_cstr(const struct avow_buf *b)
{
    return b->data ? (const char *)b->data : "";
}
/* Hand the memory over (free() it); the buffer is empty afterwards. NULL if nothing was put. */
uint8_t *avow_buf_steal(struct avow_buf *b, size_t *len);

#endif
