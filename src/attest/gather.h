/*
 * Make a bundle of loose files, by what they contain, as people keep them: a report or quote, the
 * certificates and CRLs (PEM or DER), the vendor's collateral. Pure.
 */
#ifndef AVOW_ATTEST_GATHER_H
#define AVOW_ATTEST_GATHER_H

#include "evidence/bundle.h"

#define AVOW_GATHER_FILES_MAX 32

/*
 * Recognised, in any order: a bundle (JSON, then nothing else that makes evidence), an SNP report
 * (1184 bytes), a TDX quote (version 4 or 5, TEE type 0x81), certificates and CRLs (PEM with any
 * number of each, or one DER), the certificate table that a host gives an SNP guest (configfs-tsm's
 * auxblob), TCB info and QE identity JSON. The same certificate twice counts
 * once. Exactly one piece of evidence: -AVOW_E_MISSING without, -AVOW_E_EXISTS with two.
 * -AVOW_E_FORMAT for a file that is none of these (the text says which, counted from 1).
 * @out is zeroed first; avow_bundle_done it on success.
 */
AVOW_MUST_USE int avow_gather(const struct avow_bytes *files, size_t n, struct avow_bundle *out,
                              struct avow_error *err);

#endif
