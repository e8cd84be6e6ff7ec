/* What was seen of the nodes, for the files that collect and write it. */
#ifndef AVOW_POLICY_DRAFT_INTERNAL_H
#define AVOW_POLICY_DRAFT_INTERNAL_H

#include "policy/draft.h"
#include "policy/tdx.h"

/* Of how many nodes of a section something is true. */
enum draft_count {
    DRAFT_DEBUG,
    DRAFT_MIGRATION,
    DRAFT_SMT,
    DRAFT_VLEK,
    DRAFT_ID_KEY,
    DRAFT_AUTHOR_KEY,
    DRAFT_CRL,
    DRAFT_TURIN,
    DRAFT_MITIGATIONS, /* reports that say which they have */
    DRAFT_SEPT_VE,
    DRAFT_LOG,
    DRAFT_QUOTED,
    DRAFT_SECURE_BOOT,
    DRAFT_TPM_PERSISTED,
    DRAFT_CONSOLE_OFF,
    DRAFT_VM_ID,
    DRAFT_COUNTS,
};

struct draft_section {
    size_t n; /* nodes */
    size_t count[DRAFT_COUNTS];
    json_t *values; /* key: {value: [name of a node...]}; owned */
    struct avow_snp_tcb reported, current, committed, launch; /* the least of each component */
    uint64_t mitigations;                                     /* that all of them have */
    bool vmpl[4];
    bool status[TDX_STATUSES];
    uint8_t svn[16]; /* the least of each byte of TEE_TCB_SVN */
    uint32_t evaluation;
    uint32_t pcr_mask; /* PCRs that every node quoted */
};

#define DRAFT_SECTIONS (AVOW_TEE_AZ_TDX + 1)

struct avow_draft {
    struct avow_draft_options options;
    size_t n, n_simulated;
    json_t *machines;                              /* {id: [name...]}; owned */
    struct draft_section sections[DRAFT_SECTIONS]; /* by enum avow_tee */
};

#endif
