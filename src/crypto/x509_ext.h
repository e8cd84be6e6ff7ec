/*
 * Extensions of X.509 certificates (RFC 5280, 4.2): found by OID, and those that the RFC defines
 * checked for their form. Pure; any thread.
 */
#ifndef AVOW_CRYPTO_X509_EXT_H
#define AVOW_CRYPTO_X509_EXT_H

#include "crypto/x509_read.h"

struct avow_extension {
    struct avow_bytes oid;
    bool critical;
    struct avow_bytes value; /* contents of its OCTET STRING */
};

/* The next of a SEQUENCE OF Extension. */
AVOW_MUST_USE bool avow_extension_next(struct avow_rd *r, struct avow_extension *out);

/* The extensions of a certificate: sets ca and usage of @out. -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_extensions_read(struct avow_bytes list, struct avow_cert_fields *out,
                                       struct avow_error *err);

/* A Name and its one CN ("" if it has none) as text: false if it is not a Name, if it has a second
 * CN, or one that does not fit. @whole: its DER. */
AVOW_MUST_USE bool avow_name_read(struct avow_rd *r, struct avow_bytes *whole,
                                  char cn[AVOW_CN_MAX]);

#endif
