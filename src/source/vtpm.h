/*
 * A TPM 2.0, as far as evidence needs it: NV indices, a quote, PCRs. A command that does not come
 * back within the deadline is given up, and the connection with it. Source: TCG TPM 2.0 Library,
 * parts 2 and 3; tpm2-tss. Internal to source/.
 */
#ifndef AVOW_SOURCE_VTPM_H
#define AVOW_SOURCE_VTPM_H

#include <tss2/tss2_esys.h>

#include "source/guest.h"

#define VTPM_DEVICE "/dev/tpmrm0" /* the kernel's resource manager */
#define VTPM_TCTI "device:" VTPM_DEVICE
#define VTPM_PCRS AVOW_BUNDLE_PCRS
#define VTPM_PCR_LEN AVOW_BUNDLE_PCR_LEN
#define VTPM_QUOTE_MAX 1024u /* bytes of a TPMS_ATTEST, and of a signature */

struct vtpm {
    TSS2_TCTI_CONTEXT *tcti;
    ESYS_CONTEXT *esys;
    const char *name;          /* for the text of errors; borrowed */
    struct patience *patience; /* borrowed */
};

/* @tcti: a configuration of tss2-tctildr ("device:/dev/tpmrm0", "swtpm:path=..."), borrowed as is
 * @p; NULL: VTPM_TCTI. -AVOW_E_NOTFOUND (no TPM there), -AVOW_E_SYSTEM (no access). */
AVOW_MUST_USE int vtpm_open(const char *tcti, struct patience *p, struct vtpm *out,
                            struct avow_error *err);
void vtpm_done(struct vtpm *v);

/* All of an NV index, appended. With the owner's or the index's own authorisation, both without a
 * password, as Azure has them. -AVOW_E_NOTFOUND (no such index), -AVOW_E_LIMIT, -AVOW_E_TIMEOUT,
 * -AVOW_E_SYSTEM (the TPM refused). */
AVOW_MUST_USE int vtpm_nv_read(struct vtpm *v, uint32_t index, struct avow_buf *out,
                               struct avow_error *err);
/* From the start of an NV index, which is made if it is not there. Errors as above. */
AVOW_MUST_USE int vtpm_nv_write(struct vtpm *v, uint32_t index, struct avow_bytes data,
                                struct avow_error *err);

struct vtpm_quote {
    struct avow_buf attest;    /* TPMS_ATTEST */
    struct avow_buf signature; /* raw RSA */
    uint8_t pcrs[VTPM_PCRS][VTPM_PCR_LEN];
};
void vtpm_quote_done(struct vtpm_quote *q);
/*
 * A quote of all PCRs of the SHA-256 bank by the RSA key at @handle, with @extra in it, and the
 * values of those PCRs: the same that were quoted (asked again where one was extended in between).
 * -AVOW_E_NOTFOUND (no such key), -AVOW_E_UNSUPPORTED (it signs otherwise, or there is no SHA-256
 * bank), -AVOW_E_BUSY (PCRs are extended all the time), -AVOW_E_TIMEOUT, -AVOW_E_SYSTEM.
 */
AVOW_MUST_USE int vtpm_quote(struct vtpm *v, uint32_t handle, struct avow_bytes extra,
                             struct vtpm_quote *out, struct avow_error *err);

#endif
