#include "codec/text.h"

static const char digits[] = "0123456789abcdef";

void avow_hex(struct avow_bytes in, char *out)
{
    for (size_t i = 0; i < in.len; i++) {
        out[2 * i] = digits[in.data[i] >> 4];
        out[2 * i + 1] = digits[in.data[i] & 15];
    }
    out[2 * in.len] = 0;
}

int avow_hex_put(struct avow_buf *out, struct avow_bytes in)
{
    for (size_t i = 0; i < in.len; i++) {
        const char two[2] = { digits[in.data[i] >> 4], digits[in.data[i] & 15] };

        AVOW_TRY(avow_buf_put(out, two, 2));
    }
    return 0;
}

int avow_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int avow_unhex(const char *text, void *out, size_t n)
{
    uint8_t *p = out;

    if (!text || strlen(text) != 2 * n)
        return -AVOW_E_FORMAT;
    for (size_t i = 0; i < n; i++) {
        int hi = avow_hex_digit(text[2 * i]);
        int lo = avow_hex_digit(text[2 * i + 1]);

        if (hi < 0 || lo < 0)
            return -AVOW_E_FORMAT;
        p[i] = (uint8_t)(hi << 4 | lo);
    }
    return 0;
}

int avow_unhex_put(struct avow_buf *out, const char *text)
{
    size_t len = strlen(text);

    if (len % 2)
        return -AVOW_E_FORMAT;
    for (size_t i = 0; i < len; i += 2) {
        int hi = avow_hex_digit(text[i]);
        int lo = avow_hex_digit(text[i + 1]);

        if (hi < 0 || lo < 0)
            return -AVOW_E_FORMAT;
        AVOW_TRY(avow_buf_put_u8(out, (uint8_t)(hi << 4 | lo)));
    }
    return 0;
}

static const char std_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int encode(struct avow_buf *out, struct avow_bytes in, const char *alphabet, bool pad)
{
    for (size_t i = 0; i < in.len; i += 3) {
        size_t n = in.len - i < 3 ? in.len - i : 3;
        uint32_t v = (uint32_t)in.data[i] << 16;
        char four[4] = { 0 };

        if (n > 1)
            v |= (uint32_t)in.data[i + 1] << 8;
        if (n > 2)
            v |= in.data[i + 2];
        for (size_t k = 0; k < 4; k++)
            four[k] = k <= n ? alphabet[v >> (18 - 6 * k) & 63] : '=';
        AVOW_TRY(avow_buf_put(out, four, pad ? 4 : n + 1));
    }
    return 0;
}

static int sextet(uint8_t c, const char *alphabet)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (uint8_t)alphabet[62])
        return 62;
    if (c == (uint8_t)alphabet[63])
        return 63;
    return -1;
}

/* @text without padding. */
static int decode(struct avow_buf *out, struct avow_bytes text, const char *alphabet)
{
    uint8_t chunk[96]; /* so that the buffer is not asked for each byte */
    size_t n = 0;
    uint32_t v = 0;
    unsigned bits = 0;

    if (text.len % 4 == 1)
        return -AVOW_E_FORMAT;
    for (size_t i = 0; i < text.len; i++) {
        int s = sextet(text.data[i], alphabet);

        if (s < 0)
            return -AVOW_E_FORMAT;
        v = v << 6 | (uint32_t)s;
        bits += 6;
        if (bits < 8)
            continue;
        bits -= 8;
        chunk[n++] = (uint8_t)(v >> bits);
        v &= (1u << bits) - 1;
        if (n == sizeof chunk) {
            AVOW_TRY(avow_buf_put(out, chunk, n));
            n = 0;
        }
    }
    return v ? -AVOW_E_FORMAT : avow_buf_put(out, chunk, n);
}

static struct avow_bytes unpad(struct avow_bytes text)
{
    for (int i = 0; i < 2 && text.len && text.data[text.len - 1] == '='; i++)
        text.len--;
    return text;
}

int avow_b64_put(struct avow_buf *out, struct avow_bytes in)
{
    return encode(out, in, std_alphabet, true);
}

int avow_unb64_put(struct avow_buf *out, struct avow_bytes text)
{
    if (text.len % 4)
        return -AVOW_E_FORMAT;
    return decode(out, unpad(text), std_alphabet);
}

int avow_b64url_put(struct avow_buf *out, struct avow_bytes in)
{
    return encode(out, in, url_alphabet, false);
}

int avow_unb64url_put(struct avow_buf *out, struct avow_bytes text)
{
    struct avow_bytes bare = unpad(text);

    if (bare.len != text.len && text.len % 4)
        return -AVOW_E_FORMAT;
    return decode(out, bare, url_alphabet);
}

void avow_printable(char *text)
{
    for (char *p = text; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
}

int avow_url_decode(const char *text, struct avow_buf *out, struct avow_error *err)
{
    for (const char *p = text; *p; p++) {
        int hi = *p == '%' ? avow_hex_digit(p[1]) : 0;
        int lo = *p == '%' && hi >= 0 ? avow_hex_digit(p[2]) : 0;

        if (hi < 0 || lo < 0)
            return AVOW_FAIL(err, FORMAT, "%% without two hex digits at byte %zu",
                             (size_t)(p - text));
        avow_buf_put_u8(out, *p == '%' ? (uint8_t)(hi << 4 | lo) : (uint8_t)*p);
        p += *p == '%' ? 2 : 0;
    }
    return avow_buf_ok(out, err);
}
