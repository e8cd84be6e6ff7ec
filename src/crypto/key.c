#include "crypto/key.h"

#include <pthread.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "base/cleanup.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"

#define RSA_BITS_MIN 3072 /* of issuers; AMD's keys have 4096 bits */
#define PSS_SALT_LEN 48   /* as in the algorithms below */

AVOW_DEFINE_CLEANUP(pkey, EVP_PKEY, EVP_PKEY_free)
AVOW_DEFINE_CLEANUP(pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
AVOW_DEFINE_CLEANUP(md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
AVOW_DEFINE_CLEANUP(sig, ECDSA_SIG, ECDSA_SIG_free)
AVOW_DEFINE_CLEANUP(bignum, BIGNUM, BN_free)
AVOW_DEFINE_CLEANUP(param_bld, OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
AVOW_DEFINE_CLEANUP(params, OSSL_PARAM, OSSL_PARAM_free)

/* ---- RSA ---- */

static bool rsa_acceptable(struct avow_bytes n, struct avow_bytes e)
{
    static const uint8_t f4[] = { 1, 0, 1 };

    return n.len >= AVOW_RSA_BYTES_MIN && n.len <= AVOW_RSA_BYTES_MAX && (n.data[0] & 0x80) &&
           (n.data[n.len - 1] & 1) && avow_bytes_equal(e, AVOW_BYTES_OF(f4));
}

int avow_rsa_key_check(struct avow_bytes n, struct avow_bytes e, struct avow_error *err)
{
    if (rsa_acceptable(n, e))
        return 0;
    return AVOW_FAIL(err, FORMAT,
                     "RSA key of %zu bytes: 2048 to 4096 bits and e = 65537 are wanted", n.len);
}

int avow_rsa_key_new(struct avow_bytes n, struct avow_bytes e, EVP_PKEY **out,
                     struct avow_error *err)
{
    avow_auto(avow_cleanup_param_bld) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
    avow_auto(avow_cleanup_params) OSSL_PARAM *params = NULL;
    avow_auto(avow_cleanup_pkey_ctx) EVP_PKEY_CTX *ctx = NULL;
    avow_auto(avow_cleanup_bignum) BIGNUM *bn = NULL;
    avow_auto(avow_cleanup_bignum) BIGNUM *be = NULL;

    AVOW_TRY(avow_rsa_key_check(n, e, err));
    bn = BN_bin2bn(n.data, (int)n.len, NULL);
    be = BN_bin2bn(e.data, (int)e.len, NULL);
    ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    if (!bld || !bn || !be || !ctx || !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) ||
        !OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) ||
        !(params = OSSL_PARAM_BLD_to_param(bld)) || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, out, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        ERR_clear_error();
        return AVOW_FAIL(err, CRYPTO, "the RSA key cannot be made");
    }
    return 0;
}

/* ---- EC ---- */

/* A key without a point for each curve: copying it and setting the point takes half the time of
 * making a key from nothing. Of the process; never freed. */
static EVP_PKEY *curves[2];
static pthread_once_t curves_once = PTHREAD_ONCE_INIT;

static void make_curves(void)
{
    static const char *const names[2] = { SN_X9_62_prime256v1, SN_secp384r1 };

    for (size_t i = 0; i < 2; i++) {
        avow_auto(avow_cleanup_pkey_ctx) EVP_PKEY_CTX *ctx =
            EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        char name[sizeof SN_X9_62_prime256v1 + sizeof SN_secp384r1];
        OSSL_PARAM params[2] = { 0 };

        snprintf(name, sizeof name, "%s", names[i]);
        params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, name, 0);
        params[1] = OSSL_PARAM_construct_end();
        if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
            EVP_PKEY_fromdata(ctx, &curves[i], EVP_PKEY_KEY_PARAMETERS, params) != 1)
            curves[i] = NULL;
    }
    ERR_clear_error();
}

int avow_ec_key_new(enum avow_curve curve, struct avow_bytes point, EVP_PKEY **out,
                    struct avow_error *err)
{
    avow_auto(avow_cleanup_pkey) EVP_PKEY *key = NULL;
    const EVP_PKEY *empty = NULL;

    if (point.len != (curve == AVOW_P256 ? 65u : 97u) ||
        point.data[0] != POINT_CONVERSION_UNCOMPRESSED)
        return AVOW_FAIL(err, FORMAT, "EC public key is not an uncompressed point");
    if (pthread_once(&curves_once, make_curves) != 0)
        return AVOW_FAIL(err, CRYPTO, "the EC curves cannot be set up");
    empty = curves[curve == AVOW_P256 ? 0 : 1];
    key = empty ? EVP_PKEY_dup((EVP_PKEY *)(uintptr_t)empty) : NULL;
    if (!key) {
        ERR_clear_error();
        return AVOW_FAIL(err, CRYPTO, "the EC key cannot be made");
    }
    /* decodes the point, which fails if it is not on the curve (tested) */
    if (EVP_PKEY_set1_encoded_public_key(key, point.data, point.len) != 1) {
        ERR_clear_error();
        return AVOW_FAIL(err, FORMAT, "EC public key is not a point on the curve");
    }
    *out = avow_steal(&key);
    return 0;
}

int avow_spki_key_new(const struct avow_spki *spki, EVP_PKEY **out, struct avow_error *err)
{
    switch (spki->kind) {
    case AVOW_KEY_RSA:
        return avow_rsa_key_new(spki->n, spki->e, out, err);
    case AVOW_KEY_EC_P256:
        return avow_ec_key_new(AVOW_P256, spki->point, out, err);
    case AVOW_KEY_EC_P384:
        return avow_ec_key_new(AVOW_P384, spki->point, out, err);
    case AVOW_KEY_OTHER:
        break;
    }
    return AVOW_FAIL(err, FORMAT, "the key is neither RSA nor on P-256 or P-384");
}

/* ---- signatures of certificates and CRLs ---- */

/* AlgorithmIdentifiers, whole: RFC 5758, 3.2 (ECDSA: no parameters) and RFC 4055, 3.1 (RSASSA-PSS
 * with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes, as OpenSSL writes it and as AMD does,
 * with the trailer's default spelled out). Everything else is not used here. */
static const uint8_t ecdsa_sha256[] = { 0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                        0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02 };
static const uint8_t ecdsa_sha384[] = { 0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86,
                                        0x48, 0xCE, 0x3D, 0x04, 0x03, 0x03 };
#define PSS_OID 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A
#define SHA384_ALG \
    0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00
#define MGF1_SHA384 \
    0x30, 0x1A, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x08, SHA384_ALG
#define PSS_PARAMS 0xA0, 0x0F, SHA384_ALG, 0xA1, 0x1C, MGF1_SHA384, 0xA2, 0x03, 0x02, 0x01, 0x30
static const uint8_t pss[] = { 0x30, 0x41, PSS_OID, 0x30, 0x34, PSS_PARAMS };
static const uint8_t pss_trailer[] = { 0x30, 0x46, PSS_OID, 0x30, 0x39, PSS_PARAMS,
                                       0xA3, 0x03, 0x02,    0x01, 0x01 };

static bool is_pss(struct avow_bytes alg)
{
    return avow_bytes_equal(alg, AVOW_BYTES_OF(pss)) ||
           avow_bytes_equal(alg, AVOW_BYTES_OF(pss_trailer));
}

static bool key_suits(EVP_PKEY *key, enum avow_key_kind kind, bool rsa)
{
    if (!key)
        return false;
    if (kind == AVOW_KEY_RSA)
        return rsa && EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
    return !rsa && (kind == AVOW_KEY_EC_P256 || kind == AVOW_KEY_EC_P384);
}

/* 1 if @sig verifies, 0 if not, negative if it could not be tried. */
static int verify_pss(EVP_PKEY *key, struct avow_bytes msg, struct avow_bytes sig)
{
    avow_auto(avow_cleanup_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *how = NULL; /* of ctx */
    int ok = 0;

    if (!ctx || EVP_DigestVerifyInit(ctx, &how, EVP_sha384(), NULL, key) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) != 1 ||
        EVP_PKEY_CTX_set_rsa_pss_saltlen(how, PSS_SALT_LEN) != 1) {
        ERR_clear_error();
        return -1;
    }
    ok = EVP_DigestVerify(ctx, sig.data, sig.len, msg.data, msg.len) == 1;
    ERR_clear_error();
    return ok;
}

/* The digest is made apart: OpenSSL 3.0 would look its algorithm up by name each time. */
static int verify_ecdsa(EVP_PKEY *key, bool sha256, struct avow_bytes msg, struct avow_bytes sig)
{
    avow_auto(avow_cleanup_pkey_ctx) EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    uint8_t digest[48];
    int ok = 0;

    if (!ctx || EVP_PKEY_verify_init(ctx) != 1 ||
        (sha256 ? avow_sha256(msg, digest) : avow_sha384(msg, digest)) < 0) {
        ERR_clear_error();
        return -1;
    }
    ok = EVP_PKEY_verify(ctx, sig.data, sig.len, digest, sha256 ? 32 : 48) == 1;
    ERR_clear_error();
    return ok;
}

int avow_key_signed(EVP_PKEY *key, enum avow_key_kind kind, const struct avow_signed *s,
                    const char *what, struct avow_error *err)
{
    bool rsa = is_pss(s->alg);
    bool sha256 = avow_bytes_equal(s->alg, AVOW_BYTES_OF(ecdsa_sha256));
    int ok = 0;

    if (!rsa && !sha256 && !avow_bytes_equal(s->alg, AVOW_BYTES_OF(ecdsa_sha384)))
        return AVOW_FAIL(err, SIGNATURE,
                         "%s: the signature algorithm is not RSA-PSS SHA-384 or ECDSA", what);
    if (!avow_bytes_equal(s->alg, s->inner_alg))
        return AVOW_FAIL(err, SIGNATURE, "%s: it names two signature algorithms", what);
    if (!key_suits(key, kind, rsa))
        return AVOW_FAIL(err, SIGNATURE, "%s: the issuer's key is not of an accepted kind", what);
    ok = rsa ? verify_pss(key, s->tbs, s->signature)
             : verify_ecdsa(key, sha256, s->tbs, s->signature);
    if (ok != 1)
        return AVOW_FAIL(err, SIGNATURE, "%s: the signature does not verify", what);
    return 0;
}

/* ---- raw ECDSA signatures ---- */

/* r || s as the DER SEQUENCE that OpenSSL reads; free with OPENSSL_free. Negative on failure. */
static int sig_to_der(struct avow_bytes sig, unsigned char **der)
{
    avow_auto(avow_cleanup_sig) ECDSA_SIG *es = ECDSA_SIG_new();
    int half = (int)(sig.len / 2);
    BIGNUM *r = BN_bin2bn(sig.data, half, NULL);
    BIGNUM *s = BN_bin2bn(sig.data + half, half, NULL);

    if (!es || !r || !s || ECDSA_SIG_set0(es, r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return -1;
    }
    return i2d_ECDSA_SIG(es, der);
}

/* r and s outside 1..n-1 are refused by the library's verification (tested). */
int avow_key_ecdsa(EVP_PKEY *key, enum avow_curve curve, struct avow_bytes msg,
                   struct avow_bytes sig, struct avow_error *err)
{
    unsigned char *der = NULL;
    int n = 0, ok = 0;

    if (sig.len != (curve == AVOW_P256 ? 64u : 96u))
        return AVOW_FAIL(err, SIGNATURE, "ECDSA signature of %zu bytes", sig.len);
    n = sig_to_der(sig, &der);
    ok = n > 0 ? verify_ecdsa(key, curve == AVOW_P256, msg, AVOW_BYTES(der, (size_t)n)) : -1;
    OPENSSL_free(der);
    if (ok < 0) {
        ERR_clear_error();
        return AVOW_FAIL(err, CRYPTO, "ECDSA verification cannot be set up");
    }
    return ok ? 0 : AVOW_FAIL(err, SIGNATURE, "the ECDSA signature does not verify");
}
