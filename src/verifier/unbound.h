/*
 * Evidence that nobody asked for: from a file, without a statement of the verifier's own. A token
 * about it is bound to nothing but by what it says of the evidence, and this is compared. Internal
 * to verifier/. Any thread.
 */
#ifndef AVOW_VERIFIER_UNBOUND_H
#define AVOW_VERIFIER_UNBOUND_H

#include "attest/attest.h"

/* What to send as runtimeData for @b: none (on Azure the request takes the paravisor's claims
 * itself), or data that came with the evidence; @json: whether it is a JSON object. Borrowed. */
struct avow_bytes unbound_runtime(const struct avow_bundle *b, bool *json);

/* Whether the @token's claims are those of @b, as the hardware signed it: report data, measurement,
 * report id or RTMRs: reason "token-evidence". @b is read with @in->anchors at @in->now, and may
 * lack collateral. Codes of avow_verify. */
AVOW_MUST_USE int unbound_check(const struct avow_judge_in *in, const struct avow_bundle *b,
                                const struct avow_claims *token, struct avow_verdict *v,
                                struct avow_error *err);

#endif
