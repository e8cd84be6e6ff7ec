/* Collecting what known-good nodes say. */
#include <stdio.h>

#include "codec/text.h"
#include "evidence/tdx.h"
#include "policy/draft_internal.h"

#define HEX_MAX (2 * 64 + 1)
#define NAME_MAX_SHOWN 96 /* bytes of a node's name in comments */

int avow_draft_new(const struct avow_draft_options *o, struct avow_draft **out,
                   struct avow_error *err)
{
    struct avow_draft *d = calloc(1, sizeof *d);

    if (!d || !(d->machines = json_object())) {
        free(d);
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    d->options = *o;
    *out = d;
    return 0;
}

void avow_draft_free(struct avow_draft *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < DRAFT_SECTIONS; i++)
        json_decref(d->sections[i].values);
    json_decref(d->machines);
    free(d);
}

/* Add @name to the list at @value of @map. */
static int put_name(json_t *map, const char *value, const char *name, struct avow_error *err)
{
    json_t *names = json_object_get(map, value);

    if (!names) {
        names = json_array();
        if (json_object_set_new(map, value, names) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return json_array_append_new(names, json_string(name)) < 0
               ? AVOW_FAIL(err, NOMEM, "out of memory")
               : 0;
}

static int put_text(struct draft_section *s, const char *key, const char *value, const char *name,
                    struct avow_error *err)
{
    json_t *map = json_object_get(s->values, key);

    if (!map) {
        map = json_object();
        if (json_object_set_new(s->values, key, map) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return put_name(map, value, name, err);
}

static int put_hex(struct draft_section *s, const char *key, struct avow_bytes value,
                   const char *name, struct avow_error *err)
{
    char hex[HEX_MAX];

    avow_hex(value, hex);
    return put_text(s, key, hex, name, err);
}

static void count(struct draft_section *s, enum draft_count what, bool is)
{
    s->count[what] += is ? 1 : 0;
}

static uint8_t least(uint8_t a, uint8_t b)
{
    return a < b ? a : b;
}

static void lower(struct avow_snp_tcb *floor, const struct avow_snp_tcb *t, bool first)
{
    if (first) {
        *floor = *t;
        return;
    }
    floor->fmc = least(floor->fmc, t->fmc);
    floor->bootloader = least(floor->bootloader, t->bootloader);
    floor->tee = least(floor->tee, t->tee);
    floor->snp = least(floor->snp, t->snp);
    floor->microcode = least(floor->microcode, t->microcode);
}

static int add_snp(struct draft_section *s, const struct avow_claims *c, const char *name,
                   struct avow_error *err)
{
    bool id_key = !avow_bytes_zero(AVOW_BYTES_OF(c->snp.id_key_digest));
    bool first = s->n == 0;

    lower(&s->reported, &c->snp.reported, first);
    lower(&s->current, &c->snp.current, first);
    lower(&s->committed, &c->snp.committed, first);
    lower(&s->launch, &c->snp.launch, first);
    s->mitigations = first ? c->snp.current_mit : s->mitigations & c->snp.current_mit;
    count(s, DRAFT_MITIGATIONS, c->snp.version >= 5);
    if (c->snp.vmpl >= sizeof s->vmpl)
        return AVOW_FAIL(err, REFUSED, "asked for by the host (VMPL %u)", c->snp.vmpl);
    s->vmpl[c->snp.vmpl] = true;
    count(s, DRAFT_DEBUG, c->debug);
    count(s, DRAFT_MIGRATION, (c->snp.policy & 1ull << 18) != 0 || c->snp.migration_agent);
    count(s, DRAFT_SMT, (c->snp.policy & 1ull << 16) != 0);
    count(s, DRAFT_VLEK, c->snp.vlek);
    count(s, DRAFT_ID_KEY, id_key);
    count(s, DRAFT_AUTHOR_KEY, c->snp.author_key_en);
    count(s, DRAFT_CRL, c->revocation_checked);
    count(s, DRAFT_TURIN, strcmp(c->snp.product, "Turin") == 0);
    AVOW_TRY(put_hex(s, "measurements", AVOW_BYTES_OF(c->measurement), name, err));
    AVOW_TRY(put_hex(s, "id-key-digest", AVOW_BYTES_OF(c->snp.id_key_digest), name, err));
    AVOW_TRY(put_hex(s, "author-key-digest", AVOW_BYTES_OF(c->snp.author_key_digest), name, err));
    AVOW_TRY(put_hex(s, "host-data", AVOW_BYTES_OF(c->snp.host_data), name, err));
    AVOW_TRY(put_hex(s, "family-id", AVOW_BYTES_OF(c->snp.family_id), name, err));
    AVOW_TRY(put_hex(s, "image-id", AVOW_BYTES_OF(c->snp.image_id), name, err));
    AVOW_TRY(put_text(s, "products", c->snp.product, name, err));
    return c->snp.vlek ? put_text(s, "csp-id", c->snp.csp_id, name, err) : 0;
}

static int add_registers(struct draft_section *s, const struct avow_claims *c, const char *name,
                         struct avow_error *err)
{
    static const char *const rtmr[] = { "rtmr0", "rtmr1", "rtmr2", "rtmr3" };

    for (size_t i = 0; i < TDX_RTMRS; i++)
        AVOW_TRY(put_hex(s, rtmr[i], AVOW_BYTES_OF(c->tdx.rtmr[i]), name, err));
    AVOW_TRY(put_hex(s, "mrconfigid", AVOW_BYTES_OF(c->tdx.mrconfigid), name, err));
    AVOW_TRY(put_hex(s, "mrowner", AVOW_BYTES_OF(c->tdx.mrowner), name, err));
    AVOW_TRY(put_hex(s, "mrownerconfig", AVOW_BYTES_OF(c->tdx.mrownerconfig), name, err));
    return put_hex(s, "mrseam", AVOW_BYTES_OF(c->tdx.mrseam), name, err);
}

static int add_tdx(struct draft_section *s, const struct avow_claims *c, const char *name,
                   struct avow_error *err)
{
    for (size_t i = 0; i < sizeof s->svn; i++)
        s->svn[i] = s->n ? least(s->svn[i], c->tdx.tee_tcb_svn[i]) : c->tdx.tee_tcb_svn[i];
    if (s->n == 0 || c->tdx.tcb_evaluation < s->evaluation)
        s->evaluation = c->tdx.tcb_evaluation;
    if ((unsigned)c->tdx.tcb_status >= TDX_STATUSES)
        return AVOW_FAIL(err, REFUSED, "a TCB status that nobody knows");
    s->status[c->tdx.tcb_status] = true;
    count(s, DRAFT_DEBUG, avow_claims_is_open(c));
    count(s, DRAFT_MIGRATION, avow_claims_td_may_migrate(c));
    count(s, DRAFT_SEPT_VE, avow_claims_td_attribute(c, AVOW_TDX_ATTR_SEPT_VE_DISABLE));
    AVOW_TRY(put_hex(s, "mrtd", AVOW_BYTES_OF(c->measurement), name, err));
    for (uint32_t i = 0; i < c->tdx.n_advisories && i < AVOW_ADVISORIES_MAX; i++)
        AVOW_TRY(put_text(s, "allow-advisories", c->tdx.advisories[i], name, err));
    return add_registers(s, c, name, err);
}

static int add_azure(struct draft_section *s, const struct avow_claims *c, const char *name,
                     struct avow_error *err)
{
    uint32_t mask = c->vtpm.quoted ? c->vtpm.pcr_mask : 0;

    s->pcr_mask = s->n ? s->pcr_mask & mask : mask;
    count(s, DRAFT_QUOTED, c->vtpm.quoted);
    count(s, DRAFT_SECURE_BOOT, c->az.secure_boot == AVOW_SAID_YES);
    count(s, DRAFT_TPM_PERSISTED, c->az.tpm_persisted == AVOW_SAID_YES);
    count(s, DRAFT_CONSOLE_OFF, c->az.console_enabled == AVOW_SAID_NO);
    count(s, DRAFT_VM_ID, *c->az.vm_id != 0);
    for (unsigned i = 0; i < AVOW_PCRS; i++) {
        char key[16];

        snprintf(key, sizeof key, "pcrs.%u", i);
        if (mask >> i & 1)
            AVOW_TRY(put_hex(s, key, AVOW_BYTES_OF(c->vtpm.pcr[i]), name, err));
    }
    return *c->az.vm_id ? put_text(s, "vm-ids", c->az.vm_id, name, err) : 0;
}

static int check_node(const struct avow_draft *d, const struct avow_claims *c,
                      struct avow_error *err)
{
    if (d->n == AVOW_DRAFT_NODES_MAX)
        return AVOW_FAIL(err, LIMIT, "more than %u nodes", AVOW_DRAFT_NODES_MAX);
    if (!c->authentic || avow_tee_hardware(c->tee) == AVOW_TEE_NONE)
        return AVOW_FAIL(err, REFUSED, "not authentic: a policy cannot be made of it");
    if (avow_claims_is_open(c) && !d->options.allow_debug)
        return AVOW_FAIL(err, REFUSED,
                         "the host may look into this VM (debugging): no known-good node; "
                         "--allow-debug makes a policy that accepts it");
    if (d->options.pin_machines && !c->machine_len)
        return AVOW_FAIL(err, MISSING,
                         "the evidence does not say which machine it is of (masked): it cannot be "
                         "pinned");
    if (d->options.pin_machines && avow_tee_is_azure(c->tee) && !*c->az.vm_id)
        return AVOW_FAIL(err, MISSING,
                         "the paravisor does not say which VM this is: it cannot be "
                         "pinned");
    return 0;
}

int avow_draft_add(struct avow_draft *d, const struct avow_claims *c, const char *name,
                   struct avow_error *err)
{
    struct draft_section *s = NULL;
    char machine[HEX_MAX], label[NAME_MAX_SHOWN];

    snprintf(label, sizeof label, "%s", name);
    avow_printable(label);
    name = label;
    AVOW_TRY(check_node(d, c, err));
    s = &d->sections[c->tee];
    if (!s->values && !(s->values = json_object()))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (avow_tee_hardware(c->tee) == AVOW_TEE_SNP)
        AVOW_TRY(add_snp(s, c, name, err));
    else
        AVOW_TRY(add_tdx(s, c, name, err));
    if (avow_tee_is_azure(c->tee))
        AVOW_TRY(add_azure(s, c, name, err));
    count(s, DRAFT_LOG, c->log.replayed && c->log.registers != 0);
    avow_hex(AVOW_BYTES(c->machine, c->machine_len), machine);
    if (c->machine_len)
        AVOW_TRY(put_name(d->machines, machine, name, err));
    d->n_simulated += c->simulated ? 1 : 0;
    s->n++;
    d->n++;
    return 0;
}
