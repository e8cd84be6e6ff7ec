#include "crypto/key.h"

#include "../test.h"
#include "crypto/certmake.h"

AVOW_DEFINE_CLEANUP(pkey, EVP_PKEY, EVP_PKEY_free)

#define NOW 1700000000

static void ec_keys_are_points(void **state)
{
    static const struct {
        enum avow_curve curve;
        enum avow_signer_kind kind;
        size_t half;
    } rows[] = { { AVOW_P256, AVOW_SIGNER_P256, 32 }, { AVOW_P384, AVOW_SIGNER_P384, 48 } };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        avow_auto(avow_cleanup_signer) struct avow_signer *signer = NULL;
        avow_auto(avow_cleanup_pkey) EVP_PKEY *key = NULL;
        EVP_PKEY *none = NULL;
        uint8_t point[97] = { 4 };
        struct avow_bytes p = AVOW_BYTES(point, 1 + 2 * rows[i].half);

        assert_int_equal(avow_signer_new(rows[i].kind, &signer, NULL), 0);
        assert_int_equal(avow_signer_xy(signer, rows[i].curve, point + 1, NULL), 0);
        assert_int_equal(avow_ec_key_new(rows[i].curve, p, &key, NULL), 0);
        assert_int_equal(EVP_PKEY_get_bits(key), 8 * (int)rows[i].half);
        assert_int_equal(avow_ec_key_new(rows[1 - i].curve, p, &none, NULL), -AVOW_E_FORMAT);
        point[p.len - 1] ^= 1;
        assert_int_equal(avow_ec_key_new(rows[i].curve, p, &none, NULL), -AVOW_E_FORMAT);
        assert_int_equal(avow_ec_key_new(rows[i].curve, AVOW_BYTES("\0", 1), &none, NULL),
                         -AVOW_E_FORMAT); /* infinity */
        assert_null(none);
    }
}

static void rsa_keys_have_their_size(void **state)
{
    uint8_t n[513];
    const uint8_t e[] = { 1, 0, 1 }, three[] = { 3 };
    EVP_PKEY *key = NULL;

    (void)state;
    memset(n, 0xFF, sizeof n);
    assert_int_equal(avow_rsa_key_new(AVOW_BYTES(n, 512), AVOW_BYTES_OF(e), &key, NULL), 0);
    assert_int_equal(EVP_PKEY_get_bits(key), 4096);
    EVP_PKEY_free(key);
    assert_int_equal(avow_rsa_key_new(AVOW_BYTES(n, 513), AVOW_BYTES_OF(e), &key, NULL),
                     -AVOW_E_FORMAT);
    assert_int_equal(avow_rsa_key_new(AVOW_BYTES(n, 255), AVOW_BYTES_OF(e), &key, NULL),
                     -AVOW_E_FORMAT);
    assert_int_equal(avow_rsa_key_new(AVOW_BYTES(n, 512), AVOW_BYTES_OF(three), &key, NULL),
                     -AVOW_E_FORMAT);
    n[511] = 0xFE; /* even */
    assert_int_equal(avow_rsa_key_new(AVOW_BYTES(n, 512), AVOW_BYTES_OF(e), &key, NULL),
                     -AVOW_E_FORMAT);
}

/* A self-signed certificate of each kind of key: its signature holds as it is, and with nothing
 * changed. */
static void signatures_name_one_algorithm(void **state)
{
    static const enum avow_signer_kind kinds[] = { AVOW_SIGNER_P256, AVOW_SIGNER_P384,
                                                   AVOW_SIGNER_RSA4096 };
    static const struct avow_name_part name = { "CN", "a" };
    const struct avow_cert_spec spec = {
        .subject = &name, .n_subject = 1, .from = NOW, .until = NOW + 86400
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        avow_auto(avow_cleanup_signer) struct avow_signer *signer = NULL;
        avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
        avow_auto(avow_cleanup_pkey) EVP_PKEY *key = NULL;
        struct avow_cert_fields f;
        struct avow_signed s;

        assert_int_equal(avow_signer_new(kinds[i], &signer, NULL), 0);
        assert_int_equal(avow_cert_make(&spec, signer, AVOW_BYTES("", 0), signer, &der, NULL), 0);
        assert_int_equal(avow_cert_read(avow_buf_view(&der), &f, NULL), 0);
        assert_int_equal(avow_spki_key_new(&f.key, &key, NULL), 0);
        assert_int_equal(avow_key_signed(key, f.key.kind, &f.s, "it", NULL), 0);
        assert_int_equal(avow_key_signed(NULL, f.key.kind, &f.s, "it", NULL), -AVOW_E_SIGNATURE);
        assert_int_equal(avow_key_signed(key, AVOW_KEY_OTHER, &f.s, "it", NULL), -AVOW_E_SIGNATURE);
        assert_int_equal(
            avow_key_signed(key, i == 2 ? AVOW_KEY_EC_P256 : AVOW_KEY_RSA, &f.s, "it", NULL),
            -AVOW_E_SIGNATURE);
        s = f.s;
        s.inner_alg.len--; /* inside, it names another */
        assert_int_equal(avow_key_signed(key, f.key.kind, &s, "it", NULL), -AVOW_E_SIGNATURE);
        s.alg.len--; /* one that is not used */
        assert_int_equal(avow_key_signed(key, f.key.kind, &s, "it", NULL), -AVOW_E_SIGNATURE);
        s = f.s;
        s.tbs.len--;
        assert_int_equal(avow_key_signed(key, f.key.kind, &s, "it", NULL), -AVOW_E_SIGNATURE);
        s = f.s;
        s.signature.len--;
        assert_int_equal(avow_key_signed(key, f.key.kind, &s, "it", NULL), -AVOW_E_SIGNATURE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ec_keys_are_points),
        cmocka_unit_test(rsa_keys_have_their_size),
        cmocka_unit_test(signatures_name_one_algorithm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
