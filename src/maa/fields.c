#include "maa/fields.h"

#include <stdio.h>

#include "codec/text.h"

#define AT(member) offsetof(struct avow_claims, member)
#define SIZE(member) sizeof(((struct avow_claims *)0)->member)
#define SNP(name) "x-ms-sevsnpvm-" name
#define OWN_SNP(name) "x-avow-snp-" name
#define OWN_TDX(name) "x-avow-tdx-" name
#define HEX(claim, member)                                    \
    {                                                         \
        claim, MAA_HEX, AT(member), SIZE(member), false, NULL \
    }
#define OWN_HEX(claim, member)                               \
    {                                                        \
        claim, MAA_HEX, AT(member), SIZE(member), true, NULL \
    }
#define OWN_TEXT(claim, member)                               \
    {                                                         \
        claim, MAA_TEXT, AT(member), SIZE(member), true, NULL \
    }
#define OWN(claim, kind, member)               \
    {                                          \
        claim, kind, AT(member), 0, true, NULL \
    }
#define POLICY_BIT(claim, bit, may)                                      \
    {                                                                    \
        SNP(claim), MAA_BIT, AT(snp.policy), bit, may, OWN_SNP("policy") \
    }
#define TD_BIT(claim, bit)                                                        \
    {                                                                             \
        "tdx_td_attributes_" claim, MAA_BIT_LE, AT(tdx.td_attributes), bit, true, \
            "tdx_td_attributes"                                                   \
    }

#define HEX_MAX 64u

/*
 * Names, types and case as in Microsoft's tokens (docs/formats/maa.md has the sources). The
 * versions are those of REPORTED_TCB; the bits of the policy from 20 on came in 2025.
 */
const struct maa_field maa_snp_fields[] = {
    HEX(SNP("authorkeydigest"), snp.author_key_digest),
    HEX(SNP("idkeydigest"), snp.id_key_digest),
    HEX(SNP("launchmeasurement"), measurement),
    HEX(SNP("reportdata"), report_data),
    HEX(SNP("reportid"), snp.report_id),
    HEX(SNP("hostdata"), snp.host_data),
    HEX(SNP("familyId"), snp.family_id),
    HEX(SNP("imageId"), snp.image_id),
    { SNP("guestsvn"), MAA_U32, AT(snp.guest_svn), 0, false, NULL },
    { SNP("vmpl"), MAA_U32, AT(snp.vmpl), 0, false, NULL },
    { SNP("bootloader-svn"), MAA_U8, AT(snp.reported.bootloader), 0, false, NULL },
    { SNP("tee-svn"), MAA_U8, AT(snp.reported.tee), 0, false, NULL },
    { SNP("snpfw-svn"), MAA_U8, AT(snp.reported.snp), 0, false, NULL },
    { SNP("microcode-svn"), MAA_U8, AT(snp.reported.microcode), 0, false, NULL },
    OWN(OWN_SNP("policy"), MAA_WORD, snp.policy),
    POLICY_BIT("smt-allowed", 16, false),
    POLICY_BIT("migration-allowed", 18, false),
    POLICY_BIT("is-debuggable", 19, false),
    POLICY_BIT("singlesocket", 20, true),
    POLICY_BIT("cxl-allowed", 21, true),
    POLICY_BIT("mem-aes256-xts-required", 22, true),
    POLICY_BIT("rapl-disabled", 23, true),
    POLICY_BIT("ciphertext-hiding-dram-enabled", 24, true),
    POLICY_BIT("page-swap-disabled", 25, true),
    OWN(OWN_SNP("report-version"), MAA_U32, snp.version),
    OWN_TEXT(OWN_SNP("product"), snp.product),
    OWN(OWN_SNP("vlek"), MAA_BOOL, snp.vlek),
    OWN_TEXT(OWN_SNP("csp-id"), snp.csp_id),
    OWN(OWN_SNP("platform-info"), MAA_WORD, snp.platform_info),
    OWN(OWN_SNP("author-key-enabled"), MAA_BOOL, snp.author_key_en),
    OWN(OWN_SNP("migration-agent"), MAA_BOOL, snp.migration_agent),
    OWN_HEX(OWN_SNP("reportid-ma"), snp.report_id_ma),
    OWN(OWN_SNP("fmc-svn"), MAA_U8, snp.reported.fmc),
    OWN(OWN_SNP("current-tcb"), MAA_TCB, snp.current),
    OWN(OWN_SNP("committed-tcb"), MAA_TCB, snp.committed),
    OWN(OWN_SNP("launch-tcb"), MAA_TCB, snp.launch),
    OWN(OWN_SNP("cpuid-family"), MAA_U8, snp.cpuid_family),
    OWN(OWN_SNP("cpuid-model"), MAA_U8, snp.cpuid_model),
    OWN(OWN_SNP("cpuid-stepping"), MAA_U8, snp.cpuid_stepping),
    OWN(OWN_SNP("launch-mitigations"), MAA_WORD, snp.launch_mit),
    OWN(OWN_SNP("current-mitigations"), MAA_WORD, snp.current_mit),
    { NULL, MAA_HEX, 0, 0, false, NULL },
};

const struct maa_field maa_tdx_fields[] = {
    HEX("tdx_tee_tcb_svn", tdx.tee_tcb_svn),
    { "tdx_seamsvn", MAA_U8, AT(tdx.tee_tcb_svn), 0, true, "tdx_tee_tcb_svn" },
    HEX("tdx_mrseam", tdx.mrseam),
    HEX("tdx_mrsignerseam", tdx.mrsignerseam),
    HEX("tdx_seam_attributes", tdx.seam_attributes),
    HEX("tdx_td_attributes", tdx.td_attributes),
    TD_BIT("debug", 0),
    TD_BIT("septve_disable", 28),
    TD_BIT("protection_keys", 30),
    TD_BIT("key_locker", 31),
    TD_BIT("perfmon", 63),
    HEX("tdx_xfam", tdx.xfam),
    HEX("tdx_mrtd", measurement),
    HEX("tdx_mrconfigid", tdx.mrconfigid),
    HEX("tdx_mrowner", tdx.mrowner),
    HEX("tdx_mrownerconfig", tdx.mrownerconfig),
    HEX("tdx_rtmr0", tdx.rtmr[0]),
    HEX("tdx_rtmr1", tdx.rtmr[1]),
    HEX("tdx_rtmr2", tdx.rtmr[2]),
    HEX("tdx_rtmr3", tdx.rtmr[3]),
    HEX("tdx_report_data", report_data),
    OWN(OWN_TDX("quote-version"), MAA_U16, tdx.quote_version),
    OWN_HEX(OWN_TDX("fmspc"), tdx.fmspc),
    OWN(OWN_TDX("pceid"), MAA_U16, tdx.pceid),
    OWN(OWN_TDX("tcb-evaluation"), MAA_U32, tdx.tcb_evaluation),
    OWN(OWN_TDX("has-tee-tcb-svn2"), MAA_BOOL, tdx.has_svn2),
    OWN_HEX(OWN_TDX("tee-tcb-svn2"), tdx.tee_tcb_svn2),
    OWN_HEX(OWN_TDX("mrservicetd"), tdx.mrservicetd),
    { NULL, MAA_HEX, 0, 0, false, NULL },
};

const struct maa_field maa_common_fields[] = {
    OWN("x-avow-simulated", MAA_BOOL, simulated),
    OWN_TEXT("x-avow-root", root),
    OWN("x-avow-revocation-checked", MAA_BOOL, revocation_checked),
    OWN("x-avow-valid-from", MAA_I64, valid_from),
    OWN("x-avow-valid-until", MAA_I64, valid_until),
    { NULL, MAA_HEX, 0, 0, false, NULL },
};

/* ---- writing ---- */

static json_t *hex(const uint8_t *p, size_t n)
{
    char text[2 * HEX_MAX + 1];

    if (n > HEX_MAX)
        return NULL;
    avow_hex(AVOW_BYTES(p, n), text);
    return json_string(text);
}

static json_t *word(uint64_t v)
{
    char text[17];

    snprintf(text, sizeof text, "%016llx", (unsigned long long)v);
    return json_string(text);
}

static json_t *tcb(const struct avow_snp_tcb *t)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:i}", "bootloader", t->bootloader, "fmc", t->fmc,
                     "microcode", t->microcode, "snp", t->snp, "tee", t->tee);
}

static json_t *value_of(const struct maa_field *f, const struct avow_claims *c)
{
    const uint8_t *p = (const uint8_t *)c + f->offset;
    const void *v = p; /* aligned: it is a member of its own type */

    switch (f->kind) {
    case MAA_HEX:
        return hex(p, f->arg);
    case MAA_U8:
        return json_integer(*p);
    case MAA_U16:
        return json_integer(*(const uint16_t *)v);
    case MAA_U32:
        return json_integer(*(const uint32_t *)v);
    case MAA_I64:
        return json_integer(*(const int64_t *)v);
    case MAA_WORD:
        return word(*(const uint64_t *)v);
    case MAA_BOOL:
        return json_boolean(*(const bool *)v);
    case MAA_TEXT:
        return json_string((const char *)v);
    case MAA_TCB:
        return tcb(v);
    case MAA_BIT:
        return json_boolean(*(const uint64_t *)v >> f->arg & 1);
    case MAA_BIT_LE:
        return json_boolean(p[f->arg / 8] >> f->arg % 8 & 1);
    }
    return NULL;
}

int maa_fields_put(const struct maa_field *table, const struct avow_claims *c, json_t *out,
                   struct avow_error *err)
{
    for (const struct maa_field *f = table; f->name; f++)
        if (json_object_set_new(out, f->name, value_of(f, c)) < 0)
            return AVOW_FAIL(err, NOMEM, "out of memory for the claim %s", f->name);
    return 0;
}

/* ---- reading ---- */

static int get_text(const struct maa_field *f, const json_t *in, char *to, struct avow_error *err)
{
    const char *text = NULL;

    AVOW_TRY(avow_json_get_str(in, f->name, &text, err));
    if (strlen(text) >= f->arg)
        return AVOW_FAIL(err, LIMIT, "\"%s\" has more than %zu bytes", f->name, f->arg - 1);
    memcpy(to, text, strlen(text) + 1);
    avow_printable(to);
    return 0;
}

static int get_word(const struct maa_field *f, const json_t *in, uint64_t *to,
                    struct avow_error *err)
{
    uint8_t raw[8];

    AVOW_TRY(avow_json_get_hex(in, f->name, raw, sizeof raw, err));
    *to = 0;
    for (size_t i = 0; i < sizeof raw; i++)
        *to = *to << 8 | raw[i];
    return 0;
}

static int get_tcb(const struct maa_field *f, const json_t *in, struct avow_snp_tcb *t,
                   struct avow_error *err)
{
    const struct {
        const char *key;
        uint8_t *to;
    } parts[] = { { "bootloader", &t->bootloader },
                  { "fmc", &t->fmc },
                  { "microcode", &t->microcode },
                  { "snp", &t->snp },
                  { "tee", &t->tee } };
    json_t *obj = NULL;
    int64_t v = 0;

    AVOW_TRY(avow_json_get_obj(in, f->name, &obj, err));
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        AVOW_TRY(avow_json_get_int(obj, parts[i].key, 0, UINT8_MAX, &v, err));
        *parts[i].to = (uint8_t)v;
    }
    return 0;
}

static int get_bool(const struct maa_field *f, const json_t *in, bool *to, struct avow_error *err)
{
    if (!json_is_boolean(json_object_get(in, f->name)))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not true or false", f->name);
    *to = json_is_true(json_object_get(in, f->name));
    return 0;
}

static int get_bit(const struct maa_field *f, const json_t *in, uint8_t *p, struct avow_error *err)
{
    bool on = false;

    AVOW_TRY(get_bool(f, in, &on, err));
    if (f->kind == MAA_BIT) {
        uint64_t *w = (void *)p;

        *w = (*w & ~(1ull << f->arg)) | (uint64_t)on << f->arg;
    } else {
        uint8_t *byte = p + f->arg / 8;

        *byte = (uint8_t)((*byte & ~(1u << f->arg % 8)) | (unsigned)on << f->arg % 8);
    }
    return 0;
}

static int get_integer(const struct maa_field *f, const json_t *in, void *to,
                       struct avow_error *err)
{
    int64_t max = f->kind == MAA_U8    ? UINT8_MAX
                  : f->kind == MAA_U16 ? UINT16_MAX
                  : f->kind == MAA_U32 ? UINT32_MAX
                                       : INT64_MAX;
    int64_t v = 0;

    AVOW_TRY(avow_json_get_int(in, f->name, 0, max, &v, err));
    if (f->kind == MAA_U8)
        *(uint8_t *)to = (uint8_t)v;
    else if (f->kind == MAA_U16)
        *(uint16_t *)to = (uint16_t)v;
    else if (f->kind == MAA_U32)
        *(uint32_t *)to = (uint32_t)v;
    else
        *(int64_t *)to = v;
    return 0;
}

static int get_value(const struct maa_field *f, const json_t *in, struct avow_claims *c,
                     struct avow_error *err)
{
    uint8_t *p = (uint8_t *)c + f->offset;
    void *v = p; /* aligned: it is a member of its own type */

    switch (f->kind) {
    case MAA_HEX:
        return avow_json_get_hex(in, f->name, v, f->arg, err);
    case MAA_U8:
    case MAA_U16:
    case MAA_U32:
    case MAA_I64:
        return get_integer(f, in, v, err);
    case MAA_WORD:
        return get_word(f, in, v, err);
    case MAA_BOOL:
        return get_bool(f, in, v, err);
    case MAA_TEXT:
        return get_text(f, in, v, err);
    case MAA_TCB:
        return get_tcb(f, in, v, err);
    case MAA_BIT:
    case MAA_BIT_LE:
        return get_bit(f, in, v, err);
    }
    return AVOW_FAIL(err, INVAL, "a claim of no kind");
}

int maa_fields_get(const struct maa_field *table, const json_t *in, struct avow_claims *c,
                   struct avow_error *err)
{
    for (const struct maa_field *f = table; f->name; f++) {
        avow_autojson json_t *whole = NULL;

        if (f->may && !json_object_get(in, f->name))
            continue;
        if (f->whole && json_object_get(in, f->whole))
            whole = value_of(f, c); /* as the whole says it */
        AVOW_TRY(get_value(f, in, c, err));
        if (whole && !json_equal(whole, json_object_get(in, f->name)))
            return AVOW_FAIL(err, FORMAT, "\"%s\" is not what \"%s\" says", f->name, f->whole);
    }
    return 0;
}
