/*
 * What the parts of the simulated devices share: names of files, versions of the make-believe
 * firmware, and the state of one machine. Internal to source/. Any thread.
 *
 * A vendor's folder is what AMD and Intel keep; a machine's folder is what its hardware keeps.
 */
#ifndef AVOW_SOURCE_SIM_H
#define AVOW_SOURCE_SIM_H

#include "collateral/pck.h"
#include "collateral/qe_identity.h"
#include "collateral/tcb_info.h"
#include "crypto/certmake.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"
#include "source/folder.h"
#include "source/source.h"

/* In a vendor's folder */
#define SIM_VENDOR "vendor.json" /* written last: without it the folder is not finished */
#define SIM_README "README"
#define SIM_ROOTS "roots.pem"
#define SIM_ASK_KEY "amd-ask.key"
#define SIM_ARK_KEY "amd-ark.key"
#define SIM_ROOT_KEY "intel-root.key"
#define SIM_PLATFORM_KEY "intel-platform.key"
#define SIM_SIGNING_KEY "intel-tcb-signing.key"
/* In both, copied to the machine as its endorsements */
#define SIM_ARK "amd-ark.der"
#define SIM_ASK "amd-ask.der"
#define SIM_AMD_CRL "amd.crl"
#define SIM_ROOT "intel-root.der"
#define SIM_PLATFORM "intel-platform.der"
#define SIM_SIGNING "intel-tcb-signing.der"
#define SIM_ROOT_CRL "intel-root.crl"
#define SIM_PCK_CRL "intel-pck.crl"
#define SIM_TCB_INFO "tcb-info.json"
#define SIM_QE_IDENTITY "qe-identity.json"
/* In a machine's folder */
#define SIM_DEVICE "device.json" /* written last */
#define SIM_CHIP_KEY "chip.key"  /* VCEK or PCK private key: the secret of the hardware */
#define SIM_CHIP "chip.der"      /* VCEK or PCK certificate */

#define SIM_DEVICE_MAX 4096
#define SIM_IMAGE_MAX 128 /* bytes of an image's name */
#define SIM_DEFAULT_IMAGE "avow-node-1"
#define SIM_NOTE "SIMULATED: proves nothing about any real machine. Keys lie in files."

#define SIM_DAY 86400
#define SIM_YEAR (365 * (int64_t)SIM_DAY)
#define SIM_BACKDATE SIM_DAY          /* so that nodes whose clocks differ agree that it is valid */
#define SIM_ROOT_LIFE (25 * SIM_YEAR) /* as AMD's ARK */
#define SIM_LEAF_LIFE (7 * SIM_YEAR)  /* as a VCEK or PCK certificate */
#define SIM_COLLATERAL_LIFE \
    (10 * SIM_YEAR) /* real: 30 days; nobody publishes a simulated one anew */

#define SIM_PRODUCT "Genoa"
#define SIM_CHIP_ID_LEN 64  /* SNP */
#define SIM_INSTANCE_LEN 16 /* TDX platform instance */

/* The newest firmware and one that is out of date, by component. */
struct sim_snp_tcb {
    uint8_t bootloader, tee, snp, microcode;
};
extern const struct sim_snp_tcb sim_snp_tcb_new, sim_snp_tcb_old;

struct sim_tdx_tcb {
    uint8_t components[AVOW_PCK_COMPONENTS]; /* of the PCK certificate */
    uint16_t pcesvn;
    uint8_t tee_tcb_svn[16]; /* of the TDX module */
};
extern const struct sim_tdx_tcb sim_tdx_tcb_new, sim_tdx_tcb_old;
extern const uint8_t sim_fmspc[AVOW_FMSPC_LEN];
#define SIM_TDX_MODULE_MAJOR 1 /* TEE_TCB_SVN[1] */

/* The quoting enclave */
#define SIM_QE_ISVSVN 4
#define SIM_QE_ISVSVN_OLD 3
#define SIM_QE_SIGNER_TEXT "avow simulated QE signer" /* MRSIGNER is its SHA-256 */

/* State of one machine: device.json. */
struct sim_device {
    enum avow_tee tee;
    char image[SIM_IMAGE_MAX + 1];
    uint8_t measurement[48];
    bool debug, old_tcb;
    uint8_t machine[SIM_CHIP_ID_LEN]; /* CHIP_ID, or platform instance in its first 16 bytes */
};

AVOW_MUST_USE int sim_device_read(int dir, struct sim_device *out, struct avow_error *err);
AVOW_MUST_USE int sim_device_write(int dir, const struct sim_device *d, struct avow_error *err);

/* The AMD and the Intel half of a vendor; append the root to @roots as PEM. */
AVOW_MUST_USE int sim_amd_new(int dir, int64_t now, struct avow_buf *roots, struct avow_error *err);
AVOW_MUST_USE int sim_intel_new(int dir, int64_t now, struct avow_buf *roots,
                                struct avow_error *err);

/* Signed collateral: append {"tcbInfo":...,"signature":...} and {"enclaveIdentity":...}. */
AVOW_MUST_USE int sim_tcb_info(const struct avow_signer *signer, int64_t now, struct avow_buf *out,
                               struct avow_error *err);
AVOW_MUST_USE int sim_qe_identity(const struct avow_signer *signer, int64_t now,
                                  struct avow_buf *out, struct avow_error *err);

/* The SGX extension of a PCK certificate; append its DER. */
AVOW_MUST_USE int sim_pck_extension(const struct avow_pck *p, struct avow_buf *out,
                                    struct avow_error *err);

/* Write the leaf certificate (valid @from..@until) and the endorsements of a machine. */
AVOW_MUST_USE int sim_snp_machine(int vendor, int dir, const struct sim_device *d, int64_t from,
                                  int64_t until, struct avow_error *err);
AVOW_MUST_USE int sim_tdx_machine(int vendor, int dir, const struct sim_device *d, int64_t from,
                                  int64_t until, struct avow_error *err);

AVOW_MUST_USE int sim_snp_open(int dir, struct avow_source **out, struct avow_error *err);
AVOW_MUST_USE int sim_tdx_open(int dir, struct avow_source **out, struct avow_error *err);

/* What RTMR @i holds after booting @image: fixed, not zero. */
AVOW_MUST_USE int sim_tdx_rtmr(const char *image, unsigned i, uint8_t out[48],
                               struct avow_error *err);

/* A fresh key, written to @name (0600). */
AVOW_MUST_USE int sim_key_new(int dir, const char *name, enum avow_signer_kind kind,
                              struct avow_signer **out, struct avow_error *err);
AVOW_MUST_USE int sim_key_read(int dir, const char *name, struct avow_signer **out,
                               struct avow_error *err);

#endif
