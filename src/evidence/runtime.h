/*
 * Azure's runtime claims: the JSON whose digest the paravisor puts into report_data. Pure but for
 * memory. Members that are not known are passed over: Microsoft adds some.
 */
#ifndef AVOW_EVIDENCE_RUNTIME_H
#define AVOW_EVIDENCE_RUNTIME_H

#include "base/bytes.h"

#define AVOW_RUNTIME_AK "HCLAkPub" /* kid of the TPM's attestation key */
#define AVOW_RUNTIME_RSA_MAX 512u
#define AVOW_RUNTIME_USER_DATA_LEN 64u
#define AVOW_RUNTIME_VM_ID_MAX 64u

/* -1: not said; 0, 1. */
struct avow_runtime_said {
    int secure_boot, tpm_enabled, tpm_persisted, console_enabled;
};

struct avow_runtime {
    uint8_t n[AVOW_RUNTIME_RSA_MAX]; /* modulus, big-endian */
    size_t n_len;
    uint8_t e[8];
    size_t e_len;
    struct avow_runtime_said said;
    char vm_id[AVOW_RUNTIME_VM_ID_MAX + 1];
    bool has_user_data;
    uint8_t user_data[AVOW_RUNTIME_USER_DATA_LEN];
};

/*
 * Exactly one RSA key called HCLAkPub (strict base64url); vm-configuration and user-data if they
 * are there. A key of JSON given twice is an error. -AVOW_E_FORMAT, -AVOW_E_MISSING (no HCLAkPub),
 * -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_runtime_parse(struct avow_bytes json, struct avow_runtime *out,
                                     struct avow_error *err);

#endif
