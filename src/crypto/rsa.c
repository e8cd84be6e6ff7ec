#include "crypto/rsa.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/cleanup.h"
#include "crypto/key.h"

AVOW_DEFINE_CLEANUP(pkey, EVP_PKEY, EVP_PKEY_free)
AVOW_DEFINE_CLEANUP(md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)

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
