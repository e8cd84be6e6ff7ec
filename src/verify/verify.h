/*
 * Verification of evidence of any kind: the hardware's part (snp.h, tdx.h), then what is bound to
 * it: runtime data, a TPM quote, an event log. Pure: time and anchors are arguments. Any thread.
 */
#ifndef AVOW_VERIFY_VERIFY_H
#define AVOW_VERIFY_VERIFY_H

#include "evidence/bundle.h"
#include "verify/anchors.h"
#include "verify/cache.h"
#include "verify/claims.h"

/*
 * Fill @out (zeroed first) with claims and one check for each rule; ->authentic only when every
 * check that belongs to this kind of evidence ran and passed. Malformed or forged evidence is a
 * failed check, what is missing is a check that did not run: both return 0.
 * @cache: what earlier verifications read and verified, or NULL; the result is no other with it.
 * Negative only if it could not be evaluated: -AVOW_E_NOMEM, -AVOW_E_CRYPTO, -AVOW_E_INVAL (no kind
 * of evidence).
 */
AVOW_MUST_USE int avow_verify(const struct avow_bundle *b, const struct avow_anchors *a,
                              int64_t now, struct avow_verify_cache *cache, struct avow_claims *out,
                              struct avow_error *err);

#endif
