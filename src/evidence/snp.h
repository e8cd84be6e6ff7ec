/*
 * The SEV-SNP attestation report (AMD publication 56860, ATTESTATION_REPORT): layout and parser.
 * Parsing says what the bytes are; whether they may be believed is verify/snp.h. Pure, any thread.
 */
#ifndef AVOW_EVIDENCE_SNP_H
#define AVOW_EVIDENCE_SNP_H

#include "base/bytes.h"

#define AVOW_SNP_REPORT_LEN 1184u
#define AVOW_SNP_SIGNED_LEN 0x2A0u /* the signature covers [0, 0x2A0) */

#define AVOW_SNP_VERSION_MIN 2u /* validly signed version 1 reports exist: too old to judge */
#define AVOW_SNP_VERSION_MAX 5u

/* Offsets in the report; integers are little-endian. */
#define AVOW_SNP_OFF_VERSION 0x000u           /* u32 */
#define AVOW_SNP_OFF_GUEST_SVN 0x004u         /* u32 */
#define AVOW_SNP_OFF_POLICY 0x008u            /* u64 */
#define AVOW_SNP_OFF_FAMILY_ID 0x010u         /* 16 */
#define AVOW_SNP_OFF_IMAGE_ID 0x020u          /* 16 */
#define AVOW_SNP_OFF_VMPL 0x030u              /* u32 */
#define AVOW_SNP_OFF_SIGNATURE_ALGO 0x034u    /* u32 */
#define AVOW_SNP_OFF_CURRENT_TCB 0x038u       /* 8 */
#define AVOW_SNP_OFF_PLATFORM_INFO 0x040u     /* u64 */
#define AVOW_SNP_OFF_KEY_INFO 0x048u          /* u32 */
#define AVOW_SNP_OFF_REPORT_DATA 0x050u       /* 64 */
#define AVOW_SNP_OFF_MEASUREMENT 0x090u       /* 48 */
#define AVOW_SNP_OFF_HOST_DATA 0x0C0u         /* 32 */
#define AVOW_SNP_OFF_ID_KEY_DIGEST 0x0E0u     /* 48 */
#define AVOW_SNP_OFF_AUTHOR_KEY_DIGEST 0x110u /* 48 */
#define AVOW_SNP_OFF_REPORT_ID 0x140u         /* 32 */
#define AVOW_SNP_OFF_REPORT_ID_MA 0x160u      /* 32 */
#define AVOW_SNP_OFF_REPORTED_TCB 0x180u      /* 8 */
#define AVOW_SNP_OFF_CPUID_FAMILY 0x188u      /* u8, version 3 and later; so the next two */
#define AVOW_SNP_OFF_CPUID_MODEL 0x189u
#define AVOW_SNP_OFF_CPUID_STEPPING 0x18Au
#define AVOW_SNP_OFF_CHIP_ID 0x1A0u           /* 64 */
#define AVOW_SNP_OFF_COMMITTED_TCB 0x1E0u     /* 8 */
#define AVOW_SNP_OFF_CURRENT_VERSION 0x1E8u   /* build, minor, major, zero */
#define AVOW_SNP_OFF_COMMITTED_VERSION 0x1ECu /* build, minor, major, zero */
#define AVOW_SNP_OFF_LAUNCH_TCB 0x1F0u        /* 8 */
#define AVOW_SNP_OFF_LAUNCH_MIT 0x1F8u        /* u64, version 5 and later */
#define AVOW_SNP_OFF_CURRENT_MIT 0x200u       /* u64, version 5 and later */
#define AVOW_SNP_OFF_R 0x2A0u                 /* 72, little-endian */
#define AVOW_SNP_OFF_S 0x2E8u                 /* 72, little-endian */
#define AVOW_SNP_SIG_COMPONENT_LEN 72u
#define AVOW_SNP_SIG_USED_LEN 48u /* of the 72 */

#define AVOW_SNP_SIGNATURE_ALGO_P384 1u /* ECDSA P-384 with SHA-384 */
#define AVOW_SNP_VMPL_MAX 3u

/* KEY_INFO */
#define AVOW_SNP_KEY_AUTHOR_EN 0x1u
#define AVOW_SNP_KEY_MASK_CHIP 0x2u
#define AVOW_SNP_KEY_SIGNING_SHIFT 2u
#define AVOW_SNP_KEY_SIGNING_MASK 0x7u
#define AVOW_SNP_KEY_KNOWN 0x1Fu
enum avow_snp_signing_key {
    AVOW_SNP_SIGNED_VCEK = 0,
    AVOW_SNP_SIGNED_VLEK = 1,
    AVOW_SNP_SIGNED_NONE = 7,
};

/* POLICY */
#define AVOW_SNP_POLICY_SMT (1ull << 16)
#define AVOW_SNP_POLICY_ONE (1ull << 17) /* must be 1 */
#define AVOW_SNP_POLICY_MIGRATE_MA (1ull << 18)
#define AVOW_SNP_POLICY_DEBUG (1ull << 19)
#define AVOW_SNP_POLICY_KNOWN ((1ull << 26) - 1)

/* Bytes of a TCB_VERSION; Turin added FMC in front and moved the others. */
#define AVOW_SNP_TCB_LEN 8u
#define AVOW_SNP_TCB_BOOTLOADER 0u
#define AVOW_SNP_TCB_TEE 1u
#define AVOW_SNP_TCB_SNP 6u
#define AVOW_SNP_TCB_MICROCODE 7u /* in both layouts */
#define AVOW_SNP_TURIN_TCB_FMC 0u
#define AVOW_SNP_TURIN_TCB_BOOTLOADER 1u
#define AVOW_SNP_TURIN_TCB_TEE 2u
#define AVOW_SNP_TURIN_TCB_SNP 3u

/* Extensions of VCEK and VLEK certificates. SPLs are INTEGERs, the hardware id is raw bytes. */
#define AVOW_SNP_OID "1.3.6.1.4.1.3704.1."
#define AVOW_SNP_OID_STRUCT_VERSION AVOW_SNP_OID "1"
#define AVOW_SNP_OID_PRODUCT AVOW_SNP_OID "2" /* IA5String */
#define AVOW_SNP_OID_SPL_BOOTLOADER AVOW_SNP_OID "3.1"
#define AVOW_SNP_OID_SPL_TEE AVOW_SNP_OID "3.2"
#define AVOW_SNP_OID_SPL_SNP AVOW_SNP_OID "3.3"
#define AVOW_SNP_OID_SPL_4 AVOW_SNP_OID "3.4"
#define AVOW_SNP_OID_SPL_5 AVOW_SNP_OID "3.5"
#define AVOW_SNP_OID_SPL_6 AVOW_SNP_OID "3.6"
#define AVOW_SNP_OID_SPL_7 AVOW_SNP_OID "3.7"
#define AVOW_SNP_OID_SPL_MICROCODE AVOW_SNP_OID "3.8"
#define AVOW_SNP_OID_SPL_FMC AVOW_SNP_OID "3.9" /* Turin */
#define AVOW_SNP_OID_HWID AVOW_SNP_OID "4"      /* VCEK: 64 bytes, Turin 8 */
#define AVOW_SNP_OID_CSP_ID AVOW_SNP_OID "5"    /* VLEK: IA5String */

#define AVOW_SNP_CN_VCEK "SEV-VCEK"
#define AVOW_SNP_CN_VLEK "SEV-VLEK"

struct avow_snp_version {
    uint8_t major, minor, build;
};

/* A report's fields; the views point into the bytes that were parsed. */
struct avow_snp_report {
    struct avow_bytes signed_part;
    uint32_t version, guest_svn;
    uint64_t policy;
    uint8_t family_id[16], image_id[16];
    uint32_t vmpl, signature_algo;
    uint64_t platform_info;
    uint32_t key_info;
    uint8_t report_data[64];
    uint8_t measurement[48];
    uint8_t host_data[32];
    uint8_t id_key_digest[48], author_key_digest[48];
    uint8_t report_id[32], report_id_ma[32];
    uint8_t current_tcb[AVOW_SNP_TCB_LEN], reported_tcb[AVOW_SNP_TCB_LEN];
    uint8_t committed_tcb[AVOW_SNP_TCB_LEN], launch_tcb[AVOW_SNP_TCB_LEN];
    uint8_t cpuid_family, cpuid_model, cpuid_stepping; /* zero in version 2 */
    uint8_t chip_id[64];
    struct avow_snp_version current, committed;
    uint64_t launch_mit, current_mit; /* zero before version 5 */
    struct avow_bytes r, s;           /* 72 bytes each, little-endian */
    size_t reserved; /* offset of the first reserved byte that is not zero; 0 = none (offset 0 is
                        not reserved). Reserved bytes after the signature count too. */
};

/*
 * Exactly AVOW_SNP_REPORT_LEN bytes. -AVOW_E_TRUNCATED, -AVOW_E_TRAILING, -AVOW_E_VERSION.
 * Reserved bytes are reported in ->reserved, not refused: the verifier names them.
 */
AVOW_MUST_USE int avow_snp_parse(struct avow_bytes report, struct avow_snp_report *out,
                                 struct avow_error *err);

/* The product line of the report's CPUID ("Milan", "Genoa", "Turin"; PPRs of families 19h and 1Ah);
 * NULL if it is not known, as in every report of version 2. Static storage. */
const char *avow_snp_product(const struct avow_snp_report *r);

#endif
