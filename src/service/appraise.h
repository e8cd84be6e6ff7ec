/*
 * One request to attest, from the body to a token: read, completed from the store, verified, judged
 * by the policy, signed, and written to the audit log, which comes before the answer. Runs in a
 * worker; all that it needs is in the struct. docs/protocols/verifier.md has claims and codes.
 */
#ifndef AVOW_SERVICE_APPRAISE_H
#define AVOW_SERVICE_APPRAISE_H

#include "maa/request.h"
#include "service/verifier_internal.h"

#define APPRAISE_CODE_MAX 40
#define APPRAISE_TOKEN_MAX (4u << 20)
#define APPRAISE_EAR_TYPE "application/eat+jwt; eat_profile=\"" AVOW_EAR_PROFILE "\""

struct appraisal {
    /* in */
    enum avow_maa_type type;
    bool ear;             /* an EAR instead of MAA's token */
    struct avow_buf body; /* the request's */
    int64_t now;
    int64_t token_life_s;
    const char *issuer; /* outlive it, as do those below */
    struct avow_audit *audit;
    struct avow_nonces *nonces;
    struct avow_kits *kits;
    struct basis *basis;                /* referenced */
    struct avow_generation *generation; /* referenced */
    struct avow_service_policy *policy; /* referenced */
    char id[AVOW_REQUEST_ID];
    char client[AVOW_SERVER_ADDRESS_TEXT];
    /* out */
    int status;                   /* of HTTP */
    char code[APPRAISE_CODE_MAX]; /* "" for success */
    char text[AVOW_ERROR_TEXT_MAX];
    struct avow_buf token;
    bool broken; /* by no fault of the client's: text is for the log alone */
    bool simulated, fresh;
};

void appraise(struct appraisal *a);

/* ---- token.c ---- */

/* What a token is made of. All borrowed. */
struct token_in {
    const struct appraisal *a;
    const struct avow_maa_request *rq;
    const struct avow_claims *claims;
    const struct avow_service_policy *policy;
    const char *paravisor; /* of Azure's, that is known; or NULL */
    const json_t *issued;  /* by the policy: put beside the service's claims; or NULL */
    bool unsecured;        /* of a draft policy: alg none */
};

/* Add what is the token's own (iss, iat, nbf, exp, jti, policy hash) to @claims, and sign. @jti:
 * 65 bytes. Appends to @out. */
AVOW_MUST_USE int token_maa(const struct token_in *in, json_t *claims, char *jti,
                            struct avow_buf *out, struct avow_error *err);
/* The same appraisal as an EAR. -AVOW_E_FORMAT: the nonce has a length that EAT does not allow. */
AVOW_MUST_USE int token_ear(const struct token_in *in, char *jti, struct avow_buf *out,
                            struct avow_error *err);

#endif
