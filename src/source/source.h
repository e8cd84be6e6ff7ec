/*
 * Source: where evidence comes from. One vtable, many back ends: the simulated devices, and what
 * real machines have (docs/sources.md). A source is used from one thread; making evidence waits for
 * devices, at most half a minute unless a driver itself blocks longer.
 */
#ifndef AVOW_SOURCE_SOURCE_H
#define AVOW_SOURCE_SOURCE_H

#include "base/cleanup.h"
#include "evidence/bundle.h"

#define AVOW_SOURCE_AUTO "auto" /* what the machine has; never a simulated device */
#define AVOW_SOURCE_SIM_SNP "sim-snp"
#define AVOW_SOURCE_SIM_TDX "sim-tdx"
#define AVOW_SOURCE_TSM "configfs-tsm"
#define AVOW_SOURCE_SEV_GUEST "sev-guest"
#define AVOW_SOURCE_TDX_QGS "tdx-qgs"
#define AVOW_SOURCE_AZ_VTPM "az-vtpm"
#define AVOW_SOURCE_KINDS "auto, configfs-tsm, sev-guest, tdx-qgs, az-vtpm, sim-snp, sim-tdx"

/* The chassis asset tag (SMBIOS) of every virtual machine on Azure. */
#define AVOW_SOURCE_AZURE_TAG "7783-7084-3265-9085-8269-3286-77"

struct avow_source; /* opaque, owned */

struct avow_source_ops {
    const char *name; /* AVOW_SOURCE_*, but AUTO */
    enum avow_tee tee;
    bool simulated;
    /* Fill @out but its statement: evidence and whatever is at hand to judge it by. @report_data:
     * SHA-256 of the statement, then zeros. */
    int (*collect)(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                   struct avow_error *err);
    void (*free)(void *self);
};

struct avow_source *avow_source_new(const struct avow_source_ops *ops, void *take_self);
void avow_source_free(struct avow_source *s);
AVOW_DEFINE_CLEANUP(source, struct avow_source, avow_source_free)
const struct avow_source_ops *avow_source_ops(const struct avow_source *s);

/*
 * Have @fn add to every bundle what the machine itself does not give: endorsements and collateral
 * (store/store.h). @ctx outlives @s. What @fn returns is what making the bundle returns.
 */
typedef int (*avow_source_endorse_fn)(void *ctx, struct avow_bundle *b, struct avow_error *err);
void avow_source_endorse(struct avow_source *s, avow_source_endorse_fn fn, void *ctx);

/*
 * Make a bundle over @statement: report_data = SHA-256(statement) || 32 zero bytes. This is the
 * only way to evidence: nobody hands a report_data in (docs/protocols/channel.md, rule 1). Appends
 * the bundle's JSON text to @out.
 */
AVOW_MUST_USE int avow_source_bundle(struct avow_source *s, struct avow_bytes statement,
                                     struct avow_buf *out, struct avow_error *err);

/* What a source may be told; borrowed for the call; zeroed: nothing. */
struct avow_source_options {
    const char *dir; /* simulated devices: a machine's folder made by avow_sim_vm_new */
    bool has_privilege_level;
    unsigned privilege_level; /* configfs-tsm of SNP, sev-guest: the VMPL in the report */
    const char *qgs;          /* tdx-qgs: "vsock:CID:PORT", "unix:/PATH"; NULL: vsock:2:4050 */
    const char *tcti;         /* az-vtpm: how to reach the TPM, for tss2; NULL: /dev/tpmrm0 */
    const char *imds;         /* az-vtpm: URL of IMDS; NULL: http://169.254.169.254 */
    bool fresh;       /* az-vtpm: a new report of the hardware for each statement; takes seconds */
    bool event_log;   /* az-vtpm: put the firmware's event log into the bundle, if it can be read */
    const char *root; /* put before every path of the system's: a tree that tests made; or NULL */
};

/*
 * Open the source called @kind; AVOW_SOURCE_AUTO takes the first that the machine has of az-vtpm
 * (on Azure), configfs-tsm, sev-guest, tdx-qgs. @out: owned by the caller. -AVOW_E_UNSUPPORTED (no
 * such kind; hardware that is not served), -AVOW_E_NOTFOUND (the machine has none), -AVOW_E_MISSING
 * (a driver, an option), -AVOW_E_FORMAT, -AVOW_E_TIMEOUT, -AVOW_E_SYSTEM.
 */
AVOW_MUST_USE int avow_source_open_with(const char *kind, const struct avow_source_options *o,
                                        struct avow_source **out, struct avow_error *err);
/* The same with nothing but @dir. */
AVOW_MUST_USE int avow_source_open(const char *kind, const char *dir, struct avow_source **out,
                                   struct avow_error *err);
bool avow_source_kind_ok(const char *kind);
/* Whether SMBIOS says that this is a machine of Azure's. @root as above. */
bool avow_source_on_azure(const char *root);
/* What configfs-tsm's provider gives evidence of. Leaves nothing behind. @root as above. Errors as
 * when it is opened. */
AVOW_MUST_USE int avow_source_tsm_provider(const char *root, enum avow_tee *tee,
                                           struct avow_error *err);

/*
 * Simulated vendors: make @dir with a root of its own for AMD (ARK, ASK) and Intel (root CA,
 * platform CA, TCB signing), collateral, and roots.pem (both roots, for
 * avow_anchors_add_simulated). Keys 0600. Exists already: -AVOW_E_EXISTS.
 */
AVOW_MUST_USE int avow_sim_vendor_new(const char *dir, struct avow_error *err);

/* What a simulated machine may be told to be, besides right; zeroed = genuine and up to date. */
struct avow_sim_vm {
    enum avow_tee tee;
    const char *image; /* what is "measured": measurement = SHA-384("avow simulated image:" image);
                          NULL = "avow-node-1" */
    bool debug;
    bool old_tcb;      /* below the newest level of the vendor's collateral */
    int64_t not_after; /* expiry of the leaf certificate, 0 = 7 years */
};

/* What a simulated machine "measures" for @image (NULL: "avow-node-1"): SNP MEASUREMENT, TDX MRTD.
 */
AVOW_MUST_USE int avow_sim_measurement(const char *image, uint8_t out[48], struct avow_error *err);

/* Make a machine's folder @dir (chip keys, certificates, collateral) certified by @vendor_dir. */
AVOW_MUST_USE int avow_sim_vm_new(const char *vendor_dir, const char *dir,
                                  const struct avow_sim_vm *vm, struct avow_error *err);

#endif
