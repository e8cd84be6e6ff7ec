/*
 * Intel TCB info, version 3, for TDX: which security versions of a platform are worth what. The
 * parser authenticates nothing: the signature is in ->document. Pure but for memory. Any thread.
 * Source: Intel PCS API v4, "Get TDX TCB Info".
 */
#ifndef AVOW_COLLATERAL_TCB_INFO_H
#define AVOW_COLLATERAL_TCB_INFO_H

#include "collateral/level.h"

#define AVOW_TCB_INFO_NAME "tcbInfo" /* the member that is signed */
#define AVOW_TCB_INFO_ID "TDX"       /* "SGX" is refused */
#define AVOW_TCB_INFO_VERSION 3
#define AVOW_TCB_COMPONENTS 16u
#define AVOW_TCB_LEVELS_MAX 64u
#define AVOW_TDX_MODULES_MAX 32u
#define AVOW_TDX_MODULE_ID_PREFIX "TDX_" /* then two hex digits: TEE_TCB_SVN[1] */
#define AVOW_FMSPC_LEN 6u
#define AVOW_PCEID_LEN 2u
#define AVOW_TDX_MODULE_MR_LEN 48u
#define AVOW_TDX_MODULE_ATTR_LEN 8u

struct avow_tcb_level {
    uint8_t sgx[AVOW_TCB_COMPONENTS]; /* least component SVNs of the PCK certificate */
    uint8_t tdx[AVOW_TCB_COMPONENTS]; /* least TEE_TCB_SVN */
    uint16_t pcesvn;
    struct avow_level level;
};

struct avow_tdx_module {
    uint8_t mrsigner[AVOW_TDX_MODULE_MR_LEN];
    uint8_t attributes[AVOW_TDX_MODULE_ATTR_LEN];
    uint8_t attributes_mask[AVOW_TDX_MODULE_ATTR_LEN];
    uint8_t major;   /* of tdxModuleIdentities: the number in its id; 0 for tdxModule */
    size_t n_levels; /* 0 for tdxModule */
    struct avow_svn_level levels[AVOW_SVN_LEVELS_MAX];
};

struct avow_tcb_info {
    struct avow_document document;   /* owned */
    int64_t issue_date, next_update; /* unix seconds; issue_date <= next_update */
    uint8_t fmspc[AVOW_FMSPC_LEN];
    uint8_t pceid[AVOW_PCEID_LEN];
    uint32_t evaluation;           /* tcbEvaluationDataNumber */
    struct avow_tdx_module module; /* "tdxModule": for modules whose major version is 0 */
    size_t n_modules;
    struct avow_tdx_module *modules; /* "tdxModuleIdentities"; owned */
    size_t n_levels;
    struct avow_tcb_level *levels; /* highest first, as given; owned */
};

/*
 * @text  {"tcbInfo":{...},"signature":"..."}; must outlive the result
 * Returns 0 and *out (avow_tcb_info_free), or -AVOW_E_FORMAT, -AVOW_E_LIMIT, -AVOW_E_VERSION (not
 * 3), -AVOW_E_UNSUPPORTED (id is not "TDX"), -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_tcb_info_parse(struct avow_bytes text, struct avow_tcb_info **out,
                                      struct avow_error *err);
void avow_tcb_info_free(struct avow_tcb_info *t);
AVOW_DEFINE_CLEANUP(tcb_info, struct avow_tcb_info, avow_tcb_info_free)

/* The module of TEE_TCB_SVN[1] == @major: tdxModule for 0, else its identity; NULL if there is
 * none. */
const struct avow_tdx_module *avow_tcb_info_module(const struct avow_tcb_info *t, uint8_t major);

#endif
