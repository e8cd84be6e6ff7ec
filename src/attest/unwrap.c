#include "attest/unwrap.h"

#include <strings.h>

#include "base/cleanup.h"
#include "codec/json.h"
#include "codec/text.h"

#define HEADERS_MAX (64u << 10) /* bytes of one decoded header */
#define PCR_LEN 32u

static const char http_mark[] = "HTTP/";
static const char chain_end[] = "Issuer-Chain";
static const char *const encoded_pem[] = { "-----BEGIN%20", "%2D%2D%2D%2D%2DBEGIN",
                                           "%2d%2d%2d%2d%2dBEGIN" };

struct avow_bytes avow_unwrap_bom(struct avow_bytes file)
{
    static const uint8_t bom[] = { 0xEF, 0xBB, 0xBF };

    return avow_bytes_equal(avow_bytes_sub(file, 0, sizeof bom), AVOW_BYTES_OF(bom))
               ? avow_bytes_sub(file, sizeof bom, file.len - sizeof bom)
               : file;
}

static bool is_one_of(uint8_t c, const char *set)
{
    return c && strchr(set, c);
}

struct avow_bytes avow_unwrap_trim(struct avow_bytes t)
{
    while (t.len && is_one_of(t.data[0], " \t\r\n"))
        t = AVOW_BYTES(t.data + 1, t.len - 1);
    while (t.len && (t.data[t.len - 1] == 0 || is_one_of(t.data[t.len - 1], " \t\r\n")))
        t.len--;
    return t;
}

/* ---- hex, base64, a JSON string ---- */

/* @text without the characters of @drop, if it has but these, digits, letters and those of @more,
 * and is long enough; else an empty buffer. */
static int flatten(struct avow_bytes text, const char *drop, const char *more, struct avow_buf *out,
                   struct avow_error *err)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];

        if (is_one_of(c, drop))
            continue;
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              is_one_of(c, more))) {
            avow_buf_done(out);
            return 0;
        }
        avow_buf_put_u8(out, c);
    }
    AVOW_TRY(avow_buf_ok(out, err));
    if (out->len < AVOW_UNWRAP_MIN)
        avow_buf_done(out);
    return 0;
}

/* A decoder's verdict: 1, or 0 with @out empty again. */
static int decoded(int rc, struct avow_buf *out, struct avow_error *err)
{
    if (rc == 0)
        return 1;
    if (rc != -AVOW_E_FORMAT) {
        AVOW_TRY(avow_buf_ok(out, err));
        return rc;
    }
    avow_buf_done(out);
    return 0;
}

static int unhex_text(struct avow_bytes text, struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf flat = AVOW_BUF(AVOW_JSON_MAX);
    const char *digits = NULL;

    AVOW_TRY(flatten(text, " \t\r\n:", "", &flat, err));
    if (!flat.len)
        return 0;
    digits = avow_buf_cstr(&flat);
    if (strncmp(digits, "0x", 2) == 0)
        digits += 2;
    return decoded(avow_unhex_put(out, digits), out, err);
}

static int unbase64_text(struct avow_bytes text, struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf flat = AVOW_BUF(AVOW_JSON_MAX);
    int rc = 0;

    AVOW_TRY(flatten(text, "\r\n", "+/=-_", &flat, err));
    if (!flat.len)
        return 0;
    rc = decoded(avow_unb64_put(out, avow_buf_view(&flat)), out, err);
    return rc != 0 ? rc : decoded(avow_unb64url_put(out, avow_buf_view(&flat)), out, err);
}

int avow_unwrap_text(struct avow_bytes text, struct avow_buf *out, struct avow_error *err)
{
    int rc = 0;

    if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"' &&
        !memchr(text.data, '\\', text.len) && !memchr(text.data + 1, '"', text.len - 2)) {
        avow_buf_put_bytes(out, avow_bytes_sub(text, 1, text.len - 2));
        AVOW_TRY(avow_buf_ok(out, err));
        return 1;
    }
    rc = unhex_text(text, out, err);
    return rc != 0 ? rc : unbase64_text(text, out, err);
}

/* ---- HTTP ---- */

/* The next line of @rest without its end; false if there is none. */
static bool next_line(struct avow_bytes *rest, struct avow_bytes *line)
{
    if (!avow_text_line(rest, line))
        return false;
    if (line->len && line->data[line->len - 1] == '\r')
        line->len--;
    return true;
}

static bool begins(struct avow_bytes b, const char *with)
{
    return avow_bytes_equal(avow_bytes_sub(b, 0, strlen(with)), avow_bytes_str(with));
}

/* "Name: value", the name being a token (RFC 9110, section 5.1). */
static bool split_header(struct avow_bytes line, struct avow_bytes *name, struct avow_bytes *value)
{
    const uint8_t *colon = line.len ? memchr(line.data, ':', line.len) : NULL;
    size_t n = colon ? (size_t)(colon - line.data) : 0;

    if (!n)
        return false;
    *name = avow_bytes_sub(line, 0, n);
    *value = avow_unwrap_trim(avow_bytes_sub(line, n + 1, line.len - n - 1));
    for (size_t i = 0; i < n; i++)
        if (name->data[i] <= ' ' || name->data[i] >= 0x7F ||
            strchr("\"(),/;<=>?@[\\]{}", name->data[i]))
            return false;
    return true;
}

static bool is_chain(struct avow_bytes name)
{
    size_t n = sizeof chain_end - 1;

    return name.len >= n && strncasecmp((const char *)name.data + name.len - n, chain_end, n) == 0;
}

static int give_encoded(struct avow_bytes value, avow_unwrap_fn each, void *ctx,
                        struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(HEADERS_MAX);
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(HEADERS_MAX);

    avow_buf_put_bytes(&text, value);
    AVOW_TRY(avow_buf_ok(&text, err));
    AVOW_TRY(avow_url_decode(avow_buf_cstr(&text), &pem, err));
    return each(ctx, avow_buf_view(&pem), err);
}

/* Whether @text begins with headers; @body is what follows the empty line. */
static bool has_headers(struct avow_bytes text, struct avow_bytes *body)
{
    struct avow_bytes rest = text, line = { 0 }, name = { 0 }, value = { 0 };
    bool chain = begins(text, http_mark);

    if (chain && !next_line(&rest, &line))
        return false;
    while (next_line(&rest, &line) && line.len) {
        if (!split_header(line, &name, &value))
            return false;
        chain = chain || is_chain(name);
    }
    *body = rest;
    return chain;
}

int avow_unwrap_http(struct avow_bytes text, avow_unwrap_fn each, void *ctx, struct avow_error *err)
{
    struct avow_bytes rest = text, line = { 0 }, name = { 0 }, value = { 0 }, body = { 0 };

    for (size_t i = 0; i < sizeof encoded_pem / sizeof encoded_pem[0]; i++)
        if (begins(text, encoded_pem[i])) {
            AVOW_TRY(give_encoded(text, each, ctx, err));
            return 1;
        }
    if (!has_headers(text, &body))
        return 0;
    while (next_line(&rest, &line) && line.len)
        if (split_header(line, &name, &value) && is_chain(name))
            AVOW_TRY(give_encoded(value, each, ctx, err));
    if (avow_unwrap_trim(body).len)
        AVOW_TRY(each(ctx, body, err));
    return 1;
}

/* ---- bincode ---- */

static bool take_counted(struct avow_rd *r, struct avow_bytes *out)
{
    uint64_t n = 0;

    return avow_rd_u64le(r, &n) == 0 && n <= r->rest.len && avow_rd_bytes(r, (size_t)n, out) == 0;
}

bool avow_unwrap_bincode(struct avow_bytes file, struct avow_unwrap_quote *out)
{
    const size_t n_pcrs = sizeof out->pcrs / sizeof out->pcrs[0];
    struct avow_rd r = avow_rd_init(file);
    uint64_t n = 0;

    if (!take_counted(&r, &out->signature) || !take_counted(&r, &out->message) ||
        avow_rd_u64le(&r, &n) < 0 || n != n_pcrs)
        return false;
    for (size_t i = 0; i < n_pcrs; i++)
        if (avow_rd_bytes(&r, PCR_LEN, &out->pcrs[i]) < 0)
            return false;
    return avow_rd_end(&r) == 0 && out->signature.len && out->message.len;
}
