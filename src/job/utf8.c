#include "job/utf8.h"

/* Length of the sequence that @b begins: 0 if none does. RFC 3629: no C0, C1, F5..FF. */
static size_t sequence_len(uint8_t b)
{
    if (b < 0x80)
        return 1;
    if (b >= 0xc2 && b <= 0xdf)
        return 2;
    if (b >= 0xe0 && b <= 0xef)
        return 3;
    return b >= 0xf0 && b <= 0xf4 ? 4 : 0;
}

/* The second byte excludes overlong forms, surrogates and what lies above U+10FFFF. */
static bool second_ok(uint8_t first, uint8_t b)
{
    uint8_t lo = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t hi = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    return b >= lo && b <= hi;
}

/* How many bytes of @b belong to one well-formed sequence or the beginning of one. */
static size_t good_prefix(struct avow_bytes b, size_t len)
{
    size_t n = 1;

    while (n < len && n < b.len &&
           (n == 1 ? second_ok(b.data[0], b.data[1]) : (b.data[n] & 0xc0) == 0x80))
        n++;
    return n;
}

static int put_one(struct avow_bytes *in, struct avow_utf8 *u, struct avow_buf *out)
{
    size_t len = sequence_len(in->data[0]);
    size_t n = len ? good_prefix(*in, len) : 1;
    int rc = 0;

    if (len && n < len && n == in->len) {
        memcpy(u->cut, in->data, n); /* n is at most 3: len is at most 4 */
        u->n = (uint8_t)n;
    } else if (n != len || in->data[0] == 0) {
        rc = avow_buf_put_str(out, "\xef\xbf\xbd");
    } else {
        rc = avow_buf_put(out, in->data, n);
    }
    *in = avow_bytes_sub(*in, n, in->len - n);
    return rc;
}

int avow_utf8_put(struct avow_utf8 *u, struct avow_bytes in, struct avow_buf *out)
{
    /* Finish what the last chunk began. The beginning is well-formed, so put_one takes all of it,
     * and the new byte only if that goes on with it. */
    while (u->n && in.len) {
        uint8_t joined[4];
        struct avow_bytes j = AVOW_BYTES(joined, (size_t)u->n + 1);
        struct avow_bytes rest = j;

        memcpy(joined, u->cut, u->n);
        joined[u->n] = in.data[0];
        u->n = 0;
        AVOW_TRY(put_one(&rest, u, out));
        if (rest.len == 0)
            in = avow_bytes_sub(in, 1, in.len - 1); /* the new byte was used */
    }
    while (in.len) {
        size_t plain = 0;

        while (plain < in.len && in.data[plain] && in.data[plain] < 0x80)
            plain++;
        AVOW_TRY(avow_buf_put(out, in.data, plain));
        in = avow_bytes_sub(in, plain, in.len - plain);
        if (in.len)
            AVOW_TRY(put_one(&in, u, out));
    }
    return 0;
}
