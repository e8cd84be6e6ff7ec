/*
 * Verification of SEV-SNP evidence: report, endorsement chain (leaf <- ASK/ASVK <- ARK), and
 * whether they belong together. Follows AMD publications 56860 (report) and 57230 (VCEK/VLEK).
 * Pure: time and anchors are arguments. Any thread.
 */
#ifndef AVOW_VERIFY_SNP_H
#define AVOW_VERIFY_SNP_H

#include "evidence/bundle.h"
#include "evidence/snp.h"
#include "verify/anchors.h"
#include "verify/cache.h"
#include "verify/claims.h"

/*
 * Fill @out (zeroed first) with claims and one check for each rule; ->authentic only when all ran
 * and passed. Malformed or forged evidence is a failed check, not an error: returns 0.
 * Negative only if it could not be evaluated: -AVOW_E_NOMEM, -AVOW_E_CRYPTO.
 */
AVOW_MUST_USE int avow_snp_verify(const struct avow_bundle *b, const struct avow_anchors *a,
                                  int64_t now, struct avow_claims *out, struct avow_error *err);

/* The same, faster with what @cache holds of earlier ones; the result is no other. */
AVOW_MUST_USE int avow_snp_verify_cached(const struct avow_bundle *b, const struct avow_anchors *a,
                                         int64_t now, struct avow_verify_cache *cache,
                                         struct avow_claims *out, struct avow_error *err);

/* The components of a TCB_VERSION in the layout of @turin and later, or of Milan and Genoa. */
struct avow_snp_tcb avow_snp_tcb_decode(const uint8_t raw[AVOW_SNP_TCB_LEN], bool turin);

#endif
