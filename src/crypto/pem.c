#include "crypto/x509.h"

#include <limits.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#define BEGIN "-----BEGIN " PEM_STRING_X509 "-----"
#define END "-----END " PEM_STRING_X509 "-----"
#define LINE 64 /* characters of a full one: RFC 7468, 2 */

AVOW_DEFINE_CLEANUP(bio, BIO, BIO_free_all)

static int fail(struct avow_error *err, int code, const char *what)
{
    ERR_clear_error();
    return AVOW_FAIL_CODE(err, code, "%s", what);
}

/* ---- as it is usually written ---- */

static bool take_text(struct avow_bytes *t, const char *text)
{
    struct avow_bytes want = avow_bytes_str(text);

    if (!avow_bytes_equal(avow_bytes_sub(*t, 0, want.len), want))
        return false;
    *t = avow_bytes_sub(*t, want.len, t->len - want.len);
    return true;
}

static bool take_newline(struct avow_bytes *t)
{
    return take_text(t, "\n") || take_text(t, "\r\n");
}

static bool is_base64(uint8_t c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

/* A line of base64, not empty; padding, if it has any, at its end. */
static bool take_line(struct avow_bytes *t, struct avow_bytes *line, size_t *padding)
{
    size_t n = 0;
    size_t pad = 0;

    while (n < t->len && n < LINE && is_base64(t->data[n]))
        n++;
    while (n + pad < t->len && pad < 2 && t->data[n + pad] == '=')
        pad++;
    if (n == 0 || (n + pad) % 4 || n + pad > LINE)
        return false;
    *line = avow_bytes_sub(*t, 0, n + pad);
    *padding = pad;
    *t = avow_bytes_sub(*t, n + pad, t->len - n - pad);
    return take_newline(t);
}

/* One block, decoded at the end of @store: 1, or 0 if it is written in another way. */
static int read_block(struct avow_bytes *t, struct avow_buf *store, size_t *len)
{
    size_t padding = 0;
    size_t start = store->len;
    struct avow_bytes line = { .len = LINE };

    if (!take_text(t, BEGIN) || !take_newline(t))
        return 0;
    while (!take_text(t, END)) {
        uint8_t bytes[LINE / 4 * 3];
        int n = 0;

        if (line.len < LINE || padding || !take_line(t, &line, &padding)) /* one was the last */
            return 0;
        n = EVP_DecodeBlock(bytes, line.data, (int)line.len);
        if (n < (int)padding || avow_buf_put(store, bytes, (size_t)n - padding) < 0)
            return 0;
    }
    *len = store->len - start;
    return *len > 0 && (t->len == 0 || take_newline(t) || t->data[0] == 0);
}

/* Nothing but certificates in full lines, which is how nearly all are written. 0 if it is more or
 * other than that, or does not fit: then OpenSSL says what it is. */
static int read_usual(struct avow_bytes t, struct avow_buf *store, struct avow_bytes *ders,
                      size_t max, size_t *n)
{
    *n = 0;
    while (t.len && t.data[0] != 0) {
        size_t len = 0;

        if (take_newline(&t))
            continue;
        if (*n == max || !read_block(&t, store, &len))
            return 0;
        ders[(*n)++] = AVOW_BYTES(NULL, len); /* the store may still move */
    }
    return *n > 0 && avow_bytes_zero(t);
}

/* ---- as OpenSSL takes it ---- */

/* Take one PEM block off @bio: 1 = a certificate was put into @store, 2 = another kind, 0 = end. */
static int pem_next(BIO *bio, struct avow_buf *store, size_t *len, struct avow_error *err)
{
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long n = 0;
    int rc = 2;

    if (PEM_read_bio(bio, &name, &header, &data, &n) != 1) {
        if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
            ERR_clear_error();
            return 0;
        }
        return fail(err, AVOW_E_FORMAT, "PEM block cannot be decoded");
    }
    if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0) {
        rc = avow_buf_put(store, data, (size_t)n);
        rc = rc < 0 ? AVOW_FAIL_CODE(err, rc, "PEM certificates do not fit") : 1;
        *len = (size_t)n;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, (size_t)n);
    return rc;
}

static int read_any(struct avow_bytes pem, struct avow_buf *store, struct avow_bytes *ders,
                    size_t max, size_t *n, struct avow_error *err)
{
    avow_auto(avow_cleanup_bio) BIO *bio = NULL;
    size_t count = 0;
    int rc = 0;

    ERR_clear_error();
    bio = BIO_new_mem_buf(pem.data ? (const void *)pem.data : "", (int)pem.len);
    if (!bio)
        return fail(err, AVOW_E_NOMEM, "out of memory");
    for (;;) {
        size_t len = 0;

        AVOW_TRY(rc = pem_next(bio, store, &len, err));
        if (rc == 0)
            break;
        if (rc == 2)
            continue;
        if (count == max)
            return AVOW_FAIL(err, LIMIT, "more than %zu certificates in a PEM text", max);
        ders[count++] = AVOW_BYTES(NULL, len); /* the store may still move */
    }
    *n = count;
    return count ? 0 : AVOW_FAIL(err, FORMAT, "no certificate in the PEM text");
}

int avow_pem_to_der(struct avow_bytes pem, struct avow_buf *store, struct avow_bytes *ders,
                    size_t max, size_t *n, struct avow_error *err)
{
    size_t start = store->len;

    if (pem.len > INT_MAX)
        return AVOW_FAIL(err, LIMIT, "PEM text of %zu bytes", pem.len);
    if (!read_usual(pem, store, ders, max, n)) {
        *n = 0;
        store->len = start;
        store->failed = 0;
        AVOW_TRY(read_any(pem, store, ders, max, n, err));
    }
    for (size_t i = 0; i < *n; i++) {
        ders[i].data = store->data + start;
        start += ders[i].len;
    }
    return 0;
}
