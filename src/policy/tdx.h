/* Rules of a policy for Intel TDX: its sections tdx and az-tdx. Pure. */
#ifndef AVOW_POLICY_TDX_H
#define AVOW_POLICY_TDX_H

#include "policy/bits.h"
#include "policy/keys.h"
#include "policy/values.h"

#define TDX_STATUSES (AVOW_TCB_NOT_SUPPORTED + 1)
#define TDX_RTMRS 4
#define TDX_ADVISORIES_MAX 256 /* of a list */

struct tdx_rules {
    struct section section;
    struct value_set mrtd, rtmr[TDX_RTMRS], mrconfigid, mrowner, mrownerconfig, mrseam;
    bool status[TDX_STATUSES];
    bool allow_debug, allow_migration, require_sept_ve_disable;
    uint32_t min_tcb_evaluation;
    struct bit_rules attributes, xfam;
    bool min_svn_set;
    uint8_t min_svn[16]; /* of TEE_TCB_SVN, by component */
    json_t *advisories;  /* array of strings that are tolerated, or NULL: all; owned */
    bool require_event_log;
};

/* Its keys, for the list of those that a section may have. */
extern const struct policy_key tdx_keys[];

/* @doc: the section @name, an object; its unknown keys are not looked for. Codes of keys_read.
 * tdx_done @r whatever is returned. */
AVOW_MUST_USE int tdx_read(const json_t *doc, const char *name, struct tdx_rules *r,
                           const json_t **at, struct avow_error *err);
void tdx_done(struct tdx_rules *r);
/* One reason for each rule, those that are silent unless they are set left out. @now: unix s. */
void tdx_appraise(const struct tdx_rules *r, const struct avow_claims *c, int64_t now,
                  struct avow_verdict *v);

#endif
