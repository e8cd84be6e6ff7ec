/* PEM texts: the usual ones are read by ourselves, all others by OpenSSL; nobody sees which. */
#include "crypto/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "../test.h"
#include "crypto/certmake.h"

#define PATH_MAX_TEST 4096

static void pem_is_taken_apart(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(1u << 16);
    avow_auto(avow_buf_done) struct avow_buf small = AVOW_BUF(1000);
    avow_autofree uint8_t *pem = NULL;
    struct avow_bytes ders[3];
    char path[PATH_MAX_TEST];
    size_t len = 0, n = 9;

    (void)state;
    if (!test_vectors())
        skip();
    snprintf(path, sizeof path, "%s/amd-roots/kds_cert_chain_vcek_milan.pem", test_vectors());
    pem = test_read_file(path, &len);
    assert_non_null(pem);
    /* test_read_file put a NUL behind: tolerated, as some providers send one */
    assert_int_equal(avow_pem_to_der(AVOW_BYTES(pem, len + 1), &store, ders, 3, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_ptr_equal(ders[1].data, ders[0].data + ders[0].len);
    for (size_t i = 0; i < 2; i++) {
        avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;

        assert_int_equal(avow_cert_parse(ders[i], &c, NULL), 0);
        assert_string_equal(avow_cert_subject_cn(c), i ? "ARK-Milan" : "SEV-Milan");
    }
    assert_int_equal(avow_pem_to_der(AVOW_BYTES(pem, len), &store, ders, 1, &n, NULL),
                     -AVOW_E_LIMIT);
    assert_int_equal(avow_pem_to_der(AVOW_BYTES(pem, len), &small, ders, 3, &n, NULL),
                     -AVOW_E_LIMIT);
    assert_int_equal(avow_pem_to_der(AVOW_BYTES(pem, len - 30), &store, ders, 3, &n, NULL),
                     -AVOW_E_FORMAT);
    assert_int_equal(avow_pem_to_der(AVOW_BYTES(NULL, 0), &store, ders, 3, &n, NULL),
                     -AVOW_E_FORMAT);
    assert_int_equal(avow_pem_to_der(avow_bytes_str("no PEM"), &store, ders, 3, &n, NULL),
                     -AVOW_E_FORMAT);
}

/* What OpenSSL makes of @text: the DER of its certificates one after the other; the number of them,
 * or -1 where it refuses. */
static int reference(const char *text, size_t len, struct avow_buf *out)
{
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    int n = 0;

    assert_non_null(bio);
    for (;;) {
        char *name = NULL, *header = NULL;
        unsigned char *data = NULL;
        long size = 0;

        if (PEM_read_bio(bio, &name, &header, &data, &size) != 1) {
            if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
                n = -1;
            break;
        }
        if (strcmp(name, PEM_STRING_X509) == 0) {
            assert_int_equal(avow_buf_put(out, data, (size_t)size), 0);
            n++;
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }
    ERR_clear_error();
    BIO_free(bio);
    return n;
}

/* Every byte of a text of two blocks, the second with padding, changed, doubled or left out: ours
 * accepts what OpenSSL accepts, and takes the same out of it. */
static void changed_texts_are_read_alike(void **state)
{
    static const char with[] = "\n\r -=AB+/#\x80";
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);
    char changed[4096];
    size_t alike = 0;

    (void)state;
    assert_int_equal(avow_cert_to_pem(avow_bytes_str("a certificate, as far as PEM knows, of two "
                                                     "lines of text"),
                                      &text, NULL),
                     0);
    assert_int_equal(avow_cert_to_pem(avow_bytes_str("padded"), &text, NULL), 0);
    assert_int_equal(avow_cert_to_pem(avow_bytes_str("more."), &text, NULL), 0);
    assert_true(text.len < sizeof changed - 1);
    for (size_t at = 0; at < text.len; at++)
        for (size_t k = 0; k < 2 * sizeof with + 1; k++) { /* its NUL too */
            avow_auto(avow_buf_done) struct avow_buf ours = AVOW_BUF(4096);
            avow_auto(avow_buf_done) struct avow_buf theirs = AVOW_BUF(4096);
            struct avow_bytes ders[4];
            size_t n = 0, len = text.len;
            bool insert = k >= sizeof with;
            int count = 0, rc = 0;

            memcpy(changed, text.data, at);
            if (k == 2 * sizeof with) { /* left out */
                memcpy(changed + at, text.data + at + 1, text.len - at - 1);
                len--;
            } else {
                changed[at] = with[k % sizeof with];
                memcpy(changed + at + 1, text.data + at + !insert, text.len - at - !insert);
                len += insert;
            }
            rc = avow_pem_to_der(AVOW_BYTES(changed, len), &ours, ders, 4, &n, NULL);
            count = reference(changed, len, &theirs);
            if (rc == 0 ? count != (int)n ||
                              !avow_bytes_equal(avow_buf_view(&ours), avow_buf_view(&theirs))
                        : count > 0)
                fail_msg("place %zu, change %zu: %d and %zu, OpenSSL %d", at, k, rc, n, count);
            alike += rc == 0;
        }
    assert_true(alike > 100);
}

static void line_ends_do_not_matter(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);
    avow_auto(avow_buf_done) struct avow_buf crlf = AVOW_BUF(4096);
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(4096);
    struct avow_bytes in =
        avow_bytes_str("bytes that fill more than one line of sixty-four letters");
    struct avow_bytes ders[2];
    size_t n = 0;

    (void)state;
    assert_int_equal(avow_cert_to_pem(in, &text, NULL), 0);
    for (size_t i = 0; i < text.len; i++)
        assert_int_equal(text.data[i] == '\n' ? avow_buf_put(&crlf, "\r\n", 2)
                                              : avow_buf_put(&crlf, text.data + i, 1),
                         0);
    assert_int_equal(avow_pem_to_der(avow_buf_view(&crlf), &store, ders, 2, &n, NULL), 0);
    assert_int_equal(n, 1);
    assert_true(avow_bytes_equal(ders[0], in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pem_is_taken_apart),
        cmocka_unit_test(changed_texts_are_read_alike),
        cmocka_unit_test(line_ends_do_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
