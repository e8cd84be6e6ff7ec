/* Rules of a policy's az-snp and az-tdx sections that the hardware's sections do not have. Pure. */
#ifndef AVOW_POLICY_AZURE_H
#define AVOW_POLICY_AZURE_H

#include "codec/json.h"
#include "policy/verdict.h"
#include "verify/claims.h"

#define AVOW_POLICY_VM_IDS_MAX 1024
#define AVOW_POLICY_PCR_VALUES_MAX 16

struct azure_rules {
    bool require_secure_boot, allow_console;
    uint32_t pcr_mask; /* registers that are pinned */
    size_t n_pcr[AVOW_PCRS];
    uint8_t pcr[AVOW_PCRS][AVOW_POLICY_PCR_VALUES_MAX][AVOW_PCR_LEN];
    json_t *vm_ids; /* array of strings, or NULL: any; owned */
};

/* Their keys, for the list of those that a section may have; ended by NULL. */
extern const char *const azure_keys[];

/* -AVOW_E_FORMAT, -AVOW_E_LIMIT; @r is zeroed first. */
AVOW_MUST_USE int azure_read(const json_t *section, struct azure_rules *r, struct avow_error *err);
void azure_done(struct azure_rules *r);
/* One reason for each rule that is set: "secure-boot", "console", "pcrs", "vm-id". */
void azure_appraise(const struct azure_rules *r, const struct avow_claims *c,
                    struct avow_verdict *v);

#endif
