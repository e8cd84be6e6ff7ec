/*
 * The kinds of trusted execution environment that evidence can come from. On Azure a paravisor
 * stands between hardware and guest: its report (HCL) binds a virtual TPM to the hardware's
 * evidence, and the TPM's quote speaks for the guest.
 */
#ifndef AVOW_EVIDENCE_TEE_H
#define AVOW_EVIDENCE_TEE_H

enum avow_tee {
    AVOW_TEE_NONE = 0,
    AVOW_TEE_SNP = 1,
    AVOW_TEE_TDX = 2,
    AVOW_TEE_AZ_SNP = 3,
    AVOW_TEE_AZ_TDX = 4,
};

/* "snp", "tdx", "az-snp", "az-tdx", "none"; and back (NONE for anything else). */
const char *avow_tee_name(enum avow_tee tee);
enum avow_tee avow_tee_from_name(const char *name);
/* The hardware under it: SNP or TDX; NONE for NONE. */
enum avow_tee avow_tee_hardware(enum avow_tee tee);
/* Whether a paravisor with a virtual TPM is part of it. */
static inline int avow_tee_is_azure(enum avow_tee tee)
{
    return tee == AVOW_TEE_AZ_SNP || tee == AVOW_TEE_AZ_TDX;
}

#endif
