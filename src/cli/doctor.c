/* avow doctor: what this machine has, what it lacks, and what to do about it. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cli/cli.h"
#include "cli/places.h"

enum state { OK, OPTIONAL, MISSING };

struct finding {
    enum state state;
    char text[AVOW_ERROR_TEXT_MAX];
    const char *todo; /* NULL when ok */
};

static void found(struct finding *f, bool good, enum state otherwise, const char *todo)
{
    f->state = good ? OK : otherwise;
    f->todo = good ? NULL : todo;
}

/* ---- what jobs run in ---- */

/* In a child, since there is no way back out of a namespace. */
static bool can_unshare(int flags)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0)
        _exit(unshare(flags) == 0 ? 0 : 1);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void check_namespaces(struct finding *f)
{
    bool root = geteuid() == 0 && can_unshare(CLONE_NEWNET);
    bool user = !root && can_unshare(CLONE_NEWUSER | CLONE_NEWNET);

    (void)snprintf(f->text, sizeof f->text, "%s",
                   root   ? "network namespaces can be made"
                   : user ? "network namespaces can be made inside user namespaces"
                          : "network namespaces cannot be made");
    found(
        f, root || user, MISSING,
        "run avowd as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)");
}

static void check_tun(struct finding *f)
{
    avow_autoclose int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    (void)snprintf(f->text, sizeof f->text, "/dev/net/tun: %s",
                   fd >= 0 ? "can be opened" : strerrordesc_np(errno));
    found(f, fd >= 0, MISSING, "modprobe tun, or give the container /dev/net/tun");
}

/* ---- libraries ---- */

static bool library(struct finding *f, const char *pattern)
{
    static const char *const folders[] = { "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib",
                                           "/usr/local/lib", NULL };

    for (const char *const *folder = folders; *folder; folder++) {
        char path[256];
        glob_t g = { 0 };
        bool hit = false;

        (void)snprintf(path, sizeof path, "%s/%s", *folder, pattern);
        hit = glob(path, 0, NULL, &g) == 0 && g.gl_pathc > 0;
        if (hit)
            (void)snprintf(f->text, sizeof f->text, "%s", g.gl_pathv[0]);
        globfree(&g);
        if (hit)
            return true;
    }
    (void)snprintf(f->text, sizeof f->text, "no %s", pattern);
    return false;
}

static void check_openmpi(struct finding *f)
{
    found(f, library(f, "libmpi.so.40*"), OPTIONAL, "apt install libopenmpi3");
}

static void check_mpich(struct finding *f)
{
    found(f, library(f, "libmpich.so.12*"), OPTIONAL, "apt install libmpich12");
}

static void check_pmix(struct finding *f)
{
    found(f, library(f, "libpmix.so.2*"), MISSING, "apt install libpmix2");
}

static void check_ipsec_mb(struct finding *f)
{
    found(f, library(f, "libIPSec_MB.so.1*"), MISSING, "apt install libipsec-mb1");
}

/* ---- devices ---- */

static void device(struct finding *f, const char *path, const char *todo)
{
    bool there = access(path, R_OK | W_OK) == 0;

    (void)snprintf(f->text, sizeof f->text, "%s: %s", path,
                   there ? "there" : strerrordesc_np(errno));
    found(f, there, OPTIONAL, todo);
}

static void check_sev(struct finding *f)
{
    device(f, "/dev/sev-guest", "only in an SEV-SNP VM; elsewhere use the simulated devices");
}

static void check_tdx(struct finding *f)
{
    device(f, "/dev/tdx_guest", "only in a TDX VM; elsewhere use the simulated devices");
}

static void check_tsm(struct finding *f)
{
    device(f, "/sys/kernel/config/tsm/report",
           "Linux 6.7 or later in a confidential VM: modprobe sev-guest or tdx_guest");
}

/* ---- avow itself ---- */

static const char *identity_option;

static void check_identity(struct finding *f)
{
    avow_autofree char *path = NULL;
    struct avow_error err = { 0 };
    struct stat st = { 0 };

    if (avow_client_identity_path(identity_option, &path, &err) < 0) {
        (void)snprintf(f->text, sizeof f->text, "%s", err.text);
        found(f, false, MISSING, "set HOME");
        return;
    }
    if (stat(path, &st) != 0) {
        (void)snprintf(f->text, sizeof f->text, "%s: %s", path, strerrordesc_np(errno));
        found(f, false, OPTIONAL, "avow identity makes it");
        return;
    }
    (void)snprintf(f->text, sizeof f->text, "%s: mode %04o", path, (unsigned)st.st_mode & 07777);
    found(f, (st.st_mode & 077) == 0 && st.st_uid == geteuid(), MISSING,
          "chmod 600 it, and be its owner");
}

static void place(struct finding *f, enum avow_place which)
{
    avow_autofree char *path = NULL;
    struct avow_error err = { 0 };
    bool good = avow_place_find(which, &path, &err) == 0;

    (void)snprintf(f->text, sizeof f->text, "%s", good ? path : err.text);
    found(f, good, MISSING, "install avow, or build all of it");
}

static void check_avowd(struct finding *f)
{
    place(f, AVOW_PLACE_AVOWD);
}

static void check_shell(struct finding *f)
{
    place(f, AVOW_PLACE_SHELL);
}

static void check_preload(struct finding *f)
{
    place(f, AVOW_PLACE_PRELOAD);
}

static const struct {
    const char *name;
    void (*fn)(struct finding *f);
} checks[] = {
    { "namespaces", check_namespaces }, { "tun", check_tun },       { "openmpi", check_openmpi },
    { "mpich", check_mpich },           { "pmix", check_pmix },     { "ipsec-mb", check_ipsec_mb },
    { "sev-guest", check_sev },         { "tdx-guest", check_tdx }, { "configfs-tsm", check_tsm },
    { "identity", check_identity },     { "avowd", check_avowd },   { "avow-shell", check_shell },
    { "fabric", check_preload },
};

#define N_CHECKS (sizeof checks / sizeof checks[0])

static const char *const words[] = { [OK] = "ok", [OPTIONAL] = "absent", [MISSING] = "MISSING" };

static void report(const struct finding *findings)
{
    avow_autojson json_t *list = json_array();
    avow_autojson json_t *doc = NULL;

    for (size_t i = 0; i < N_CHECKS; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s, s:s*}", "check", checks[i].name,
                                              "state", words[findings[i].state], "text",
                                              findings[i].text, "todo", findings[i].todo));
    doc = json_pack("{s:s, s:O}", "type", "avow/doctor/1", "checks", list);
    if (doc)
        avow_print_json(doc);
}

static int run(struct avow_cli *cli, const struct avow_args *args)
{
    static const char *const heads[] = { "CHECK", "STATE", "WHAT", NULL };
    static const enum avow_paint paints[] = {
        [OK] = AVOW_PAINT_GOOD, [OPTIONAL] = AVOW_PAINT_DIM, [MISSING] = AVOW_PAINT_BAD
    };
    struct avow_table *t = avow_table_new(heads);
    struct finding findings[N_CHECKS] = { 0 };
    size_t n_missing = 0;

    if (args->n) {
        avow_table_free(t);
        return avow_usage(&avow_cmd_doctor, "no argument is wanted");
    }
    identity_option = cli->identity;
    for (size_t i = 0; i < N_CHECKS; i++) {
        struct finding *f = &findings[i];

        checks[i].fn(f);
        n_missing += f->state == MISSING;
        avow_table_cell(t, AVOW_PAINT_NONE, "%s", checks[i].name);
        avow_table_cell(t, paints[f->state], "%s", words[f->state]);
        avow_table_cell(t, AVOW_PAINT_NONE, "%s%s%s", f->text, f->todo ? " -> " : "",
                        f->todo ? f->todo : "");
    }
    avow_print_table(cli, t);
    if (cli->json)
        report(findings);
    avow_say(cli,
             n_missing ? "%zu needed things are missing\n" : "nothing that is needed is missing\n",
             n_missing);
    return n_missing ? AVOW_EXIT_UNKNOWN : AVOW_EXIT_OK;
}

const struct avow_command avow_cmd_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "what this machine has and lacks for running avow",
    .help = "Looks at this machine as a node and as a desktop; changes nothing.\n\n"
            "Exit status: 0 nothing needed is missing, 3 something is.\n\n"
            "Examples:\n"
            "  avow doctor\n"
            "  avow doctor --json\n",
    .options = NULL,
    .run = run,
};
