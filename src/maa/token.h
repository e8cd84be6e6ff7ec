/*
 * What a relying party does with a token of MAA's kind, Microsoft's or avow's own verifier's: every
 * check in order, as one pure function. docs/formats/maa.md has the order, docs/reasons.md the
 * codes.
 */
#ifndef AVOW_MAA_TOKEN_H
#define AVOW_MAA_TOKEN_H

#include "maa/keys.h"
#include "maa/type.h"
#include "policy/policy.h"

#define AVOW_MAA_TOKEN_MAX (64u << 10) /* bytes; real ones have 2 to 7 KiB */
#define AVOW_MAA_SKEW_DEFAULT 60       /* s */
#define AVOW_MAA_SKEW_MAX 300          /* s */
#define AVOW_MAA_URL_MAX 255u          /* bytes of an issuer */
#define AVOW_MAA_JTI_MAX 128u          /* bytes; real ones have 64 */

/* One whom the relying party believes. All borrowed. */
struct avow_maa_issuer {
    const char *url;                  /* a slash at its end is not looked at */
    const struct avow_maa_keys *keys; /* of its /certs; NULL: not fetched */
    const char *const *policy_hashes; /* x-ms-policy-hash that are accepted */
    size_t
        n_policy_hashes; /* 0: any, and a policy may issue whatever it likes: claims called x-avow-
                            are then taken only if the key's set says that they are reserved
                            (avow_maa_key.own_claims); x-avow-simulated counts where it is true */
};

/* All borrowed. */
struct avow_maa_token_in {
    struct avow_bytes token;               /* untrusted, compact JWS */
    const struct avow_maa_issuer *issuers; /* allowed; what the token names is never fetched */
    size_t n_issuers;
    enum avow_maa_type type; /* x-ms-attestation-type that was asked for; NONE: any */
    int64_t now;             /* unix s */
    int64_t skew_s;          /* of clocks; 0 to AVOW_MAA_SKEW_MAX */
    int64_t max_age_s;       /* since iat; 0: as long as the token says (Microsoft's: 8 hours) */
    const char *nonce;       /* that was sent with the request, or NULL. MAA echoes it: it is bound
                                to nothing, and says only that the answer is this request's */
    struct avow_bytes statement; /* canonical JSON that the evidence must be about: it was sent as
                                    runtimeData. Compared with x-ms-runtime in canonical form
                                    ("statement"), its SHA-256 with the first half of report data,
                                    the rest zero ("binding") */
    bool unbound_ok; /* without a statement "binding" passes, and says that it was not checked */
    /* On Azure report data is over the paravisor's claims, and the guest speaks by its TPM's quote,
     * which MAA does not see: "binding" is then not run unless this is what the caller's own
     * verification of the same machine's evidence found (avow_verify; its hardware's collateral
     * need not be at hand). Its TPM quote must be signed by the attestation key that the token
     * names, and its extra data be the SHA-256 of the statement; then its PCRs and its event log
     * are taken into the claims. A check of the paravisor's or the TPM's part that failed there is
     * a refusal here. */
    const struct avow_claims *local;
    /* On Azure: the issuer need not have found the paravisor among Microsoft's
     * ("azure-compliant-cvm"): the policy must then name its measurements. */
    bool any_paravisor;
    /* Rules for the claims; NULL: not simulated, no debugging, for SNP no migration and VMPL 0, for
     * TDX up to date, on Azure secure boot; any measurement, which is for the caller to look at. */
    const struct avow_policy *policy;
    const char *member; /* for machine pinning, or NULL */
};

/* What a caller acts on, or shows. Texts are "" where the token has none. */
struct avow_maa_token_info {
    bool want_keys; /* an allowed issuer's token, and no key of this kid is at hand: fetch that
                       issuer's /certs again, once, not more often than now and then, and ask
                       again. Nothing below is verified then */
    size_t issuer;  /* index in ->issuers; valid if want_keys or verified */
    bool verified;  /* the signature holds; the rest is filled only then */
    enum avow_maa_type type;
    int64_t iat, nbf, exp;
    char jti[AVOW_MAA_JTI_MAX + 1]; /* for a cache against replay of bearer tokens: the caller's */
    char policy_hash[64];
};

/*
 * 0: a verdict was reached, accepted or refused: one reason for each check, those after the first
 * that failed left out as long as the signature is not verified. @claims: what the token says, of
 * zeros until then; ->authentic only if every check of the token itself passed; its checks are
 * those reasons. @info may be NULL. Negative only if it could not be evaluated: -AVOW_E_NOMEM,
 * -AVOW_E_CRYPTO, -AVOW_E_INVAL (no issuer, or a skew that is out of range).
 */
AVOW_MUST_USE int avow_maa_token_appraise(const struct avow_maa_token_in *in,
                                          struct avow_maa_token_info *info,
                                          struct avow_claims *claims, struct avow_verdict *verdict,
                                          struct avow_error *err);

#endif
