#include "../test.h"

#include "crypto/certmake.h"

#define FROM 1700000000  /* 2023-11-14 */
#define UNTIL 2600000000 /* 2052: past the end of UTCTime */

static const struct avow_name_part root_name[] = { { "CN", "Test root" } };
static const struct avow_name_part leaf_name[] = { { "OU", "Engineering" }, { "CN", "Test leaf" } };

static const struct avow_cert_spec root_spec = {
    .subject = root_name,
    .n_subject = 1,
    .serial = { (const uint8_t *)"\x12\x34", 2 },
    .from = FROM,
    .until = UNTIL,
    .basic_constraints = true,
    .ca = true,
    .pathlen = 1,
    .key_usage = AVOW_KU_CERT_SIGN | AVOW_KU_CRL_SIGN,
    .key_ids = true,
    .crl_uri = "https://example.invalid/crl",
};

struct pair {
    struct avow_signer *key;
    struct avow_buf der;
    struct avow_cert *cert;
};

static void pair_done(struct pair *p)
{
    avow_signer_free(p->key);
    avow_buf_done(&p->der);
    avow_cert_free(p->cert);
}

static struct pair make(enum avow_signer_kind kind, const struct avow_cert_spec *spec,
                        const struct pair *issuer)
{
    struct pair p = { .der = AVOW_BUF(AVOW_CERT_DER_MAX) };
    struct avow_error err = { 0 };
    int rc = avow_signer_new(kind, &p.key, &err);

    if (rc == 0)
        rc = avow_cert_make(spec, p.key, issuer ? avow_buf_view(&issuer->der) : AVOW_BYTES(NULL, 0),
                            issuer ? issuer->key : p.key, &p.der, &err);
    if (rc == 0)
        rc = avow_cert_parse(avow_buf_view(&p.der), &p.cert, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    return p;
}

/* A chain made with @kind verifies, says what was asked for, and no other issuer fits. */
static void check_chain(enum avow_signer_kind kind)
{
    static const uint8_t value[] = { 0x02, 0x02, 0x00, 0xDB };
    const struct avow_cert_ext ext = { "1.3.6.1.4.1.3704.1.3.8", false, AVOW_BYTES_OF(value) };
    const struct avow_cert_spec leaf_spec = { .subject = leaf_name,
                                              .n_subject = 2,
                                              .from = FROM,
                                              .until = FROM + 100,
                                              .exts = &ext,
                                              .n_exts = 1 };
    struct pair root = make(kind, &root_spec, NULL);
    struct pair other = make(AVOW_SIGNER_P256, &root_spec, NULL);
    struct pair leaf = make(AVOW_SIGNER_P384, &leaf_spec, &root);
    struct avow_bytes got = { 0 };
    int64_t from = 0, until = 0;

    assert_int_equal(avow_cert_signed_by(root.cert, root.cert, NULL), 0);
    assert_int_equal(avow_cert_signed_by(leaf.cert, root.cert, NULL), 0);
    assert_int_equal(avow_cert_signed_by(leaf.cert, other.cert, NULL), -AVOW_E_SIGNATURE);
    assert_true(avow_cert_is_ca(root.cert));
    assert_false(avow_cert_is_ca(leaf.cert));
    assert_true(avow_cert_self_issued(root.cert));
    assert_string_equal(avow_cert_subject_cn(leaf.cert), "Test leaf");
    assert_string_equal(avow_cert_issuer_cn(leaf.cert), "Test root");
    avow_cert_validity(root.cert, &from, &until);
    assert_true(from == FROM && until == UNTIL);
    assert_int_equal(avow_cert_extension(leaf.cert, ext.oid, &got), 0);
    assert_true(avow_bytes_equal(got, ext.value));
    pair_done(&root);
    pair_done(&other);
    pair_done(&leaf);
}

static void test_chain_p256(void **state)
{
    (void)state;
    check_chain(AVOW_SIGNER_P256);
}

static void test_chain_p384(void **state)
{
    (void)state;
    check_chain(AVOW_SIGNER_P384);
}

static void test_chain_rsa(void **state)
{
    (void)state;
    check_chain(AVOW_SIGNER_RSA4096);
}

static void test_self_signed_needs_own_key(void **state)
{
    struct pair a = make(AVOW_SIGNER_P256, &root_spec, NULL);
    struct pair b = make(AVOW_SIGNER_P256, &root_spec, NULL);
    struct avow_buf out = AVOW_BUF(AVOW_CERT_DER_MAX);

    (void)state;
    assert_int_equal(avow_cert_make(&root_spec, a.key, AVOW_BYTES(NULL, 0), b.key, &out, NULL),
                     -AVOW_E_INVAL);
    assert_int_equal(avow_cert_make(&root_spec, a.key, avow_bytes_str("no DER"), b.key, &out, NULL),
                     -AVOW_E_FORMAT);
    pair_done(&a);
    pair_done(&b);
    avow_buf_done(&out);
}

static void test_crl(void **state)
{
    static const uint8_t mine[] = { 0x12, 0x34 }, others[] = { 0x77 };
    const struct avow_bytes lists[][1] = { { AVOW_BYTES_OF(mine) }, { AVOW_BYTES_OF(others) } };
    struct pair root = make(AVOW_SIGNER_P256, &root_spec, NULL);
    struct pair other = make(AVOW_SIGNER_P256, &root_spec, NULL);

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct avow_buf der = AVOW_BUF(AVOW_CRL_DER_MAX);
        struct avow_crl *crl = NULL;
        int64_t from = 0, until = 0;

        assert_int_equal(
            avow_crl_make(avow_buf_view(&root.der), root.key, FROM, UNTIL, lists[i], 1, &der, NULL),
            0);
        assert_int_equal(avow_crl_parse(avow_buf_view(&der), &crl, NULL), 0);
        assert_int_equal(avow_crl_signed_by(crl, root.cert, NULL), 0);
        assert_int_equal(avow_crl_signed_by(crl, other.cert, NULL), -AVOW_E_SIGNATURE);
        avow_crl_validity(crl, &from, &until);
        assert_true(from == FROM && until == UNTIL);
        assert_int_equal(avow_crl_revokes(crl, root.cert), i == 0);
        avow_crl_free(crl);
        avow_buf_done(&der);
    }
    pair_done(&root);
    pair_done(&other);
}

static void check_ecdsa(enum avow_signer_kind kind, enum avow_curve curve)
{
    struct avow_signer *key = NULL;
    struct avow_bytes msg = avow_bytes_str("a message");
    uint8_t xy[96], sig[96];
    size_t n = avow_curve_pair_len(curve);

    assert_int_equal(avow_signer_new(kind, &key, NULL), 0);
    assert_int_equal(avow_signer_xy(key, curve, xy, NULL), 0);
    assert_int_equal(avow_signer_ecdsa(key, curve, msg, sig, NULL), 0);
    assert_int_equal(avow_ecdsa_verify(curve, AVOW_BYTES(xy, n), msg, AVOW_BYTES(sig, n), NULL), 0);
    sig[n - 1] ^= 1;
    assert_int_equal(avow_ecdsa_verify(curve, AVOW_BYTES(xy, n), msg, AVOW_BYTES(sig, n), NULL),
                     -AVOW_E_SIGNATURE);
    curve = curve == AVOW_P256 ? AVOW_P384 : AVOW_P256;
    assert_int_equal(avow_signer_ecdsa(key, curve, msg, sig, NULL), -AVOW_E_INVAL);
    avow_signer_free(key);
}

static void test_ecdsa(void **state)
{
    (void)state;
    check_ecdsa(AVOW_SIGNER_P256, AVOW_P256);
    check_ecdsa(AVOW_SIGNER_P384, AVOW_P384);
}

static void test_key_pem(void **state)
{
    struct avow_signer *a = NULL, *b = NULL;
    struct avow_buf pem = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
    uint8_t xy[2][64];

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_P256, &a, NULL), 0);
    assert_int_equal(avow_signer_to_pem(a, &pem, NULL), 0);
    assert_int_equal(avow_signer_from_pem(avow_buf_view(&pem), &b, NULL), 0);
    assert_int_equal(avow_signer_xy(a, AVOW_P256, xy[0], NULL), 0);
    assert_int_equal(avow_signer_xy(b, AVOW_P256, xy[1], NULL), 0);
    assert_memory_equal(xy[0], xy[1], 64);
    avow_signer_free(b);
    assert_int_equal(avow_signer_from_pem(AVOW_BYTES(pem.data, pem.len / 2), &b, NULL),
                     -AVOW_E_FORMAT);
    avow_signer_free(a);
    avow_buf_done(&pem);
}

static void test_cert_pem(void **state)
{
    struct pair root = make(AVOW_SIGNER_P256, &root_spec, NULL);
    struct avow_buf pem = AVOW_BUF(AVOW_CERT_DER_MAX), store = AVOW_BUF(AVOW_CERT_DER_MAX);
    struct avow_bytes ders[4];
    size_t n = 0;

    (void)state;
    assert_int_equal(avow_cert_to_pem(avow_buf_view(&root.der), &pem, NULL), 0);
    assert_int_equal(avow_cert_to_pem(avow_buf_view(&root.der), &pem, NULL), 0);
    assert_int_equal(avow_pem_to_der(avow_buf_view(&pem), &store, ders, 4, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_true(avow_bytes_equal(ders[1], avow_buf_view(&root.der)));
    pair_done(&root);
    avow_buf_done(&pem);
    avow_buf_done(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_p256), cmocka_unit_test(test_chain_p384),
        cmocka_unit_test(test_chain_rsa),  cmocka_unit_test(test_self_signed_needs_own_key),
        cmocka_unit_test(test_crl),        cmocka_unit_test(test_ecdsa),
        cmocka_unit_test(test_key_pem),    cmocka_unit_test(test_cert_pem),
    };

    return cmocka_run_group_tests_name("crypto/certmake", tests, NULL, NULL);
}
