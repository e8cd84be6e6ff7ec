#include "x509_reference.h"

#include <time.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/cleanup.h"
#include "crypto/der.h"
#include "crypto/x509_ext.h"

AVOW_DEFINE_CLEANUP(x509, X509, X509_free)
AVOW_DEFINE_CLEANUP(x509_crl, X509_CRL, X509_CRL_free)

static X509 *read_cert(struct avow_bytes der)
{
    const unsigned char *p = der.data;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);

    if (x && p != der.data + der.len) {
        X509_free(x);
        x = NULL;
    }
    ERR_clear_error();
    return x;
}

static X509_CRL *read_crl(struct avow_bytes der)
{
    const unsigned char *p = der.data;
    X509_CRL *x = d2i_X509_CRL(NULL, &p, (long)der.len);

    if (x && p != der.data + der.len) {
        X509_CRL_free(x);
        x = NULL;
    }
    ERR_clear_error();
    return x;
}

bool reference_is_cert(struct avow_bytes der)
{
    avow_auto(avow_cleanup_x509) X509 *x = read_cert(der);

    return x != NULL;
}

bool reference_is_crl(struct avow_bytes der)
{
    avow_auto(avow_cleanup_x509_crl) X509_CRL *x = read_crl(der);

    return x != NULL;
}

static bool same_time(const ASN1_TIME *t, int64_t ours)
{
    struct tm tm = { 0 };

    return t && ASN1_TIME_to_tm(t, &tm) == 1 && (int64_t)timegm(&tm) == ours;
}

static bool same_name(const X509_NAME *name, struct avow_bytes whole, const char *cn)
{
    const unsigned char *der = NULL;
    unsigned char *utf8 = NULL;
    size_t len = 0;
    int i = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    int n = 0;
    bool same = false;

    if (X509_NAME_get0_der(name, &der, &len) != 1 || !avow_bytes_equal(AVOW_BYTES(der, len), whole))
        return false;
    if (i < 0)
        return !*cn;
    if (X509_NAME_get_index_by_NID(name, NID_commonName, i) >= 0)
        return false;
    n = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, i)));
    same = n >= 0 && avow_bytes_equal(AVOW_BYTES(utf8, (size_t)n), avow_bytes_str(cn));
    OPENSSL_free(utf8);
    return same;
}

/* The contents of an INTEGER, as OpenSSL writes it. */
static bool same_integer(const ASN1_INTEGER *v, struct avow_bytes ours)
{
    unsigned char *der = NULL;
    int n = i2d_ASN1_INTEGER(v, &der);
    struct avow_rd r = avow_rd_init(AVOW_BYTES(der, n > 0 ? (size_t)n : 0));
    struct avow_bytes contents = { 0 };
    bool same =
        avow_der_take(&r, AVOW_DER_INTEGER, &contents, NULL) && avow_bytes_equal(contents, ours);

    OPENSSL_free(der);
    return same;
}

static bool same_alg(const X509_ALGOR *alg, struct avow_bytes ours)
{
    unsigned char *der = NULL;
    int n = i2d_X509_ALGOR(alg, &der);
    bool same = n > 0 && avow_bytes_equal(AVOW_BYTES(der, (size_t)n), ours);

    OPENSSL_free(der);
    return same;
}

static bool same_bits(const ASN1_BIT_STRING *bits, struct avow_bytes ours)
{
    return avow_bytes_equal(
        AVOW_BYTES(ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits)), ours);
}

static bool same_key(X509 *x, const struct avow_spki *ours)
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &der);
    EVP_PKEY *key = X509_get0_pubkey(x);
    bool same = n > 0 && avow_bytes_equal(AVOW_BYTES(der, (size_t)n), ours->whole);
    char curve[64] = "";

    OPENSSL_free(der);
    ERR_clear_error();
    if (!same || ours->kind == AVOW_KEY_OTHER || !key) /* not a key, or not on its curve */
        return same;
    if (ours->kind == AVOW_KEY_RSA)
        return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
    return EVP_PKEY_get_group_name(key, curve, sizeof curve, NULL) == 1 &&
           strcmp(curve, ours->kind == AVOW_KEY_EC_P256 ? SN_X9_62_prime256v1 : SN_secp384r1) == 0;
}

static bool same_extensions(const X509 *x, struct avow_bytes list)
{
    struct avow_rd r = avow_rd_init(list);
    struct avow_extension e = { 0 };
    int n = X509_get_ext_count(x);

    for (int i = 0; i < n; i++) {
        X509_EXTENSION *ext = X509_get_ext(x, i);
        const ASN1_OBJECT *oid = X509_EXTENSION_get_object(ext);
        const ASN1_OCTET_STRING *v = X509_EXTENSION_get_data(ext);
        char dotted[256];
        uint8_t again[AVOW_DER_OID_MAX];
        size_t len = 0;

        if (!avow_extension_next(&r, &e) || e.critical != (X509_EXTENSION_get_critical(ext) > 0) ||
            !avow_bytes_equal(AVOW_BYTES(OBJ_get0_data(oid), OBJ_length(oid)), e.oid) ||
            !avow_bytes_equal(AVOW_BYTES(ASN1_STRING_get0_data(v), (size_t)ASN1_STRING_length(v)),
                              e.value))
            return false;
        if (OBJ_obj2txt(dotted, sizeof dotted, oid, 1) < (int)sizeof dotted)
            len = avow_der_oid_from_text(dotted, again);
        if (len && !avow_bytes_equal(AVOW_BYTES(again, len), e.oid))
            return false;
    }
    return r.rest.len == 0;
}

static const char *extensions_differ(X509 *x, const struct avow_cert_fields *ours)
{
    uint32_t flags = X509_get_extension_flags(x);
    uint32_t usage = X509_get_key_usage(x);

    ERR_clear_error();
    if (flags & EXFLAG_INVALID)
        return "malformed extensions";
    if (flags & EXFLAG_CRITICAL)
        return "an unknown critical extension";
    if (flags & EXFLAG_PROXY)
        return "a proxy";
    if (((flags & EXFLAG_BCONS) && (flags & EXFLAG_CA)) != ours->ca)
        return "CA";
    if ((usage == UINT32_MAX ? 0 : usage & 0xFF) != ours->usage)
        return "key usage";
    return same_extensions(x, ours->extensions) ? NULL : "extensions";
}

const char *reference_cert_differs(struct avow_bytes der, const struct avow_cert_fields *ours)
{
    avow_auto(avow_cleanup_x509) X509 *x = read_cert(der);
    const ASN1_BIT_STRING *sig = NULL;
    const X509_ALGOR *alg = NULL;

    if (!x)
        return "no certificate";
    X509_get0_signature(&sig, &alg, x);
    if (!same_bits(sig, ours->s.signature) || !same_alg(alg, ours->s.alg) ||
        !same_alg(X509_get0_tbs_sigalg(x), ours->s.inner_alg))
        return "signature";
    if (!same_integer(X509_get0_serialNumber(x), ours->serial))
        return "serial number";
    if (!same_name(X509_get_subject_name(x), ours->subject, ours->subject_cn) ||
        !same_name(X509_get_issuer_name(x), ours->issuer, ours->issuer_cn))
        return "names";
    if (!same_time(X509_get0_notBefore(x), ours->from) ||
        !same_time(X509_get0_notAfter(x), ours->until))
        return "validity";
    if (!same_key(x, &ours->key))
        return "key";
    return extensions_differ(x, ours);
}

const char *reference_crl_differs(struct avow_bytes der, const struct avow_crl_fields *ours)
{
    avow_auto(avow_cleanup_x509_crl) X509_CRL *x = read_crl(der);
    const ASN1_BIT_STRING *sig = NULL;
    const X509_ALGOR *alg = NULL;
    STACK_OF(X509_REVOKED) *revoked = NULL;

    if (!x)
        return "no CRL";
    if (X509_CRL_get_ext_by_critical(x, 1, -1) >= 0)
        return "a critical extension";
    X509_CRL_get0_signature(x, &sig, &alg);
    if (!same_bits(sig, ours->s.signature) || !same_alg(alg, ours->s.alg))
        return "signature";
    if (!same_name(X509_CRL_get_issuer(x), ours->issuer, ours->issuer_cn))
        return "issuer";
    if (!same_time(X509_CRL_get0_lastUpdate(x), ours->this_update) ||
        !same_time(X509_CRL_get0_nextUpdate(x), ours->next_update))
        return "dates";
    revoked = X509_CRL_get_REVOKED(x);
    for (int i = 0; i < sk_X509_REVOKED_num(revoked); i++) {
        unsigned char *serial = NULL;
        int n = i2d_ASN1_INTEGER(X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(revoked, i)),
                                 &serial);
        struct avow_rd r = avow_rd_init(AVOW_BYTES(serial, n > 0 ? (size_t)n : 0));
        struct avow_bytes contents = { 0 };
        bool listed =
            avow_der_take(&r, AVOW_DER_INTEGER, &contents, NULL) && avow_crl_lists(ours, contents);

        OPENSSL_free(serial);
        if (!listed)
            return "an entry";
    }
    return NULL;
}
