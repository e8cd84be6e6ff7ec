/*
 * What a TDX platform's security versions are worth by Intel's documents: level matching and the
 * convergence of platform, TDX module and quoting enclave. Pure. Any thread.
 * Source: Intel PCS API v4, "Get TDX TCB Info", "Comparing TCB levels"; results equal those of
 * Intel's QVL on every real bundle that was at hand.
 */
#ifndef AVOW_VERIFY_TCB_H
#define AVOW_VERIFY_TCB_H

#include "collateral/tcb_info.h"
#include "verify/claims.h"

/* All borrowed. */
struct avow_tcb_input {
    const struct avow_tcb_info *info;
    const struct avow_level *qe;    /* the quoting enclave's level */
    const uint8_t *components;      /* 16 SVNs of the PCK certificate */
    uint16_t pcesvn;                /* of the PCK certificate */
    const uint8_t *tee_tcb_svn;     /* 16, of the quote */
    const uint8_t *mrsignerseam;    /* 48 */
    const uint8_t *seam_attributes; /* 8 */
};

#define AVOW_TCB_PARTS 3u /* platform, TDX module, quoting enclave */

struct avow_tcb_result {
    enum avow_tcb_status status; /* AVOW_TCB_NOT_SUPPORTED when @why is set */
    const char *why;             /* static text, or NULL */
    /* Of platform, module and QE, for dates and advisories; NULL where there is none (the module's
     * for major version 0, all of them when not supported). Borrowed from the documents. */
    const struct avow_level *parts[AVOW_TCB_PARTS];
};

void avow_tcb_evaluate(const struct avow_tcb_input *in, struct avow_tcb_result *out);

/*
 * TDX 1.5 reports two versions: as at launch, and as now, after a module update without relaunch.
 * An outdated launch on a platform that is up to date now makes TDRelaunchAdvised; a state now that
 * is outdated, revoked or not supported when that at launch was not counts as it is.
 */
enum avow_tcb_status avow_tcb_with_current(enum avow_tcb_status launch, enum avow_tcb_status now);

#endif
