#include <errno.h>
#include <limits.h>

#include "source/az_vtpm.h"
#include "source/sev_guest.h"
#include "source/sim.h"
#include "source/tdx_guest.h"
#include "source/tsm.h"

typedef int opener(const struct avow_source_options *o, struct avow_source **out,
                   struct avow_error *err);

/* A path of the system's, below the root that tests may have given. */
static const char *place(const struct avow_source_options *o, const char *path, char out[PATH_MAX])
{
    if (snprintf(out, PATH_MAX, "%s%s", o->root ? o->root : "", path) >= PATH_MAX)
        out[0] = '\0';
    return out;
}

static int open_tsm(const struct avow_source_options *o, struct avow_source **out,
                    struct avow_error *err)
{
    char path[PATH_MAX];
    const struct tsm_options t = { .folder = place(o, TSM_FOLDER, path),
                                   .has_privlevel = o->has_privilege_level,
                                   .privlevel = o->privilege_level };

    return tsm_open(&t, out, err);
}

static int open_sev_guest(const struct avow_source_options *o, struct avow_source **out,
                          struct avow_error *err)
{
    char path[PATH_MAX];
    const struct sev_guest_options s = { .device = place(o, SEV_GUEST_DEVICE, path),
                                         .vmpl = o->has_privilege_level ? o->privilege_level : 0 };

    return sev_guest_open(&s, out, err);
}

static int open_tdx_qgs(const struct avow_source_options *o, struct avow_source **out,
                        struct avow_error *err)
{
    char path[PATH_MAX];
    const struct tdx_guest_options t = { .device = place(o, TDX_GUEST_DEVICE, path),
                                         .qgs = o->qgs };

    return tdx_guest_open(&t, out, err);
}

static int open_az_vtpm(const struct avow_source_options *o, struct avow_source **out,
                        struct avow_error *err)
{
    char device[PATH_MAX];
    char tcti[PATH_MAX + sizeof "device:"];
    char log[PATH_MAX];
    const struct az_options a = { .tcti = o->tcti ? o->tcti : tcti,
                                  .imds = o->imds,
                                  .fresh = o->fresh,
                                  .event_log = o->event_log ? place(o, AZ_EVENT_LOG, log) : NULL };

    snprintf(tcti, sizeof tcti, "device:%s", place(o, VTPM_DEVICE, device));
    return az_open(&a, out, err);
}

static int open_simulated(const char *kind, const struct avow_source_options *o,
                          struct avow_source **out, struct avow_error *err)
{
    avow_autoclose int fd = -1;

    if (!o->dir)
        return AVOW_FAIL(err, MISSING, "%s: a simulated device needs its folder", kind);
    AVOW_TRY(folder_open(o->dir, &fd, err));
    return strcmp(kind, AVOW_SOURCE_SIM_SNP) == 0 ? sim_snp_open(fd, out, err)
                                                  : sim_tdx_open(fd, out, err);
}

/* ---- looking for what there is ---- */

/* Another source may be there where this one is not. */
static bool is_absent(int rc)
{
    return rc == -AVOW_E_NOTFOUND || rc == -AVOW_E_MISSING || rc == -AVOW_E_UNSUPPORTED;
}

static int open_auto(const struct avow_source_options *o, struct avow_source **out,
                     struct avow_error *err)
{
    /* Azure first: its paravisor may leave devices in sight that say nothing of the guest */
    opener *const all[] = { open_az_vtpm, open_tsm, open_sev_guest, open_tdx_qgs };
    struct avow_error kept = { 0 };

    for (size_t i = avow_source_on_azure(o->root) ? 0 : 1; i < sizeof all / sizeof *all; i++) {
        struct avow_error why = { 0 };
        int rc = all[i](o, out, &why);

        if (rc == 0)
            return 0;
        if (!is_absent(rc))
            return AVOW_FAIL_CODE(err, rc, "%s", why.text);
        if (rc != -AVOW_E_NOTFOUND && !kept.code)
            kept = why;
    }
    if (kept.code) /* something is there, but it cannot be used */
        return AVOW_FAIL_CODE(err, kept.code, "%s", kept.text);
    return AVOW_FAIL(err, NOTFOUND,
                     "this machine has nothing that gives evidence (no " TSM_FOLDER
                     ", no " SEV_GUEST_DEVICE ", no " TDX_GUEST_DEVICE
                     "; not Azure): see avow doctor, or configure a simulated device");
}

static const struct {
    const char *kind;
    opener *open; /* NULL: simulated */
} kinds[] = {
    { AVOW_SOURCE_AUTO, open_auto },
    { AVOW_SOURCE_TSM, open_tsm },
    { AVOW_SOURCE_SEV_GUEST, open_sev_guest },
    { AVOW_SOURCE_TDX_QGS, open_tdx_qgs },
    { AVOW_SOURCE_AZ_VTPM, open_az_vtpm },
    { AVOW_SOURCE_SIM_SNP, NULL },
    { AVOW_SOURCE_SIM_TDX, NULL },
};

bool avow_source_kind_ok(const char *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].kind, kind) == 0)
            return true;
    return false;
}

int avow_source_open_with(const char *kind, const struct avow_source_options *o,
                          struct avow_source **out, struct avow_error *err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].kind, kind) != 0)
            continue;
        return kinds[i].open ? kinds[i].open(o, out, err) : open_simulated(kind, o, out, err);
    }
    return AVOW_FAIL(err, UNSUPPORTED,
                     "no source of evidence is called \"%s\" (" AVOW_SOURCE_KINDS ")", kind);
}

int avow_source_open(const char *kind, const char *dir, struct avow_source **out,
                     struct avow_error *err)
{
    return avow_source_open_with(kind, &(struct avow_source_options){ .dir = dir }, out, err);
}
