/* Rules of a policy's az-snp and az-tdx sections that the hardware's sections do not have. Pure. */
#ifndef AVOW_POLICY_AZURE_H
#define AVOW_POLICY_AZURE_H

#include "policy/keys.h"
#include "policy/values.h"

#define AVOW_POLICY_VM_IDS_MAX 1024

struct azure_rules {
    struct section section;
    bool require_secure_boot, require_tpm_persisted, require_event_log, allow_console;
    struct value_set pcr[AVOW_PCRS]; /* those that are not listed may have any value */
    json_t *vm_ids;                  /* array of strings, or NULL: any; owned */
};

/* Their keys, for the list of those that a section may have. */
extern const struct policy_key azure_keys[];

/* @doc: the section @name, an object; its unknown keys are not looked for. Codes of keys_read.
 * azure_done @r whatever is returned. */
AVOW_MUST_USE int azure_read(const json_t *doc, const char *name, struct azure_rules *r,
                             const json_t **at, struct avow_error *err);
void azure_done(struct azure_rules *r);
/* One reason for each rule that is set: "secure-boot", "tpm-persisted", "console", "pcrs",
 * "vm-id". @now: unix s. */
void azure_appraise(const struct azure_rules *r, const struct avow_claims *c, int64_t now,
                    struct avow_verdict *v);

#endif
