/*
 * MAA's attestation policy language, versions 1.0, 1.1 and 1.2, as Microsoft documents it
 * (learn.microsoft.com/azure/attestation: claim-rule-grammar, claim-rule-functions,
 * policy-version-1-0, -1-1, -1-2). docs/formats/maa-policy.md has the grammar, the reading of what
 * is left open there, and the limits. Pure; a policy that is read does not change: any thread.
 */
#ifndef AVOW_MAA_RULES_H
#define AVOW_MAA_RULES_H

#include "codec/json.h"

#define AVOW_MAA_POLICY_MAX (128u << 10)      /* bytes of a policy's text */
#define AVOW_MAA_POLICY_RULES_MAX 1024u       /* rules of one section */
#define AVOW_MAA_POLICY_CONDITIONS_MAX 32u    /* conditions of one rule */
#define AVOW_MAA_POLICY_PROPERTIES_MAX 16u    /* property conditions between one [ and ] */
#define AVOW_MAA_POLICY_NESTING_MAX 16u       /* calls within calls */
#define AVOW_MAA_POLICY_NAME_MAX 64u          /* bytes of an identifier */
#define AVOW_MAA_POLICY_CLAIMS_MAX 8192u      /* claims of one evaluation, added ones included */
#define AVOW_MAA_POLICY_VALUE_MAX (1u << 20)  /* bytes of one string value */
#define AVOW_MAA_POLICY_BYTES_MAX (16u << 20) /* bytes of all claims of one evaluation */
#define AVOW_MAA_POLICY_WORK_MAX (64u << 20)  /* comparisons, bytes read and the like, together */

struct avow_maa_policy;

/*
 * Read @text. @out is the caller's: avow_maa_policy_free. Texts begin "policy line L column C: ",
 * both counted from 1, columns in bytes. -AVOW_E_FORMAT, -AVOW_E_VERSION (a version that is not
 * 1.0, 1.1 or 1.2), -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_maa_policy_parse(struct avow_bytes text, struct avow_maa_policy **out,
                                        struct avow_error *err);
void avow_maa_policy_free(struct avow_maa_policy *p);
AVOW_DEFINE_CLEANUP(maa_policy, struct avow_maa_policy, avow_maa_policy_free)

/*
 * The claims that a policy is evaluated over: objects, borrowed; NULL is the same as {}. A member
 * is one claim of that type; an array of strings, integers and booleans is one claim for each item;
 * anything else (an object, an array with objects or null in it) is one string claim: its JSON
 * text.
 */
struct avow_maa_policy_in {
    const json_t *service; /* issuer "AttestationService": what the verifier found */
    const json_t *custom;  /* issuer "CustomClaim": what the attester says of itself */
};

/* What came of it. Objects map a claim's type to its value, or to an array if there are several. */
struct avow_maa_policy_out {
    bool permitted;        /* a permit() and no deny() */
    bool denied;           /* a deny(), whatever else there was */
    unsigned line, column; /* of the rule that decided; 0 if no rule did */
    json_t *issued;        /* by issuancerules; NULL unless permitted */
    json_t *configuration; /* issueproperty() of configurationrules; never NULL */
    json_t *properties;    /* issueproperty() of issuancerules; NULL unless permitted */
};

void avow_maa_policy_out_done(struct avow_maa_policy_out *out);

/*
 * Evaluate. @out is zeroed by the caller and released with avow_maa_policy_out_done also after a
 * failure. Errors name the rule's place: -AVOW_E_FORMAT (a function was given what it does not
 * take: MAA's PolicyEvaluationError), -AVOW_E_REFUSED (a claim of a name that is the service's own
 * was issued with another value), -AVOW_E_LIMIT. What fails permits nothing.
 */
AVOW_MUST_USE int avow_maa_policy_run(const struct avow_maa_policy *p,
                                      const struct avow_maa_policy_in *in,
                                      struct avow_maa_policy_out *out, struct avow_error *err);

/*
 * The short form: @service_claims as above, no claims of the attester. @issued is the caller's and
 * an object, empty unless @permitted. Errors as avow_maa_policy_run.
 */
AVOW_MUST_USE int avow_maa_policy_eval(const struct avow_maa_policy *p,
                                       const json_t *service_claims, json_t **issued,
                                       bool *permitted, struct avow_error *err);

/*
 * Whether @name is kept for the service: the registered names of JWT (RFC 7519 section 4.1), what
 * EAT puts in TDX tokens, and all that begins with "x-ms-", "x-avow-" or "tdx_". A policy may issue
 * such a claim only as the service itself found it.
 */
bool avow_maa_claim_reserved(const char *name);

#endif
