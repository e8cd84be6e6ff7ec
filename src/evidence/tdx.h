/*
 * Intel TDX quotes, versions 4 and 5: the layout, and a parser that authenticates nothing (see
 * verify/tdx.h). All integers are little-endian; signatures and keys are big-endian. Pure. Any
 * thread. Source: Intel "TDX DCAP Quoting Library API", appendix "Quote format"; confirmed on real
 * quotes.
 */
#ifndef AVOW_EVIDENCE_TDX_H
#define AVOW_EVIDENCE_TDX_H

#include "base/bytes.h"

/* The quote: header, [type and size of the body: version 5], body, u32 length, signature data. */
#define AVOW_TDX_QUOTE_MAX (64u << 10) /* bytes, with padding; real ones are 5 to 8 KB */
#define AVOW_TDX_V4 4u
#define AVOW_TDX_V5 5u
#define AVOW_TDX_HEADER_LEN 48u
#define AVOW_TDX_OFF_VERSION 0x00u   /* u16 */
#define AVOW_TDX_OFF_KEY_TYPE 0x02u  /* u16 */
#define AVOW_TDX_OFF_TEE_TYPE 0x04u  /* u32 */
#define AVOW_TDX_OFF_QE_VENDOR 0x0Cu /* 16 bytes */
#define AVOW_TDX_OFF_USER_DATA 0x1Cu /* 20 bytes */
#define AVOW_TDX_OFF_V4_BODY 0x30u
#define AVOW_TDX_OFF_V5_BODY_TYPE 0x30u /* u16 */
#define AVOW_TDX_OFF_V5_BODY_SIZE 0x32u /* u32 */
#define AVOW_TDX_OFF_V5_BODY 0x36u
#define AVOW_TDX_KEY_TYPE_P256 2u
#define AVOW_TDX_TEE_TYPE_SGX 0x00000000u
#define AVOW_TDX_TEE_TYPE_TDX 0x00000081u
#define AVOW_TDX_QE_VENDOR_LEN 16u
/* Intel's QE, 939a7233-f79c-4ca9-940a-0db3957f0607 in text order */
#define AVOW_TDX_QE_VENDOR_INTEL                                                                  \
    {                                                                                             \
        0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, \
            0x07                                                                                  \
    }

/* Body types of version 5 */
#define AVOW_TDX_BODY_SGX 1u
#define AVOW_TDX_BODY_10 2u /* also the only body of version 4 */
#define AVOW_TDX_BODY_15 3u
#define AVOW_TDX_BODY_15_EXT 4u
#define AVOW_TDX_BODY_10_LEN 584u
#define AVOW_TDX_BODY_15_LEN 648u
#define AVOW_TDX_BODY_15_EXT_LEN 885u

/* The body, by offset in it */
#define AVOW_TDX_OFF_TEE_TCB_SVN 0x000u    /* 16 */
#define AVOW_TDX_OFF_MRSEAM 0x010u         /* 48 */
#define AVOW_TDX_OFF_MRSIGNERSEAM 0x040u   /* 48 */
#define AVOW_TDX_OFF_SEAMATTRIBUTES 0x070u /* 8 */
#define AVOW_TDX_OFF_TDATTRIBUTES 0x078u   /* 8 */
#define AVOW_TDX_OFF_XFAM 0x080u           /* 8 */
#define AVOW_TDX_OFF_MRTD 0x088u           /* 48 */
#define AVOW_TDX_OFF_MRCONFIGID 0x0B8u     /* 48 */
#define AVOW_TDX_OFF_MROWNER 0x0E8u        /* 48 */
#define AVOW_TDX_OFF_MROWNERCONFIG 0x118u  /* 48 */
#define AVOW_TDX_OFF_RTMR0 0x148u          /* 4 x 48 */
#define AVOW_TDX_OFF_REPORTDATA 0x208u     /* 64 */
#define AVOW_TDX_OFF_TEE_TCB_SVN2 0x248u   /* 16; 1.5 */
#define AVOW_TDX_OFF_MRSERVICETD 0x258u    /* 48; 1.5 */
#define AVOW_TDX_SVN_LEN 16u
#define AVOW_TDX_MR_LEN 48u
#define AVOW_TDX_RTMRS 4u
#define AVOW_TDX_REPORTDATA_LEN 64u
#define AVOW_TDX_ATTR_SEPT_VE_DISABLE 28u /* bits of TDATTRIBUTES */
#define AVOW_TDX_ATTR_MIGRATABLE 29u
#define AVOW_TDX_ATTR_DEBUG_BYTE \
    0 /* byte 0 of TDATTRIBUTES: not zero means that the host can look in */

/*
 * Signature data: signature, attestation key, u16 certification type 6, u32 size, then in it the QE
 * report, its signature, u16 length and QE authentication data, u16 certification type, u32 size,
 * certification data.
 */
#define AVOW_TDX_SIGNATURE_LEN 64u /* r || s */
#define AVOW_TDX_KEY_LEN 64u       /* x || y */
#define AVOW_TDX_CERT_TYPE_PEM_CHAIN 5u
#define AVOW_TDX_CERT_TYPE_QE_REPORT 6u
#define AVOW_TDX_QE_AUTH_USUAL_LEN 32u /* what Intel's QE writes; any length is read */

/* The QE report: an SGX report body */
#define AVOW_SGX_REPORT_LEN 384u
#define AVOW_SGX_OFF_CPUSVN 0x000u     /* 16 */
#define AVOW_SGX_OFF_MISCSELECT 0x010u /* u32 */
#define AVOW_SGX_OFF_ATTRIBUTES 0x030u /* 16 */
#define AVOW_SGX_OFF_MRENCLAVE 0x040u  /* 32 */
#define AVOW_SGX_OFF_MRSIGNER 0x080u   /* 32 */
#define AVOW_SGX_OFF_ISVPRODID 0x100u  /* u16 */
#define AVOW_SGX_OFF_ISVSVN 0x102u     /* u16 */
#define AVOW_SGX_OFF_REPORTDATA \
    0x140u /* 64: SHA-256(attestation key || auth data), 32 zero bytes */
#define AVOW_SGX_ATTRIBUTES_LEN 16u
#define AVOW_SGX_MRSIGNER_LEN 32u
#define AVOW_SGX_ATTR_DEBUG 0x02u /* in byte 0 of ATTRIBUTES */

/* Views into the quote; the lengths are those of the constants above. */
struct avow_tdx_body {
    const uint8_t *tee_tcb_svn;
    const uint8_t *mrseam;
    const uint8_t *mrsignerseam;
    const uint8_t *seam_attributes;
    const uint8_t *td_attributes;
    const uint8_t *xfam;
    const uint8_t *mrtd;
    const uint8_t *mrconfigid;
    const uint8_t *mrowner;
    const uint8_t *mrownerconfig;
    const uint8_t *rtmr[AVOW_TDX_RTMRS];
    const uint8_t *report_data;
    const uint8_t *tee_tcb_svn2; /* NULL before TDX 1.5 */
    const uint8_t *mrservicetd;  /* NULL before TDX 1.5 */
};

struct avow_tdx_quote {
    uint16_t version;              /* 4 or 5 */
    uint16_t body_type;            /* AVOW_TDX_BODY_10, _15 or _15_EXT; version 4 is always _10 */
    struct avow_bytes signed_part; /* what the attestation key signed: header to end of body */
    struct avow_tdx_body body;
    struct avow_bytes signature;       /* 64 bytes over signed_part, by attestation_key */
    struct avow_bytes attestation_key; /* 64 bytes, P-256 */
    struct avow_bytes qe_report;       /* 384 bytes */
    struct avow_bytes qe_signature;    /* 64 bytes over qe_report, by the PCK */
    struct avow_bytes qe_auth;
    uint16_t cert_type; /* of cert_data: AVOW_TDX_CERT_TYPE_PEM_CHAIN in all known quotes */
    struct avow_bytes cert_data;
    struct avow_bytes
        padding; /* after the declared end; deployed providers pad; not authenticated */
};

/*
 * Parse a quote.
 *
 * @in   untrusted; borrowed, must outlive @out
 * @out  written only on success; its views point into @in
 *
 * Returns 0, or -AVOW_E_TRUNCATED, -AVOW_E_TRAILING (an inner size does not fill the outer one),
 * -AVOW_E_LIMIT, -AVOW_E_VERSION (neither 4 nor 5), -AVOW_E_UNSUPPORTED (a key, certification or
 * body type that is not served), -AVOW_E_FORMAT (not TDX, not Intel's QE, type and size disagree).
 */
AVOW_MUST_USE int avow_tdx_quote_parse(struct avow_bytes in, struct avow_tdx_quote *out,
                                       struct avow_error *err);

#endif
