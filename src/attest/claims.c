/* Claims as JSON, and all that was checked with where each rule comes from. */
#include <stdio.h>

#include "attest/attest.h"
#include "codec/text.h"
#include "verify/basis.h"

static json_t *hex(const void *data, size_t n)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(1024);

    if (avow_hex_put(&text, AVOW_BYTES(data, n)) < 0)
        return NULL;
    return json_string(avow_buf_cstr(&text));
}

static json_t *hex64(uint64_t v)
{
    char text[24];

    snprintf(text, sizeof text, "0x%llx", (unsigned long long)v);
    return json_string(text);
}

/* Put @take_value at @key; false (and the value freed) if it is NULL or memory is short. */
static bool set(json_t *j, const char *key, json_t *take_value)
{
    return json_object_set_new(j, key, take_value) == 0;
}

/* ---- SNP ---- */

static json_t *tcb_json(const struct avow_snp_tcb *t)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:i}", "fmc", t->fmc, "bootloader", t->bootloader, "tee",
                     t->tee, "snp", t->snp, "microcode", t->microcode);
}

static json_t *firmware_json(const struct avow_snp_firmware *f)
{
    char text[16];

    snprintf(text, sizeof text, "%u.%u.%u", f->major, f->minor, f->build);
    return json_string(text);
}

static json_t *snp_json(const struct avow_claims *c)
{
    avow_autojson json_t *j = json_pack(
        "{s:i, s:s, s:b, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "version",
        (int)c->snp.version, "product", c->snp.product, "vlek", c->snp.vlek ? 1 : 0, "policy",
        hex64(c->snp.policy), "platform-info", hex64(c->snp.platform_info), "vmpl",
        (json_int_t)c->snp.vmpl, "guest-svn", (json_int_t)c->snp.guest_svn, "family-id",
        hex(c->snp.family_id, 16), "image-id", hex(c->snp.image_id, 16), "host-data",
        hex(c->snp.host_data, 32), "id-key-digest", hex(c->snp.id_key_digest, 48),
        "author-key-digest", hex(c->snp.author_key_digest, 48), "author-key-en",
        c->snp.author_key_en ? 1 : 0, "migration-agent", c->snp.migration_agent ? 1 : 0);
    bool ok = j &&
              set(j, "tcb",
                  json_pack("{s:o, s:o, s:o, s:o}", "current", tcb_json(&c->snp.current),
                            "reported", tcb_json(&c->snp.reported), "committed",
                            tcb_json(&c->snp.committed), "launch", tcb_json(&c->snp.launch))) &&
              set(j, "cpuid",
                  json_pack("{s:i, s:i, s:i}", "family", c->snp.cpuid_family, "model",
                            c->snp.cpuid_model, "stepping", c->snp.cpuid_stepping)) &&
              set(j, "firmware",
                  json_pack("{s:o, s:o}", "current", firmware_json(&c->snp.current_version),
                            "committed", firmware_json(&c->snp.committed_version))) &&
              set(j, "mitigations",
                  json_pack("{s:o, s:o}", "launch", hex64(c->snp.launch_mit), "current",
                            hex64(c->snp.current_mit))) &&
              set(j, "report-id", hex(c->snp.report_id, 32)) &&
              set(j, "report-id-ma", hex(c->snp.report_id_ma, 32)) &&
              set(j, "csp-id", json_string(c->snp.csp_id));

    return ok ? avow_steal(&j) : NULL;
}

/* ---- TDX ---- */

static json_t *tdx_json(const struct avow_claims *c)
{
    avow_autojson json_t *advisories = json_array();
    json_t *rtmr = json_pack("[o, o, o, o]", hex(c->tdx.rtmr[0], 48), hex(c->tdx.rtmr[1], 48),
                             hex(c->tdx.rtmr[2], 48), hex(c->tdx.rtmr[3], 48));

    for (uint32_t i = 0; i < c->tdx.n_advisories && i < AVOW_ADVISORIES_MAX; i++)
        if (json_array_append_new(advisories, json_string(c->tdx.advisories[i])) < 0) {
            json_decref(rtmr);
            return NULL;
        }
    return json_pack(
        "{s:i, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:s, "
        "s:I, s:O}",
        "quote-version", (int)c->tdx.quote_version, "tee-tcb-svn", hex(c->tdx.tee_tcb_svn, 16),
        "tee-tcb-svn2", c->tdx.has_svn2 ? hex(c->tdx.tee_tcb_svn2, 16) : json_string(""), "mrseam",
        hex(c->tdx.mrseam, 48), "mrsignerseam", hex(c->tdx.mrsignerseam, 48), "mrconfigid",
        hex(c->tdx.mrconfigid, 48), "mrowner", hex(c->tdx.mrowner, 48), "mrownerconfig",
        hex(c->tdx.mrownerconfig, 48), "mrservicetd", hex(c->tdx.mrservicetd, 48), "rtmr", rtmr,
        "td-attributes", hex(c->tdx.td_attributes, 8), "seam-attributes",
        hex(c->tdx.seam_attributes, 8), "xfam", hex(c->tdx.xfam, 8), "fmspc", hex(c->tdx.fmspc, 6),
        "pceid", (int)c->tdx.pceid, "tcb-status", avow_tcb_status_name(c->tdx.tcb_status),
        "tcb-evaluation", (json_int_t)c->tdx.tcb_evaluation, "advisories", advisories);
}

/* ---- Azure, its TPM, event logs ---- */

static json_t *said_json(enum avow_said s)
{
    return s == AVOW_SAID_NOTHING ? json_null() : json_boolean(s == AVOW_SAID_YES);
}

static json_t *azure_json(const struct avow_claims *c)
{
    return json_pack("{s:I, s:o, s:b, s:s, s:o, s:o, s:o, s:o, s:o}", "hcl-version",
                     (json_int_t)c->az.hcl_version, "ak-spki-sha256", hex(c->az.ak_spki_sha256, 32),
                     "ak-certified", c->az.ak_certified ? 1 : 0, "vm-id", c->az.vm_id,
                     "secure-boot", said_json(c->az.secure_boot), "tpm-enabled",
                     said_json(c->az.tpm_enabled), "tpm-persisted", said_json(c->az.tpm_persisted),
                     "console-enabled", said_json(c->az.console_enabled), "user-data",
                     c->az.has_user_data ? hex(c->az.user_data, 64) : json_null());
}

static json_t *vtpm_json(const struct avow_claims *c)
{
    avow_autojson json_t *pcrs = json_object();

    for (unsigned i = 0; i < AVOW_PCRS; i++) {
        char key[12];

        if (!(c->vtpm.pcr_mask >> i & 1))
            continue;
        snprintf(key, sizeof key, "%u", i);
        if (!set(pcrs, key, hex(c->vtpm.pcr[i], AVOW_PCR_LEN)))
            return NULL;
    }
    return json_pack("{s:o, s:O, s:I, s:I, s:I, s:o}", "extra-data",
                     hex(c->vtpm.extra_data, c->vtpm.extra_len), "pcrs", pcrs, "reset-count",
                     (json_int_t)c->vtpm.reset_count, "restart-count",
                     (json_int_t)c->vtpm.restart_count, "clock", (json_int_t)c->vtpm.clock,
                     "firmware-version", hex64(c->vtpm.firmware));
}

static json_t *log_json(const struct avow_claims *c)
{
    avow_autojson json_t *registers = json_array();
    bool pcr = c->vtpm.quoted;

    for (int i = 0; i < 32; i++) {
        char name[16];

        if (!(c->log.registers >> i & 1))
            continue;
        snprintf(name, sizeof name, "%s%d", pcr ? "pcr" : "rtmr", i);
        if (json_array_append_new(registers, json_string(name)) < 0)
            return NULL;
    }
    return json_pack("{s:I, s:O}", "events", (json_int_t)c->log.n_events, "registers", registers);
}

/* ---- all of it ---- */

static json_t *check_json(enum avow_tee tee, const struct avow_check *k)
{
    static const char *const states[] = { "not-run", "failed", "passed" };

    return json_pack("{s:s, s:s, s:s, s:s}", "code", k->code, "state", states[k->state], "text",
                     k->text, "source", avow_check_basis(tee, k->code));
}

static json_t *checks_json(const struct avow_claims *c)
{
    avow_autojson json_t *list = json_array();

    for (uint32_t i = 0; i < c->n_checks && i < AVOW_CHECKS_MAX; i++)
        if (json_array_append_new(list, check_json(c->tee, &c->checks[i])) < 0)
            return NULL;
    return avow_steal(&list);
}

/* What only some evidence has. */
static bool add_parts(json_t *j, const struct avow_claims *c)
{
    enum avow_tee hardware = avow_tee_hardware(c->tee);

    if (hardware == AVOW_TEE_SNP && !set(j, "snp", snp_json(c)))
        return false;
    if (hardware == AVOW_TEE_TDX && !set(j, "tdx", tdx_json(c)))
        return false;
    if (c->runtime_bound && !set(j, "runtime-data-sha256", hex(c->runtime_sha256, 32)))
        return false;
    if (c->az.present && !set(j, "azure", azure_json(c)))
        return false;
    if (c->vtpm.quoted && !set(j, "vtpm", vtpm_json(c)))
        return false;
    return !c->log.replayed || set(j, "event-log", log_json(c));
}

json_t *avow_claims_json(const struct avow_claims *c)
{
    avow_autojson json_t *j =
        json_pack("{s:s, s:b, s:b, s:s, s:o, s:o, s:b, s:o, s:I, s:I, s:b, s:o}", "tee",
                  avow_tee_name(c->tee), "authentic", c->authentic ? 1 : 0, "simulated",
                  c->simulated ? 1 : 0, "root", c->root, "report-data", hex(c->report_data, 64),
                  "measurement", hex(c->measurement, 48), "debug", c->debug ? 1 : 0, "machine",
                  hex(c->machine, c->machine_len), "valid-from", (json_int_t)c->valid_from,
                  "valid-until", (json_int_t)c->valid_until, "revocation-checked",
                  c->revocation_checked ? 1 : 0, "checks", checks_json(c));

    return j && add_parts(j, c) ? avow_steal(&j) : NULL;
}
