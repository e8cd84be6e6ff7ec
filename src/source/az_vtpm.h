/*
 * Azure confidential VMs: a paravisor stands between the hardware and us. Its report (HCL) is in
 * the virtual TPM and binds the TPM's key to the hardware; the TPM's quote speaks for the guest.
 * Azure's IMDS has the endorsements of SNP and makes the quotes of TDX. docs/formats/azure.md.
 * Internal to source/.
 */
#ifndef AVOW_SOURCE_AZ_VTPM_H
#define AVOW_SOURCE_AZ_VTPM_H

#include "source/imds.h"
#include "source/vtpm.h"

#define AZ_NV_HCL 0x01400001u       /* the HCL report */
#define AZ_NV_USER_DATA 0x01400002u /* 64 bytes that the next HCL report takes up */
#define AZ_AK 0x81000003u           /* the TPM's attestation key */
#define AZ_EVENT_LOG "/sys/kernel/security/tpm0/binary_bios_measurements"

struct az_options {
    const char *tcti;      /* NULL: VTPM_TCTI */
    const char *imds;      /* NULL: IMDS_BASE */
    const char *event_log; /* a file to put into the bundle if it can be read; NULL: none */
    bool fresh;            /* have the hardware make a new report for each statement: its digest is
                              written as user data, and an HCL report that has it is waited for */
    unsigned wait_ms;      /* for each piece of evidence; 0: GUEST_WAIT_MS */
};

/* Reads the HCL report, to know which TEE it is. What vtpm_open and vtpm_nv_read return;
 * -AVOW_E_FORMAT and others of avow_hcl_parse; -AVOW_E_UNSUPPORTED (neither SNP nor TDX). */
AVOW_MUST_USE int az_open(const struct az_options *o, struct avow_source **out,
                          struct avow_error *err);

#endif
