#include "crypto/certmake.h"

#include <limits.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "crypto/signer_internal.h"

#define PSS_SALT 48
#define PEM_LINE 64

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

/* Certificates */

/* A context ready to sign a certificate or CRL in the profile of the issuer's key. */
static int sign_init(const struct avow_signer *s, EVP_MD_CTX *ctx)
{
    bool strong = s->kind == AVOW_SIGNER_P384 || s->kind == AVOW_SIGNER_RSA4096;
    const EVP_MD *md = strong ? EVP_sha384() : EVP_sha256();
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
        return signer_failed(err, "filling a certificate");
    if (sign_init(issuer_key, ctx) < 0 || X509_sign_ctx(x, ctx) <= 0)
        return signer_failed(err, "signing a certificate");
    n = i2d_X509(x, &der);
    if (n <= 0)
        return signer_failed(err, "encoding a certificate");
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
        return signer_failed(err, "filling a CRL");
    for (size_t i = 0; i < n_serials; i++)
        if (add_revoked(crl, serials[i], X509_CRL_get0_lastUpdate(crl)) < 0)
            return signer_failed(err, "filling a CRL");
    if (X509_CRL_sort(crl) != 1 || sign_init(issuer_key, ctx) < 0 ||
        X509_CRL_sign_ctx(crl, ctx) <= 0)
        return signer_failed(err, "signing a CRL");
    n = i2d_X509_CRL(crl, &der);
    if (n <= 0)
        return signer_failed(err, "encoding a CRL");
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
