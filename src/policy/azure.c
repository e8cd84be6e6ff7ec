#include "policy/azure.h"

#include <strings.h>

#include "codec/text.h"

const char *const azure_keys[] = { "pcrs", "require-secure-boot", "allow-console", "vm-ids", NULL };

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

static int read_pcr(struct azure_rules *r, const char *key, const json_t *pcrs,
                    struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    unsigned i = 0;
    size_t k = 0;

    if (read_register(key, &i) < 0)
        return AVOW_FAIL(err, FORMAT, "\"pcrs\": \"%s\" is not 0 to %u", key, AVOW_PCRS - 1);
    AVOW_TRY(avow_json_get_array(pcrs, key, AVOW_POLICY_PCR_VALUES_MAX, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"pcrs\": \"%s\" is empty: nothing could be accepted", key);
    json_array_foreach(list, k, item)
        if (!json_is_string(item) ||
            avow_unhex(json_string_value(item), r->pcr[i][k], AVOW_PCR_LEN) < 0)
            return AVOW_FAIL(err, FORMAT, "\"pcrs\": \"%s\"[%zu] is not %u bytes in hex", key, k,
                             AVOW_PCR_LEN);
    r->n_pcr[i] = json_array_size(list);
    r->pcr_mask |= 1u << i;
    return 0;
}

static int read_pcrs(const json_t *pcrs, struct azure_rules *r, struct avow_error *err)
{
    const char *key = NULL;
    json_t *item = NULL;

    if (!pcrs)
        return 0;
    if (!json_is_object(pcrs))
        return AVOW_FAIL(err, FORMAT, "\"pcrs\" is not an object");
    json_object_foreach((json_t *)(uintptr_t)pcrs, key, item)
        AVOW_TRY(read_pcr(r, key, pcrs, err));
    return 0;
}

static int read_vm_ids(const json_t *section, struct azure_rules *r, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    if (!json_object_get(section, "vm-ids"))
        return 0;
    AVOW_TRY(avow_json_get_array(section, "vm-ids", AVOW_POLICY_VM_IDS_MAX, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"vm-ids\" is empty: nothing could be accepted");
    json_array_foreach(list, i, item)
        if (!json_is_string(item))
            return AVOW_FAIL(err, FORMAT, "\"vm-ids\"[%zu] is not a string", i);
    r->vm_ids = json_incref(list);
    return 0;
}

int azure_read(const json_t *section, struct azure_rules *r, struct avow_error *err)
{
    memset(r, 0, sizeof *r);
    r->allow_console = true;
    if (!section)
        return 0;
    AVOW_TRY(avow_json_opt_bool(section, "require-secure-boot", &r->require_secure_boot, err));
    AVOW_TRY(avow_json_opt_bool(section, "allow-console", &r->allow_console, err));
    AVOW_TRY(read_pcrs(json_object_get(section, "pcrs"), r, err));
    return read_vm_ids(section, r, err);
}

/* ---- appraising ---- */

static void appraise_pcr(const struct azure_rules *r, unsigned i, const struct avow_claims *c,
                         struct avow_verdict *v)
{
    char hex[20];
    bool found = false;

    if (!c->vtpm.quoted || !(c->vtpm.pcr_mask >> i & 1)) {
        (void)avow_verdict_missing(v, "pcrs", "PCR %u is pinned, and no TPM quote says its value",
                                   i);
        return;
    }
    for (size_t k = 0; k < r->n_pcr[i]; k++)
        found =
            found || avow_bytes_equal(AVOW_BYTES_OF(r->pcr[i][k]), AVOW_BYTES_OF(c->vtpm.pcr[i]));
    avow_hex(AVOW_BYTES(c->vtpm.pcr[i], 8), hex);
    (void)avow_verdict_add(v, "pcrs", found, "PCR %u %s.. is %samong the %zu allowed", i, hex,
                           found ? "" : "not ", r->n_pcr[i]);
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

void azure_appraise(const struct azure_rules *r, const struct avow_claims *c,
                    struct avow_verdict *v)
{
    if (r->require_secure_boot)
        (void)avow_verdict_add(v, "secure-boot", c->az.secure_boot == AVOW_SAID_YES,
                               "the paravisor says that secure boot is %s",
                               c->az.secure_boot == AVOW_SAID_YES  ? "on"
                               : c->az.secure_boot == AVOW_SAID_NO ? "off"
                                                                   : "(nothing)");
    if (!r->allow_console)
        (void)avow_verdict_add(v, "console", c->az.console_enabled == AVOW_SAID_NO,
                               "the paravisor says that the host's console is %s",
                               c->az.console_enabled == AVOW_SAID_NO    ? "off"
                               : c->az.console_enabled == AVOW_SAID_YES ? "on"
                                                                        : "(nothing)");
    for (unsigned i = 0; i < AVOW_PCRS; i++)
        if (r->pcr_mask >> i & 1)
            appraise_pcr(r, i, c, v);
    if (r->vm_ids)
        (void)avow_verdict_add(v, "vm-id", knows_vm(r->vm_ids, c->az.vm_id),
                               "VM \"%s\" against the %zu allowed", c->az.vm_id,
                               json_array_size(r->vm_ids));
}
