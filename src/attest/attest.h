/*
 * The front door: bundle in, claims and verdict out. Pure (time is an argument): parse, verify,
 * appraise in this order; whatever stops early leaves a refused verdict that says why.
 */
#ifndef AVOW_ATTEST_ATTEST_H
#define AVOW_ATTEST_ATTEST_H

#include "evidence/bundle.h"
#include "policy/policy.h"
#include "verify/anchors.h"
#include "verify/cache.h"

struct avow_judge_in {
    struct avow_bytes bundle; /* untrusted JSON text */
    const struct avow_anchors *anchors;
    const struct avow_policy *policy;  /* required */
    const struct avow_policy *minimum; /* the operator's own, or NULL */
    const char *member;                /* for machine pinning, or NULL */
    enum avow_tee expect_tee;          /* NONE: any */
    struct avow_bytes statement; /* what the verifier itself computed; compared with the bundle's
                                    statement byte by byte (code "statement") and its SHA-256 with
                                    report_data[0:32], the rest zero (code "binding").
                                    Empty: binding is checked against the bundle's own statement,
                                    whose freshness the caller must judge. */
    bool unbound_ok; /* evidence gathered from raw files: when there is no statement on either side,
                        "binding" passes with a text that says it was not checked. False (zero):
                        a bundle without statement is refused. */
    int64_t now;     /* unix seconds */
    struct avow_verify_cache *cache; /* what earlier judgements read and verified, for one
                                        judgement at a time (verify/cache.h), or NULL */
};

/*
 * Returns 0 whenever a verdict was reached, accepted or refused (malformed evidence is a refusal
 * with code "malformed": the sender produced it). -AVOW_E_* only if it could not be evaluated
 * (memory, crypto library). @claims may be NULL.
 */
AVOW_MUST_USE int avow_judge(const struct avow_judge_in *in, struct avow_claims *claims,
                             struct avow_verdict *verdict, struct avow_error *err);

/* The same for a bundle that is read already; @in->bundle is not looked at. */
AVOW_MUST_USE int avow_judge_bundle(const struct avow_judge_in *in, const struct avow_bundle *b,
                                    struct avow_claims *claims, struct avow_verdict *verdict,
                                    struct avow_error *err);

/* Append the rules of @in->minimum, each said to be of the operator's own policy, to @v. */
void avow_judge_minimum(const struct avow_judge_in *in, const struct avow_claims *c,
                        struct avow_verdict *v);

/* {"decision","tee","simulated","reasons":[{"code","passed","ran","text","source"}]}: new
 * reference. */
json_t *avow_verdict_json(const struct avow_verdict *v);
/* Back from JSON of a peer (for showing, never for deciding). */
AVOW_MUST_USE int avow_verdict_from_json(const json_t *j, struct avow_verdict *out,
                                         struct avow_error *err);
json_t *avow_claims_json(const struct avow_claims *c);

#endif
