/* Verification of a request's evidence as MAA does it: the vendor's checks, then what is bound to
 * the evidence. Pure. Any thread. */
#ifndef AVOW_MAA_VERIFY_H
#define AVOW_MAA_VERIFY_H

#include "maa/request.h"
#include "verify/anchors.h"
#include "verify/cache.h"
#include "verify/claims.h"

/*
 * avow_verify() of the request's bundle (to which the caller added what it lacks: CRLs, collateral
 * of TDX), then two checks of MAA's rules, where the request has the data: "runtime-data": SHA-256
 * of runtimeData is the first half of report data, whose second half MAA leaves free; "init-data":
 * SHA-256 of initTimeData is HOST_DATA, or the beginning of MRCONFIGID, the rest zero.
 * 0: @out is filled; ->authentic only if all checks passed. @cache: as there, or NULL. Negative
 * only if it could not be evaluated: -AVOW_E_NOMEM, -AVOW_E_CRYPTO, -AVOW_E_INVAL.
 */
AVOW_MUST_USE int avow_maa_verify(const struct avow_maa_request *r, const struct avow_anchors *a,
                                  int64_t now, struct avow_verify_cache *cache,
                                  struct avow_claims *out, struct avow_error *err);

#endif
