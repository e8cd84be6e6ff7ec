#include "policy/azure.h"

#include <stdio.h>
#include <strings.h>

void azure_done(struct azure_rules *r)
{
    json_decref(r->vm_ids);
    r->vm_ids = NULL;
}

/* ---- reading ---- */

static int read_register(const char *key, unsigned *out)
{
    unsigned i = 0;

    if (!*key || strlen(key) > 2 || (key[1] && key[0] == '0'))
        return -AVOW_E_FORMAT;
    for (const char *p = key; *p; p++) {
        if (*p < '0' || *p > '9')
            return -AVOW_E_FORMAT;
        i = 10 * i + (unsigned)(*p - '0');
    }
    *out = i;
    return i < AVOW_PCRS ? 0 : -AVOW_E_FORMAT;
}

static int read_pcrs(const json_t *section, const struct policy_key *k, void *out,
                     struct avow_error *err)
{
    const json_t *pcrs = json_object_get(section, k->name);
    struct value_set *sets = out;
    const char *key = NULL;
    json_t *item = NULL;

    if (!pcrs)
        return 0;
    if (!json_is_object(pcrs))
        return AVOW_FAIL(err, FORMAT, "\"pcrs\" is not an object");
    json_object_foreach((json_t *)(uintptr_t)pcrs, key, item) {
        unsigned i = 0;

        if (read_register(key, &i) < 0)
            return AVOW_FAIL(err, FORMAT, "\"pcrs\": \"%s\" is not 0 to %u", key, AVOW_PCRS - 1);
        if (values_read(pcrs, key, AVOW_PCR_LEN, true, &sets[i], err) < 0)
            return avow_error_prefix(err, "\"pcrs\"");
    }
    return 0;
}

static int read_vm_ids(const json_t *section, const struct policy_key *k, void *out,
                       struct avow_error *err)
{
    return keys_strings(section, k->name, AVOW_POLICY_VM_IDS_MAX, AVOW_VM_ID_MAX, false, out, err);
}

#define AT(member) offsetof(struct azure_rules, member)

const struct policy_key azure_keys[] = {
    { "pcrs", read_pcrs, AT(pcr), 0, "any" },
    { "require-secure-boot", keys_bool, AT(require_secure_boot), 0, "false" },
    { "require-tpm-persisted", keys_bool, AT(require_tpm_persisted), 0, "false" },
    { "require-event-log", keys_bool, AT(require_event_log), 0, "false" },
    { "allow-console", keys_bool, AT(allow_console), 0, "true" },
    { "vm-ids", read_vm_ids, AT(vm_ids), 0, "any" },
    { NULL, NULL, 0, 0, NULL },
};

int azure_read(const json_t *doc, const char *name, struct azure_rules *r, const json_t **at,
               struct avow_error *err)
{
    r->allow_console = true;
    return keys_read(doc, name, azure_keys, &r->section, r, at, err);
}

/* ---- appraising ---- */

static void appraise_pcr(const struct azure_rules *r, unsigned i, const struct avow_claims *c,
                         int64_t now, struct avow_verdict *v)
{
    char what[16];

    avow_verdict_from(v, "%s.pcrs.%u", r->section.name, i);
    if (!c->vtpm.quoted || !(c->vtpm.pcr_mask >> i & 1)) {
        (void)avow_verdict_missing(v, "pcrs", "PCR %u is pinned, and no TPM quote says its value",
                                   i);
        return;
    }
    snprintf(what, sizeof what, "PCR %u", i);
    values_appraise(&r->pcr[i], "pcrs", what, AVOW_BYTES_OF(c->vtpm.pcr[i]), now, v);
}

/* A paravisor writes a VM's id now in upper case, now in lower. */
static bool knows_vm(const json_t *ids, const char *id)
{
    const json_t *item = NULL;
    size_t i = 0;

    json_array_foreach(ids, i, item)
        if (*id && strcasecmp(json_string_value(item), id) == 0)
            return true;
    return false;
}

static const char *said(enum avow_said s)
{
    return s == AVOW_SAID_YES ? "on" : s == AVOW_SAID_NO ? "off" : "(nothing)";
}

void azure_appraise(const struct azure_rules *r, const struct avow_claims *c, int64_t now,
                    struct avow_verdict *v)
{
    keys_from(&r->section, "require-secure-boot", v);
    if (r->require_secure_boot)
        (void)avow_verdict_add(v, "secure-boot", c->az.secure_boot == AVOW_SAID_YES,
                               "the paravisor says that secure boot is %s, and must be on",
                               said(c->az.secure_boot));
    keys_from(&r->section, "require-tpm-persisted", v);
    if (r->require_tpm_persisted)
        (void)avow_verdict_add(v, "tpm-persisted", c->az.tpm_persisted == AVOW_SAID_YES,
                               "the paravisor says that the TPM's state is %s, and it must be kept",
                               c->az.tpm_persisted == AVOW_SAID_YES  ? "kept"
                               : c->az.tpm_persisted == AVOW_SAID_NO ? "not kept"
                                                                     : "(nothing)");
    keys_from(&r->section, "allow-console", v);
    if (!r->allow_console)
        (void)avow_verdict_add(v, "console", c->az.console_enabled == AVOW_SAID_NO,
                               "the paravisor says that the host's console is %s, and must be off",
                               said(c->az.console_enabled));
    for (unsigned i = 0; i < AVOW_PCRS; i++)
        if (r->pcr[i].listed)
            appraise_pcr(r, i, c, now, v);
    keys_from(&r->section, "vm-ids", v);
    if (r->vm_ids) {
        bool known = knows_vm(r->vm_ids, c->az.vm_id);

        (void)avow_verdict_add(v, "vm-id", known, "VM \"%s\" is %samong the %zu allowed",
                               c->az.vm_id, known ? "" : "not ", json_array_size(r->vm_ids));
    }
}
