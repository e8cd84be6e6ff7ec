/*
 * Claims: what a piece of evidence says once every check that its vendor demands has held.
 * A value struct, no pointers into evidence; zeroed means: nothing is known, nothing is authentic.
 */
#ifndef AVOW_VERIFY_CLAIMS_H
#define AVOW_VERIFY_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "evidence/tee.h"

/* Outcome of one check; zero is "did not run", which is never good enough. */
enum avow_check_state {
    AVOW_CHECK_NOT_RUN = 0,
    AVOW_CHECK_FAILED = 1,
    AVOW_CHECK_PASSED = 2,
};

#define AVOW_CHECKS_MAX 48

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

struct avow_claims {
    enum avow_tee tee;
    bool authentic; /* every vendor check ran and passed: set by verify alone */
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
        struct avow_snp_tcb current, reported, committed, launch;
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
/* True only if at least one check ran and none is failed or not run. */
bool avow_claims_all_passed(const struct avow_claims *c);

#define AVOW_TIME_TEXT 32
/* "2025-12-10T00:00:00Z", for the text of checks. */
void avow_claims_time(int64_t t, char out[AVOW_TIME_TEXT]);

#endif
