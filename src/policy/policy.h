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
 *   version: 1; allow-simulated; snp, tdx, az-snp, az-tdx; machines; machine-ids
 * The keys of the sections: snp_keys, tdx_keys and, on Azure besides, azure_keys (policy/snp.c,
 * tdx.c, azure.c), each with what holds where it is not written.
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

/* What a policy holds evidence of one kind to, by reference values. */
struct avow_policy_pins {
    bool accepted;    /* the policy has a section for it; the rest is false if not */
    bool measurement; /* what was booted: measurements, mrtd */
    bool registers;   /* what was loaded since: RTMRs, PCRs */
    bool machine;     /* which hardware: machines (for @member), machine-ids */
    bool vm;          /* which of Azure's VMs: vm-ids */
    bool id;          /* who started it: id and author key, MROWNER, MROWNERCONFIG */
};

/* @member: name for machine pinning, or NULL. */
struct avow_policy_pins avow_policy_pins(const struct avow_policy *p, enum avow_tee tee,
                                         const char *member);
/* {"accepted","measurement","registers","machine","vm","id"}: new reference. */
json_t *avow_policy_pins_json(const struct avow_policy_pins *pins);

/*
 * {"top": {"written": [key...], "defaults": {key: what holds}, "machines": n, "machine-ids": n},
 * "snp", "tdx", "az-snp", "az-tdx": null (refused) or {"pins", "written", "defaults"}}: new
 * reference, or NULL.
 */
json_t *avow_policy_describe(const struct avow_policy *p);

#endif
