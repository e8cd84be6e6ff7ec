/*
 * Verdict: the outcome of an appraisal. Zeroed means refused; only avow_verdict_accepts says yes.
 */
#ifndef AVOW_POLICY_VERDICT_H
#define AVOW_POLICY_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "verify/claims.h"

enum avow_decision { AVOW_REFUSED = 0, AVOW_ACCEPTED = 1 }; /* zero is refusal */

#define AVOW_REASONS_MAX 128 /* two policies that pin every register, and room */
#define AVOW_SOURCE_MAX 96   /* bytes of a reason's source, its NUL included */

/* One rule or check and what came of it. */
struct avow_reason {
    char code[32]; /* stable: "measurement", "tcb-floor", "debug", "simulated", "binding", ... */
    bool passed;
    bool ran;       /* false: it could not be evaluated, since something is missing */
    char text[256]; /* with the values: "measurement 3f.. is not among the 2 allowed" */
    /* The key of the policy that demands it: "snp.measurements"; "default: snp.vmpl" where the key
     * is not written; "minimum: ..." of the operator's own policy. "" for a check. */
    char source[AVOW_SOURCE_MAX];
};

struct avow_verdict {
    enum avow_decision decision;
    bool simulated;
    enum avow_tee tee;
    char source[AVOW_SOURCE_MAX]; /* of reasons that are added: avow_verdict_from */
    uint32_t n_reasons;
    struct avow_reason reasons[AVOW_REASONS_MAX]; /* failed ones first */
};

static inline bool avow_verdict_accepts(const struct avow_verdict *v)
{
    return v->decision == AVOW_ACCEPTED;
}

/* The first failed reason, or NULL. */
const struct avow_reason *avow_verdict_why(const struct avow_verdict *v);
/* Reasons that follow have this source; "" (or no call) for those that no policy demands. */
void avow_verdict_from(struct avow_verdict *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Append a reason (a full list turns into a refusal). Returns @passed. */
bool avow_verdict_add(struct avow_verdict *v, const char *code, bool passed, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Append what could not be evaluated: a refusal, but not one against the evidence. */
bool avow_verdict_missing(struct avow_verdict *v, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Refused for nothing but what could not be evaluated. */
bool avow_verdict_undecided(const struct avow_verdict *v);
/* Decide: accepted if at least one reason stands and all passed; puts failed ones first. */
void avow_verdict_conclude(struct avow_verdict *v);

#endif
