#include "evidence/snp.h"

/* The reserved areas of versions 2 to 5; those that a later version uses end at its number. */
static const struct {
    uint32_t until; /* reserved in versions below this one */
    size_t from, to;
} reserved_areas[] = {
    { UINT32_MAX, 0x04C, 0x050 }, { 3, 0x188, 0x18B },
    { UINT32_MAX, 0x18B, 0x1A0 }, { UINT32_MAX, 0x1EB, 0x1EC },
    { UINT32_MAX, 0x1EF, 0x1F0 }, { 5, 0x1F8, 0x208 },
    { UINT32_MAX, 0x208, 0x2A0 }, { UINT32_MAX, 0x330, AVOW_SNP_REPORT_LEN },
};

static size_t first_reserved(struct avow_bytes report, uint32_t version)
{
    for (size_t i = 0; i < sizeof reserved_areas / sizeof reserved_areas[0]; i++) {
        if (version >= reserved_areas[i].until)
            continue;
        for (size_t at = reserved_areas[i].from; at < reserved_areas[i].to; at++)
            if (report.data[at])
                return at;
    }
    return 0;
}

static int read_version(struct avow_rd *r, struct avow_snp_version *out)
{
    AVOW_TRY(avow_rd_u8(r, &out->build));
    AVOW_TRY(avow_rd_u8(r, &out->minor));
    AVOW_TRY(avow_rd_u8(r, &out->major));
    return avow_rd_skip(r, 1);
}

/* 0x000 to 0x17F */
static int read_guest(struct avow_rd *r, struct avow_snp_report *out)
{
    AVOW_TRY(avow_rd_u32le(r, &out->guest_svn));
    AVOW_TRY(avow_rd_u64le(r, &out->policy));
    AVOW_TRY(avow_rd_copy(r, out->family_id, sizeof out->family_id));
    AVOW_TRY(avow_rd_copy(r, out->image_id, sizeof out->image_id));
    AVOW_TRY(avow_rd_u32le(r, &out->vmpl));
    AVOW_TRY(avow_rd_u32le(r, &out->signature_algo));
    AVOW_TRY(avow_rd_copy(r, out->current_tcb, sizeof out->current_tcb));
    AVOW_TRY(avow_rd_u64le(r, &out->platform_info));
    AVOW_TRY(avow_rd_u32le(r, &out->key_info));
    AVOW_TRY(avow_rd_skip(r, 4));
    AVOW_TRY(avow_rd_copy(r, out->report_data, sizeof out->report_data));
    AVOW_TRY(avow_rd_copy(r, out->measurement, sizeof out->measurement));
    AVOW_TRY(avow_rd_copy(r, out->host_data, sizeof out->host_data));
    AVOW_TRY(avow_rd_copy(r, out->id_key_digest, sizeof out->id_key_digest));
    AVOW_TRY(avow_rd_copy(r, out->author_key_digest, sizeof out->author_key_digest));
    AVOW_TRY(avow_rd_copy(r, out->report_id, sizeof out->report_id));
    return avow_rd_copy(r, out->report_id_ma, sizeof out->report_id_ma);
}

/* 0x180 to the end */
static int read_platform(struct avow_rd *r, struct avow_snp_report *out)
{
    AVOW_TRY(avow_rd_copy(r, out->reported_tcb, sizeof out->reported_tcb));
    AVOW_TRY(avow_rd_u8(r, &out->cpuid_family));
    AVOW_TRY(avow_rd_u8(r, &out->cpuid_model));
    AVOW_TRY(avow_rd_u8(r, &out->cpuid_stepping));
    AVOW_TRY(avow_rd_skip(r, AVOW_SNP_OFF_CHIP_ID - AVOW_SNP_OFF_CPUID_STEPPING - 1));
    AVOW_TRY(avow_rd_copy(r, out->chip_id, sizeof out->chip_id));
    AVOW_TRY(avow_rd_copy(r, out->committed_tcb, sizeof out->committed_tcb));
    AVOW_TRY(read_version(r, &out->current));
    AVOW_TRY(read_version(r, &out->committed));
    AVOW_TRY(avow_rd_copy(r, out->launch_tcb, sizeof out->launch_tcb));
    AVOW_TRY(avow_rd_u64le(r, &out->launch_mit));
    AVOW_TRY(avow_rd_u64le(r, &out->current_mit));
    AVOW_TRY(avow_rd_skip(r, AVOW_SNP_OFF_R - AVOW_SNP_OFF_CURRENT_MIT - 8));
    AVOW_TRY(avow_rd_bytes(r, AVOW_SNP_SIG_COMPONENT_LEN, &out->r));
    AVOW_TRY(avow_rd_bytes(r, AVOW_SNP_SIG_COMPONENT_LEN, &out->s));
    AVOW_TRY(avow_rd_skip(r, AVOW_SNP_REPORT_LEN - AVOW_SNP_OFF_S - AVOW_SNP_SIG_COMPONENT_LEN));
    return avow_rd_end(r);
}

int avow_snp_parse(struct avow_bytes report, struct avow_snp_report *out, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(report);

    memset(out, 0, sizeof *out);
    if (report.len < AVOW_SNP_REPORT_LEN)
        return AVOW_FAIL(err, TRUNCATED, "SNP report of %zu bytes (a report has %u)", report.len,
                         AVOW_SNP_REPORT_LEN);
    if (report.len > AVOW_SNP_REPORT_LEN)
        return AVOW_FAIL(err, TRAILING, "SNP report of %zu bytes (a report has %u)", report.len,
                         AVOW_SNP_REPORT_LEN);
    AVOW_TRY(avow_rd_u32le(&r, &out->version));
    if (out->version < AVOW_SNP_VERSION_MIN || out->version > AVOW_SNP_VERSION_MAX)
        return AVOW_FAIL(err, VERSION, "SNP report of version %u (%u to %u are known)",
                         out->version, AVOW_SNP_VERSION_MIN, AVOW_SNP_VERSION_MAX);
    AVOW_TRY(read_guest(&r, out));
    AVOW_TRY(read_platform(&r, out));
    out->signed_part = AVOW_BYTES(report.data, AVOW_SNP_SIGNED_LEN);
    out->reserved = first_reserved(report, out->version);
    return 0;
}

const char *avow_snp_product(const struct avow_snp_report *r)
{
    uint8_t model = r->cpuid_model;

    if (r->cpuid_family == 0x19)
        return model <= 0x0F                    ? "Milan"
               : model >= 0x10 && model <= 0x1F ? "Genoa"
               : model >= 0xA0 && model <= 0xAF ? "Genoa" /* Bergamo, Siena */
                                                : NULL;
    if (r->cpuid_family == 0x1A && model <= 0x11)
        return "Turin";
    return NULL;
}
