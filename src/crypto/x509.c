#include "crypto/x509.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "crypto/der.h"
#include "crypto/hash.h"
#include "crypto/key.h"
#include "crypto/x509_ext.h"
#include "crypto/x509_read.h"

struct avow_cert {
    struct avow_cert_fields f; /* views into der */
    uint8_t *der;
    size_t der_len;
    uint8_t spki[32];
    EVP_PKEY *key; /* NULL: of a kind that verifies nothing here */
};

struct avow_crl {
    struct avow_crl_fields f; /* views into der */
    uint8_t *der;
    size_t der_len;
};

AVOW_DEFINE_CLEANUP(bio, BIO, BIO_free_all)
AVOW_DEFINE_CLEANUP(pkey, EVP_PKEY, EVP_PKEY_free)

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

static uint8_t *copy(struct avow_bytes b)
{
    uint8_t *p = malloc(b.len);

    if (p)
        memcpy(p, b.data, b.len);
    return p;
}

/* ---- certificates ---- */

void avow_cert_free(struct avow_cert *c)
{
    if (!c)
        return;
    EVP_PKEY_free(c->key);
    free(c->der);
    free(c);
}

int avow_cert_parse(struct avow_bytes der, struct avow_cert **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    int rc = 0;

    if (der.len == 0)
        return AVOW_FAIL(err, FORMAT, "certificate: empty");
    if (der.len > AVOW_CERT_DER_MAX)
        return AVOW_FAIL(err, LIMIT, "certificate of %zu bytes (at most %u)", der.len,
                         AVOW_CERT_DER_MAX);
    c = calloc(1, sizeof *c);
    if (!c || !(c->der = copy(der)))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    c->der_len = der.len;
    AVOW_TRY(avow_cert_read(AVOW_BYTES(c->der, c->der_len), &c->f, err));
    if (avow_sha256(c->f.key.whole, c->spki) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    /* a key of another kind stays NULL: whoever asks it to verify something is told so */
    rc = avow_spki_key_new(&c->f.key, &c->key, err);
    if (rc == -AVOW_E_CRYPTO)
        return rc;
    avow_error_clear(err);
    *out = avow_steal(&c);
    return 0;
}

struct avow_bytes avow_cert_der(const struct avow_cert *c)
{
    return AVOW_BYTES(c->der, c->der_len);
}

const char *avow_cert_subject_cn(const struct avow_cert *c)
{
    return c->f.subject_cn;
}

const char *avow_cert_issuer_cn(const struct avow_cert *c)
{
    return c->f.issuer_cn;
}

void avow_cert_spki_sha256(const struct avow_cert *c, uint8_t out[32])
{
    memcpy(out, c->spki, sizeof c->spki);
}

void avow_cert_validity(const struct avow_cert *c, int64_t *from, int64_t *until)
{
    *from = c->f.from;
    *until = c->f.until;
}

bool avow_cert_is_ca(const struct avow_cert *c)
{
    return c->f.ca;
}

bool avow_cert_self_issued(const struct avow_cert *c)
{
    return avow_bytes_equal(c->f.subject, c->f.issuer);
}

bool avow_cert_may(const struct avow_cert *c, enum avow_cert_use use)
{
    return c->f.ca &&
           (c->f.usage & (use == AVOW_USE_SIGN_CERTS ? AVOW_USAGE_CERTS : AVOW_USAGE_CRLS)) != 0;
}

int avow_cert_extension(const struct avow_cert *c, const char *oid, struct avow_bytes *value)
{
    struct avow_rd r = avow_rd_init(c->f.extensions);
    struct avow_extension e = { 0 };
    uint8_t want[AVOW_DER_OID_MAX];
    size_t len = avow_der_oid_from_text(oid, want);
    bool found = false;

    while (len && r.rest.len && avow_extension_next(&r, &e)) {
        if (!avow_bytes_equal(e.oid, AVOW_BYTES(want, len)))
            continue;
        if (found)
            return -AVOW_E_FORMAT; /* twice: which of the two holds is nobody's to guess */
        found = true;
        *value = e.value;
    }
    return found ? 0 : -AVOW_E_NOTFOUND;
}

int avow_cert_signed_by(const struct avow_cert *c, const struct avow_cert *issuer,
                        struct avow_error *err)
{
    struct avow_error why = { 0 };

    if (!avow_bytes_equal(c->f.issuer, issuer->f.subject))
        return AVOW_FAIL(err, SIGNATURE, "certificate \"%s\" names issuer \"%s\", not \"%s\"",
                         c->f.subject_cn, c->f.issuer_cn, issuer->f.subject_cn);
    if (avow_key_signed(issuer->key, issuer->f.key.kind, &c->f.s, "certificate", &why) < 0)
        return AVOW_FAIL(err, SIGNATURE, "certificate \"%s\", by the key of \"%s\": %s",
                         c->f.subject_cn, issuer->f.subject_cn, why.text);
    return 0;
}

int avow_cert_ecdsa_verify(const struct avow_cert *c, enum avow_curve curve, struct avow_bytes msg,
                           struct avow_bytes sig, struct avow_error *err)
{
    if (!c->key || c->f.key.kind != (curve == AVOW_P256 ? AVOW_KEY_EC_P256 : AVOW_KEY_EC_P384))
        return AVOW_FAIL(err, FORMAT, "the certificate's key is not on the expected curve");
    return avow_key_ecdsa(c->key, curve, msg, sig, err);
}

/* ---- CRLs ---- */

void avow_crl_free(struct avow_crl *c)
{
    if (!c)
        return;
    free(c->der);
    free(c);
}

/* Encrypted PEM is none of ours; without this, the library would ask for a password on the
 * terminal. */
static int no_password(char *buf, int size, int writing, void *ctx)
{
    (void)buf;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

static int crl_from_pem(struct avow_bytes text, struct avow_crl *c, struct avow_error *err)
{
    avow_auto(avow_cleanup_bio) BIO *bio = NULL;
    unsigned char *data = NULL;
    long n = 0;

    ERR_clear_error();
    bio = BIO_new_mem_buf(text.data, (int)text.len);
    if (!bio ||
        PEM_bytes_read_bio(&data, &n, NULL, PEM_STRING_X509_CRL, bio, no_password, NULL) != 1)
        return fail(err, AVOW_E_FORMAT, "CRL: not a PEM X.509 CRL");
    c->der_len = (size_t)n;
    c->der = n > 0 ? copy(AVOW_BYTES(data, (size_t)n)) : NULL;
    OPENSSL_free(data);
    ERR_clear_error();
    return c->der ? 0 : AVOW_FAIL(err, FORMAT, "CRL: empty, or out of memory");
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
    if (text.data[0] == '-') {
        AVOW_TRY(crl_from_pem(text, c, err));
    } else {
        c->der = copy(text);
        c->der_len = text.len;
        if (!c->der)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    AVOW_TRY(avow_crl_read(AVOW_BYTES(c->der, c->der_len), &c->f, err));
    *out = avow_steal(&c);
    return 0;
}

int avow_crl_signed_by(const struct avow_crl *crl, const struct avow_cert *issuer,
                       struct avow_error *err)
{
    struct avow_error why = { 0 };

    if (!avow_bytes_equal(crl->f.issuer, issuer->f.subject))
        return AVOW_FAIL(err, SIGNATURE, "CRL names issuer \"%s\", not \"%s\"", crl->f.issuer_cn,
                         issuer->f.subject_cn);
    if (avow_key_signed(issuer->key, issuer->f.key.kind, &crl->f.s, "CRL", &why) < 0)
        return AVOW_FAIL(err, SIGNATURE, "CRL of \"%s\", by the key of \"%s\": %s",
                         crl->f.issuer_cn, issuer->f.subject_cn, why.text);
    return 0;
}

const char *avow_crl_issuer_cn(const struct avow_crl *crl)
{
    return crl->f.issuer_cn;
}

void avow_crl_validity(const struct avow_crl *crl, int64_t *this_update, int64_t *next_update)
{
    *this_update = crl->f.this_update;
    *next_update = crl->f.next_update;
}

bool avow_crl_revokes(const struct avow_crl *crl, const struct avow_cert *c)
{
    return avow_bytes_equal(crl->f.issuer, c->f.issuer) && avow_crl_lists(&crl->f, c->f.serial);
}

int avow_crl_der(const struct avow_crl *crl, struct avow_buf *out, struct avow_error *err)
{
    int rc = avow_buf_put(out, crl->der, crl->der_len);

    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "CRL of %zu bytes does not fit", crl->der_len);
    return 0;
}

/* ---- bare keys ---- */

int avow_ecdsa_verify(enum avow_curve curve, struct avow_bytes xy, struct avow_bytes msg,
                      struct avow_bytes sig, struct avow_error *err)
{
    avow_auto(avow_cleanup_pkey) EVP_PKEY *key = NULL;
    uint8_t point[1 + 96] = { 0x04 }; /* uncompressed: SEC 1, 2.3.3 */

    if (xy.len != (curve == AVOW_P256 ? 64u : 96u))
        return AVOW_FAIL(err, FORMAT, "EC public key of %zu bytes", xy.len);
    memcpy(point + 1, xy.data, xy.len);
    AVOW_TRY(avow_ec_key_new(curve, AVOW_BYTES(point, 1 + xy.len), &key, err));
    return avow_key_ecdsa(key, curve, msg, sig, err);
}
