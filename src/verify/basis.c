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
    { "init-data", "MAA, initTimeData; AMD 56860, HOST_DATA", "MAA, initTimeData; MRCONFIGID" },
    { "token", "RFC 7515, 7.1; RFC 7519", NULL },
    { "token-limit", "docs/formats/maa.md", NULL },
    { "token-alg", "RFC 8725, 3.1; MAA, RS256", NULL },
    { "token-issuer", "RFC 8725, 3.8", NULL },
    { "token-kid", "RFC 7515, 4.1.4; MAA, /certs", NULL },
    { "token-key", "RFC 7517, 4.7; MAA, /certs", NULL },
    { "token-signature", "RFC 7518, 3.3", NULL },
    { "token-claims", "RFC 7519, 4; MAA, claims", NULL },
    { "token-expired", "RFC 7519, 4.1.4", NULL },
    { "token-early", "RFC 7519, 4.1.5 and 4.1.6", NULL },
    { "token-age", "RFC 7519, 4.1.6", NULL },
    { "token-type", "MAA, x-ms-attestation-type", NULL },
    { "token-policy", "MAA, x-ms-policy-hash", NULL },
    { "token-nonce", "MAA, nonce", NULL },
    { "token-evidence", "docs/formats/maa.md", NULL },
    { "token-replay", "RFC 7519, 4.1.7", NULL },
    { "paravisor", "MAA, x-ms-compliance-status", NULL },
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

/* As in docs/reasons.md, in fewer words. */
static const struct {
    const char *code, *hint;
} hints[] = {
    { "malformed", "the data was damaged or cut: fetch or make it again" },
    { "version", "update the node's firmware, or avow" },
    { "reserved", "no genuine device makes this: ask for the evidence again" },
    { "report-fields", "no genuine device makes this: ask for the evidence again" },
    { "policy-bits", "no genuine device makes this: ask for the evidence again" },
    { "signing-key", "have MASK_CHIP_KEY turned off on the host" },
    { "missing", "give it with --with, or bring it into the store: avow collateral fetch" },
    { "root", "evidence of another vendor, or simulated: see --roots" },
    { "signature", "it was changed, or the certificates are another machine's" },
    { "chain", "use the chain of the machine's own product line" },
    { "expired", "fetch fresh ones, or judge as of another time with --at; check the clock" },
    { "not-yet-valid", "check the clock, or judge as of another time with --at" },
    { "revoked", "do not use the machine" },
    { "tcb", "fetch the certificate for the reported TCB" },
    { "chip", "use the machine's own certificate; have chip ids unmasked" },
    { "product", "use the chain of the machine's own product line" },
    { "qe-identity", "update the platform; fetch the QE identity for TDX" },
    { "tcb-info", "fetch the TCB info for TDX and this FMSPC" },
    { "tcb-signature", "give the documents byte for byte as Intel serves them" },
    { "fmspc", "fetch the TCB info for the platform's FMSPC" },
    { "tcb-status", "update the platform" },
    { "hcl", "read the HCL report again from the vTPM" },
    { "runtime-data", "the runtime data is not what the hardware signed: ask again" },
    { "tpm-quote", "ask for a quote over the SHA-256 bank" },
    { "tpm-signature", "the quote is another machine's, or was changed" },
    { "pcrs", "give the values of the PCRs that were quoted" },
    { "event-log", "the log is not the one of this boot" },
    { "simulated", "a simulated device protects nothing: allow it in the policy only for tests" },
    { "tee", "add a section for it to the policy, or use another node" },
    { "measurement", "boot the right image, or add its measurement to the policy" },
    { "tcb-floor", "update the host's firmware, or allow its status in the policy" },
    { "tcb-evaluation", "fetch newer collateral" },
    { "advisories", "update the platform, or read the advisory and allow it in the policy" },
    { "mitigations", "update the host's firmware" },
    { "crl", "give AMD's CRL with --with" },
    { "debug", "start the VM without debugging" },
    { "migration", "start the VM without a migration agent" },
    { "vmpl", "ask for the report at the right privilege level" },
    { "machine-ids", "use one of those machines, or add this one to the policy" },
    { "machine", "use the machine named, or correct the policy" },
    { "init-data", "the init data is not what the VM was started with" },
    { "token", "it was damaged or cut: ask the issuer for another" },
    { "token-alg", "never accept it: an unsigned token, or a forged one" },
    { "token-issuer", "ask an issuer that is allowed, or allow this one" },
    { "token-kid", "fetch the issuer's /certs again" },
    { "token-key", "fetch the issuer's /certs again; a weak or contradictory key is refused" },
    { "token-signature", "it was changed, or signed by someone else: do not use it" },
    { "token-expired", "ask for a new token; check the clock" },
    { "token-early", "check the clocks" },
    { "token-age", "ask for a new token" },
    { "token-policy", "see which policy the issuer applies, and pin it if it is right" },
    { "token-nonce", "it is the answer to another request" },
    { "token-evidence", "it is about another piece of evidence: do not use it" },
    { "token-replay", "one token for two pieces of evidence: do not trust who answered" },
    { "paravisor", "pin the paravisor's measurements in the policy, and say any-paravisor" },
    { "binding", "ask for evidence on this connection again" },
    { "statement", "ask for evidence on this connection again" },
};

const char *avow_check_hint(const char *code)
{
    for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
        if (strcmp(hints[i].code, code) == 0)
            return hints[i].hint;
    return "see docs/reasons.md";
}
