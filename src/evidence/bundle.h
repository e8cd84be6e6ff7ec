/*
 * Bundle: a piece of evidence with everything that a verifier needs to judge it, nothing to fetch.
 * Format: docs/formats/bundle.md (JSON, "type":"avow/bundle/1").
 */
#ifndef AVOW_EVIDENCE_BUNDLE_H
#define AVOW_EVIDENCE_BUNDLE_H

#include "base/bytes.h"
#include "evidence/tee.h"

#define AVOW_BUNDLE_MAX (1u << 20) /* bytes of the JSON text */
#define AVOW_BUNDLE_CERTS_MAX 24
#define AVOW_BUNDLE_CRLS_MAX 8
#define AVOW_BUNDLE_PCRS 24u /* of the SHA-256 bank */
#define AVOW_BUNDLE_PCR_LEN 32u
#define AVOW_STATEMENT_MAX (16u << 10)

/* Owned storage; the views point into ->store. */
struct avow_bundle {
    enum avow_tee tee;
    struct avow_bytes
        statement;              /* canonical JSON text; empty in a bundle gathered from raw files */
    struct avow_bytes evidence; /* SNP report (1184 bytes), TDX quote; empty where hcl has the SNP
                                   report, or where an az-tdx's quote is missing */
    size_t n_certs;
    struct avow_bytes certs[AVOW_BUNDLE_CERTS_MAX]; /* DER, any order */
    size_t n_crls;
    struct avow_bytes crls[AVOW_BUNDLE_CRLS_MAX]; /* DER */
    struct avow_bytes tcb_info;    /* TDX: {"tcbInfo":...,"signature":...} as the vendor sends it */
    struct avow_bytes qe_identity; /* TDX: {"enclaveIdentity":...,"signature":...} */
    struct avow_bytes hcl; /* az-*: the paravisor's report, header and all (evidence/hcl.h) */
    struct avow_bytes runtime_data; /* what report_data is the digest of; empty where hcl has it */
    struct avow_bytes tpm_quote, tpm_signature; /* TPMS_ATTEST; raw RSA or TPMT_SIGNATURE */
    uint32_t pcr_mask;                          /* bit i: pcr[i] is given */
    uint8_t pcr[AVOW_BUNDLE_PCRS][AVOW_BUNDLE_PCR_LEN];
    struct avow_bytes event_log; /* TCG2 or CCEL, without padding */
    struct avow_buf store;
};

void avow_bundle_done(struct avow_bundle *b); /* may be used again afterwards */

enum avow_bundle_part {
    AVOW_PART_STATEMENT,
    AVOW_PART_EVIDENCE,
    AVOW_PART_CERT, /* appends */
    AVOW_PART_CRL,  /* appends */
    AVOW_PART_TCB_INFO,
    AVOW_PART_QE_IDENTITY,
    AVOW_PART_HCL,
    AVOW_PART_RUNTIME_DATA,
    AVOW_PART_TPM_QUOTE,
    AVOW_PART_TPM_SIGNATURE,
    AVOW_PART_EVENT_LOG,
};

/*
 * Copy @v (not out of the same bundle) into the store of a zeroed or filled bundle and view it as
 * @part. Earlier views of the bundle stay right. -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_bundle_put(struct avow_bundle *b, enum avow_bundle_part part,
                                  struct avow_bytes v, struct avow_error *err);

/* The value of PCR @i (SHA-256 bank), as given with a TPM quote. -AVOW_E_LIMIT: no such register.
 */
AVOW_MUST_USE int avow_bundle_put_pcr(struct avow_bundle *b, unsigned i,
                                      const uint8_t value[AVOW_BUNDLE_PCR_LEN],
                                      struct avow_error *err);

/* Parse untrusted JSON text; unknown members, bad base64 and over-limit counts are errors. */
AVOW_MUST_USE int avow_bundle_parse(struct avow_bytes text, struct avow_bundle *out,
                                    struct avow_error *err);
/* Append the JSON text to @out (canonical form, so that a digest of it is stable). */
AVOW_MUST_USE int avow_bundle_emit(const struct avow_bundle *b, struct avow_buf *out,
                                   struct avow_error *err);

#endif
