/* What a policy pins, and what it leaves to defaults. */
#include "policy/policy_internal.h"

static bool pins_machine(const struct avow_policy *p, const char *member)
{
    for (size_t i = 0; member && i < p->machines.n; i++)
        if (strcmp(p->machines.v[i].member, member) == 0)
            return true;
    return p->machine_ids.n > 0;
}

static void pins_of_snp(const struct snp_rules *r, struct avow_policy_pins *out)
{
    out->accepted = r->section.present;
    out->measurement = r->measurements.listed;
    out->id = r->id_key.listed || r->author_key.listed;
}

static void pins_of_tdx(const struct tdx_rules *r, struct avow_policy_pins *out)
{
    out->accepted = r->section.present;
    out->measurement = r->mrtd.listed;
    out->id = r->mrowner.listed || r->mrownerconfig.listed;
    for (size_t i = 0; i < TDX_RTMRS; i++)
        out->registers = out->registers || r->rtmr[i].listed;
}

static void pins_of_azure(const struct azure_rules *r, struct avow_policy_pins *out)
{
    out->vm = r->vm_ids != NULL;
    for (size_t i = 0; i < AVOW_PCRS; i++)
        out->registers = out->registers || r->pcr[i].listed;
}

struct avow_policy_pins avow_policy_pins(const struct avow_policy *p, enum avow_tee tee,
                                         const char *member)
{
    struct avow_policy_pins out = { 0 };
    bool azure = avow_tee_is_azure(tee);

    if (avow_tee_hardware(tee) == AVOW_TEE_SNP) {
        pins_of_snp(azure ? &p->az_snp : &p->snp, &out);
        if (azure)
            pins_of_azure(&p->azure_snp, &out);
    } else if (avow_tee_hardware(tee) == AVOW_TEE_TDX) {
        pins_of_tdx(azure ? &p->az_tdx : &p->tdx, &out);
        if (azure)
            pins_of_azure(&p->azure_tdx, &out);
    }
    if (!out.accepted)
        return (struct avow_policy_pins){ 0 };
    out.machine = pins_machine(p, member);
    return out;
}

json_t *avow_policy_pins_json(const struct avow_policy_pins *pins)
{
    return json_pack("{s:b, s:b, s:b, s:b, s:b, s:b}", "accepted", pins->accepted, "measurement",
                     pins->measurement, "registers", pins->registers, "machine", pins->machine,
                     "vm", pins->vm, "id", pins->id);
}

/* Every key of @s under "written" (a list) or "defaults" (with what holds). */
static bool put_keys(const struct section *s, json_t *written, json_t *defaults)
{
    for (size_t i = 0; s->table && s->table[i].name; i++) {
        const struct policy_key *k = &s->table[i];
        bool set = (s->written >> i & 1) != 0;

        if (set && json_array_append_new(written, json_string(k->name)) < 0)
            return false;
        /* of two tables, either may have a key that both read */
        if (!set && k->unset && json_object_set_new(defaults, k->name, json_string(k->unset)) < 0)
            return false;
    }
    return true;
}

static json_t *section_json(const struct avow_policy *p, const struct section *s,
                            const struct section *more, enum avow_tee tee)
{
    const struct avow_policy_pins pins = avow_policy_pins(p, tee, NULL);
    avow_autojson json_t *written = json_array();
    avow_autojson json_t *defaults = json_object();

    if (!s->present)
        return json_null();
    if (!written || !defaults || !put_keys(s, written, defaults) ||
        (more && !put_keys(more, written, defaults)))
        return NULL;
    return json_pack("{s:o, s:O, s:O}", "pins", avow_policy_pins_json(&pins), "written", written,
                     "defaults", defaults);
}

json_t *avow_policy_describe(const struct avow_policy *p)
{
    avow_autojson json_t *written = json_array();
    avow_autojson json_t *defaults = json_object();

    if (!written || !defaults || !put_keys(&p->top, written, defaults))
        return NULL;
    return json_pack(
        "{s:{s:O, s:O, s:I, s:I}, s:o, s:o, s:o, s:o}", "top", "written", written, "defaults",
        defaults, "machines", (json_int_t)p->machines.n, "machine-ids",
        (json_int_t)p->machine_ids.n, "snp", section_json(p, &p->snp.section, NULL, AVOW_TEE_SNP),
        "tdx", section_json(p, &p->tdx.section, NULL, AVOW_TEE_TDX), "az-snp",
        section_json(p, &p->az_snp.section, &p->azure_snp.section, AVOW_TEE_AZ_SNP), "az-tdx",
        section_json(p, &p->az_tdx.section, &p->azure_tdx.section, AVOW_TEE_AZ_TDX));
}
