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

/* What a character stands for, and one more; 0 for what is not in the alphabet. */
#define LETTERS_AND_DIGITS                                                                         \
    ['A'] = 1, ['B'] = 2, ['C'] = 3, ['D'] = 4, ['E'] = 5, ['F'] = 6, ['G'] = 7, ['H'] = 8,        \
    ['I'] = 9, ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, \
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23,            \
    ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30,            \
    ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37,            \
    ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,            \
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51,            \
    ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58,            \
    ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62
static const uint8_t std_sextets[256] = { LETTERS_AND_DIGITS, ['+'] = 63, ['/'] = 64 };
static const uint8_t url_sextets[256] = { LETTERS_AND_DIGITS, ['-'] = 63, ['_'] = 64 };

/* Four characters as 24 bits; false if one is not of the alphabet. */
static bool read_four(const uint8_t *p, const uint8_t sextets[256], uint32_t *out)
{
    uint32_t a = sextets[p[0]], b = sextets[p[1]], c = sextets[p[2]], d = sextets[p[3]];

    *out = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
    return a && b && c && d;
}

/* @text without padding. */
static int decode(struct avow_buf *out, struct avow_bytes text, const uint8_t sextets[256])
{
    uint8_t chunk[192]; /* so that the buffer is not asked for each byte */
    size_t n = 0;
    size_t whole = text.len - text.len % 4;
    uint32_t v = 0;

    if (text.len % 4 == 1)
        return -AVOW_E_FORMAT;
    for (size_t i = 0; i < whole; i += 4) {
        if (!read_four(text.data + i, sextets, &v))
            return -AVOW_E_FORMAT;
        chunk[n++] = (uint8_t)(v >> 16);
        chunk[n++] = (uint8_t)(v >> 8);
        chunk[n++] = (uint8_t)v;
        if (n == sizeof chunk) {
            AVOW_TRY(avow_buf_put(out, chunk, n));
            n = 0;
        }
    }
    if (whole < text.len) { /* 2 characters: 8 bits and 4 of zero; 3: 16 and 2 */
        uint8_t last[4] = { 'A', 'A', 'A', 'A' };

        memcpy(last, text.data + whole, text.len - whole);
        if (!read_four(last, sextets, &v) || v & (text.len - whole == 2 ? 0xFFFFu : 0xFFu))
            return -AVOW_E_FORMAT;
        chunk[n++] = (uint8_t)(v >> 16);
        if (text.len - whole == 3)
            chunk[n++] = (uint8_t)(v >> 8);
    }
    return avow_buf_put(out, chunk, n);
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
    return decode(out, unpad(text), std_sextets);
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
    return decode(out, bare, url_sextets);
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
        avow_buf_put_u8(out, (uint8_t)(*p == '%' ? hi << 4 | lo : *p));
        p += *p == '%' ? 2 : 0;
    }
    return avow_buf_ok(out, err);
}

bool avow_text_line(struct avow_bytes *rest, struct avow_bytes *line)
{
    const uint8_t *end = rest->len ? memchr(rest->data, '\n', rest->len) : NULL;
    size_t n = end ? (size_t)(end - rest->data) : rest->len;
    size_t taken = end ? n + 1 : n;

    if (!rest->len)
        return false;
    *line = avow_bytes_sub(*rest, 0, n);
    *rest = avow_bytes_sub(*rest, taken, rest->len - taken);
    return true;
}
