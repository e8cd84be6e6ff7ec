/* OpenSSL's reading of certificates and CRLs, to compare ours with: for the tests and the fuzz
 * target. */
#ifndef AVOW_TESTS_X509_REFERENCE_H
#define AVOW_TESTS_X509_REFERENCE_H

#include "crypto/x509_read.h"

/* What OpenSSL says otherwise about @der, which our reader accepted as @ours: static text, or NULL
 * if it accepts it too (as the verifiers used it: known critical extensions alone, well-formed
 * ones) and every field agrees. */
const char *reference_cert_differs(struct avow_bytes der, const struct avow_cert_fields *ours);
const char *reference_crl_differs(struct avow_bytes der, const struct avow_crl_fields *ours);

/* Whether OpenSSL reads @der as one, with nothing behind it. */
bool reference_is_cert(struct avow_bytes der);
bool reference_is_crl(struct avow_bytes der);

#endif
