#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "client/doctor_internal.h"
#include "source/source.h"

#define TSM "/sys/kernel/config/tsm/report"
#define SEV_GUEST "/dev/sev-guest"
#define TDX_GUEST "/dev/tdx_guest"
#define TPM "/dev/tpmrm0"
#define SEV_SYSFS "/sys/devices/system/cpu/sev" /* in SNP guests, from Linux 6.11 on */

static const char no_access[] =
    "avowd needs it: run it as root, or give its user access (chgrp and chmod, in a udev rule)";

/* What the machine is, apart from the drivers that it has loaded. */
struct machine {
    bool tsm, sev_guest, tdx_guest, tpm; /* are there */
    bool snp, tdx, azure;                /* the kernel or SMBIOS says so */
};

static struct machine look(const struct doctor *d)
{
    char flags[DOCTOR_LINE_MAX_BYTES] = "";

    (void)doctor_cpu_flags(d, flags);
    return (struct machine){ .tsm = doctor_there(d, TSM),
                             .sev_guest = doctor_there(d, SEV_GUEST),
                             .tdx_guest = doctor_there(d, TDX_GUEST),
                             .tpm = doctor_there(d, TPM),
                             .snp = doctor_there(d, SEV_SYSFS),
                             .tdx = doctor_has_word(flags, "tdx_guest"),
                             .azure = avow_source_on_azure(d->paths->root) };
}

static void say_all(struct doctor *d, const struct machine *m)
{
    const struct {
        bool is;
        const char *text;
    } all[] = {
        { m->azure, "a machine of Azure" }, { m->snp, "a guest of SEV-SNP" },
        { m->tdx, "a guest of TDX" },       { m->sev_guest, SEV_GUEST },
        { m->tdx_guest, TDX_GUEST },        { m->tsm, TSM },
    };
    char text[DOCTOR_FOUND_MAX] = "";

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].is) {
            size_t n = strlen(text);

            (void)snprintf(text + n, sizeof text - n, "%s%s", n ? ", " : "", all[i].text);
        }
    if (*text)
        doctor_find(d, "tee", STATE_OK, "", "%s", text);
    else
        doctor_find(d, "tee", STATE_WARN,
                    "this is not a confidential VM: a node here can only be SIMULATED (a desktop "
                    "needs none)",
                    "none: simulated only");
}

/* Whether configfs is mounted where everybody looks for it. */
static bool configfs_mounted(const struct doctor *d)
{
    char path[PATH_MAX];
    char line[DOCTOR_LINE_MAX_BYTES];
    avow_autofclose FILE *f = fopen(doctor_path(d, "/proc/mounts", path), "re");

    while (f && fgets(line, sizeof line, f))
        if (strstr(line, " /sys/kernel/config configfs "))
            return true;
    return false;
}

static void check_tsm(struct doctor *d, const struct machine *m)
{
    enum avow_tee tee = AVOW_TEE_NONE;
    struct avow_error err = { 0 };

    if (m->tsm && avow_source_tsm_provider(d->paths->root, &tee, &err) == 0)
        doctor_find(d, "configfs-tsm", STATE_OK, "", "its provider gives evidence of kind %s",
                    avow_tee_name(tee));
    else if (m->tsm)
        doctor_find(d, "configfs-tsm", geteuid() == 0 ? STATE_MISSING : STATE_WARN,
                    err.code == AVOW_E_SYSTEM ? "avowd must be able to make entries there: root can"
                    : err.code == AVOW_E_MISSING
                        ? "modprobe sev-guest, or modprobe tdx-guest"
                        : "configure another kind of device in avowd's tee, if there is one",
                    "%s", err.text);
    else if (!configfs_mounted(d))
        doctor_find(d, "configfs-tsm", STATE_WARN, "mount -t configfs configfs /sys/kernel/config",
                    "configfs is not mounted");
    else
        doctor_find(d, "configfs-tsm", STATE_WARN,
                    "modprobe tsm (newer kernels: tsm_report); it needs Linux 6.7 or later; the "
                    "device files serve too",
                    "no " TSM);
}

/* A device file: there, and open to us. @guest: the machine should have one. */
static void check_device(struct doctor *d, const char *check, const char *path, bool is_there,
                         bool guest, const char *module)
{
    char full[PATH_MAX];

    if (is_there && access(doctor_path(d, path, full), R_OK | W_OK) == 0)
        doctor_find(d, check, STATE_OK, "", "%s can be opened", path);
    else if (is_there)
        doctor_find(d, check, STATE_WARN, no_access, "%s: %s", path, strerrordesc_np(errno));
    else if (guest)
        doctor_find(d, check, STATE_WARN, module, "no %s", path);
}

/* Without its TPM, a machine of Azure's has no evidence of its guest. */
static void check_azure(struct doctor *d, const struct machine *m)
{
    char full[PATH_MAX];

    if (!m->azure)
        return;
    if (!m->tpm)
        doctor_find(d, "az-vtpm", STATE_WARN,
                    "if this is a confidential VM: modprobe tpm_crb, and have the VM made with a "
                    "virtual TPM",
                    "no " TPM);
    else if (access(doctor_path(d, TPM, full), R_OK | W_OK) != 0)
        doctor_find(d, "az-vtpm", STATE_WARN,
                    "avowd needs it: run it as root, or put its user into the group tss",
                    TPM ": %s", strerrordesc_np(errno));
    else
        doctor_find(d, "az-vtpm", STATE_OK, "",
                    TPM " can be opened; whether it has a report of the paravisor shows when avowd "
                        "starts");
}

void doctor_check_tee(struct doctor *d)
{
    const struct machine m = look(d);

    say_all(d, &m);
    if (m.tsm || m.sev_guest || m.tdx_guest || m.snp || m.tdx)
        check_tsm(d, &m);
    check_device(d, "sev-guest", SEV_GUEST, m.sev_guest, m.snp, "modprobe sev-guest");
    check_device(d, "tdx-guest", TDX_GUEST, m.tdx_guest, m.tdx, "modprobe tdx-guest");
    check_azure(d, &m);
}
