/* Rules of a policy for AMD SEV-SNP: its sections snp and az-snp. Pure. */
#ifndef AVOW_POLICY_SNP_H
#define AVOW_POLICY_SNP_H

#include "policy/bits.h"
#include "policy/keys.h"
#include "policy/values.h"

#define SNP_VMPL_MAX 3
#define SNP_CSP_IDS_MAX 64

struct snp_rules {
    struct section section;
    struct value_set measurements, host_data, family_id, image_id, id_key, author_key;
    struct avow_snp_tcb min_tcb, min_current, min_committed, min_launch;
    struct bit_rules policy, platform;
    bool require_crl;
    bool allow_debug, allow_migration, allow_smt, allow_vlek;
    bool vmpl[SNP_VMPL_MAX + 1];
    uint64_t mitigations; /* bits of CURRENT_MIT_VECTOR that must be set */
    json_t *csp_ids;      /* array of strings, or NULL: any; owned */
};

/* Its keys, for the list of those that a section may have. */
extern const struct policy_key snp_keys[];

/* @doc: the section @name, an object; its unknown keys are not looked for. Codes of keys_read.
 * snp_done @r whatever is returned. */
AVOW_MUST_USE int snp_read(const json_t *doc, const char *name, struct snp_rules *r,
                           const json_t **at, struct avow_error *err);
void snp_done(struct snp_rules *r);
/* One reason for each rule, those that are silent unless they are set left out. @now: unix s. */
void snp_appraise(const struct snp_rules *r, const struct avow_claims *c, int64_t now,
                  struct avow_verdict *v);

#endif
