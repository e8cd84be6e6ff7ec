#include "crypto/hash.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"

AVOW_DEFINE_CLEANUP(md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
AVOW_DEFINE_CLEANUP(pkey, EVP_PKEY, EVP_PKEY_free)
AVOW_DEFINE_CLEANUP(pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)

/* OpenSSL's error queue is thread-local and sticky: leave it empty. */
static int crypto_failed(void)
{
    ERR_clear_error();
    return -AVOW_E_CRYPTO;
}

/* Fetched once: what EVP_sha256() stands for is looked up again by each use. Of the process; never
 * freed. NULL where that failed. */
static struct {
    EVP_MD *sha256, *sha384, *sha512;
} mds;
static pthread_once_t mds_once = PTHREAD_ONCE_INIT;

static void fetch_mds(void)
{
    mds.sha256 = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_SHA2_256, NULL);
    mds.sha384 = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_SHA2_384, NULL);
    mds.sha512 = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_SHA2_512, NULL);
    ERR_clear_error();
}

static int digest(EVP_MD *const *fetched, const EVP_MD *other, struct avow_bytes in, uint8_t *out)
{
    const EVP_MD *md = NULL;

    md = pthread_once(&mds_once, fetch_mds) == 0 && *fetched ? *fetched : other;
    if (EVP_Digest(in.data, in.len, out, NULL, md, NULL) != 1)
        return crypto_failed();
    return 0;
}

int avow_sha256(struct avow_bytes in, uint8_t out[32])
{
    return digest(&mds.sha256, EVP_sha256(), in, out);
}

int avow_sha384(struct avow_bytes in, uint8_t out[48])
{
    return digest(&mds.sha384, EVP_sha384(), in, out);
}

int avow_sha512(struct avow_bytes in, uint8_t out[64])
{
    return digest(&mds.sha512, EVP_sha512(), in, out);
}

int avow_sha256_fd(int fd, uint8_t out[32], uint64_t *size, struct avow_error *err)
{
    avow_auto(avow_cleanup_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t buf[65536];
    uint64_t total = 0;
    ssize_t n = 0;

    if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
        return AVOW_FAIL_CODE(err, crypto_failed(), "SHA-256 could not start");
    while ((n = read(fd, buf, sizeof buf)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return AVOW_FAIL_SYS(err, "read");
        if (EVP_DigestUpdate(ctx, buf, (size_t)n) != 1)
            return AVOW_FAIL_CODE(err, crypto_failed(), "SHA-256 failed");
        total += (uint64_t)n;
    }
    if (EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        return AVOW_FAIL_CODE(err, crypto_failed(), "SHA-256 failed");
    if (size)
        *size = total;
    return 0;
}

int avow_hmac_sha256(struct avow_bytes key, struct avow_bytes in, uint8_t out[32])
{
    size_t len = 0;
    static const uint8_t none[1];

    if (!EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key.len ? key.data : none, key.len, in.data,
                   in.len, out, 32, &len) ||
        len != 32)
        return crypto_failed();
    return 0;
}

int avow_hkdf_extract(struct avow_bytes salt, struct avow_bytes ikm, struct avow_key *prk)
{
    /* RFC 5869 2.2: PRK = HMAC-Hash(salt, IKM) */
    return avow_hmac_sha256(salt, ikm, prk->bytes);
}

int avow_hkdf_expand(const struct avow_key *prk, struct avow_bytes info, uint8_t *out, size_t len)
{
    uint8_t t[32];
    size_t done = 0;

    if (len > 255 * 32)
        return -AVOW_E_INVAL;
    for (uint8_t i = 1; done < len; i++) {
        avow_auto(avow_buf_done) struct avow_buf in = AVOW_BUF(4096);
        size_t n = len - done < 32 ? len - done : 32;

        if (i > 1)
            avow_buf_put(&in, t, sizeof t);
        avow_buf_put_bytes(&in, info);
        avow_buf_put_u8(&in, i);
        AVOW_TRY(avow_buf_ok(&in, NULL));
        AVOW_TRY(avow_hmac_sha256(AVOW_BYTES_OF(prk->bytes), avow_buf_view(&in), t));
        memcpy(out + done, t, n);
        done += n;
    }
    avow_wipe(t, sizeof t);
    return 0;
}

int avow_random(void *out, size_t n)
{
    uint8_t *p = out;

    while (n) {
        ssize_t k = getrandom(p, n, 0);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return -AVOW_E_CRYPTO;
        p += k;
        n -= (size_t)k;
    }
    return 0;
}

int avow_x25519_new(struct avow_key *priv, uint8_t pub[32])
{
    avow_auto(avow_cleanup_pkey) EVP_PKEY *k = NULL;
    size_t len = 32;

    AVOW_TRY(avow_random(priv->bytes, sizeof priv->bytes));
    k = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, priv->bytes, 32);
    if (!k || EVP_PKEY_get_raw_public_key(k, pub, &len) != 1 || len != 32)
        return crypto_failed();
    return 0;
}

int avow_x25519(const struct avow_key *priv, const uint8_t peer[32], struct avow_key *shared)
{
    avow_auto(avow_cleanup_pkey) EVP_PKEY *own =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, priv->bytes, 32);
    avow_auto(avow_cleanup_pkey) EVP_PKEY *other =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, 32);
    avow_auto(avow_cleanup_pkey_ctx) EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
    size_t len = 32;

    if (!ctx || !other || EVP_PKEY_derive_init(ctx) != 1 ||
        EVP_PKEY_derive_set_peer(ctx, other) != 1 ||
        EVP_PKEY_derive(ctx, shared->bytes, &len) != 1 || len != 32)
        return crypto_failed();
    /* RFC 7748 6.1: an all-zero secret means a point of low order */
    if (avow_bytes_zero(AVOW_BYTES_OF(shared->bytes)))
        return -AVOW_E_CRYPTO;
    return 0;
}
