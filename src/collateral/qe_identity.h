/*
 * Intel's identity of the TD quoting enclave ("TD_QE", version 2). The parser authenticates
 * nothing: the signature is in ->document. Pure but for memory. Any thread. Source: Intel PCS API
 * v4, "Get TD QE Identity".
 */
#ifndef AVOW_COLLATERAL_QE_IDENTITY_H
#define AVOW_COLLATERAL_QE_IDENTITY_H

#include "collateral/level.h"

#define AVOW_QE_IDENTITY_NAME "enclaveIdentity" /* the member that is signed */
#define AVOW_QE_IDENTITY_ID "TD_QE"             /* "QE" and "QVE" are refused */
#define AVOW_QE_IDENTITY_VERSION 2
#define AVOW_QE_ISVPRODID 2u /* of Intel's TD QE */

struct avow_qe_identity {
    struct avow_document document;             /* owned */
    int64_t issue_date, next_update;           /* unix seconds; issue_date <= next_update */
    uint32_t evaluation;                       /* tcbEvaluationDataNumber */
    uint8_t miscselect[4], miscselect_mask[4]; /* in the order of the report's bytes */
    uint8_t attributes[16], attributes_mask[16];
    uint8_t mrsigner[32];
    uint16_t isvprodid;
    size_t n_levels;
    struct avow_svn_level levels[AVOW_SVN_LEVELS_MAX]; /* highest first, as given */
};

/*
 * @text  {"enclaveIdentity":{...},"signature":"..."}; must outlive the result
 * Returns 0 and *out (avow_qe_identity_free), or -AVOW_E_FORMAT, -AVOW_E_LIMIT, -AVOW_E_VERSION
 * (not 2), -AVOW_E_UNSUPPORTED (id is not "TD_QE"), -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_qe_identity_parse(struct avow_bytes text, struct avow_qe_identity **out,
                                         struct avow_error *err);
void avow_qe_identity_free(struct avow_qe_identity *q);
AVOW_DEFINE_CLEANUP(qe_identity, struct avow_qe_identity, avow_qe_identity_free)

#endif
