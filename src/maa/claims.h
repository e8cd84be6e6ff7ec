/*
 * Claims of MAA's tokens: what verification found, under the names, in the types and with the case
 * that Microsoft's tokens have, and back. What MAA does not say goes under names of avow's own,
 * x-avow-. Pure. docs/formats/maa.md has the list.
 */
#ifndef AVOW_MAA_CLAIMS_H
#define AVOW_MAA_CLAIMS_H

#include "codec/json.h"
#include "maa/request.h"
#include "verify/claims.h"

#define AVOW_MAA_COMPLIANT_CVM "azure-compliant-cvm"

/*
 * The claims of @c and @rq: all of a token's but iss, iat, nbf, exp, jti, x-ms-policy-hash and
 * x-ms-policy-signer. @out: new reference. @paravisor_known: the caller matched the paravisor
 * against Microsoft's reference values; only then x-ms-compliance-status is there and says
 * azure-compliant-cvm. -AVOW_E_REFUSED: @c is not authentic; -AVOW_E_INVAL: @c is not of @rq's
 * type; -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_maa_claims(const struct avow_claims *c, const struct avow_maa_request *rq,
                                  bool paravisor_known, json_t **out, struct avow_error *err);

/*
 * Back: the claims of a token's payload for the policy engine. ->authentic stays false: that the
 * token may be believed is for the caller to find (maa/token.h). ->tee is az-snp or az-tdx where
 * x-ms-runtime names a TPM's attestation key, of which ->az has what is said. Of a token of type
 * azurevm, x-ms-isolation-tee is read. What a token does not say is zero, which no rule of a policy
 * that asks for it accepts. -AVOW_E_FORMAT, -AVOW_E_LIMIT (the text names the claim),
 * -AVOW_E_UNSUPPORTED (another type), -AVOW_E_NOMEM, -AVOW_E_CRYPTO.
 */
AVOW_MUST_USE int avow_maa_claims_read(const json_t *token, struct avow_claims *out,
                                       struct avow_error *err);

/* The object that has the hardware's claims: @token itself, or its x-ms-isolation-tee; NULL if
 * there is none. Borrowed. */
const json_t *avow_maa_claims_tee(const json_t *token);

#endif
