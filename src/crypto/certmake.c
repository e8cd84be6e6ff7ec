#include "crypto/certmake.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#define RSA_BITS 4096
#define PSS_SALT 48
#define PEM_LINE 64

struct avow_signer {
    EVP_PKEY *key;
    enum avow_signer_kind kind;
};

AVOW_DEFINE_CLEANUP(evp_pkey, EVP_PKEY, EVP_PKEY_free)
AVOW_DEFINE_CLEANUP(evp_md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
AVOW_DEFINE_CLEANUP(x509, X509, X509_free)
AVOW_DEFINE_CLEANUP(x509_crl, X509_CRL, X509_CRL_free)
AVOW_DEFINE_CLEANUP(x509_name, X509_NAME, X509_NAME_free)
AVOW_DEFINE_CLEANUP(x509_ext, X509_EXTENSION, X509_EXTENSION_free)
AVOW_DEFINE_CLEANUP(x509_revoked, X509_REVOKED, X509_REVOKED_free)
AVOW_DEFINE_CLEANUP(asn1_object, ASN1_OBJECT, ASN1_OBJECT_free)
AVOW_DEFINE_CLEANUP(asn1_octets, ASN1_OCTET_STRING, ASN1_OCTET_STRING_free)
AVOW_DEFINE_CLEANUP(asn1_integer, ASN1_INTEGER, ASN1_INTEGER_free)
AVOW_DEFINE_CLEANUP(asn1_time, ASN1_TIME, ASN1_TIME_free)
AVOW_DEFINE_CLEANUP(bignum, BIGNUM, BN_free)
AVOW_DEFINE_CLEANUP(ecdsa_sig, ECDSA_SIG, ECDSA_SIG_free)
AVOW_DEFINE_CLEANUP(bio, BIO, BIO_free_all)

/* OpenSSL's error queue is thread-local and sticky: say its newest entry and leave it empty. */
static int crypto_failed(struct avow_error *err, const char *what)
{
    char text[160] = "no reason given";
    unsigned long e = ERR_peek_last_error();

    if (e)
        ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return AVOW_FAIL(err, CRYPTO, "%s: %s", what, text);
}

/* Keys */

static int signer_wrap(EVP_PKEY **take_key, struct avow_signer **out, struct avow_error *err)
{
    static const struct {
        const char *group;
        enum avow_signer_kind kind;
    } groups[] = { { "prime256v1", AVOW_SIGNER_P256 }, { "secp384r1", AVOW_SIGNER_P384 } };
    struct avow_signer *s = calloc(1, sizeof *s);
    char group[32] = "";
    bool known = false;

    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (EVP_PKEY_is_a(*take_key, "RSA") && EVP_PKEY_get_bits(*take_key) == RSA_BITS) {
        s->kind = AVOW_SIGNER_RSA4096;
        known = true;
    } else if (EVP_PKEY_is_a(*take_key, "EC") &&
               EVP_PKEY_get_group_name(*take_key, group, sizeof group, NULL) == 1) {
        for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
            if (strcmp(group, groups[i].group) == 0) {
                s->kind = groups[i].kind;
                known = true;
            }
        }
    }
    ERR_clear_error();
    if (!known) {
        free(s);
        return AVOW_FAIL(err, UNSUPPORTED, "private key is neither P-256, P-384 nor RSA-%d",
                         RSA_BITS);
    }
    s->key = avow_steal(take_key);
    *out = s;
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
    case AVOW_SIGNER_RSA4096:
        key = EVP_RSA_gen(RSA_BITS);
        break;
    }
    if (!key)
        return crypto_failed(err, "making a key");
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
        return crypto_failed(err, "reading a private key");
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
        return crypto_failed(err, "writing a private key");
    n = BIO_get_mem_data(bio, &text);
    if (n <= 0)
        return crypto_failed(err, "writing a private key");
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
            return crypto_failed(err, "reading a public key");
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
        return crypto_failed(err, "ECDSA");
    rs = d2i_ECDSA_SIG(NULL, &p, (long)n);
    if (!rs || BN_bn2binpad(ECDSA_SIG_get0_r(rs), sig, half) != half ||
        BN_bn2binpad(ECDSA_SIG_get0_s(rs), sig + half, half) != half)
        return crypto_failed(err, "ECDSA");
    return 0;
}

/* Certificates */

/* A context ready to sign a certificate or CRL in the profile of the issuer's key. */
static int sign_init(const struct avow_signer *s, EVP_MD_CTX *ctx)
{
    const EVP_MD *md = s->kind == AVOW_SIGNER_P256 ? EVP_sha256() : EVP_sha384();
    EVP_PKEY_CTX *pctx = NULL; /* owned by ctx */

    if (!ctx || EVP_DigestSignInit(ctx, &pctx, md, NULL, s->key) != 1)
        return -AVOW_E_CRYPTO;
    if (s->kind == AVOW_SIGNER_RSA4096 &&
        (EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) != 1 ||
         EVP_PKEY_CTX_set_rsa_mgf1_md(pctx, md) != 1 ||
         EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, PSS_SALT) != 1))
        return -AVOW_E_CRYPTO;
    return 0;
}

static int parse_issuer(struct avow_bytes der, X509 **out, struct avow_error *err)
{
    const uint8_t *p = der.data;

    if (der.len > AVOW_CERT_DER_MAX)
        return AVOW_FAIL(err, LIMIT, "issuer's certificate of %zu bytes (at most %u)", der.len,
                         AVOW_CERT_DER_MAX);
    *out = d2i_X509(NULL, &p, (long)der.len);
    if (!*out || p != der.data + der.len) {
        ERR_clear_error();
        return AVOW_FAIL(err, FORMAT, "issuer's certificate is not DER");
    }
    return 0;
}

static int set_subject(X509 *x, const struct avow_cert_spec *spec)
{
    avow_auto(avow_cleanup_x509_name) X509_NAME *name = X509_NAME_new();

    if (!name || spec->n_subject > AVOW_NAME_PARTS_MAX)
        return -AVOW_E_CRYPTO;
    for (size_t i = 0; i < spec->n_subject; i++) {
        const uint8_t *value = (const uint8_t *)spec->subject[i].value;

        if (X509_NAME_add_entry_by_txt(name, spec->subject[i].type, MBSTRING_UTF8, value, -1, -1,
                                       0) != 1)
            return -AVOW_E_CRYPTO;
    }
    return X509_set_subject_name(x, name) == 1 ? 0 : -AVOW_E_CRYPTO;
}

static int set_serial(ASN1_INTEGER *to, struct avow_bytes serial)
{
    avow_auto(avow_cleanup_bignum) BIGNUM *n = BN_new();

    if (!n || serial.len > INT_MAX)
        return -AVOW_E_CRYPTO;
    if (serial.len && !BN_bin2bn(serial.data, (int)serial.len, n))
        return -AVOW_E_CRYPTO;
    return BN_to_ASN1_INTEGER(n, to) ? 0 : -AVOW_E_CRYPTO;
}

static int set_validity(X509 *x, int64_t from, int64_t until)
{
    /* X509_time_adj_ex would add to "now"; ASN1_TIME_set picks UTCTime or GeneralizedTime */
    if (!ASN1_TIME_set(X509_getm_notBefore(x), (time_t)from) ||
        !ASN1_TIME_set(X509_getm_notAfter(x), (time_t)until))
        return -AVOW_E_CRYPTO;
    return 0;
}

/* An extension in the words of OpenSSL's configuration, such as "critical,CA:TRUE". */
static int add_ext_words(X509 *x, X509V3_CTX *ctx, int nid, const char *words)
{
    avow_auto(avow_cleanup_x509_ext) X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, ctx, nid, words);

    return e && X509_add_ext(x, e, -1) == 1 ? 0 : -AVOW_E_CRYPTO;
}

static int add_basic_constraints(X509 *x, X509V3_CTX *ctx, const struct avow_cert_spec *spec)
{
    char words[48] = "critical,CA:FALSE";

    if (!spec->basic_constraints)
        return 0;
    if (spec->ca && spec->pathlen >= 0)
        snprintf(words, sizeof words, "critical,CA:TRUE,pathlen:%d", spec->pathlen);
    else if (spec->ca)
        snprintf(words, sizeof words, "critical,CA:TRUE");
    return add_ext_words(x, ctx, NID_basic_constraints, words);
}

static int add_key_usage(X509 *x, X509V3_CTX *ctx, unsigned usage)
{
    static const struct {
        unsigned bit;
        const char *word;
    } bits[] = { { AVOW_KU_DIGITAL_SIGNATURE, ",digitalSignature" },
                 { AVOW_KU_CERT_SIGN, ",keyCertSign" },
                 { AVOW_KU_CRL_SIGN, ",cRLSign" } };
    avow_auto(avow_buf_done) struct avow_buf words = AVOW_BUF(128);

    if (!usage)
        return 0;
    avow_buf_put_str(&words, "critical");
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (usage & bits[i].bit)
            avow_buf_put_str(&words, bits[i].word);
    AVOW_TRY(avow_buf_ok(&words, NULL));
    return add_ext_words(x, ctx, NID_key_usage, avow_buf_cstr(&words));
}

static int add_raw_ext(X509 *x, const struct avow_cert_ext *ext)
{
    avow_auto(avow_cleanup_asn1_object) ASN1_OBJECT *oid = OBJ_txt2obj(ext->oid, 1);
    avow_auto(avow_cleanup_asn1_octets) ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    avow_auto(avow_cleanup_x509_ext) X509_EXTENSION *e = NULL;

    if (!oid || !value || ext->value.len > INT_MAX ||
        ASN1_OCTET_STRING_set(value, ext->value.data, (int)ext->value.len) != 1)
        return -AVOW_E_CRYPTO;
    e = X509_EXTENSION_create_by_OBJ(NULL, oid, ext->critical, value);
    return e && X509_add_ext(x, e, -1) == 1 ? 0 : -AVOW_E_CRYPTO;
}

static int add_exts(X509 *x, X509 *issuer, const struct avow_cert_spec *spec)
{
    X509V3_CTX ctx = { 0 };

    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    if (spec->key_ids) {
        AVOW_TRY(add_ext_words(x, &ctx, NID_subject_key_identifier, "hash"));
        AVOW_TRY(add_ext_words(x, &ctx, NID_authority_key_identifier, "keyid:always"));
    }
    if (spec->crl_uri) {
        avow_auto(avow_buf_done) struct avow_buf words = AVOW_BUF(256);

        avow_buf_putf(&words, "URI:%s", spec->crl_uri);
        AVOW_TRY(avow_buf_ok(&words, NULL));
        AVOW_TRY(add_ext_words(x, &ctx, NID_crl_distribution_points, avow_buf_cstr(&words)));
    }
    AVOW_TRY(add_key_usage(x, &ctx, spec->key_usage));
    AVOW_TRY(add_basic_constraints(x, &ctx, spec));
    for (size_t i = 0; i < spec->n_exts; i++)
        AVOW_TRY(add_raw_ext(x, &spec->exts[i]));
    return 0;
}

static int fill_cert(X509 *x, X509 *issuer, const struct avow_cert_spec *spec,
                     const struct avow_signer *subject)
{
    if (X509_set_version(x, X509_VERSION_3) != 1 || X509_set_pubkey(x, subject->key) != 1)
        return -AVOW_E_CRYPTO;
    AVOW_TRY(set_subject(x, spec));
    if (X509_set_issuer_name(x, X509_get_subject_name(issuer)) != 1)
        return -AVOW_E_CRYPTO;
    AVOW_TRY(set_serial(X509_get_serialNumber(x), spec->serial));
    AVOW_TRY(set_validity(x, spec->from, spec->until));
    return add_exts(x, issuer, spec);
}

int avow_cert_make(const struct avow_cert_spec *spec, const struct avow_signer *subject,
                   struct avow_bytes issuer, const struct avow_signer *issuer_key,
                   struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_x509) X509 *x = X509_new();
    avow_auto(avow_cleanup_x509) X509 *parent = NULL;
    avow_auto(avow_cleanup_evp_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *der = NULL;
    int n = 0;

    if (!issuer.len && subject != issuer_key)
        return AVOW_FAIL(err, INVAL, "a self-signed certificate is signed with its own key");
    ERR_clear_error();
    if (issuer.len)
        AVOW_TRY(parse_issuer(issuer, &parent, err));
    if (!x || fill_cert(x, parent ? parent : x, spec, subject) < 0)
        return crypto_failed(err, "filling a certificate");
    if (sign_init(issuer_key, ctx) < 0 || X509_sign_ctx(x, ctx) <= 0)
        return crypto_failed(err, "signing a certificate");
    n = i2d_X509(x, &der);
    if (n <= 0)
        return crypto_failed(err, "encoding a certificate");
    avow_buf_put(out, der, (size_t)n);
    OPENSSL_free(der);
    return avow_buf_ok(out, err);
}

/* CRLs */

static int add_revoked(X509_CRL *crl, struct avow_bytes serial, const ASN1_TIME *when)
{
    avow_auto(avow_cleanup_x509_revoked) X509_REVOKED *r = X509_REVOKED_new();
    avow_auto(avow_cleanup_asn1_integer) ASN1_INTEGER *n = ASN1_INTEGER_new();

    if (!r || !n || set_serial(n, serial) < 0 || X509_REVOKED_set_serialNumber(r, n) != 1 ||
        X509_REVOKED_set_revocationDate(r, (ASN1_TIME *)(uintptr_t)when) != 1)
        return -AVOW_E_CRYPTO;
    if (X509_CRL_add0_revoked(crl, r) != 1)
        return -AVOW_E_CRYPTO;
    r = NULL; /* the CRL has it now */
    return 0;
}

static int fill_crl(X509_CRL *crl, X509 *issuer, int64_t this_update, int64_t next_update)
{
    avow_auto(avow_cleanup_asn1_time) ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)this_update);
    avow_auto(avow_cleanup_asn1_time) ASN1_TIME *until = ASN1_TIME_set(NULL, (time_t)next_update);
    avow_auto(avow_cleanup_asn1_integer) ASN1_INTEGER *number = ASN1_INTEGER_new();

    if (!from || !until || !number || X509_CRL_set_version(crl, X509_CRL_VERSION_2) != 1 ||
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer)) != 1 ||
        X509_CRL_set1_lastUpdate(crl, from) != 1 || X509_CRL_set1_nextUpdate(crl, until) != 1 ||
        ASN1_INTEGER_set(number, 1) != 1 ||
        X509_CRL_add1_ext_i2d(crl, NID_crl_number, number, 0, 0) != 1)
        return -AVOW_E_CRYPTO;
    return 0;
}

static int add_crl_aki(X509_CRL *crl, X509 *issuer)
{
    X509V3_CTX ctx = { 0 };
    avow_auto(avow_cleanup_x509_ext) X509_EXTENSION *e = NULL;

    X509V3_set_ctx(&ctx, issuer, NULL, NULL, crl, 0);
    e = X509V3_EXT_conf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid:always");
    return e && X509_CRL_add_ext(crl, e, -1) == 1 ? 0 : -AVOW_E_CRYPTO;
}

int avow_crl_make(struct avow_bytes issuer, const struct avow_signer *issuer_key,
                  int64_t this_update, int64_t next_update, const struct avow_bytes *serials,
                  size_t n_serials, struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_x509_crl) X509_CRL *crl = X509_CRL_new();
    avow_auto(avow_cleanup_x509) X509 *parent = NULL;
    avow_auto(avow_cleanup_evp_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    uint8_t *der = NULL;
    int n = 0;

    ERR_clear_error();
    AVOW_TRY(parse_issuer(issuer, &parent, err));
    if (!crl || fill_crl(crl, parent, this_update, next_update) < 0 || add_crl_aki(crl, parent) < 0)
        return crypto_failed(err, "filling a CRL");
    for (size_t i = 0; i < n_serials; i++)
        if (add_revoked(crl, serials[i], X509_CRL_get0_lastUpdate(crl)) < 0)
            return crypto_failed(err, "filling a CRL");
    if (X509_CRL_sort(crl) != 1 || sign_init(issuer_key, ctx) < 0 ||
        X509_CRL_sign_ctx(crl, ctx) <= 0)
        return crypto_failed(err, "signing a CRL");
    n = i2d_X509_CRL(crl, &der);
    if (n <= 0)
        return crypto_failed(err, "encoding a CRL");
    avow_buf_put(out, der, (size_t)n);
    OPENSSL_free(der);
    return avow_buf_ok(out, err);
}

int avow_cert_to_pem(struct avow_bytes der, struct avow_buf *out, struct avow_error *err)
{
    uint8_t text[4 * ((PEM_LINE / 4 * 3 + 2) / 3) + 1];
    const size_t step = PEM_LINE / 4 * 3; /* bytes of DER in one line */

    avow_buf_put_str(out, "-----BEGIN CERTIFICATE-----\n");
    for (size_t i = 0; i < der.len; i += step) {
        size_t n = der.len - i < step ? der.len - i : step;

        EVP_EncodeBlock(text, der.data + i, (int)n);
        avow_buf_put_str(out, (const char *)text);
        avow_buf_put_str(out, "\n");
    }
    avow_buf_put_str(out, "-----END CERTIFICATE-----\n");
    return avow_buf_ok(out, err);
}
