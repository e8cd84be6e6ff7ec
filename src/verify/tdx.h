/*
 * Intel TDX: everything that the vendor demands before a quote may be believed. Pure: the time is
 * an argument, nothing is fetched, all it needs is in the bundle. Any thread.
 * Source: Intel "TDX DCAP Quote Verification"; reference semantics are those of Intel's QVL.
 */
#ifndef AVOW_VERIFY_TDX_H
#define AVOW_VERIFY_TDX_H

#include "evidence/bundle.h"
#include "verify/anchors.h"
#include "verify/cache.h"
#include "verify/claims.h"

/*
 * Verify the quote b->evidence with its own PCK chain and the bundle's TCB signing chain, CRLs
 * (root and PCK CA), TCB info and QE identity, against the TDX anchors, at @now (unix seconds).
 *
 * 0: @out is filled, one check for each demand; out->authentic only if all of them ran and passed.
 * Codes of checks: malformed, missing, root, signature, expired, not-yet-valid, revoked,
 * qe-binding, qe-identity, tcb-info, tcb-signature, fmspc, tcb-status. What the TCB is worth is in
 * out->tdx.tcb_status: OutOfDate and the like are for policy to judge; only NotSupported and
 * Revoked fail here. Debug and other attributes are claims, for policy to judge.
 * Negative (-AVOW_E_NOMEM, -AVOW_E_CRYPTO): could not be evaluated; @out is zeroed.
 */
AVOW_MUST_USE int avow_tdx_verify(const struct avow_bundle *b, const struct avow_anchors *a,
                                  int64_t now, struct avow_claims *out, struct avow_error *err);
/* The same, faster with what @cache holds of earlier ones; the result is no other. */
AVOW_MUST_USE int avow_tdx_verify_cached(const struct avow_bundle *b, const struct avow_anchors *a,
                                         int64_t now, struct avow_verify_cache *cache,
                                         struct avow_claims *out, struct avow_error *err);

#endif
