/*
 * The SGX extension of a PCK certificate: which platform this is and what its security versions
 * are. Strict DER; authenticates nothing. Pure. Any thread. Source: Intel "SGX PCK Certificate and
 * Certificate Revocation List Profile Specification".
 */
#ifndef AVOW_COLLATERAL_PCK_H
#define AVOW_COLLATERAL_PCK_H

#include "base/bytes.h"

/* SEQUENCE of SEQUENCE { OID, value }, each OID being AVOW_OID_PCK and one more number */
#define AVOW_OID_PCK "1.2.840.113741.1.13.1"
/* 1.2.840.113741.1.13.1 without tag and length */
#define AVOW_OID_PCK_DER                                     \
    {                                                        \
        0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 0x01, 0x0D, 0x01 \
    }
#define AVOW_PCK_PPID 1u /* .1 OCTET STRING 16 */
#define AVOW_PCK_TCB                                                             \
    2u /* .2 SEQUENCE: .2.1 to .2.16 INTEGER, .2.17 PCESVN INTEGER, .2.18 CPUSVN \
        */
#define AVOW_PCK_PCEID 3u /* .3 OCTET STRING 2 */
#define AVOW_PCK_FMSPC 4u /* .4 OCTET STRING 6 */
#define AVOW_PCK_SGX_TYPE                                                                        \
    5u                       /* .5 ENUMERATED: 0 standard, 1 scalable, 2 scalable with integrity \
                              */
#define AVOW_PCK_INSTANCE 6u /* .6 OCTET STRING 16; Platform CA only */
#define AVOW_PCK_CONFIGURATION 7u /* .7 SEQUENCE of three BOOLEAN; Platform CA only */
#define AVOW_PCK_TCB_PCESVN 17u
#define AVOW_PCK_TCB_CPUSVN 18u
#define AVOW_PCK_CONFIG_DYNAMIC 1u
#define AVOW_PCK_CONFIG_CACHED_KEYS 2u
#define AVOW_PCK_CONFIG_SMT 3u
#define AVOW_PCK_COMPONENTS 16u

/* Names of the chain; a simulated one has AVOW_SIMULATED_PREFIX before each of them. */
#define AVOW_SIMULATED_PREFIX "SIMULATED "
#define AVOW_PCK_LEAF_CN "Intel SGX PCK Certificate"
#define AVOW_PCK_PLATFORM_CA_CN "Intel SGX PCK Platform CA"
#define AVOW_PCK_PROCESSOR_CA_CN "Intel SGX PCK Processor CA"
#define AVOW_SGX_ROOT_CA_CN "Intel SGX Root CA"

struct avow_pck {
    uint8_t ppid[16];
    uint8_t components[AVOW_PCK_COMPONENTS]; /* SVNs: what TCB levels are compared with */
    uint16_t pcesvn;
    uint8_t cpusvn[16]; /* as written; not used for anything */
    uint8_t pceid[2];
    uint8_t fmspc[6];
    uint8_t sgx_type;
    bool has_instance;
    uint8_t instance[16];
    bool has_configuration;
    bool dynamic_platform, cached_keys, smt_enabled;
};

/*
 * @ext  the extension's content (avow_cert_extension with AVOW_OID_PCK); untrusted
 * @out  written only on success
 * -AVOW_E_FORMAT: not strict DER, a member missing, given twice, unknown or of the wrong size.
 */
AVOW_MUST_USE int avow_pck_parse(struct avow_bytes ext, struct avow_pck *out,
                                 struct avow_error *err);

#endif
