#include "policy/policy.h"

#include "codec/text.h"
#include "policy/azure.h"
#include "policy/bits.h"
#include "policy/values.h"

#define POLICY_VERSION 1
#define VMPL_MAX 3
#define N_STATUS (AVOW_TCB_NOT_SUPPORTED + 1)

struct machine {
    char member[AVOW_POLICY_MEMBER_MAX + 1];
    uint8_t id[64];
    size_t len; /* bytes */
};

struct snp_rules {
    bool present;
    struct value_set measurements, host_data, family_id, image_id, id_key, author_key;
    struct avow_snp_tcb min_tcb, min_current, min_committed, min_launch;
    struct bit_rules policy, platform;
    bool require_crl;
    bool allow_debug, allow_migration, allow_smt, allow_vlek;
    bool vmpl[VMPL_MAX + 1];
};

struct tdx_rules {
    bool present;
    struct value_set mrtd, rtmr[4], mrconfigid, mrowner;
    bool status[N_STATUS];
    bool allow_debug, allow_migration, require_sept_ve_disable;
    uint32_t min_tcb_evaluation;
};

struct avow_policy {
    bool allow_simulated;
    struct snp_rules snp, az_snp;
    struct tdx_rules tdx, az_tdx;
    struct azure_rules azure_snp, azure_tdx; /* beside az_snp and az_tdx */
    size_t n_machines;
    struct machine *machines;
};

void avow_policy_free(struct avow_policy *p)
{
    if (!p)
        return;
    azure_done(&p->azure_snp);
    azure_done(&p->azure_tdx);
    free(p->machines);
    free(p);
}

/* ---- reading ---- */

static int need_object(const json_t *v, const char *key, struct avow_error *err)
{
    if (!json_is_object(v))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not an object", key);
    return 0;
}

static int read_min_tcb(const json_t *snp, const char *key, struct avow_snp_tcb *out,
                        struct avow_error *err)
{
    const json_t *doc = json_object_get(snp, key);
    static const char *const known[] = { "fmc", "bootloader", "tee", "snp", "microcode", NULL };
    uint8_t *const parts[] = { &out->fmc, &out->bootloader, &out->tee, &out->snp, &out->microcode };

    if (!doc)
        return 0;
    AVOW_TRY(need_object(doc, key, err));
    AVOW_TRY(avow_json_only(doc, known, err));
    for (size_t i = 0; known[i]; i++) {
        int64_t n = 0;

        AVOW_TRY(avow_json_opt_int(doc, known[i], 0, UINT8_MAX, &n, err));
        *parts[i] = (uint8_t)n;
    }
    return 0;
}

static int read_vmpl(const json_t *snp, bool out[VMPL_MAX + 1], struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    out[0] = true;
    if (!json_object_get(snp, "vmpl"))
        return 0;
    out[0] = false;
    AVOW_TRY(avow_json_get_array(snp, "vmpl", VMPL_MAX + 1, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"vmpl\" is empty: nothing could be accepted");
    json_array_foreach(list, i, item) {
        if (!json_is_integer(item) || json_integer_value(item) < 0 ||
            json_integer_value(item) > VMPL_MAX)
            return AVOW_FAIL(err, FORMAT, "\"vmpl\"[%zu] is not 0 to %d", i, VMPL_MAX);
        out[json_integer_value(item)] = true;
    }
    return 0;
}

#define KNOWN_MAX 40

/* Refuse keys that are neither of the hardware's section nor, if it is Azure's, of Azure's. */
static int only(const json_t *doc, const char *const *known, bool azure, struct avow_error *err)
{
    const char *all[KNOWN_MAX + 1] = { NULL };
    size_t n = 0;

    while (*known && n < KNOWN_MAX)
        all[n++] = *known++;
    for (const char *const *k = azure_keys; azure && *k && n < KNOWN_MAX; k++)
        all[n++] = *k;
    return avow_json_only(doc, all, err);
}

static int read_snp(const json_t *doc, bool azure, struct snp_rules *r, struct avow_error *err)
{
    static const char *const known[] = {
        "measurements",    "min-tcb",           "allow-debug",
        "allow-migration", "allow-smt",         "vmpl",
        "host-data",       "allow-vlek",        "family-id",
        "image-id",        "id-key-digest",     "author-key-digest",
        "min-tcb-current", "min-tcb-committed", "min-tcb-launch",
        "require-policy",  "forbid-policy",     "require-platform",
        "forbid-platform", "require-crl",       NULL
    };

    if (!doc)
        return 0;
    r->present = true;
    r->allow_smt = true;
    r->allow_vlek = true;
    AVOW_TRY(need_object(doc, "snp", err));
    AVOW_TRY(only(doc, known, azure, err));
    AVOW_TRY(values_read(doc, "measurements", 48, true, &r->measurements, err));
    AVOW_TRY(values_read(doc, "host-data", 32, false, &r->host_data, err));
    AVOW_TRY(values_read(doc, "family-id", 16, false, &r->family_id, err));
    AVOW_TRY(values_read(doc, "image-id", 16, false, &r->image_id, err));
    AVOW_TRY(values_read(doc, "id-key-digest", 48, false, &r->id_key, err));
    AVOW_TRY(values_read(doc, "author-key-digest", 48, false, &r->author_key, err));
    AVOW_TRY(read_min_tcb(doc, "min-tcb-current", &r->min_current, err));
    AVOW_TRY(read_min_tcb(doc, "min-tcb-committed", &r->min_committed, err));
    AVOW_TRY(read_min_tcb(doc, "min-tcb-launch", &r->min_launch, err));
    AVOW_TRY(bits_read(doc, BITS_OF_POLICY, &r->policy, err));
    AVOW_TRY(bits_read(doc, BITS_OF_PLATFORM, &r->platform, err));
    AVOW_TRY(avow_json_opt_bool(doc, "require-crl", &r->require_crl, err));
    AVOW_TRY(read_min_tcb(doc, "min-tcb", &r->min_tcb, err));
    AVOW_TRY(read_vmpl(doc, r->vmpl, err));
    AVOW_TRY(avow_json_opt_bool(doc, "allow-debug", &r->allow_debug, err));
    AVOW_TRY(avow_json_opt_bool(doc, "allow-migration", &r->allow_migration, err));
    AVOW_TRY(avow_json_opt_bool(doc, "allow-smt", &r->allow_smt, err));
    return avow_json_opt_bool(doc, "allow-vlek", &r->allow_vlek, err);
}

static int read_status(const json_t *tdx, bool out[N_STATUS], struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    out[AVOW_TCB_UP_TO_DATE] = true;
    if (!json_object_get(tdx, "tcb-status"))
        return 0;
    out[AVOW_TCB_UP_TO_DATE] = false;
    AVOW_TRY(avow_json_get_array(tdx, "tcb-status", N_STATUS, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"tcb-status\" is empty: nothing could be accepted");
    json_array_foreach(list, i, item) {
        enum avow_tcb_status s = avow_tcb_status_from_name(json_string_value(item));

        if (s == AVOW_TCB_UNKNOWN || s == AVOW_TCB_REVOKED || s == AVOW_TCB_NOT_SUPPORTED)
            return AVOW_FAIL(err, FORMAT, "\"tcb-status\"[%zu] is not a status that can be allowed",
                             i);
        out[s] = true;
    }
    return 0;
}

static int read_tdx(const json_t *doc, bool azure, struct tdx_rules *r, struct avow_error *err)
{
    static const char *const known[] = { "mrtd",
                                         "rtmr0",
                                         "rtmr1",
                                         "rtmr2",
                                         "rtmr3",
                                         "mrconfigid",
                                         "mrowner",
                                         "tcb-status",
                                         "allow-debug",
                                         "allow-migration",
                                         "require-sept-ve-disable",
                                         "min-tcb-evaluation",
                                         NULL };
    int64_t n = 0;

    if (!doc)
        return 0;
    r->present = true;
    r->require_sept_ve_disable = true;
    AVOW_TRY(need_object(doc, "tdx", err));
    AVOW_TRY(only(doc, known, azure, err));
    AVOW_TRY(values_read(doc, "mrtd", 48, true, &r->mrtd, err));
    for (size_t i = 0; i < 4; i++)
        AVOW_TRY(values_read(doc, known[1 + i], 48, false, &r->rtmr[i], err));
    AVOW_TRY(values_read(doc, "mrconfigid", 48, false, &r->mrconfigid, err));
    AVOW_TRY(values_read(doc, "mrowner", 48, false, &r->mrowner, err));
    AVOW_TRY(read_status(doc, r->status, err));
    AVOW_TRY(avow_json_opt_bool(doc, "allow-debug", &r->allow_debug, err));
    AVOW_TRY(avow_json_opt_bool(doc, "allow-migration", &r->allow_migration, err));
    AVOW_TRY(avow_json_opt_bool(doc, "require-sept-ve-disable", &r->require_sept_ve_disable, err));
    AVOW_TRY(avow_json_opt_int(doc, "min-tcb-evaluation", 0, UINT32_MAX, &n, err));
    r->min_tcb_evaluation = (uint32_t)n;
    return 0;
}

static int read_machine(struct machine *m, const char *member, const json_t *v,
                        struct avow_error *err)
{
    const char *hex = json_string_value(v);
    size_t len = hex ? strlen(hex) / 2 : 0;

    if (strlen(member) > AVOW_POLICY_MEMBER_MAX)
        return AVOW_FAIL(err, LIMIT, "name of more than %d bytes", AVOW_POLICY_MEMBER_MAX);
    if (len < AVOW_POLICY_MACHINE_ID_MIN || len > sizeof m->id || avow_unhex(hex, m->id, len) < 0)
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not %d to %zu bytes in hex", member,
                         AVOW_POLICY_MACHINE_ID_MIN, sizeof m->id);
    memcpy(m->member, member, strlen(member) + 1);
    m->len = len;
    return 0;
}

static int read_machines(const json_t *doc, struct avow_policy *p, struct avow_error *err)
{
    const char *key = NULL;
    json_t *item = NULL;

    if (!doc)
        return 0;
    AVOW_TRY(need_object(doc, "machines", err));
    if (json_object_size(doc) > AVOW_POLICY_MACHINES_MAX)
        return AVOW_FAIL(err, LIMIT, "%zu names (at most %d)", json_object_size(doc),
                         AVOW_POLICY_MACHINES_MAX);
    p->machines = calloc(json_object_size(doc) + 1, sizeof *p->machines);
    if (!p->machines)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_object_foreach((json_t *)(uintptr_t)doc, key, item)
        AVOW_TRY(read_machine(&p->machines[p->n_machines++], key, item, err));
    return 0;
}

/* Put the section's name in front of what was wrong in it. */
static int in_section(int rc, const char *section, struct avow_error *err)
{
    if (rc < 0)
        (void)avow_error_prefix(err, "policy: %s", section);
    return rc;
}

static int read_azure(const json_t *doc, struct avow_policy *p, struct avow_error *err)
{
    const json_t *snp = json_object_get(doc, "az-snp");
    const json_t *tdx = json_object_get(doc, "az-tdx");

    AVOW_TRY(in_section(read_snp(snp, true, &p->az_snp, err), "az-snp", err));
    AVOW_TRY(in_section(azure_read(snp, &p->azure_snp, err), "az-snp", err));
    AVOW_TRY(in_section(read_tdx(tdx, true, &p->az_tdx, err), "az-tdx", err));
    return in_section(azure_read(tdx, &p->azure_tdx, err), "az-tdx", err);
}

int avow_policy_from_json(const json_t *doc, struct avow_policy **out, struct avow_error *err)
{
    static const char *const known[] = { "version", "allow-simulated", "snp",      "tdx",
                                         "az-snp",  "az-tdx",          "machines", NULL };
    avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
    int64_t version = 0;

    if (!json_is_object(doc))
        return AVOW_FAIL(err, FORMAT, "policy: not an object");
    AVOW_TRY(in_section(avow_json_only(doc, known, err), "top", err));
    AVOW_TRY(
        in_section(avow_json_get_int(doc, "version", 0, INT32_MAX, &version, err), "top", err));
    if (version != POLICY_VERSION)
        return AVOW_FAIL(err, VERSION, "policy: version %lld (%d is known)", (long long)version,
                         POLICY_VERSION);
    p = calloc(1, sizeof *p);
    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(in_section(avow_json_opt_bool(doc, "allow-simulated", &p->allow_simulated, err), "top",
                        err));
    AVOW_TRY(in_section(read_snp(json_object_get(doc, "snp"), false, &p->snp, err), "snp", err));
    AVOW_TRY(in_section(read_tdx(json_object_get(doc, "tdx"), false, &p->tdx, err), "tdx", err));
    AVOW_TRY(read_azure(doc, p, err));
    AVOW_TRY(in_section(read_machines(json_object_get(doc, "machines"), p, err), "machines", err));
    *out = avow_steal(&p);
    return 0;
}

int avow_policy_parse(struct avow_bytes json_text, struct avow_policy **out, struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;

    if (json_text.len > AVOW_POLICY_MAX)
        return AVOW_FAIL(err, LIMIT, "policy of %zu bytes (at most %u)", json_text.len,
                         AVOW_POLICY_MAX);
    AVOW_TRY(in_section(avow_json_parse(json_text, &doc, err), "top", err));
    return avow_policy_from_json(doc, out, err);
}

/* ---- appraising ---- */

static void rule_flag(struct avow_verdict *v, const char *code, bool set, bool allowed,
                      const char *what)
{
    avow_verdict_add(v, code, !set || allowed, "%s%s", what,
                     !set      ? ": no"
                     : allowed ? ": yes, allowed"
                               : ": yes, which the policy does not allow");
}

static bool tcb_reaches(const struct avow_snp_tcb *have, const struct avow_snp_tcb *min)
{
    return have->fmc >= min->fmc && have->bootloader >= min->bootloader && have->tee >= min->tee &&
           have->snp >= min->snp && have->microcode >= min->microcode;
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

static bool tcb_set(const struct avow_snp_tcb *t)
{
    return t->fmc || t->bootloader || t->tee || t->snp || t->microcode;
}

/* Rules that say nothing where the policy does not set them. */
static void appraise_snp_more(const struct snp_rules *r, const struct avow_claims *c, int64_t now,
                              struct avow_verdict *v)
{
    const struct {
        const char *code;
        const struct value_set *set;
        struct avow_bytes value;
    } values[] = {
        { "host-data", &r->host_data, AVOW_BYTES(c->snp.host_data, 32) },
        { "family-id", &r->family_id, AVOW_BYTES(c->snp.family_id, 16) },
        { "image-id", &r->image_id, AVOW_BYTES(c->snp.image_id, 16) },
        { "id-key", &r->id_key, AVOW_BYTES(c->snp.id_key_digest, 48) },
    };

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        if (values[i].set->listed)
            values_appraise(values[i].set, values[i].code, values[i].value, now, v);
    if (r->author_key.listed && !c->snp.author_key_en)
        avow_verdict_add(v, "author-key", false, "no author key signed the VM's identity");
    else if (r->author_key.listed)
        values_appraise(&r->author_key, "author-key", AVOW_BYTES(c->snp.author_key_digest, 48), now,
                        v);
    if (tcb_set(&r->min_current))
        rule_floor(v, "current", &c->snp.current, &r->min_current);
    if (tcb_set(&r->min_committed))
        rule_floor(v, "committed", &c->snp.committed, &r->min_committed);
    if (tcb_set(&r->min_launch))
        rule_floor(v, "launch", &c->snp.launch, &r->min_launch);
    bits_appraise(&r->policy, BITS_OF_POLICY, c->snp.policy, v);
    bits_appraise(&r->platform, BITS_OF_PLATFORM, c->snp.platform_info, v);
    if (r->require_crl && !c->revocation_checked)
        avow_verdict_missing(v, "crl", "AMD's CRL, which the policy requires");
}

static void appraise_snp(const struct snp_rules *r, const struct avow_claims *c, int64_t now,
                         struct avow_verdict *v)
{
    values_appraise(&r->measurements, "measurement", AVOW_BYTES(c->measurement, 48), now, v);
    rule_floor(v, "reported", &c->snp.reported, &r->min_tcb);
    rule_flag(v, "debug", c->debug, r->allow_debug, "the host may read the VM's memory (DEBUG)");
    rule_flag(v, "migration", (c->snp.policy & 1ull << 18) != 0 || c->snp.migration_agent,
              r->allow_migration, "the VM may migrate (MIGRATE_MA)");
    rule_flag(v, "smt", (c->snp.policy & 1ull << 16) != 0, r->allow_smt,
              "the VM may share cores with other VMs (SMT)");
    avow_verdict_add(v, "vmpl", c->snp.vmpl <= VMPL_MAX && r->vmpl[c->snp.vmpl],
                     "the report was asked for at VMPL %u", c->snp.vmpl);
    rule_flag(v, "vlek", c->snp.vlek, r->allow_vlek, "signed by the provider's key (VLEK)");
    appraise_snp_more(r, c, now, v);
}

static bool td_attribute(const struct avow_claims *c, unsigned bit)
{
    return (c->tdx.td_attributes[bit / 8] >> bit % 8 & 1) != 0;
}

static void appraise_tdx(const struct tdx_rules *r, const struct avow_claims *c, int64_t now,
                         struct avow_verdict *v)
{
    static const char *const rtmr[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };
    enum { SEPT_VE_DISABLE = 28, MIGRATABLE = 29 }; /* bits of TDATTRIBUTES */
    enum avow_tcb_status s = c->tdx.tcb_status;

    values_appraise(&r->mrtd, "measurement", AVOW_BYTES(c->measurement, 48), now, v);
    for (size_t i = 0; i < 4; i++)
        if (r->rtmr[i].listed)
            values_appraise(&r->rtmr[i], rtmr[i], AVOW_BYTES(c->tdx.rtmr[i], 48), now, v);
    if (r->mrconfigid.listed)
        values_appraise(&r->mrconfigid, "mrconfigid", AVOW_BYTES(c->tdx.mrconfigid, 48), now, v);
    if (r->mrowner.listed)
        values_appraise(&r->mrowner, "mrowner", AVOW_BYTES(c->tdx.mrowner, 48), now, v);
    avow_verdict_add(v, "tcb-floor", (unsigned)s < N_STATUS && r->status[s],
                     "Intel's status of this TCB is %s%s", avow_tcb_status_name(s),
                     (unsigned)s < N_STATUS && r->status[s] ? "" : ", which is not allowed");
    avow_verdict_add(v, "tcb-evaluation", c->tdx.tcb_evaluation >= r->min_tcb_evaluation,
                     "collateral of TCB evaluation %u, at least %u", c->tdx.tcb_evaluation,
                     r->min_tcb_evaluation);
    /* the whole byte is "TD under debug": its other bits are reserved or let the host profile */
    rule_flag(v, "debug", c->debug || c->tdx.td_attributes[0] != 0, r->allow_debug,
              "the host may read or profile the TD (TUD attributes)");
    rule_flag(v, "migration",
              td_attribute(c, MIGRATABLE) || !avow_bytes_zero(AVOW_BYTES_OF(c->tdx.mrservicetd)),
              r->allow_migration, "the TD may migrate or has a service TD");
    avow_verdict_add(v, "sept-ve", td_attribute(c, SEPT_VE_DISABLE) || !r->require_sept_ve_disable,
                     "SEPT_VE_DISABLE is %s", td_attribute(c, SEPT_VE_DISABLE) ? "set" : "not set");
}

static void appraise_machine(const struct avow_policy *p, const struct avow_claims *c,
                             const char *member, struct avow_verdict *v)
{
    char want[20], have[20];

    for (size_t i = 0; member && i < p->n_machines; i++) {
        const struct machine *m = &p->machines[i];

        if (strcmp(m->member, member) != 0)
            continue;
        avow_hex(AVOW_BYTES(m->id, m->len < 8 ? m->len : 8), want);
        avow_hex(AVOW_BYTES(c->machine, c->machine_len < 8 ? c->machine_len : 8), have);
        avow_verdict_add(
            v, "machine",
            avow_bytes_equal(AVOW_BYTES(c->machine, c->machine_len), AVOW_BYTES(m->id, m->len)),
            "\"%s\" is pinned to machine %s.., and this is %s%s", member, want,
            c->machine_len ? have : "not known", c->machine_len ? ".." : "");
    }
}

void avow_policy_appraise(const struct avow_policy *p, const struct avow_claims *c,
                          const char *member, int64_t now, struct avow_verdict *v)
{
    const struct snp_rules *snp = c->tee == AVOW_TEE_AZ_SNP ? &p->az_snp : &p->snp;
    const struct tdx_rules *tdx = c->tee == AVOW_TEE_AZ_TDX ? &p->az_tdx : &p->tdx;
    bool is_snp = avow_tee_hardware(c->tee) == AVOW_TEE_SNP;
    bool is_tdx = avow_tee_hardware(c->tee) == AVOW_TEE_TDX;
    bool present = (is_snp && snp->present) || (is_tdx && tdx->present);

    v->tee = c->tee;
    v->simulated = v->simulated || c->simulated;
    /* what was not verified has no values to compare */
    if (!avow_verdict_add(v, "authentic", c->authentic, "%s",
                          c->authentic ? "every check of the vendor's evidence passed"
                                       : "the evidence is not verified"))
        return;
    avow_verdict_add(v, "simulated", !c->simulated || p->allow_simulated, "%s%s",
                     c->simulated ? "SIMULATED evidence, root " : "real evidence, root ", c->root);
    if (!avow_verdict_add(v, "tee", present, "the policy %s %s evidence",
                          present ? "accepts" : "has no section for", avow_tee_name(c->tee)))
        return;
    if (is_snp)
        appraise_snp(snp, c, now, v);
    else
        appraise_tdx(tdx, c, now, v);
    if (avow_tee_is_azure(c->tee))
        azure_appraise(is_snp ? &p->azure_snp : &p->azure_tdx, c, v);
    appraise_machine(p, c, member, v);
}
