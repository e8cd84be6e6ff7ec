/*
 * Policy: reference values and rules against which claims are appraised. Pure.
 * Document format: docs/formats/policy.md; people write YAML, programs exchange its canonical JSON.
 */
#ifndef AVOW_POLICY_POLICY_H
#define AVOW_POLICY_POLICY_H

#include "codec/json.h"
#include "policy/verdict.h"
#include "verify/claims.h"

#define AVOW_POLICY_MAX (256u << 10)
#define AVOW_POLICY_VALUES_MAX 64
#define AVOW_POLICY_MACHINES_MAX 1024
#define AVOW_POLICY_MEMBER_MAX 63    /* bytes of a member's name */
#define AVOW_POLICY_MACHINE_ID_MIN 8 /* bytes; a Turin chip's id has 8, others 64 */

struct avow_policy; /* opaque, owned */

/*
 * From a JSON value (already read from YAML or JSON text). Keys, all optional but "version":
 *   version: 1
 *   allow-simulated: false
 *   snp: { measurements: [hex48...] | "any", min-tcb: {fmc,bootloader,tee,snp,microcode},
 *          allow-debug: false, allow-migration: false, allow-smt: true, vmpl: [0],
 *          host-data: [hex32...], allow-vlek: true }
 *   tdx: { mrtd: [hex48...] | "any", rtmr0..rtmr3: [hex48...], mrconfigid: [hex48...],
 *          mrowner: [hex48...], tcb-status: ["UpToDate"], allow-debug: false,
 *          allow-migration: false, require-sept-ve-disable: true, min-tcb-evaluation: 0 }
 *   az-snp: { all keys of snp, pcrs: {"4": [hex32...], ...}, require-secure-boot: false,
 *             allow-console: true, vm-ids: [...] }
 *   az-tdx: { all keys of tdx, and the same }
 *   machines: { member-name: hex of CHIP_ID or platform instance id, ... }
 * A value of a list is hex, or {value, from, until, note}: allowed within a window of time.
 * A TEE whose section is absent is refused ("tee"). A section that names no measurement is
 * -AVOW_E_FORMAT: "any" must be written in words. Unknown keys: -AVOW_E_FORMAT.
 */
AVOW_MUST_USE int avow_policy_from_json(const json_t *doc, struct avow_policy **out,
                                        struct avow_error *err);
/* The same; @at is set, on failure, to the value of @doc nearest to the mistake (borrowed), so that
 * a reader of files can say where it stands. */
AVOW_MUST_USE int avow_policy_read(const json_t *doc, struct avow_policy **out, const json_t **at,
                                   struct avow_error *err);
AVOW_MUST_USE int avow_policy_parse(struct avow_bytes json_text, struct avow_policy **out,
                                    struct avow_error *err);
void avow_policy_free(struct avow_policy *p);
AVOW_DEFINE_CLEANUP(policy, struct avow_policy, avow_policy_free)

/*
 * Append one reason for each rule to @v, each with the key that demands it. @member: name for
 * machine pinning, or NULL. @now: unix seconds, for reference values that are allowed within a
 * window. Does not conclude: several policies may be appraised into one verdict.
 */
void avow_policy_appraise(const struct avow_policy *p, const struct avow_claims *c,
                          const char *member, int64_t now, struct avow_verdict *v);

#endif
