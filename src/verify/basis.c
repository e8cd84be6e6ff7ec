#include "verify/basis.h"

#include <stddef.h>
#include <string.h>

/*
 * AMD 56860: SEV Secure Nested Paging Firmware ABI; 57230: VCEK Certificate and KDS Interface.
 * Intel QG: TDX DCAP Quoting Library API, appendix "Quote format"; PCS: Intel PCS API v4; PCK:
 * "SGX PCK Certificate and CRL Profile". TPM 2.0: TCG TPM 2.0 Library, part 2. PFP: TCG PC Client
 * Platform Firmware Profile.
 */
static const struct {
    const char *code, *snp, *tdx; /* the same for both where tdx is NULL */
} basis[] = {
    { "malformed", "AMD 56860, ATTESTATION_REPORT", "Intel QG" },
    { "version", "AMD 56860, ATTESTATION_REPORT.VERSION", "Intel QG, version" },
    { "reserved", "AMD 56860, ATTESTATION_REPORT", "Intel QG" },
    { "report-fields", "AMD 56860, ATTESTATION_REPORT", "Intel QG" },
    { "policy-bits", "AMD 56860, POLICY", "" },
    { "signing-key", "AMD 56860, SIGNING_KEY and MASK_CHIP_KEY", "" },
    { "missing", "AMD 57230, certificate chain", "Intel PCS, collateral of a quote" },
    { "root", "AMD 57230, ARK as the KDS serves it", "Intel PCK, SGX Root CA" },
    { "signature", "AMD 57230, chain; AMD 56860, SIGNATURE", "Intel PCK; Intel QG, signatures" },
    { "chain", "AMD 57230, certificate chain", "Intel PCK" },
    { "expired", "RFC 5280, 4.1.2.5 and 5.1.2.5", "RFC 5280, 4.1.2.5; Intel PCS, nextUpdate" },
    { "not-yet-valid", "RFC 5280, 4.1.2.5 and 5.1.2.4", "RFC 5280, 4.1.2.5; Intel PCS, issueDate" },
    { "revoked", "AMD 57230, CRL; RFC 5280, 5", "Intel PCK, CRL; RFC 5280, 5" },
    { "tcb", "AMD 57230, SPL extensions; AMD 56860, REPORTED_TCB", "" },
    { "tcb-order", "AMD 56860, TCB_VERSION", "" },
    { "chip", "AMD 57230, hwID extension; AMD 56860, CHIP_ID", "" },
    { "product", "AMD 57230, productName; AMD 56860, CPUID", "" },
    { "vmpl", "AMD 56860, VMPL; OpenHCL: the paravisor asks at VMPL 0", "" },
    { "qe-binding", "", "Intel QG, QE report data" },
    { "qe-identity", "", "Intel PCS, QE identity" },
    { "tcb-info", "", "Intel PCS, TCB info v3" },
    { "tcb-signature", "", "Intel PCS, signature of TCB info and QE identity" },
    { "fmspc", "", "Intel PCS, TCB info; Intel PCK, SGX extension" },
    { "tcb-status", "", "Intel PCS, comparing TCB levels" },
    { "hcl", "OpenHCL, HCL report", NULL },
    { "runtime-data", "Azure, runtime claims in report data", NULL },
    { "tpm-quote", "TPM 2.0, TPMS_ATTEST", NULL },
    { "tpm-signature", "TPM 2.0, TPMT_SIGNATURE; HCLAkPub", NULL },
    { "pcrs", "TPM 2.0, TPMS_QUOTE_INFO", NULL },
    { "ak-cert", "TCG, AK certificate; Azure Virtual TPM CA", NULL },
    { "event-log", "TCG PFP, event log", "TCG PFP, event log; Intel GHCI, CCEL" },
    { "statement", "docs/protocols/channel.md", NULL },
    { "binding", "docs/protocols/channel.md", NULL },
};

const char *avow_check_basis(enum avow_tee tee, const char *code)
{
    for (size_t i = 0; i < sizeof basis / sizeof basis[0]; i++)
        if (strcmp(basis[i].code, code) == 0)
            return avow_tee_hardware(tee) == AVOW_TEE_TDX && basis[i].tdx ? basis[i].tdx
                                                                          : basis[i].snp;
    return "";
}
