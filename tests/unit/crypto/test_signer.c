#include "crypto/signer.h"

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "../test.h"

static const enum avow_signer_kind rsa_kinds[] = { AVOW_SIGNER_RSA2048, AVOW_SIGNER_RSA3072,
                                                   AVOW_SIGNER_RSA4096 };

static void rsa_keys_sign_and_say_their_public_half(void **state)
{
    static const size_t bytes[] = { 256, 384, 512 };
    const struct avow_bytes msg = avow_bytes_str("header.payload");

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
        avow_auto(avow_buf_done) struct avow_buf sig = AVOW_BUF(AVOW_RSA_BYTES_MAX);
        struct avow_rsa_key pub;
        uint8_t xy[96];

        assert_int_equal(avow_signer_new(rsa_kinds[i], &key, NULL), 0);
        assert_int_equal(avow_signer_kind(key), rsa_kinds[i]);
        assert_true(avow_signer_is_rsa(key));
        assert_int_equal(avow_signer_rsa(key, &pub, NULL), 0);
        assert_int_equal(pub.len, bytes[i]);
        assert_int_equal(avow_signer_rs256(key, msg, &sig, NULL), 0);
        assert_int_equal(sig.len, bytes[i]);
        assert_int_equal(
            avow_rsa_verify_sha256(avow_rsa_n(&pub), avow_rsa_e(), msg, avow_buf_view(&sig), NULL),
            0);
        assert_int_equal(avow_signer_xy(key, AVOW_P256, xy, NULL), -AVOW_E_INVAL);
    }
}

static void curves_do_not_sign_as_rsa(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_auto(avow_buf_done) struct avow_buf sig = AVOW_BUF(AVOW_RSA_BYTES_MAX);
    struct avow_rsa_key pub;

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_P384, &key, NULL), 0);
    assert_false(avow_signer_is_rsa(key));
    assert_int_equal(avow_signer_rsa(key, &pub, NULL), -AVOW_E_INVAL);
    assert_int_equal(avow_signer_rs256(key, avow_bytes_str("x"), &sig, NULL), -AVOW_E_INVAL);
    assert_int_equal(sig.len, 0);
}

static void weak_keys_are_not_read(void **state)
{
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    BIO *bio = BIO_new(BIO_s_mem());
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    char *text = NULL;
    long n = 0;

    (void)state;
    assert_int_equal(PEM_write_bio_PrivateKey(bio, weak, NULL, NULL, 0, NULL, NULL), 1);
    n = BIO_get_mem_data(bio, &text);
    assert_int_equal(avow_signer_from_pem(AVOW_BYTES(text, (size_t)n), &key, NULL),
                     -AVOW_E_UNSUPPORTED);
    assert_null(key);
    BIO_free(bio);
    EVP_PKEY_free(weak);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rsa_keys_sign_and_say_their_public_half),
        cmocka_unit_test(curves_do_not_sign_as_rsa),
        cmocka_unit_test(weak_keys_are_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
