/*
 * Making certificates and CRLs: what a vendor's certificate authority does, for the simulated
 * vendors, for tests, and for a service's own key. Knows no TEE: every name, date and extension is
 * given. Any thread.
 */
#ifndef AVOW_CRYPTO_CERTMAKE_H
#define AVOW_CRYPTO_CERTMAKE_H

#include "base/bytes.h"
#include "base/cleanup.h"
#include "crypto/signer.h"
#include "crypto/x509.h"

struct avow_name_part {
    const char *type;  /* "CN", "O", ... */
    const char *value; /* UTF-8 */
};
#define AVOW_NAME_PARTS_MAX 8

struct avow_cert_ext {
    const char *oid; /* dotted */
    bool critical;
    struct avow_bytes value; /* content of the extension's OCTET STRING, put as it is */
};
#define AVOW_CERT_EXTS_MAX 32

enum avow_key_usage { /* bits of RFC 5280, 4.2.1.3 */
                      AVOW_KU_NONE = 0,
                      AVOW_KU_DIGITAL_SIGNATURE = 1 << 0,
                      AVOW_KU_CERT_SIGN = 1 << 1,
                      AVOW_KU_CRL_SIGN = 1 << 2,
};

/* What a certificate says; pointers are borrowed for the call. Zeroed members are left out. */
struct avow_cert_spec {
    const struct avow_name_part *subject; /* in order */
    size_t n_subject;
    struct avow_bytes serial; /* big-endian, positive; empty = 0, as AMD's leaves have */
    int64_t from, until;      /* unix seconds */
    bool basic_constraints;   /* critical */
    bool ca;
    int pathlen;         /* with ca; -1 = none */
    unsigned key_usage;  /* of avow_key_usage, critical */
    bool key_ids;        /* subject and authority key identifier */
    const char *crl_uri; /* CRL distribution point, or NULL */
    const struct avow_cert_ext *exts;
    size_t n_exts;
};

/*
 * Certify @subject's public key. @issuer: DER of the issuer's certificate, empty for self-signed
 * (then @issuer_key must be @subject). Appends DER to @out.
 */
AVOW_MUST_USE int avow_cert_make(const struct avow_cert_spec *spec,
                                 const struct avow_signer *subject, struct avow_bytes issuer,
                                 const struct avow_signer *issuer_key, struct avow_buf *out,
                                 struct avow_error *err);

/* A CRL of @issuer (DER certificate) that revokes @serials (big-endian). Appends DER to @out. */
AVOW_MUST_USE int avow_crl_make(struct avow_bytes issuer, const struct avow_signer *issuer_key,
                                int64_t this_update, int64_t next_update,
                                const struct avow_bytes *serials, size_t n_serials,
                                struct avow_buf *out, struct avow_error *err);

/* Append @der as "-----BEGIN CERTIFICATE-----" text with lines of 64 characters. */
AVOW_MUST_USE int avow_cert_to_pem(struct avow_bytes der, struct avow_buf *out,
                                   struct avow_error *err);

#endif
