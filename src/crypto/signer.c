#include "crypto/signer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "crypto/signer_internal.h"

AVOW_DEFINE_CLEANUP(evp_pkey, EVP_PKEY, EVP_PKEY_free)
AVOW_DEFINE_CLEANUP(evp_md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
AVOW_DEFINE_CLEANUP(bignum, BIGNUM, BN_free)
AVOW_DEFINE_CLEANUP(ecdsa_sig, ECDSA_SIG, ECDSA_SIG_free)
AVOW_DEFINE_CLEANUP(bio, BIO, BIO_free_all)

int signer_failed(struct avow_error *err, const char *what)
{
    char text[160] = "no reason given";
    unsigned long e = ERR_peek_last_error();

    if (e)
        ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return AVOW_FAIL(err, CRYPTO, "%s: %s", what, text);
}

static bool kind_of(const EVP_PKEY *key, enum avow_signer_kind *kind)
{
    static const struct {
        const char *group;
        int bits; /* of an RSA key */
        enum avow_signer_kind kind;
    } kinds[] = {
        { "prime256v1", 0, AVOW_SIGNER_P256 }, { "secp384r1", 0, AVOW_SIGNER_P384 },
        { "", 2048, AVOW_SIGNER_RSA2048 },     { "", 3072, AVOW_SIGNER_RSA3072 },
        { "", 4096, AVOW_SIGNER_RSA4096 },
    };
    char group[32] = "";
    int bits = 0;

    if (EVP_PKEY_is_a(key, "RSA"))
        bits = EVP_PKEY_get_bits(key);
    else if (!EVP_PKEY_is_a(key, "EC") ||
             EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (bits == kinds[i].bits && strcmp(group, kinds[i].group) == 0) {
            *kind = kinds[i].kind;
            return true;
        }
    return false;
}

static int signer_wrap(EVP_PKEY **take_key, struct avow_signer **out, struct avow_error *err)
{
    avow_autofree struct avow_signer *s = calloc(1, sizeof *s);

    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (!kind_of(*take_key, &s->kind)) {
        ERR_clear_error();
        return AVOW_FAIL(err, UNSUPPORTED,
                         "private key is neither P-256, P-384 nor RSA-2048, -3072 or -4096");
    }
    ERR_clear_error();
    s->key = avow_steal(take_key);
    *out = avow_steal(&s);
    return 0;
}

int avow_signer_new(enum avow_signer_kind kind, struct avow_signer **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_evp_pkey) EVP_PKEY *key = NULL;

    ERR_clear_error();
    switch (kind) {
    case AVOW_SIGNER_P256:
        key = EVP_EC_gen("P-256");
        break;
    case AVOW_SIGNER_P384:
        key = EVP_EC_gen("P-384");
        break;
    case AVOW_SIGNER_RSA2048:
        key = EVP_RSA_gen(2048);
        break;
    case AVOW_SIGNER_RSA3072:
        key = EVP_RSA_gen(3072);
        break;
    case AVOW_SIGNER_RSA4096:
        key = EVP_RSA_gen(4096);
        break;
    }
    if (!key)
        return signer_failed(err, "making a key");
    return signer_wrap(&key, out, err);
}

int avow_signer_from_pem(struct avow_bytes pem, struct avow_signer **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_bio) BIO *bio = NULL;
    avow_auto(avow_cleanup_evp_pkey) EVP_PKEY *key = NULL;

    if (pem.len > AVOW_SIGNER_PEM_MAX)
        return AVOW_FAIL(err, LIMIT, "private key of %zu bytes (at most %d)", pem.len,
                         AVOW_SIGNER_PEM_MAX);
    ERR_clear_error();
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (!bio)
        return signer_failed(err, "reading a private key");
    /* "" as the pass phrase: an encrypted file must fail, not ask on the terminal */
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "");
    if (!key) {
        ERR_clear_error();
        return AVOW_FAIL(err, FORMAT, "not a PEM private key");
    }
    return signer_wrap(&key, out, err);
}

int avow_signer_to_pem(const struct avow_signer *s, struct avow_buf *out, struct avow_error *err)
{
    /* secure memory BIO: wiped when it is freed */
    avow_auto(avow_cleanup_bio) BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    long n = 0;

    ERR_clear_error();
    if (!bio || PEM_write_bio_PrivateKey(bio, s->key, NULL, NULL, 0, NULL, NULL) != 1)
        return signer_failed(err, "writing a private key");
    n = BIO_get_mem_data(bio, &text);
    if (n <= 0)
        return signer_failed(err, "writing a private key");
    avow_buf_put(out, text, (size_t)n);
    return avow_buf_ok(out, err);
}

void avow_signer_free(struct avow_signer *s)
{
    if (!s)
        return;
    EVP_PKEY_free(s->key);
    free(s);
}

static int check_curve(const struct avow_signer *s, enum avow_curve curve, struct avow_error *err)
{
    enum avow_signer_kind need = curve == AVOW_P256 ? AVOW_SIGNER_P256 : AVOW_SIGNER_P384;

    if (s->kind != need)
        return AVOW_FAIL(err, INVAL, "key is not on %s", curve == AVOW_P256 ? "P-256" : "P-384");
    return 0;
}

int avow_signer_xy(const struct avow_signer *s, enum avow_curve curve, uint8_t *xy,
                   struct avow_error *err)
{
    static const char *const names[] = { OSSL_PKEY_PARAM_EC_PUB_X, OSSL_PKEY_PARAM_EC_PUB_Y };
    int half = (int)avow_curve_pair_len(curve) / 2;

    AVOW_TRY(check_curve(s, curve, err));
    ERR_clear_error();
    for (int i = 0; i < 2; i++) {
        avow_auto(avow_cleanup_bignum) BIGNUM *v = NULL;

        if (EVP_PKEY_get_bn_param(s->key, names[i], &v) != 1 ||
            BN_bn2binpad(v, xy + i * half, half) != half)
            return signer_failed(err, "reading a public key");
    }
    return 0;
}

int avow_signer_ecdsa(const struct avow_signer *s, enum avow_curve curve, struct avow_bytes msg,
                      uint8_t *sig, struct avow_error *err)
{
    avow_auto(avow_cleanup_evp_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    avow_auto(avow_cleanup_ecdsa_sig) ECDSA_SIG *rs = NULL;
    const EVP_MD *md = curve == AVOW_P256 ? EVP_sha256() : EVP_sha384();
    int half = (int)avow_curve_pair_len(curve) / 2;
    uint8_t der[128]; /* a P-384 signature is at most 104 bytes of DER */
    const uint8_t *p = der;
    size_t n = sizeof der;

    AVOW_TRY(check_curve(s, curve, err));
    ERR_clear_error();
    if (!ctx || EVP_DigestSignInit(ctx, NULL, md, NULL, s->key) != 1 ||
        EVP_DigestSign(ctx, der, &n, msg.data, msg.len) != 1)
        return signer_failed(err, "ECDSA");
    rs = d2i_ECDSA_SIG(NULL, &p, (long)n);
    if (!rs || BN_bn2binpad(ECDSA_SIG_get0_r(rs), sig, half) != half ||
        BN_bn2binpad(ECDSA_SIG_get0_s(rs), sig + half, half) != half)
        return signer_failed(err, "ECDSA");
    return 0;
}

enum avow_signer_kind avow_signer_kind(const struct avow_signer *s)
{
    return s->kind;
}

bool avow_signer_is_rsa(const struct avow_signer *s)
{
    return s->kind == AVOW_SIGNER_RSA2048 || s->kind == AVOW_SIGNER_RSA3072 ||
           s->kind == AVOW_SIGNER_RSA4096;
}

int avow_signer_rsa(const struct avow_signer *s, struct avow_rsa_key *out, struct avow_error *err)
{
    if (!avow_signer_is_rsa(s))
        return AVOW_FAIL(err, INVAL, "not an RSA key");
    return avow_rsa_key_read(s->key, out, err);
}

int avow_signer_rs256(const struct avow_signer *s, struct avow_bytes msg, struct avow_buf *out,
                      struct avow_error *err)
{
    avow_auto(avow_cleanup_evp_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t sig[AVOW_RSA_BYTES_MAX];
    size_t n = sizeof sig;

    if (!avow_signer_is_rsa(s))
        return AVOW_FAIL(err, INVAL, "not an RSA key");
    ERR_clear_error();
    if (!ctx || EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, s->key) != 1 ||
        EVP_DigestSign(ctx, sig, &n, msg.data, msg.len) != 1)
        return signer_failed(err, "RSA signature");
    avow_buf_put(out, sig, n);
    return avow_buf_ok(out, err);
}
