/*
 * Azure's Instance Metadata Service, as far as evidence needs it. What it answers is not
 * authenticated and needs not be: certificates and quotes are judged by the verifier. Source:
 * Microsoft's documentation of THIM and of confidential VMs with TDX. Internal to source/.
 */
#ifndef AVOW_SOURCE_IMDS_H
#define AVOW_SOURCE_IMDS_H

#include "source/guest.h"

#define IMDS_BASE "http://169.254.169.254"
#define IMDS_REPLY_MAX (128u << 10) /* bytes */

/* The machine's VCEK and its chain, appended to @out. -AVOW_E_NETWORK, -AVOW_E_TIMEOUT,
 * -AVOW_E_REFUSED (any other status than 200), -AVOW_E_FORMAT, -AVOW_E_LIMIT. */
AVOW_MUST_USE int imds_amd_certs(const char *base, const struct patience *p,
                                 struct avow_bundle *out, struct avow_error *err);
/* A quote for a TDREPORT, appended to @out. Errors as above. */
AVOW_MUST_USE int imds_td_quote(const char *base, struct avow_bytes tdreport,
                                const struct patience *p, struct avow_buf *out,
                                struct avow_error *err);

#endif
