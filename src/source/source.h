/*
 * Source: where evidence comes from. One vtable, many back ends; now the simulated devices, later
 * configfs-tsm, sev-guest, vTPM. A source is used from one thread.
 */
#ifndef AVOW_SOURCE_SOURCE_H
#define AVOW_SOURCE_SOURCE_H

#include "base/cleanup.h"
#include "evidence/bundle.h"

#define AVOW_SOURCE_SIM_SNP "sim-snp"
#define AVOW_SOURCE_SIM_TDX "sim-tdx"
#define AVOW_SOURCE_TSM "configfs-tsm"
#define AVOW_SOURCE_SEV_GUEST "sev-guest"
#define AVOW_SOURCE_TDX_QGS "tdx-qgs"
#define AVOW_SOURCE_AZ_VTPM "az-vtpm"

struct avow_source; /* opaque, owned */

struct avow_source_ops {
    const char *name; /* "sim-snp", "sim-tdx" */
    enum avow_tee tee;
    bool simulated;
    /* Fill evidence, certs, crls, tcb_info, qe_identity of @out (not statement). */
    int (*collect)(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                   struct avow_error *err);
    void (*free)(void *self);
};

struct avow_source *avow_source_new(const struct avow_source_ops *ops, void *take_self);
void avow_source_free(struct avow_source *s);
AVOW_DEFINE_CLEANUP(source, struct avow_source, avow_source_free)
const struct avow_source_ops *avow_source_ops(const struct avow_source *s);

/*
 * Make a bundle over @statement: report_data = SHA-256(statement) || 32 zero bytes. This is the
 * only way to evidence: nobody hands a report_data in (docs/protocols/channel.md, rule 1). Appends
 * the bundle's JSON text to @out.
 */
AVOW_MUST_USE int avow_source_bundle(struct avow_source *s, struct avow_bytes statement,
                                     struct avow_buf *out, struct avow_error *err);

/*
 * Simulated devices. @dir: a machine's folder made by avow_sim_vm_new. kind "sim-snp"/"sim-tdx".
 */
AVOW_MUST_USE int avow_source_open(const char *kind, const char *dir, struct avow_source **out,
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
