/*
 * Quotes of a TPM 2.0: TPMS_ATTEST and its signature. All integers are big-endian. Pure, any
 * thread. Source: TCG TPM 2.0 Library, part 2 (10.12.8 TPMS_ATTEST, 11.3.4 TPMT_SIGNATURE).
 */
#ifndef AVOW_EVIDENCE_TPM_H
#define AVOW_EVIDENCE_TPM_H

#include "base/bytes.h"

#define AVOW_TPM_GENERATED 0xFF544347u
#define AVOW_TPM_ST_ATTEST_QUOTE 0x8018u
#define AVOW_TPM_ALG_SHA256 0x000Bu
#define AVOW_TPM_ALG_RSASSA 0x0014u
#define AVOW_TPM_EXTRA_DATA_MAX 64u /* a TPM2B_DATA holds a TPMT_HA at most: 2 + 64 */
#define AVOW_TPM_SELECT_MAX 4u      /* bytes of a bitmap: 32 registers */

struct avow_tpm_quote {
    struct avow_bytes extra_data; /* the verifier's nonce; may be empty */
    uint64_t clock, firmware;
    uint32_t reset_count, restart_count;
    uint32_t pcr_mask;            /* of the one bank, SHA-256 */
    struct avow_bytes pcr_digest; /* 32 bytes */
};

/* Views into @in; nothing may follow. One bank, SHA-256, and no other. -AVOW_E_TRUNCATED,
 * -AVOW_E_TRAILING, -AVOW_E_FORMAT (not a TPM's quote), -AVOW_E_UNSUPPORTED (bank), -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_tpm_quote_parse(struct avow_bytes in, struct avow_tpm_quote *out,
                                       struct avow_error *err);
/* The raw RSA signature in @in: itself, or that of a TPMT_SIGNATURE with RSASSA and SHA-256.
 * -AVOW_E_FORMAT, -AVOW_E_UNSUPPORTED. */
AVOW_MUST_USE int avow_tpm_signature_parse(struct avow_bytes in, struct avow_bytes *out,
                                           struct avow_error *err);

#endif
