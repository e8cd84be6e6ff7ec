#include "crypto/rsa.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "crypto/key.h"
#include "crypto/signer_internal.h"

AVOW_DEFINE_CLEANUP(pkey, EVP_PKEY, EVP_PKEY_free)
AVOW_DEFINE_CLEANUP(md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
AVOW_DEFINE_CLEANUP(x509, X509, X509_free)
AVOW_DEFINE_CLEANUP(bignum, BIGNUM, BN_free)

static const uint8_t f4[] = { 1, 0, 1 };

static int crypto_failed(struct avow_error *err, const char *what)
{
    ERR_clear_error();
    return AVOW_FAIL(err, CRYPTO, "%s", what);
}

int avow_rsa_verify_sha256(struct avow_bytes n, struct avow_bytes e, struct avow_bytes msg,
                           struct avow_bytes sig, struct avow_error *err)
{
    avow_auto(avow_cleanup_pkey) EVP_PKEY *key = NULL;
    avow_auto(avow_cleanup_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = 0;

    AVOW_TRY(avow_rsa_key_new(n, e, &key, err));
    if (!ctx || EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) != 1)
        return crypto_failed(err, "RSA verification cannot be set up");
    ok = EVP_DigestVerify(ctx, sig.data, sig.len, msg.data, msg.len);
    ERR_clear_error();
    return ok == 1 ? 0 : AVOW_FAIL(err, SIGNATURE, "the RSA signature does not verify");
}

int avow_rsa_spki_sha256(struct avow_bytes n, struct avow_bytes e, uint8_t out[32],
                         struct avow_error *err)
{
    avow_auto(avow_cleanup_pkey) EVP_PKEY *key = NULL;
    unsigned char *der = NULL;
    int len = 0;

    AVOW_TRY(avow_rsa_key_new(n, e, &key, err));
    len = i2d_PUBKEY(key, &der);
    if (len <= 0)
        return crypto_failed(err, "the RSA key cannot be encoded");
    SHA256(der, (size_t)len, out);
    OPENSSL_free(der);
    return 0;
}

struct avow_bytes avow_rsa_e(void)
{
    return AVOW_BYTES_OF(f4);
}

int avow_rsa_key_set(struct avow_rsa_key *out, struct avow_bytes n, struct avow_bytes e,
                     struct avow_error *err)
{
    AVOW_TRY(avow_rsa_key_check(n, e, err));
    *out = (struct avow_rsa_key){ .len = n.len };
    memcpy(out->n, n.data, n.len);
    return 0;
}

int avow_rsa_key_read(const EVP_PKEY *key, struct avow_rsa_key *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_bignum) BIGNUM *n = NULL;
    avow_auto(avow_cleanup_bignum) BIGNUM *e = NULL;
    uint8_t bytes[AVOW_RSA_BYTES_MAX];
    int len = 0;

    if (!key || !EVP_PKEY_is_a(key, "RSA") ||
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
        EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1) {
        ERR_clear_error();
        return AVOW_FAIL(err, FORMAT, "not an RSA key");
    }
    if (BN_num_bytes(n) > (int)AVOW_RSA_BYTES_MAX || !BN_is_word(e, RSA_F4))
        return AVOW_FAIL(err, FORMAT, "RSA key of %d bits: 2048 to 4096 and e = 65537 are wanted",
                         BN_num_bits(n));
    len = BN_bn2bin(n, bytes);
    return avow_rsa_key_set(out, AVOW_BYTES(bytes, (size_t)len), avow_rsa_e(), err);
}

int avow_rsa_key_of_cert(const struct avow_cert *c, struct avow_rsa_key *out,
                         struct avow_error *err)
{
    struct avow_bytes der = avow_cert_der(c);
    const unsigned char *p = der.data;
    avow_auto(avow_cleanup_x509) X509 *x = d2i_X509(NULL, &p, (long)der.len);

    if (!x)
        return crypto_failed(err, "a certificate cannot be read again");
    return avow_rsa_key_read(X509_get0_pubkey(x), out, err);
}
