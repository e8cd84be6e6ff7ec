/*
 * EAR: an appraisal as an EAT attestation result (draft-ietf-rats-ear-04) with the trustworthiness
 * vector of AR4SI (draft-ietf-rats-ar4si), signed as a JWT (RFC 7515, 7519). For relying parties
 * that know neither avow nor the vendors' formats. Pure.
 *
 * One submodule "cpu" for the hardware; on Azure also "vtpm", whose key the hardware's evidence
 * binds. A category that says nothing is 0. ear_status is the worst tier of the vector, and never
 * better than the verdict: refused is contraindicated, what could not be evaluated is none.
 */
#ifndef AVOW_ATTEST_EAR_H
#define AVOW_ATTEST_EAR_H

#include "attest/attest.h"
#include "crypto/signer.h"

#define AVOW_EAR_PROFILE "tag:ietf.org,2026:rats/ear#04"
#define AVOW_EAR_DEVELOPER "avow"
#define AVOW_EAR_MAX (4u << 20) /* bytes of a token, raw evidence included */

struct avow_ear_in {
    const struct avow_claims *claims;
    const struct avow_verdict *verdict;
    const char *build;        /* "avow 0.2.0" */
    struct avow_bytes policy; /* canonical JSON of the policy that was applied: named by its digest
                                 as ni:///sha-256;... (RFC 6920) */
    bool measurement_pinned;  /* the policy names measurements */
    bool registers_pinned;    /* and registers beside them: RTMRs or PCRs */
    bool machine_pinned;
    struct avow_bytes bundle; /* raw evidence to carry, or empty */
    const char *nonce;        /* what the relying party gave, or NULL; 8 to 88 bytes (RFC 9711) */
    int64_t now;              /* iat */
};

/* The claims set; new reference. NULL when memory is short or the nonce has a wrong length. */
json_t *avow_ear_claims(const struct avow_ear_in *in);

/*
 * Append the compact JWS of @claims, signed with ES256 or ES384 by an EC key; kid is the key's
 * thumbprint (RFC 7638). -AVOW_E_INVAL for another kind of key, -AVOW_E_CRYPTO, -AVOW_E_LIMIT,
 * -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_ear_sign(const json_t *claims, const struct avow_signer *key,
                                struct avow_buf *out, struct avow_error *err);

#endif
