#include "crypto/x509.h"

#include <limits.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#define CN_MAX 128        /* X.520 allows 64 characters; bytes of UTF-8 may be more */
#define RSA_BITS_MIN 3072 /* AMD's keys have 4096 bits */
#define COORD_MAX 48      /* bytes of a P-384 coordinate */

struct avow_cert {
    X509 *x;
    uint8_t *der;
    size_t der_len;
    char subject_cn[CN_MAX];
    char issuer_cn[CN_MAX];
    uint8_t spki[32];
    int64_t from, until;
    bool ca, self_issued;
};

struct avow_crl {
    X509_CRL *crl;
    char issuer_cn[CN_MAX];
    int64_t this_update, next_update;
};

AVOW_DEFINE_CLEANUP(bio, BIO, BIO_free_all)
AVOW_DEFINE_CLEANUP(pkey, EVP_PKEY, EVP_PKEY_free)
AVOW_DEFINE_CLEANUP(pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
AVOW_DEFINE_CLEANUP(md_ctx, EVP_MD_CTX, EVP_MD_CTX_free)
AVOW_DEFINE_CLEANUP(sig, ECDSA_SIG, ECDSA_SIG_free)
AVOW_DEFINE_CLEANUP(obj, ASN1_OBJECT, ASN1_OBJECT_free)
AVOW_DEFINE_CLEANUP(crl_raw, X509_CRL, X509_CRL_free)

/* Record @what with the library's first reason, and leave its error queue empty. */
static int fail(struct avow_error *err, int code, const char *what)
{
    unsigned long e = ERR_peek_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    int rc = 0;

    if (reason)
        rc = AVOW_FAIL_CODE(err, code, "%s (%s)", what, reason);
    else
        rc = AVOW_FAIL_CODE(err, code, "%s", what);
    ERR_clear_error();
    return rc;
}

/* ---- names and times ---- */

/* The one CN of @name as UTF-8; "" if there is none. A second CN, a NUL or excess length: false,
 * since a name that can be read in two ways names nobody. */
static bool read_cn(const X509_NAME *name, char out[CN_MAX])
{
    int i = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    unsigned char *utf8 = NULL;
    int n = 0;
    bool ok = false;

    out[0] = 0;
    if (i < 0)
        return true;
    if (X509_NAME_get_index_by_NID(name, NID_commonName, i) >= 0)
        return false;
    n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    if (n < 0)
        return false;
    if (n < CN_MAX && memchr(utf8, 0, (size_t)n) == NULL) {
        memcpy(out, utf8, (size_t)n);
        out[n] = 0;
        ok = true;
    }
    OPENSSL_free(utf8);
    return ok;
}

static bool read_time(const ASN1_TIME *t, int64_t *out)
{
    struct tm tm = { 0 };

    if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
        return false;
    *out = (int64_t)timegm(&tm);
    return true;
}

static bool same_name(const X509_NAME *a, const X509_NAME *b)
{
    const unsigned char *da = NULL, *db = NULL;
    size_t na = 0, nb = 0;

    return X509_NAME_get0_der(a, &da, &na) == 1 && X509_NAME_get0_der(b, &db, &nb) == 1 &&
           avow_bytes_equal(AVOW_BYTES(da, na), AVOW_BYTES(db, nb));
}

/* ---- certificates ---- */

void avow_cert_free(struct avow_cert *c)
{
    if (!c)
        return;
    X509_free(c->x);
    free(c->der);
    free(c);
}

static int read_spki(struct avow_cert *c, struct avow_error *err)
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c->x), &der);

    if (n <= 0)
        return fail(err, AVOW_E_FORMAT, "certificate: public key cannot be encoded");
    SHA256(der, (size_t)n, c->spki);
    OPENSSL_free(der);
    return 0;
}

static int read_fields(struct avow_cert *c, struct avow_error *err)
{
    uint32_t flags = X509_get_extension_flags(c->x);

    if (flags & EXFLAG_INVALID)
        return fail(err, AVOW_E_FORMAT, "certificate: malformed extensions");
    if (flags & EXFLAG_CRITICAL)
        return fail(err, AVOW_E_FORMAT, "certificate: a critical extension is not known");
    c->ca = (flags & EXFLAG_BCONS) && (flags & EXFLAG_CA);
    if (!read_cn(X509_get_subject_name(c->x), c->subject_cn) ||
        !read_cn(X509_get_issuer_name(c->x), c->issuer_cn))
        return fail(err, AVOW_E_FORMAT, "certificate: subject or issuer CN cannot be used");
    if (!read_time(X509_get0_notBefore(c->x), &c->from) ||
        !read_time(X509_get0_notAfter(c->x), &c->until))
        return fail(err, AVOW_E_FORMAT, "certificate: validity cannot be read");
    c->self_issued = same_name(X509_get_subject_name(c->x), X509_get_issuer_name(c->x));
    return read_spki(c, err);
}

int avow_cert_parse(struct avow_bytes der, struct avow_cert **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    const unsigned char *p = der.data;

    if (der.len == 0)
        return AVOW_FAIL(err, FORMAT, "certificate: empty");
    if (der.len > AVOW_CERT_DER_MAX)
        return AVOW_FAIL(err, LIMIT, "certificate of %zu bytes (at most %u)", der.len,
                         AVOW_CERT_DER_MAX);
    c = calloc(1, sizeof *c);
    if (!c || !(c->der = malloc(der.len)))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    memcpy(c->der, der.data, der.len);
    c->der_len = der.len;
    ERR_clear_error();
    c->x = d2i_X509(NULL, &p, (long)der.len);
    if (!c->x)
        return fail(err, AVOW_E_FORMAT, "certificate: not DER X.509");
    if (p != der.data + der.len)
        return AVOW_FAIL(err, TRAILING, "certificate: %zu bytes after its end",
                         (size_t)(der.data + der.len - p));
    AVOW_TRY(read_fields(c, err));
    ERR_clear_error();
    *out = avow_steal(&c);
    return 0;
}

struct avow_bytes avow_cert_der(const struct avow_cert *c)
{
    return AVOW_BYTES(c->der, c->der_len);
}

const char *avow_cert_subject_cn(const struct avow_cert *c)
{
    return c->subject_cn;
}

const char *avow_cert_issuer_cn(const struct avow_cert *c)
{
    return c->issuer_cn;
}

void avow_cert_spki_sha256(const struct avow_cert *c, uint8_t out[32])
{
    memcpy(out, c->spki, sizeof c->spki);
}

void avow_cert_validity(const struct avow_cert *c, int64_t *from, int64_t *until)
{
    *from = c->from;
    *until = c->until;
}

bool avow_cert_is_ca(const struct avow_cert *c)
{
    return c->ca;
}

bool avow_cert_self_issued(const struct avow_cert *c)
{
    return c->self_issued;
}

bool avow_cert_may(const struct avow_cert *c, enum avow_cert_use use)
{
    uint32_t usage = X509_get_key_usage(c->x);

    if (!c->ca || usage == UINT32_MAX)
        return false;
    return (usage & (use == AVOW_USE_SIGN_CERTS ? KU_KEY_CERT_SIGN : KU_CRL_SIGN)) != 0;
}

int avow_cert_extension(const struct avow_cert *c, const char *oid, struct avow_bytes *value)
{
    avow_auto(avow_cleanup_obj) ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
    const ASN1_OCTET_STRING *s = NULL;
    int i = obj ? X509_get_ext_by_OBJ(c->x, obj, -1) : -1;

    if (i < 0) {
        ERR_clear_error();
        return -AVOW_E_NOTFOUND;
    }
    if (X509_get_ext_by_OBJ(c->x, obj, i) >= 0)
        return -AVOW_E_FORMAT; /* twice: which of the two holds is nobody's to guess */
    s = X509_EXTENSION_get_data(X509_get_ext(c->x, i));
    *value = AVOW_BYTES(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
    return 0;
}

/* ---- signatures ---- */

static const char *curve_name(enum avow_curve curve)
{
    return curve == AVOW_P256 ? SN_X9_62_prime256v1 : SN_secp384r1;
}

static bool key_on_curve(const EVP_PKEY *key, enum avow_curve curve)
{
    char name[64];

    return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
           EVP_PKEY_get_group_name(key, name, sizeof name, NULL) == 1 &&
           strcmp(name, curve_name(curve)) == 0;
}

/* Keys that the vendors' chains use: EC on P-256 or P-384, RSA of at least RSA_BITS_MIN. */
static bool key_acceptable(const EVP_PKEY *key)
{
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA)
        return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
    return key_on_curve(key, AVOW_P256) || key_on_curve(key, AVOW_P384);
}

/* RSA-PSS with SHA-384, or ECDSA with SHA-256 or SHA-384: everything else is not used here. */
static bool algorithm_acceptable(int md, int pk)
{
    if (pk == NID_rsassaPss)
        return md == NID_sha384;
    return pk == NID_X9_62_id_ecPublicKey && (md == NID_sha256 || md == NID_sha384);
}

static EVP_PKEY *issuer_key(const struct avow_cert *issuer, struct avow_error *err)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer->x);

    if (!key || !key_acceptable(key)) {
        (void)fail(err, AVOW_E_SIGNATURE, "the issuer's key is not of an accepted kind");
        return NULL;
    }
    return key;
}

int avow_cert_signed_by(const struct avow_cert *c, const struct avow_cert *issuer,
                        struct avow_error *err)
{
    EVP_PKEY *key = NULL;
    int md = 0, pk = 0;

    ERR_clear_error();
    if (!same_name(X509_get_issuer_name(c->x), X509_get_subject_name(issuer->x)))
        return AVOW_FAIL(err, SIGNATURE, "certificate \"%s\" names issuer \"%s\", not \"%s\"",
                         c->subject_cn, c->issuer_cn, issuer->subject_cn);
    if (X509_get_signature_info(c->x, &md, &pk, NULL, NULL) != 1 || !algorithm_acceptable(md, pk))
        return fail(err, AVOW_E_SIGNATURE,
                    "the certificate's signature algorithm is not RSA-PSS SHA-384 or ECDSA");
    key = issuer_key(issuer, err);
    if (!key)
        return -AVOW_E_SIGNATURE;
    if (X509_verify(c->x, key) != 1) {
        ERR_clear_error();
        return AVOW_FAIL(err, SIGNATURE,
                         "certificate \"%s\": the signature does not verify with the key of \"%s\"",
                         c->subject_cn, issuer->subject_cn);
    }
    ERR_clear_error();
    return 0;
}

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
static int ecdsa_verify(EVP_PKEY *key, enum avow_curve curve, struct avow_bytes msg,
                        struct avow_bytes sig, struct avow_error *err)
{
    avow_auto(avow_cleanup_md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = curve == AVOW_P256 ? EVP_sha256() : EVP_sha384();
    unsigned char *der = NULL;
    int n = 0, ok = 0;

    if (sig.len != (curve == AVOW_P256 ? 64u : 96u))
        return AVOW_FAIL(err, SIGNATURE, "ECDSA signature of %zu bytes", sig.len);
    n = sig_to_der(sig, &der);
    if (n <= 0 || !ctx || EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) != 1) {
        OPENSSL_free(der);
        return fail(err, AVOW_E_CRYPTO, "ECDSA verification cannot be set up");
    }
    ok = EVP_DigestVerify(ctx, der, (size_t)n, msg.data, msg.len);
    OPENSSL_free(der);
    ERR_clear_error();
    if (ok != 1)
        return AVOW_FAIL(err, SIGNATURE, "the ECDSA signature does not verify");
    return 0;
}

int avow_cert_ecdsa_verify(const struct avow_cert *c, enum avow_curve curve, struct avow_bytes msg,
                           struct avow_bytes sig, struct avow_error *err)
{
    EVP_PKEY *key = NULL;

    ERR_clear_error();
    key = X509_get0_pubkey(c->x);
    if (!key || !key_on_curve(key, curve))
        return fail(err, AVOW_E_FORMAT, "the certificate's key is not on the expected curve");
    return ecdsa_verify(key, curve, msg, sig, err);
}

static EVP_PKEY *point_to_key(enum avow_curve curve, struct avow_bytes xy)
{
    avow_auto(avow_cleanup_pkey_ctx) EVP_PKEY_CTX *ctx =
        EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    char group[sizeof SN_X9_62_prime256v1 + sizeof SN_secp384r1];
    uint8_t point[1 + 2 * COORD_MAX] = { POINT_CONVERSION_UNCOMPRESSED };
    EVP_PKEY *key = NULL;
    OSSL_PARAM params[3];

    snprintf(group, sizeof group, "%s", curve_name(curve));
    memcpy(point + 1, xy.data, xy.len);
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + xy.len);
    params[2] = OSSL_PARAM_construct_end();
    /* import decodes the point, which fails if it is not on the curve (tested) */
    if (!ctx || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        return NULL;
    return key;
}

int avow_ecdsa_verify(enum avow_curve curve, struct avow_bytes xy, struct avow_bytes msg,
                      struct avow_bytes sig, struct avow_error *err)
{
    avow_auto(avow_cleanup_pkey) EVP_PKEY *key = NULL;

    ERR_clear_error();
    if (xy.len != (curve == AVOW_P256 ? 64u : 96u))
        return AVOW_FAIL(err, FORMAT, "EC public key of %zu bytes", xy.len);
    key = point_to_key(curve, xy);
    if (!key)
        return fail(err, AVOW_E_FORMAT, "EC public key is not a point on the curve");
    return ecdsa_verify(key, curve, msg, sig, err);
}

/* ---- CRLs ---- */

void avow_crl_free(struct avow_crl *c)
{
    if (!c)
        return;
    X509_CRL_free(c->crl);
    free(c);
}

static X509_CRL *crl_from_pem(struct avow_bytes text)
{
    avow_auto(avow_cleanup_bio) BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);

    return bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
}

static int crl_read(struct avow_bytes text, X509_CRL **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_crl_raw) X509_CRL *crl = NULL;
    const unsigned char *p = text.data;

    if (text.data[0] == '-') {
        crl = crl_from_pem(text);
        if (!crl)
            return fail(err, AVOW_E_FORMAT, "CRL: not a PEM X.509 CRL");
    } else {
        crl = d2i_X509_CRL(NULL, &p, (long)text.len);
        if (!crl)
            return fail(err, AVOW_E_FORMAT, "CRL: not DER");
        if (p != text.data + text.len)
            return AVOW_FAIL(err, TRAILING, "CRL: bytes after its end");
    }
    *out = avow_steal(&crl);
    return 0;
}

int avow_crl_parse(struct avow_bytes text, struct avow_crl **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_crl) struct avow_crl *c = NULL;

    if (text.len == 0)
        return AVOW_FAIL(err, FORMAT, "CRL: empty");
    if (text.len > AVOW_CRL_DER_MAX)
        return AVOW_FAIL(err, LIMIT, "CRL of %zu bytes (at most %u)", text.len, AVOW_CRL_DER_MAX);
    c = calloc(1, sizeof *c);
    if (!c)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    ERR_clear_error();
    AVOW_TRY(crl_read(text, &c->crl, err));
    /* Delta CRLs and CRLs of a limited scope must be marked critical (RFC 5280, 5.2): neither says
     * that a certificate which it does not list is good. */
    if (X509_CRL_get_ext_by_critical(c->crl, 1, -1) >= 0)
        return fail(err, AVOW_E_FORMAT, "CRL: has a critical extension (delta or partial CRL)");
    if (!read_cn(X509_CRL_get_issuer(c->crl), c->issuer_cn))
        return fail(err, AVOW_E_FORMAT, "CRL: issuer CN cannot be used");
    if (!read_time(X509_CRL_get0_lastUpdate(c->crl), &c->this_update))
        return fail(err, AVOW_E_FORMAT, "CRL: thisUpdate cannot be read");
    if (!read_time(X509_CRL_get0_nextUpdate(c->crl), &c->next_update))
        return fail(err, AVOW_E_FORMAT, "CRL: no nextUpdate");
    ERR_clear_error();
    *out = avow_steal(&c);
    return 0;
}

int avow_crl_signed_by(const struct avow_crl *crl, const struct avow_cert *issuer,
                       struct avow_error *err)
{
    const X509_ALGOR *alg = NULL;
    const ASN1_OBJECT *oid = NULL;
    EVP_PKEY *key = NULL;
    int nid = 0;

    ERR_clear_error();
    if (!same_name(X509_CRL_get_issuer(crl->crl), X509_get_subject_name(issuer->x)))
        return AVOW_FAIL(err, SIGNATURE, "CRL names issuer \"%s\", not \"%s\"", crl->issuer_cn,
                         issuer->subject_cn);
    X509_CRL_get0_signature(crl->crl, NULL, &alg);
    X509_ALGOR_get0(&oid, NULL, NULL, alg);
    nid = OBJ_obj2nid(oid);
    if (nid != NID_rsassaPss && nid != NID_ecdsa_with_SHA256 && nid != NID_ecdsa_with_SHA384)
        return fail(err, AVOW_E_SIGNATURE, "the CRL's signature algorithm is not RSA-PSS or ECDSA");
    key = issuer_key(issuer, err);
    if (!key)
        return -AVOW_E_SIGNATURE;
    if (X509_CRL_verify(crl->crl, key) != 1) {
        ERR_clear_error();
        return AVOW_FAIL(err, SIGNATURE,
                         "CRL of \"%s\": the signature does not verify with the key of \"%s\"",
                         crl->issuer_cn, issuer->subject_cn);
    }
    ERR_clear_error();
    return 0;
}

const char *avow_crl_issuer_cn(const struct avow_crl *crl)
{
    return crl->issuer_cn;
}

void avow_crl_validity(const struct avow_crl *crl, int64_t *this_update, int64_t *next_update)
{
    *this_update = crl->this_update;
    *next_update = crl->next_update;
}

bool avow_crl_revokes(const struct avow_crl *crl, const struct avow_cert *c)
{
    X509_REVOKED *entry = NULL;

    if (!same_name(X509_CRL_get_issuer(crl->crl), X509_get_issuer_name(c->x)))
        return false;
    return X509_CRL_get0_by_serial(crl->crl, &entry, X509_get0_serialNumber(c->x)) != 0;
}

int avow_crl_der(const struct avow_crl *crl, struct avow_buf *out, struct avow_error *err)
{
    unsigned char *der = NULL;
    int n = i2d_X509_CRL(crl->crl, &der);
    int rc = 0;

    if (n <= 0)
        return fail(err, AVOW_E_CRYPTO, "CRL cannot be encoded");
    rc = avow_buf_put(out, der, (size_t)n);
    OPENSSL_free(der);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "CRL of %d bytes does not fit", n);
    return 0;
}

/* ---- PEM ---- */

/* Take one PEM block off @bio: 1 = a certificate was put into @store, 2 = another kind, 0 = end. */
static int pem_next(BIO *bio, struct avow_buf *store, size_t *len, struct avow_error *err)
{
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long n = 0;
    int rc = 2;

    if (PEM_read_bio(bio, &name, &header, &data, &n) != 1) {
        if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
            ERR_clear_error();
            return 0;
        }
        return fail(err, AVOW_E_FORMAT, "PEM block cannot be decoded");
    }
    if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0) {
        rc = avow_buf_put(store, data, (size_t)n);
        rc = rc < 0 ? AVOW_FAIL_CODE(err, rc, "PEM certificates do not fit") : 1;
        *len = (size_t)n;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, (size_t)n);
    return rc;
}

int avow_pem_to_der(struct avow_bytes pem, struct avow_buf *store, struct avow_bytes *ders,
                    size_t max, size_t *n, struct avow_error *err)
{
    avow_auto(avow_cleanup_bio) BIO *bio = NULL;
    size_t start = store->len;
    size_t count = 0, off = 0;
    int rc = 0;

    *n = 0;
    if (pem.len > INT_MAX)
        return AVOW_FAIL(err, LIMIT, "PEM text of %zu bytes", pem.len);
    ERR_clear_error();
    bio = BIO_new_mem_buf(pem.data ? (const void *)pem.data : "", (int)pem.len);
    if (!bio)
        return fail(err, AVOW_E_NOMEM, "out of memory");
    for (;;) {
        size_t len = 0;

        AVOW_TRY(rc = pem_next(bio, store, &len, err));
        if (rc == 0)
            break;
        if (rc == 2)
            continue;
        if (count == max)
            return AVOW_FAIL(err, LIMIT, "more than %zu certificates in a PEM text", max);
        ders[count++] = AVOW_BYTES(NULL, len); /* the store may still move */
    }
    if (count == 0)
        return AVOW_FAIL(err, FORMAT, "no certificate in the PEM text");
    for (size_t i = 0; i < count; i++) {
        ders[i].data = store->data + start + off;
        off += ders[i].len;
    }
    *n = count;
    return 0;
}
