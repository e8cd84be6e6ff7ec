/*
 * Certificates (RFC 5280, 4.1) and CRLs (5.1) taken apart into views of their DER: stricter than
 * the standard, by what the vendors' own have in common (version 3, one attribute in each part of a
 * name, no unique ids). OpenSSL's own reader costs more than the signatures (d2i_X509: 190 us, one
 * P-256 verification: 75 us). Pure; any thread.
 */
#ifndef AVOW_CRYPTO_X509_READ_H
#define AVOW_CRYPTO_X509_READ_H

#include "base/bytes.h"

#define AVOW_CN_MAX 128    /* X.520 allows 64 characters; bytes of UTF-8 may be more */
#define AVOW_SERIAL_MAX 21 /* RFC 5280, 4.1.2.2: 20 octets, and one for the sign */
#define AVOW_X509_EXTENSIONS_MAX 64
#define AVOW_NAME_ATTRIBUTES_MAX 32

/* What is signed, how and the signature: the same in certificates and CRLs. */
struct avow_signed {
    struct avow_bytes tbs;       /* the DER that is signed */
    struct avow_bytes inner_alg; /* AlgorithmIdentifier inside of it, */
    struct avow_bytes alg;       /* and outside: both whole */
    struct avow_bytes signature; /* octets of the BIT STRING */
};

enum avow_key_kind { AVOW_KEY_OTHER, AVOW_KEY_RSA, AVOW_KEY_EC_P256, AVOW_KEY_EC_P384 };

/* SubjectPublicKeyInfo. */
struct avow_spki {
    enum avow_key_kind kind;
    struct avow_bytes whole; /* its DER */
    struct avow_bytes n, e;  /* RSA: big-endian, no leading zero */
    struct avow_bytes point; /* EC: 04 || x || y, of the curve's length */
};

/* Views into the DER that was read; dates in unix seconds. */
struct avow_cert_fields {
    struct avow_signed s;
    struct avow_bytes serial;                             /* contents of the INTEGER */
    struct avow_bytes issuer, subject;                    /* Names, whole */
    char issuer_cn[AVOW_CN_MAX], subject_cn[AVOW_CN_MAX]; /* "" if none */
    int64_t from, until;
    struct avow_spki key;
    struct avow_bytes extensions; /* contents of the SEQUENCE OF Extension */
    bool ca;                      /* basic constraints are there and say so */
    uint8_t usage; /* key usage: the first 8 bits, as in the BIT STRING; 0: not there */
};

/* Bits of usage (RFC 5280, 4.2.1.3: keyCertSign is bit 5 from the top, cRLSign is bit 6). */
#define AVOW_USAGE_CERTS 0x04u
#define AVOW_USAGE_CRLS 0x02u

struct avow_crl_fields {
    struct avow_signed s;
    struct avow_bytes issuer;
    char issuer_cn[AVOW_CN_MAX];
    int64_t this_update, next_update;
    struct avow_bytes revoked; /* contents of the SEQUENCE OF entries */
};

/*
 * One certificate and nothing behind it. Refused besides what is not DER: versions other than 3, a
 * second CN or one that is no text, an extension of RFC 5280 twice or malformed, a critical one
 * that is not known, name constraints and proxies, which nobody here would obey. A key of another
 * kind (AVOW_KEY_OTHER) is no error. -AVOW_E_FORMAT, -AVOW_E_TRAILING.
 */
AVOW_MUST_USE int avow_cert_read(struct avow_bytes der, struct avow_cert_fields *out,
                                 struct avow_error *err);

/*
 * One CRL and nothing behind it. Refused besides: versions other than 2, without nextUpdate, any
 * critical extension of it (delta CRLs and those of a limited scope must have one: RFC 5280, 5.2)
 * or of an entry, entries of another issuer (5.3.3). -AVOW_E_FORMAT, -AVOW_E_TRAILING.
 */
AVOW_MUST_USE int avow_crl_read(struct avow_bytes der, struct avow_crl_fields *out,
                                struct avow_error *err);
/* Whether one of the entries has this serial number (contents of the INTEGER). */
bool avow_crl_lists(const struct avow_crl_fields *crl, struct avow_bytes serial);

#endif
