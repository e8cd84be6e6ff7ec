#include "crypto/x509_read.h"

#include "crypto/der.h"
#include "crypto/x509_ext.h"

#define VERSION_3 2 /* of certificates; they count from 0 */
#define VERSION_2 1 /* of CRLs */
#define POINT_UNCOMPRESSED 0x04

/* ---- keys and signatures ---- */

/* RFC 3279, 2.3.1: the AlgorithmIdentifier {rsaEncryption, NULL}; RFC 5480, 2.1.1: {id-ecPublicKey,
 * curve}. Whole, as DER has one way to write them. */
static const uint8_t rsa_alg[] = { 0x30, 0x0D, 0x06, 0x09, 0x2A, 0x86, 0x48, 0x86,
                                   0xF7, 0x0D, 0x01, 0x01, 0x01, 0x05, 0x00 };
static const uint8_t p256_alg[] = { 0x30, 0x13, 0x06, 0x07, 0x2A, 0x86, 0x48,
                                    0xCE, 0x3D, 0x02, 0x01, 0x06, 0x08, 0x2A,
                                    0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07 };
static const uint8_t p384_alg[] = { 0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D,
                                    0x02, 0x01, 0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22 };

/* RSAPublicKey (RFC 3279, 2.3.1); a modulus or exponent of zero is none. */
static bool read_rsa(struct avow_bytes bits, struct avow_spki *out)
{
    struct avow_rd r = avow_rd_init(bits), in;
    struct avow_bytes *const parts[] = { &out->n, &out->e };

    if (!avow_der_enter(&r, AVOW_DER_SEQUENCE, &in) || avow_rd_end(&r) < 0)
        return false;
    for (size_t i = 0; i < 2; i++) {
        if (!avow_der_unsigned(&in, parts[i]))
            return false;
        if (parts[i]->data[0] == 0)
            *parts[i] = avow_bytes_sub(*parts[i], 1, parts[i]->len - 1);
        if (parts[i]->len == 0)
            return false;
    }
    return avow_rd_end(&in) == 0;
}

static bool read_point(struct avow_bytes bits, size_t len, struct avow_spki *out)
{
    out->point = bits;
    return bits.len == 1 + len && bits.data[0] == POINT_UNCOMPRESSED;
}

/* AlgorithmIdentifier: an OID and its parameters, whose form who knows the OID knows. */
static bool read_alg(struct avow_rd *r, struct avow_bytes *whole)
{
    struct avow_bytes contents = { 0 }, v = { 0 };
    struct avow_rd in;

    if (!avow_der_take(r, AVOW_DER_SEQUENCE, &contents, whole))
        return false;
    in = avow_rd_init(contents);
    if (!avow_der_oid(&in, &v))
        return false;
    if (avow_der_at(&in, AVOW_DER_OID))
        return avow_der_oid(&in, &v) && avow_rd_end(&in) == 0;
    if (avow_der_at(&in, AVOW_DER_NULL))
        return avow_der_take(&in, AVOW_DER_NULL, &v, NULL) && v.len == 0 && avow_rd_end(&in) == 0;
    return in.rest.len == 0 ||
           (avow_der_take(&in, AVOW_DER_SEQUENCE, &v, NULL) && avow_rd_end(&in) == 0);
}

static bool read_spki(struct avow_rd *r, struct avow_spki *out)
{
    struct avow_bytes contents = { 0 }, alg = { 0 }, bits = { 0 };
    struct avow_rd in;
    bool ok = true;

    if (!avow_der_take(r, AVOW_DER_SEQUENCE, &contents, &out->whole))
        return false;
    in = avow_rd_init(contents);
    if (!read_alg(&in, &alg) || !avow_der_octet_bits(&in, &bits) || avow_rd_end(&in) < 0)
        return false;
    if (avow_bytes_equal(alg, AVOW_BYTES_OF(rsa_alg))) {
        out->kind = AVOW_KEY_RSA;
        ok = read_rsa(bits, out);
    } else if (avow_bytes_equal(alg, AVOW_BYTES_OF(p256_alg))) {
        out->kind = AVOW_KEY_EC_P256;
        ok = read_point(bits, 64, out);
    } else if (avow_bytes_equal(alg, AVOW_BYTES_OF(p384_alg))) {
        out->kind = AVOW_KEY_EC_P384;
        ok = read_point(bits, 96, out);
    }
    if (!ok) /* it can verify nothing, which is found out where that is asked of it */
        out->kind = AVOW_KEY_OTHER;
    return true;
}

/* SEQUENCE { what is signed, algorithm, signature } and nothing behind it. @in: inside of the
 * first. */
static int read_signed(struct avow_bytes der, const char *what, struct avow_signed *out,
                       struct avow_rd *in, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(der), outer;
    struct avow_bytes tbs = { 0 };

    if (!avow_der_enter(&r, AVOW_DER_SEQUENCE, &outer))
        return AVOW_FAIL(err, FORMAT, "%s: not DER, or cut", what);
    if (avow_rd_end(&r) < 0)
        return AVOW_FAIL(err, TRAILING, "%s: %zu bytes after its end", what, r.rest.len);
    if (!avow_der_take(&outer, AVOW_DER_SEQUENCE, &tbs, &out->tbs) ||
        !read_alg(&outer, &out->alg) || !avow_der_octet_bits(&outer, &out->signature) ||
        avow_rd_end(&outer) < 0)
        return AVOW_FAIL(err, FORMAT, "%s: not a signed X.509 structure in DER", what);
    *in = avow_rd_init(tbs);
    return 0;
}

/* ---- certificates ---- */

static bool read_version(struct avow_rd *r, uint8_t want)
{
    struct avow_bytes v = { 0 };

    return avow_der_unsigned(r, &v) && v.len == 1 && v.data[0] == want;
}

static bool read_serial(struct avow_rd *r, struct avow_bytes *out)
{
    return avow_der_unsigned(r, out) && out->len <= AVOW_SERIAL_MAX;
}

static bool read_validity(struct avow_rd *r, struct avow_cert_fields *out)
{
    struct avow_rd in;

    return avow_der_enter(r, AVOW_DER_SEQUENCE, &in) && avow_der_time(&in, &out->from) &&
           avow_der_time(&in, &out->until) && avow_rd_end(&in) == 0;
}

/* [3] EXPLICIT SEQUENCE OF Extension, the last thing of what is signed; it may be absent. */
static int read_extensions(struct avow_rd *r, struct avow_cert_fields *out, struct avow_error *err)
{
    struct avow_bytes list = { 0 };
    struct avow_rd in;

    if (r->rest.len == 0)
        return 0;
    if (!avow_der_enter(r, AVOW_DER_CONTEXT_CONSTRUCTED(3), &in) || avow_rd_end(r) < 0 ||
        !avow_der_take(&in, AVOW_DER_SEQUENCE, &list, NULL) || avow_rd_end(&in) < 0)
        return AVOW_FAIL(err, FORMAT, "certificate: malformed extensions");
    return avow_extensions_read(list, out, err);
}

int avow_cert_read(struct avow_bytes der, struct avow_cert_fields *out, struct avow_error *err)
{
    struct avow_rd in, version;

    memset(out, 0, sizeof *out);
    AVOW_TRY(read_signed(der, "certificate", &out->s, &in, err));
    if (!avow_der_enter(&in, AVOW_DER_CONTEXT_CONSTRUCTED(0), &version) ||
        !read_version(&version, VERSION_3) || avow_rd_end(&version) < 0)
        return AVOW_FAIL(err, FORMAT, "certificate: not of version 3");
    if (!read_serial(&in, &out->serial) || !read_alg(&in, &out->s.inner_alg))
        return AVOW_FAIL(err, FORMAT, "certificate: malformed serial number or algorithm");
    if (!avow_name_read(&in, &out->issuer, out->issuer_cn))
        return AVOW_FAIL(err, FORMAT, "certificate: issuer, or its CN, cannot be used");
    if (!read_validity(&in, out))
        return AVOW_FAIL(err, FORMAT, "certificate: validity cannot be read");
    if (!avow_name_read(&in, &out->subject, out->subject_cn))
        return AVOW_FAIL(err, FORMAT, "certificate: subject, or its CN, cannot be used");
    if (!read_spki(&in, &out->key))
        return AVOW_FAIL(err, FORMAT, "certificate: malformed public key");
    return read_extensions(&in, out, err);
}

/* ---- CRLs ---- */

/* A list of extensions none of which may be critical, nor be certificateIssuer (2.5.29.29). */
static bool read_harmless(struct avow_rd *r)
{
    static const uint8_t certificate_issuer[] = { 0x55, 0x1D, 29 };
    struct avow_rd list;
    struct avow_extension e = { 0 };

    if (!avow_der_enter(r, AVOW_DER_SEQUENCE, &list))
        return false;
    for (size_t n = 0; list.rest.len; n++)
        if (n == AVOW_X509_EXTENSIONS_MAX || !avow_extension_next(&list, &e) || e.critical ||
            avow_bytes_equal(e.oid, AVOW_BYTES_OF(certificate_issuer)))
            return false;
    return true;
}

/* SEQUENCE { serial number, date, extensions OPTIONAL } */
static bool read_entry(struct avow_rd *r, struct avow_bytes *serial)
{
    struct avow_rd in;
    int64_t when = 0;

    return avow_der_enter(r, AVOW_DER_SEQUENCE, &in) && read_serial(&in, serial) &&
           avow_der_time(&in, &when) && (in.rest.len == 0 || read_harmless(&in)) &&
           avow_rd_end(&in) == 0;
}

static int read_entries(struct avow_rd *in, struct avow_crl_fields *out, struct avow_error *err)
{
    struct avow_rd r;
    struct avow_bytes serial = { 0 };

    if (!avow_der_at(in, AVOW_DER_SEQUENCE))
        return 0; /* none */
    if (!avow_der_take(in, AVOW_DER_SEQUENCE, &out->revoked, NULL))
        return AVOW_FAIL(err, FORMAT, "CRL: malformed list of certificates");
    r = avow_rd_init(out->revoked);
    for (size_t n = 1; r.rest.len; n++)
        if (!read_entry(&r, &serial))
            return AVOW_FAIL(err, FORMAT, "CRL: entry %zu is malformed, or of another issuer", n);
    return 0;
}

/* [0] EXPLICIT SEQUENCE OF Extension, the last thing of what is signed; it may be absent. */
static int read_crl_extensions(struct avow_rd *r, struct avow_error *err)
{
    struct avow_rd in;

    if (r->rest.len == 0)
        return 0;
    if (!avow_der_enter(r, AVOW_DER_CONTEXT_CONSTRUCTED(0), &in) || avow_rd_end(r) < 0 ||
        !read_harmless(&in) || avow_rd_end(&in) < 0)
        return AVOW_FAIL(err, FORMAT,
                         "CRL: malformed extensions, or a critical one (delta or partial CRL)");
    return 0;
}

int avow_crl_read(struct avow_bytes der, struct avow_crl_fields *out, struct avow_error *err)
{
    struct avow_rd in;

    memset(out, 0, sizeof *out);
    AVOW_TRY(read_signed(der, "CRL", &out->s, &in, err));
    if (!read_version(&in, VERSION_2))
        return AVOW_FAIL(err, FORMAT, "CRL: not of version 2");
    if (!read_alg(&in, &out->s.inner_alg))
        return AVOW_FAIL(err, FORMAT, "CRL: malformed algorithm");
    if (!avow_name_read(&in, &out->issuer, out->issuer_cn))
        return AVOW_FAIL(err, FORMAT, "CRL: issuer, or its CN, cannot be used");
    if (!avow_der_time(&in, &out->this_update))
        return AVOW_FAIL(err, FORMAT, "CRL: thisUpdate cannot be read");
    if (!avow_der_time(&in, &out->next_update))
        return AVOW_FAIL(err, FORMAT, "CRL: no nextUpdate, or it cannot be read");
    AVOW_TRY(read_entries(&in, out, err));
    return read_crl_extensions(&in, err);
}

bool avow_crl_lists(const struct avow_crl_fields *crl, struct avow_bytes serial)
{
    struct avow_rd r = avow_rd_init(crl->revoked);
    struct avow_bytes other = { 0 };

    while (r.rest.len && read_entry(&r, &other))
        if (avow_bytes_equal(other, serial))
            return true;
    return false;
}
