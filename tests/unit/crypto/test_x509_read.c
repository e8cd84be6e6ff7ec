/* Our reader of certificates and CRLs against OpenSSL's: on every one in the vectors, whole, cut
 * and changed. Whatever ours accepts, OpenSSL accepts and reads alike. */
#include "crypto/x509_read.h"

#include <ftw.h>

#include "../test.h"
#include "crypto/certmake.h"
#include "crypto/x509.h"
#include "x509_reference.h"

#define DERS_MAX 600
#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define NOW 1700000000
#define REFUSED_MAX 1 /* an AK certificate from a vTPM, padded with zeros to 4096 bytes */

/* Every distinct certificate or CRL that was found. */
static struct {
    struct avow_bytes list[DERS_MAX];
    size_t n;
} found;

static void keep(struct avow_bytes der)
{
    uint8_t *own = NULL;

    for (size_t i = 0; i < found.n; i++)
        if (avow_bytes_equal(found.list[i], der))
            return;
    assert_true(found.n < DERS_MAX);
    own = malloc(der.len);
    assert_non_null(own);
    if (own) /* for the compiler */
        memcpy(own, der.data, der.len);
    found.list[found.n++] = AVOW_BYTES(own, der.len);
}

static void keep_pem(struct avow_bytes text)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(1u << 20);
    struct avow_bytes ders[16];
    size_t n = 0;

    if (avow_pem_to_der(text, &store, ders, 16, &n, NULL) == 0)
        for (size_t i = 0; i < n; i++)
            keep(ders[i]);
}

static int visit(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    avow_autofree uint8_t *data = NULL;
    size_t n = 0;

    (void)at;
    if (kind != FTW_F || st->st_size < 100 || st->st_size > AVOW_CRL_DER_MAX)
        return 0;
    data = test_read_file(path, &n);
    if (!data)
        fail_msg("%s", path);
    else if (data[0] == 0x30 &&
             (reference_is_cert(AVOW_BYTES(data, n)) || reference_is_crl(AVOW_BYTES(data, n))))
        keep(AVOW_BYTES(data, n));
    else if (memmem(data, n, PEM_BEGIN, sizeof PEM_BEGIN - 1))
        keep_pem(AVOW_BYTES(data, n));
    return 0;
}

/* 1: accepted as one of the two, and OpenSSL agrees; 0: refused. */
static int compare(struct avow_bytes der, const char *how, size_t at)
{
    struct avow_cert_fields cert;
    struct avow_crl_fields crl;
    const char *why = NULL;
    int n = 0;

    if (avow_cert_read(der, &cert, NULL) == 0) {
        why = reference_cert_differs(der, &cert);
        n = 1;
    } else if (avow_crl_read(der, &crl, NULL) == 0) {
        why = reference_crl_differs(der, &crl);
        n = 1;
    }
    if (why)
        fail_msg("\"%s\" (%s at %zu): OpenSSL: %s", n ? cert.subject_cn : "", how, at, why);
    return n;
}

static int find_all(void **state)
{
    (void)state;
    if (test_vectors())
        assert_int_equal(nftw(test_vectors(), visit, 16, FTW_PHYS), 0);
    return 0;
}

static int forget_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < found.n; i++)
        free((void *)(uintptr_t)found.list[i].data);
    return 0;
}

/* Genuine ones are all read; of OpenSSL's the few that are refused were made wrong on purpose. */
static void vectors_are_read_alike(void **state)
{
    size_t accepted = 0, refused = 0;

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < found.n; i++) {
        if (compare(found.list[i], "whole", 0))
            accepted++;
        else
            refused++;
    }
    print_message("%zu read alike, %zu refused\n", accepted, refused);
    assert_true(accepted >= 140);
    assert_true(refused <= REFUSED_MAX);
}

/* A bit or a byte changed, at every second place of some and at some places of all. */
static void changes_are_read_alike(void **state)
{
    static const uint8_t changes[] = { 0x01, 0x20, 0x80, 0xFF };
    size_t accepted = 0;

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < found.n; i++) {
        struct avow_bytes der = found.list[i];
        uint8_t *own = (uint8_t *)(uintptr_t)der.data;
        size_t step = i % 40 == 0 ? 2 : 101;

        if (der.len > 4096)
            step *= 16;
        for (size_t at = i % step; at < der.len; at += step) {
            uint8_t change = changes[(at + i) % sizeof changes];

            own[at] ^= change;
            accepted += (size_t)compare(der, "changed", at);
            own[at] ^= change;
        }
    }
    assert_true(accepted > 500); /* names, numbers, keys and signatures: any bytes do */
}

static void cut_ones_are_refused(void **state)
{
    struct avow_cert_fields cert;
    struct avow_crl_fields crl;

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < found.n; i++)
        for (size_t len = 0; len < found.list[i].len; len += 1 + len / 64) {
            struct avow_bytes cut = AVOW_BYTES(found.list[i].data, len);

            assert_true(avow_cert_read(cut, &cert, NULL) < 0);
            assert_true(avow_crl_read(cut, &crl, NULL) < 0);
        }
}

/* ---- made here ---- */

/* A CRL that revokes @serials. */
static void make_crl(const struct avow_bytes *serials, size_t n, struct avow_buf *crl)
{
    static const struct avow_name_part name = { "CN", "issuer" };
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    const struct avow_cert_spec spec = { .subject = &name,
                                         .n_subject = 1,
                                         .from = NOW,
                                         .until = NOW + 86400,
                                         .basic_constraints = true,
                                         .ca = true,
                                         .pathlen = -1,
                                         .key_usage = AVOW_KU_CRL_SIGN,
                                         .key_ids = true };

    assert_int_equal(avow_signer_new(AVOW_SIGNER_P256, &key, NULL), 0);
    assert_int_equal(avow_cert_make(&spec, key, AVOW_BYTES("", 0), key, &der, NULL), 0);
    struct avow_error err = { 0 };
    if (avow_crl_make(avow_buf_view(&der), key, NOW, NOW + 86400, serials, n, crl, &err) < 0)
        fail_msg("%s", err.text);
}

static void revoked_serials_are_found(void **state)
{
    static const struct avow_bytes serials[] = { AVOW_BYTES("\x01", 1), AVOW_BYTES("\x80\x01", 2),
                                                 AVOW_BYTES("\x7F\xFF\xFF", 3) };
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CRL_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf none = AVOW_BUF(AVOW_CRL_DER_MAX);
    struct avow_crl_fields crl;

    (void)state;
    make_crl(serials, 3, &der);
    assert_int_equal(compare(avow_buf_view(&der), "made", 0), 1);
    assert_int_equal(avow_crl_read(avow_buf_view(&der), &crl, NULL), 0);
    assert_string_equal(crl.issuer_cn, "issuer");
    assert_int_equal(crl.this_update, NOW);
    assert_int_equal(crl.next_update, NOW + 86400);
    assert_true(avow_crl_lists(&crl, serials[0]));
    assert_true(avow_crl_lists(&crl, AVOW_BYTES("\x00\x80\x01", 3))); /* as an INTEGER has it */
    assert_true(avow_crl_lists(&crl, serials[2]));
    assert_false(avow_crl_lists(&crl, AVOW_BYTES("\x02", 1)));
    assert_false(avow_crl_lists(&crl, AVOW_BYTES("\x7F\xFF", 2)));
    make_crl(NULL, 0, &none);
    assert_int_equal(avow_crl_read(avow_buf_view(&none), &crl, NULL), 0);
    assert_false(avow_crl_lists(&crl, serials[0]));
    for (size_t at = 0; at < der.len; at++) /* every place, every bit */
        for (unsigned bit = 0; bit < 8; bit++) {
            der.data[at] ^= (uint8_t)(1u << bit);
            (void)compare(avow_buf_view(&der), "changed", at);
            der.data[at] ^= (uint8_t)(1u << bit);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_read_alike),
        cmocka_unit_test(changes_are_read_alike),
        cmocka_unit_test(cut_ones_are_refused),
        cmocka_unit_test(revoked_serials_are_found),
    };

    return cmocka_run_group_tests(tests, find_all, forget_all);
}
