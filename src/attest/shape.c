#include "attest/shape.h"

#include "evidence/snp.h"
#include "evidence/tdx.h"

#define HCL_MIN_LEN 0x4D4u  /* header, hardware report, data header */
#define RSP_HEADER_LEN 32u  /* MSG_REPORT_RSP: status, size, reserved */
#define REPORT_HEAD_LEN 64u /* enough to tell a report that was cut */
#define VERSION_MAX 255u    /* of a report: no other file begins with such a number */
#define TDREPORT_LEN 1024u
#define TDREPORT_RESERVED 12u

static const uint8_t vendor[] = AVOW_TDX_QE_VENDOR_INTEL;

static bool quote_begins(struct avow_bytes f)
{
    uint32_t version = avow_bytes_u32le(f, 0) & 0xFFFF,
             tee = avow_bytes_u32le(f, AVOW_TDX_OFF_TEE_TYPE);

    if (f.len < AVOW_TDX_HEADER_LEN)
        return false;
    if (avow_bytes_equal(avow_bytes_sub(f, AVOW_TDX_OFF_QE_VENDOR, sizeof vendor),
                         AVOW_BYTES_OF(vendor)))
        return true;
    return avow_bytes_u32le(f, 0) >> 16 == AVOW_TDX_KEY_TYPE_P256 && version >= 3 && version <= 5 &&
           (tee == AVOW_TDX_TEE_TYPE_TDX || tee == AVOW_TDX_TEE_TYPE_SGX || version == 3);
}

bool avow_shape_quote(struct avow_bytes f)
{
    uint32_t len = avow_bytes_u32le(f, 0);

    return quote_begins(f) ||
           (f.len > 4 && (len == f.len - 4 || __builtin_bswap32(len) == f.len - 4) &&
            quote_begins(avow_bytes_sub(f, 4, f.len - 4)));
}

/* Signature algorithm, and a policy with the bit that is always 1. */
static bool report_body(struct avow_bytes f)
{
    return f.len >= REPORT_HEAD_LEN &&
           avow_bytes_u32le(f, AVOW_SNP_OFF_SIGNATURE_ALGO) == AVOW_SNP_SIGNATURE_ALGO_P384 &&
           (avow_bytes_u32le(f, AVOW_SNP_OFF_POLICY) & AVOW_SNP_POLICY_ONE) != 0;
}

static bool report_begins(struct avow_bytes f)
{
    uint32_t version = avow_bytes_u32le(f, AVOW_SNP_OFF_VERSION);

    return version >= 1 && version <= VERSION_MAX && report_body(f);
}

bool avow_shape_report(struct avow_bytes f)
{
    if (f.len == AVOW_SNP_REPORT_LEN)
        return avow_bytes_u32le(f, AVOW_SNP_OFF_VERSION) <= VERSION_MAX || report_body(f);
    if (report_begins(f))
        return true;
    /* left as the firmware answers it: refused by the verifier, which wants the report alone */
    return f.len > RSP_HEADER_LEN && avow_bytes_u32le(f, 0) == 0 &&
           avow_bytes_u32le(f, 4) == AVOW_SNP_REPORT_LEN &&
           report_begins(avow_bytes_sub(f, RSP_HEADER_LEN, f.len - RSP_HEADER_LEN));
}

bool avow_shape_tdreport(struct avow_bytes f)
{
    /* type 0x81, subtype 0, a version, reserved zeros */
    return f.len == TDREPORT_LEN &&
           (avow_bytes_u32le(f, 0) & 0xFF00FFFF) == AVOW_TDX_TEE_TYPE_TDX &&
           avow_bytes_zero(avow_bytes_sub(f, 4, TDREPORT_RESERVED));
}

bool avow_shape_hcl(struct avow_bytes f)
{
    return f.len >= HCL_MIN_LEN &&
           avow_bytes_equal(avow_bytes_sub(f, 0, 4), avow_bytes_str("HCLA"));
}
