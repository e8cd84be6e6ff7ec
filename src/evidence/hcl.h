/*
 * The report of Azure's paravisor (HCL, OpenHCL), as NV index 0x01400001 of the virtual TPM holds
 * it: a header, the hardware's report, a data header, runtime claims (JSON). Neither header is
 * measured: they serve parsing alone. Pure, any thread. Source: OpenHCL's source; every layout seen
 * on real reports (header versions 1 and 2).
 */
#ifndef AVOW_EVIDENCE_HCL_H
#define AVOW_EVIDENCE_HCL_H

#include "base/bytes.h"

#define AVOW_HCL_MAX (64u << 10) /* bytes; real ones have 2048 or 2600 */
#define AVOW_HCL_MAGIC "HCLA"
#define AVOW_HCL_OFF_VERSION 0x04u /* u32: 1 or 2 */
#define AVOW_HCL_OFF_REQUEST 0x0Cu /* u32 */
#define AVOW_HCL_OFF_REPORT 0x20u  /* 1184 bytes: SNP report, or TDREPORT and zeros */
#define AVOW_HCL_REPORT_LEN 1184u
#define AVOW_HCL_OFF_DATA 0x4C0u        /* u32 size, version, report type, hash type, N */
#define AVOW_HCL_DATA_HEADER_LEN 20u    /* version 2 and later: 4 bytes of capabilities follow */
#define AVOW_HCL_CLAIMS_MAX (32u << 10) /* bytes of the runtime claims */

enum avow_hcl_request {
    AVOW_HCL_KEY_RELEASE = 1, /* its runtime claims have no attestation key */
    AVOW_HCL_AK_CERT = 2,
};
enum avow_hcl_report_type { AVOW_HCL_SNP = 2, AVOW_HCL_TDX = 4 };
enum avow_hcl_hash { AVOW_HCL_SHA256 = 1, AVOW_HCL_SHA384 = 2, AVOW_HCL_SHA512 = 3 };

/* TDREPORT, by offset in the hardware's report (Intel TDX module ABI: TDREPORT_STRUCT). */
#define AVOW_TDREPORT_LEN 1024u
#define AVOW_TDREPORT_OFF_REPORTDATA 0x80u /* 64 */
#define AVOW_TDREPORT_OFF_TDINFO 0x200u    /* attributes 8, XFAM 8, then as in a quote's body */
#define AVOW_TDREPORT_OFF_XFAM 0x208u
#define AVOW_TDREPORT_OFF_MRTD 0x210u       /* 48 */
#define AVOW_TDREPORT_OFF_MRCONFIGID 0x240u /* 48 */
#define AVOW_TDREPORT_OFF_MROWNER 0x270u    /* 48 */
#define AVOW_TDREPORT_OFF_MROWNERCONFIG 0x2A0u
#define AVOW_TDREPORT_OFF_RTMR0 0x2D0u /* 4 x 48 */

/* Views into the bytes that were parsed. */
struct avow_hcl {
    uint32_t version, request, report_type, hash_type;
    struct avow_bytes report; /* AVOW_HCL_REPORT_LEN bytes */
    struct avow_bytes claims; /* the JSON, exactly the bytes that are hashed */
};

/*
 * What follows the claims is padding of the NV index. Which request and report type are fit is for
 * the verifier to say. -AVOW_E_TRUNCATED, -AVOW_E_FORMAT (magic, sizes that disagree),
 * -AVOW_E_VERSION, -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_hcl_parse(struct avow_bytes in, struct avow_hcl *out,
                                 struct avow_error *err);

#endif
