#include "crypto/rsa.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "../test.h"

struct key {
    EVP_PKEY *pkey;
    uint8_t n[512];
    size_t n_len;
};

static const uint8_t f4[] = { 1, 0, 1 };

static struct key make(unsigned bits)
{
    struct key k = { .pkey = EVP_RSA_gen(bits) };
    BIGNUM *n = NULL;

    assert_non_null(k.pkey);
    assert_int_equal(EVP_PKEY_get_bn_param(k.pkey, OSSL_PKEY_PARAM_RSA_N, &n), 1);
    k.n_len = (size_t)BN_bn2bin(n, k.n);
    BN_free(n);
    return k;
}

static size_t sign(const struct key *k, const char *text, uint8_t out[512])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 512;

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, k->pkey), 1);
    assert_int_equal(EVP_DigestSign(ctx, out, &n, (const uint8_t *)text, strlen(text)), 1);
    EVP_MD_CTX_free(ctx);
    return n;
}

static void signatures_verify(void **state)
{
    struct key k = make(2048);
    uint8_t sig[512], a[32], b[32];
    size_t n = sign(&k, "quote", sig);
    struct avow_bytes mod = AVOW_BYTES(k.n, k.n_len), e = AVOW_BYTES_OF(f4);
    const struct avow_bytes msg = avow_bytes_str("quote");

    (void)state;
    assert_int_equal(avow_rsa_verify_sha256(mod, e, msg, AVOW_BYTES(sig, n), NULL), 0);
    assert_int_equal(
        avow_rsa_verify_sha256(mod, e, avow_bytes_str("other"), AVOW_BYTES(sig, n), NULL),
        -AVOW_E_SIGNATURE);
    assert_int_equal(avow_rsa_verify_sha256(mod, e, msg, AVOW_BYTES(sig, n - 1), NULL),
                     -AVOW_E_SIGNATURE);
    assert_int_equal(avow_rsa_verify_sha256(mod, e, msg, AVOW_BYTES(NULL, 0), NULL),
                     -AVOW_E_SIGNATURE);
    for (size_t i = 0; i < n; i += 17) {
        sig[i] ^= 4;
        assert_int_equal(avow_rsa_verify_sha256(mod, e, msg, AVOW_BYTES(sig, n), NULL),
                         -AVOW_E_SIGNATURE);
        sig[i] ^= 4;
    }
    assert_int_equal(avow_rsa_spki_sha256(mod, e, a, NULL), 0);
    k.n[100] ^= 1;
    assert_int_equal(avow_rsa_spki_sha256(mod, e, b, NULL), 0);
    assert_memory_not_equal(a, b, 32);
    EVP_PKEY_free(k.pkey);
}

static void weak_keys_are_refused(void **state)
{
    struct key k = make(1024);
    uint8_t sig[512];
    size_t n = sign(&k, "quote", sig);
    static const uint8_t three[] = { 3 };

    (void)state;
    assert_int_equal(avow_rsa_verify_sha256(AVOW_BYTES(k.n, k.n_len), AVOW_BYTES_OF(f4),
                                            avow_bytes_str("quote"), AVOW_BYTES(sig, n), NULL),
                     -AVOW_E_FORMAT);
    memset(k.n, 0xFF, 256);
    assert_int_equal(avow_rsa_verify_sha256(AVOW_BYTES(k.n, 256), AVOW_BYTES_OF(three),
                                            avow_bytes_str("quote"), AVOW_BYTES(sig, n), NULL),
                     -AVOW_E_FORMAT);
    k.n[0] = 0; /* not a number of 2048 bits */
    assert_int_equal(avow_rsa_spki_sha256(AVOW_BYTES(k.n, 256), AVOW_BYTES_OF(f4), sig, NULL),
                     -AVOW_E_FORMAT);
    EVP_PKEY_free(k.pkey);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_verify),
        cmocka_unit_test(weak_keys_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
