#include "policy/snp.h"

void snp_done(struct snp_rules *r)
{
    json_decref(r->csp_ids);
    r->csp_ids = NULL;
}

/* ---- reading ---- */

static int read_tcb(const json_t *section, const struct policy_key *k, void *out,
                    struct avow_error *err)
{
    static const char *const known[] = { "fmc", "bootloader", "tee", "snp", "microcode", NULL };
    const json_t *doc = json_object_get(section, k->name);
    struct avow_snp_tcb *tcb = out;
    uint8_t *const parts[] = { &tcb->fmc, &tcb->bootloader, &tcb->tee, &tcb->snp, &tcb->microcode };

    if (!doc)
        return 0;
    if (!json_is_object(doc))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not an object", k->name);
    AVOW_TRY(avow_json_only(doc, known, err));
    for (size_t i = 0; known[i]; i++) {
        int64_t n = 0;

        AVOW_TRY(avow_json_opt_int(doc, known[i], 0, UINT8_MAX, &n, err));
        *parts[i] = (uint8_t)n;
    }
    return 0;
}

static int read_vmpl(const json_t *section, const struct policy_key *k, void *out,
                     struct avow_error *err)
{
    bool *allowed = out;
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    allowed[0] = true;
    if (!json_object_get(section, k->name))
        return 0;
    allowed[0] = false;
    AVOW_TRY(avow_json_get_array(section, k->name, SNP_VMPL_MAX + 1, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"vmpl\" is empty: nothing could be accepted");
    json_array_foreach(list, i, item) {
        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) > SNP_VMPL_MAX)
            return AVOW_FAIL(err, FORMAT, "\"vmpl\"[%zu] is not 0 to %d", i, SNP_VMPL_MAX);
        allowed[json_integer_value(item)] = true;
    }
    return 0;
}

/* Bits by number, as AMD 56860 counts them in CURRENT_MIT_VECTOR. */
static int read_mitigations(const json_t *section, const struct policy_key *k, void *out,
                            struct avow_error *err)
{
    uint64_t *mask = out;
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!json_object_get(section, k->name))
        return 0;
    AVOW_TRY(avow_json_get_array(section, k->name, 64, &list, err));
    json_array_foreach(list, i, item) {
        if (!json_is_integer(item) || json_integer_value(item) < 0 || json_integer_value(item) > 63)
            return AVOW_FAIL(err, FORMAT, "\"%s\"[%zu] is not 0 to 63", k->name, i);
        *mask |= 1ull << json_integer_value(item);
    }
    return 0;
}

static int read_csp_ids(const json_t *section, const struct policy_key *k, void *out,
                        struct avow_error *err)
{
    return keys_strings(section, k->name, SNP_CSP_IDS_MAX, AVOW_CSP_ID_MAX, false, out, err);
}

#define AT(member) offsetof(struct snp_rules, member)

const struct policy_key snp_keys[] = {
    { "measurements", keys_measured, AT(measurements), 48, NULL },
    { "min-tcb", read_tcb, AT(min_tcb), 0, "0 each" },
    { "min-tcb-current", read_tcb, AT(min_current), 0, "none" },
    { "min-tcb-committed", read_tcb, AT(min_committed), 0, "none" },
    { "min-tcb-launch", read_tcb, AT(min_launch), 0, "none" },
    { "allow-debug", keys_bool, AT(allow_debug), 0, "false" },
    { "allow-migration", keys_bool, AT(allow_migration), 0, "false" },
    { "allow-smt", keys_bool, AT(allow_smt), 0, "true" },
    { "vmpl", read_vmpl, AT(vmpl), 0, "[0]" },
    { "host-data", keys_values, AT(host_data), 32, "any" },
    { "allow-vlek", keys_bool, AT(allow_vlek), 0, "true" },
    { "family-id", keys_values, AT(family_id), 16, "any" },
    { "image-id", keys_values, AT(image_id), 16, "any" },
    { "id-key-digest", keys_values, AT(id_key), 48, "any" },
    { "author-key-digest", keys_values, AT(author_key), 48, "any" },
    { "require-policy", bits_key, AT(policy), BITS_OF_POLICY, "none" },
    { "forbid-policy", bits_key, AT(policy), BITS_OF_POLICY, "none" },
    { "require-platform", bits_key, AT(platform), BITS_OF_PLATFORM, "none" },
    { "forbid-platform", bits_key, AT(platform), BITS_OF_PLATFORM, "none" },
    { "require-mitigations", read_mitigations, AT(mitigations), 0, "none" },
    { "csp-id", read_csp_ids, AT(csp_ids), 0, "any" },
    { "require-crl", keys_bool, AT(require_crl), 0, "false" },
    { NULL, NULL, 0, 0, NULL },
};
_Static_assert(sizeof snp_keys / sizeof snp_keys[0] <= KEYS_MAX + 1, "a bit for each key");

int snp_read(const json_t *doc, const char *name, struct snp_rules *r, const json_t **at,
             struct avow_error *err)
{
    r->allow_smt = true;
    r->allow_vlek = true;
    return keys_read(doc, name, snp_keys, &r->section, r, at, err);
}

/* ---- appraising ---- */

static bool tcb_reaches(const struct avow_snp_tcb *have, const struct avow_snp_tcb *min)
{
    return have->fmc >= min->fmc && have->bootloader >= min->bootloader && have->tee >= min->tee &&
           have->snp >= min->snp && have->microcode >= min->microcode;
}

static bool tcb_set(const struct avow_snp_tcb *t)
{
    return t->fmc || t->bootloader || t->tee || t->snp || t->microcode;
}

static void rule_floor(struct avow_verdict *v, const char *which, const struct avow_snp_tcb *have,
                       const struct avow_snp_tcb *min)
{
    avow_verdict_add(v, "tcb-floor", tcb_reaches(have, min),
                     "%s TCB fmc %u bootloader %u tee %u snp %u microcode %u, at least "
                     "%u %u %u %u %u",
                     which, have->fmc, have->bootloader, have->tee, have->snp, have->microcode,
                     min->fmc, min->bootloader, min->tee, min->snp, min->microcode);
}

static void appraise_floors(const struct snp_rules *r, const struct avow_claims *c,
                            struct avow_verdict *v)
{
    const struct {
        const char *key, *which;
        const struct avow_snp_tcb *min, *have;
    } floors[] = {
        { "min-tcb-current", "current", &r->min_current, &c->snp.current },
        { "min-tcb-committed", "committed", &r->min_committed, &c->snp.committed },
        { "min-tcb-launch", "launch", &r->min_launch, &c->snp.launch },
    };

    keys_from(&r->section, "min-tcb", v);
    rule_floor(v, "reported", &c->snp.reported, &r->min_tcb);
    for (size_t i = 0; i < sizeof floors / sizeof floors[0]; i++) {
        if (!tcb_set(floors[i].min))
            continue;
        keys_from(&r->section, floors[i].key, v);
        rule_floor(v, floors[i].which, floors[i].have, floors[i].min);
    }
}

static void appraise_values(const struct snp_rules *r, const struct avow_claims *c, int64_t now,
                            struct avow_verdict *v)
{
    const struct {
        const char *key, *code;
        const struct value_set *set;
        struct avow_bytes value;
    } values[] = {
        { "host-data", "host-data", &r->host_data, AVOW_BYTES(c->snp.host_data, 32) },
        { "family-id", "family-id", &r->family_id, AVOW_BYTES(c->snp.family_id, 16) },
        { "image-id", "image-id", &r->image_id, AVOW_BYTES(c->snp.image_id, 16) },
        { "id-key-digest", "id-key", &r->id_key, AVOW_BYTES(c->snp.id_key_digest, 48) },
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        if (!values[i].set->listed)
            continue;
        keys_from(&r->section, values[i].key, v);
        values_appraise(values[i].set, values[i].code, values[i].code, values[i].value, now, v);
    }
    keys_from(&r->section, "author-key-digest", v);
    if (r->author_key.listed && !c->snp.author_key_en)
        avow_verdict_add(v, "author-key", false, "no author key signed the VM's identity");
    else if (r->author_key.listed)
        values_appraise(&r->author_key, "author-key", "author-key",
                        AVOW_BYTES(c->snp.author_key_digest, 48), now, v);
}

static void appraise_flag(const struct snp_rules *r, const char *key, const char *code, bool set,
                          bool allowed, const char *what, struct avow_verdict *v)
{
    keys_from(&r->section, key, v);
    avow_verdict_add(v, code, !set || allowed, "%s: %s", what,
                     !set      ? "no"
                     : allowed ? "yes, allowed"
                               : "yes, which the policy does not allow");
}

/* A token of Microsoft's says less than a report: what it leaves open is not a no. */
static void not_said(const struct snp_rules *r, const char *key, const char *code, const char *what,
                     struct avow_verdict *v)
{
    keys_from(&r->section, key, v);
    avow_verdict_missing(v, code, "the token does not say %s: have the evidence judged here too",
                         what);
}

static void appraise_flags(const struct snp_rules *r, const struct avow_claims *c,
                           struct avow_verdict *v)
{
    appraise_flag(r, "allow-debug", "debug", c->debug, r->allow_debug,
                  "the host may read the VM's memory (DEBUG)", v);
    appraise_flag(r, "allow-migration", "migration",
                  (c->snp.policy & 1ull << 18) != 0 || c->snp.migration_agent, r->allow_migration,
                  "the VM may migrate (MIGRATE_MA)", v);
    appraise_flag(r, "allow-smt", "smt", (c->snp.policy & 1ull << 16) != 0, r->allow_smt,
                  "the VM may share cores with other VMs (SMT)", v);
    keys_from(&r->section, "vmpl", v);
    avow_verdict_add(v, "vmpl", c->snp.vmpl <= SNP_VMPL_MAX && r->vmpl[c->snp.vmpl],
                     "the report was asked for at VMPL %u", c->snp.vmpl);
    if (c->partial && !r->allow_vlek)
        not_said(r, "allow-vlek", "vlek", "by which of its keys the hardware signed", v);
    else
        appraise_flag(r, "allow-vlek", "vlek", c->snp.vlek, r->allow_vlek,
                      "signed by the provider's key (VLEK)", v);
}

static void appraise_platform(const struct snp_rules *r, const struct avow_claims *c,
                              struct avow_verdict *v)
{
    if (c->partial && (r->platform.required || r->platform.forbidden))
        not_said(r, "forbid-platform", "platform-bit", "what the platform is set to", v);
    else
        bits_appraise(&r->platform, BITS_OF_PLATFORM, c->snp.platform_info, &r->section, v);
}

/* CURRENT_MIT_VECTOR came with version 5 of the report (AMD 56860): older ones say nothing, and
 * that is no yes. */
static void appraise_mitigations(const struct snp_rules *r, const struct avow_claims *c,
                                 struct avow_verdict *v)
{
    uint64_t absent = r->mitigations & ~c->snp.current_mit;
    unsigned first = 0;

    while (first < 63 && !(absent >> first & 1))
        first++;
    if (!r->mitigations)
        return;
    keys_from(&r->section, "require-mitigations", v);
    if (c->snp.version < 5)
        avow_verdict_add(v, "mitigations", false,
                         "a report of version %u does not say which mitigations there are; "
                         "0x%llx are required",
                         c->snp.version, (unsigned long long)r->mitigations);
    else if (absent)
        avow_verdict_add(v, "mitigations", false,
                         "mitigation %u is not in effect: 0x%llx are, 0x%llx are required", first,
                         (unsigned long long)c->snp.current_mit,
                         (unsigned long long)r->mitigations);
    else
        avow_verdict_add(
            v, "mitigations", true, "mitigations 0x%llx are in effect, 0x%llx required",
            (unsigned long long)c->snp.current_mit, (unsigned long long)r->mitigations);
}

/* A VCEK is of a chip and names no provider, which a policy that names some does not accept. */
static void appraise_csp_id(const struct snp_rules *r, const struct avow_claims *c,
                            struct avow_verdict *v)
{
    const json_t *item = NULL;
    bool known = false;
    size_t i = 0;

    if (!r->csp_ids)
        return;
    keys_from(&r->section, "csp-id", v);
    json_array_foreach(r->csp_ids, i, item)
        known = known || (*c->snp.csp_id && strcmp(json_string_value(item), c->snp.csp_id) == 0);
    if (!c->snp.vlek)
        avow_verdict_add(v, "csp-id", false,
                         "signed by the chip's key (VCEK), which names no provider; %zu allowed",
                         json_array_size(r->csp_ids));
    else
        avow_verdict_add(v, "csp-id", known, "provider \"%s\" is %samong the %zu allowed",
                         c->snp.csp_id, known ? "" : "not ", json_array_size(r->csp_ids));
}

void snp_appraise(const struct snp_rules *r, const struct avow_claims *c, int64_t now,
                  struct avow_verdict *v)
{
    keys_from(&r->section, "measurements", v);
    values_appraise(&r->measurements, "measurement", "measurement", AVOW_BYTES(c->measurement, 48),
                    now, v);
    appraise_floors(r, c, v);
    appraise_flags(r, c, v);
    appraise_values(r, c, now, v);
    bits_appraise(&r->policy, BITS_OF_POLICY, c->snp.policy, &r->section, v);
    appraise_platform(r, c, v);
    appraise_mitigations(r, c, v);
    appraise_csp_id(r, c, v);
    keys_from(&r->section, "require-crl", v);
    if (r->require_crl && !c->revocation_checked)
        avow_verdict_missing(v, "crl", "AMD's CRL, which the policy requires");
    else if (r->require_crl)
        avow_verdict_add(v, "crl", true, "AMD's CRL came with the evidence, and was looked in");
}
