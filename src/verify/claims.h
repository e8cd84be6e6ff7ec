/*
 * Claims: what a piece of evidence says once every check that its vendor demands has held.
 * A value struct, no pointers into evidence; zeroed means: nothing is known, nothing is authentic.
 */
#ifndef AVOW_VERIFY_CLAIMS_H
#define AVOW_VERIFY_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "evidence/tee.h"

/* Outcome of one check. Zero: it could not run, since something that it needs is missing; that is
 * never good enough, but it is no finding against the evidence either. */
enum avow_check_state {
    AVOW_CHECK_NOT_RUN = 0,
    AVOW_CHECK_FAILED = 1,
    AVOW_CHECK_PASSED = 2,
};

#define AVOW_CHECKS_MAX 64

struct avow_check {
    char code[32]; /* stable, e.g. "signature", "expired", documented in docs/reasons.md */
    enum avow_check_state state;
    char text[192]; /* what was compared, with the values, for people */
};

/* AMD SEV-SNP TCB_VERSION by component (Turin has fmc). */
struct avow_snp_tcb {
    uint8_t fmc, bootloader, tee, snp, microcode;
};

enum avow_tcb_status { /* Intel's words, TCB info v3; zero is unknown and refused */
                       AVOW_TCB_UNKNOWN = 0,
                       AVOW_TCB_UP_TO_DATE,
                       AVOW_TCB_SW_HARDENING_NEEDED,
                       AVOW_TCB_CONFIGURATION_NEEDED,
                       AVOW_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
                       AVOW_TCB_OUT_OF_DATE,
                       AVOW_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
                       AVOW_TCB_TD_RELAUNCH_ADVISED,
                       AVOW_TCB_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
                       AVOW_TCB_REVOKED,
                       AVOW_TCB_NOT_SUPPORTED,
};

const char *avow_tcb_status_name(enum avow_tcb_status s); /* "UpToDate", ... */
enum avow_tcb_status avow_tcb_status_from_name(const char *name);

#define AVOW_ADVISORIES_MAX 64
#define AVOW_CSP_ID_MAX 64     /* bytes of a VLEK's csp_id */
#define AVOW_VM_ID_MAX 64      /* bytes of vmUniqueId */
#define AVOW_PCRS 24u          /* registers of a bank */
#define AVOW_PCR_LEN 32u       /* of the SHA-256 bank */
#define AVOW_TPM_EXTRA_MAX 64u /* bytes of a TPM quote's extraData */

/* What a paravisor's claims say of a thing: it need not say anything. */
enum avow_said { AVOW_SAID_NOTHING = 0, AVOW_SAID_NO, AVOW_SAID_YES };

struct avow_snp_firmware {
    uint8_t major, minor, build;
};

struct avow_claims {
    enum avow_tee tee;
    bool authentic;          /* every vendor check ran and passed: set by verify alone */
    bool revocation_checked; /* every certificate that a CRL can revoke was looked up in one */
    bool partial;   /* SNP: of a token that says neither PLATFORM_INFO nor which key signed */
    bool simulated; /* the chain ends in an anchor that is marked simulated */
    char root[64];  /* name of the anchor that the chain ends in */
    uint8_t report_data[64];
    uint8_t measurement[48]; /* SNP MEASUREMENT, TDX MRTD */
    bool debug;
    uint8_t machine[64]; /* SNP CHIP_ID; TDX platform instance id or PPID, zero-padded */
    uint8_t machine_len; /* 0: not known (masked) */

    struct {
        uint32_t version;
        char product[16]; /* "Milan", "Genoa", "Turin" */
        bool vlek;
        uint64_t policy;
        uint64_t platform_info;
        uint32_t vmpl;
        uint32_t guest_svn;
        uint8_t family_id[16], image_id[16];
        uint8_t host_data[32];
        uint8_t id_key_digest[48], author_key_digest[48];
        bool author_key_en;
        bool migration_agent; /* REPORT_ID_MA is not all FF */
        uint8_t report_id[32], report_id_ma[32];
        struct avow_snp_tcb current, reported, committed, launch;
        uint8_t cpuid_family, cpuid_model, cpuid_stepping; /* 0 in version 2 */
        struct avow_snp_firmware current_version, committed_version;
        uint64_t launch_mit, current_mit; /* mitigation vectors; 0 before version 5 */
        char csp_id[AVOW_CSP_ID_MAX + 1]; /* VLEK: the provider; "" for VCEK */
    } snp;

    struct {
        uint16_t quote_version;
        uint8_t tee_tcb_svn[16], tee_tcb_svn2[16];
        bool has_svn2;
        uint8_t mrseam[48], mrsignerseam[48];
        uint8_t mrconfigid[48], mrowner[48], mrownerconfig[48], mrservicetd[48];
        uint8_t rtmr[4][48];
        uint8_t td_attributes[8], xfam[8], seam_attributes[8];
        uint8_t fmspc[6];
        uint16_t pceid;
        enum avow_tcb_status tcb_status; /* converged platform, module and QE */
        uint32_t tcb_evaluation;         /* tcbEvaluationDataNumber */
        uint32_t n_advisories;
        char advisories[AVOW_ADVISORIES_MAX][24];
    } tdx;

    /* Data whose digest is in report_data: given with the evidence, or Azure's runtime claims. */
    bool runtime_bound;
    uint8_t runtime_sha256[32];

    /* az-snp and az-tdx: what the paravisor's runtime claims say; only if they are bound. */
    struct {
        bool present;
        uint32_t hcl_version;       /* 0: the claims came without the HCL report around them */
        uint8_t ak_spki_sha256[32]; /* of the TPM's attestation key (DER SubjectPublicKeyInfo) */
        bool ak_certified; /* Azure's vTPM CA certified this key too (not needed: it is bound) */
        char vm_id[AVOW_VM_ID_MAX + 1]; /* vmUniqueId, as written; "" if not said */
        enum avow_said secure_boot, tpm_enabled, tpm_persisted, console_enabled;
        bool has_user_data;
        uint8_t user_data[64]; /* of NV 0x01400002 when the HCL report was made */
    } az;

    /* A TPM quote by the attestation key; only if its signature and its PCR digest hold. */
    struct {
        bool quoted;
        uint8_t extra_len; /* bytes of extra_data: the verifier's nonce */
        uint8_t extra_data[AVOW_TPM_EXTRA_MAX];
        uint32_t pcr_mask; /* bit i: PCR i was quoted, and its value is known */
        uint8_t pcr[AVOW_PCRS][AVOW_PCR_LEN];
        uint32_t reset_count, restart_count;
        uint64_t clock, firmware;
    } vtpm;

    /* An event log that replays to registers of the evidence. */
    struct {
        bool replayed;
        uint32_t n_events;
        uint32_t registers; /* bit i: RTMR i or PCR i equals what the log gives */
    } log;

    int64_t valid_from, valid_until; /* intersection of all certificates and collateral, unix s */

    uint32_t n_checks;
    struct avow_check checks[AVOW_CHECKS_MAX];
};

/*
 * Append a check. The list being full is recorded as a failed last check, never dropped silently.
 * Returns @passed. fmt describes what was compared.
 */
bool avow_claims_check(struct avow_claims *c, const char *code, bool passed, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Append a check that could not run; @fmt: what is missing, and where it is to be had. Returns
 * false. */
bool avow_claims_missing(struct avow_claims *c, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* True only if at least one check ran and none is failed or not run. */
bool avow_claims_all_passed(const struct avow_claims *c);

/* What the evidence says of the VM, of either TEE. Bit @bit of TDATTRIBUTES (AVOW_TDX_ATTR_*). */
bool avow_claims_td_attribute(const struct avow_claims *c, unsigned bit);
/* The host may look in: DEBUG; of TDX the whole byte is "TD under debug", whose other bits are
 * reserved or let the host profile. */
bool avow_claims_is_open(const struct avow_claims *c);
/* TDX: the TD may be moved, or has a service TD, which could. */
bool avow_claims_td_may_migrate(const struct avow_claims *c);

#define AVOW_TIME_TEXT 32
/* "2025-12-10T00:00:00Z", for the text of checks. */
void avow_claims_time(int64_t t, char out[AVOW_TIME_TEXT]);

#endif
