/*
 * PCR values of the SHA-256 bank as tpm2-tools writes them: tpm2_pcrread's text, and tpm2_quote's
 * -o ("serialized": the selection and the digests as the C structures lie in memory). Pure.
 */
#ifndef AVOW_ATTEST_PCRS_H
#define AVOW_ATTEST_PCRS_H

#include "base/bytes.h"

#define AVOW_PCRS_N 24u
#define AVOW_PCRS_LEN 32u /* bytes of one value */

struct avow_pcrs {
    uint32_t mask; /* bit i: value[i] is there */
    uint8_t value[AVOW_PCRS_N][AVOW_PCRS_LEN];
};

/* True if @text is "sha256:" and lines "N : 0xHEX" under it (other banks are passed over), and
 * nothing else. */
bool avow_pcrs_from_text(struct avow_bytes text, struct avow_pcrs *out);

/* True if @file is a serialized selection of the SHA-256 bank alone, with all of its digests. */
bool avow_pcrs_from_serialized(struct avow_bytes file, struct avow_pcrs *out);

#endif
