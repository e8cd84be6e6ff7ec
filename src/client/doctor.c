#include "client/doctor_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "client/probe.h"

#define PACKAGES_MAX (64u << 20) /* bytes of dpkg's list that are read */
#define DESCRIPTORS_WANTED 4096  /* a job of 64 ranks on 16 nodes holds about that many */

void doctor_find(struct doctor *d, const char *check, enum doctor_state state, const char *advice,
                 const char *fmt, ...)
{
    static const char *const names[] = { "ok", "missing", "warn" };
    char found[DOCTOR_FOUND_MAX];
    json_t *row = NULL;
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(found, sizeof found, fmt, ap);
    va_end(ap);
    row = json_pack("{s:s, s:s, s:s, s:s}", "check", check, "state", names[state], "found", found,
                    "advice", state == STATE_OK ? "" : advice);
    if (json_array_append_new(d->findings, row) == 0)
        return;
    json_decref(d->findings);
    d->findings = NULL;
}

const char *doctor_path(const struct doctor *d, const char *path, char out[PATH_MAX])
{
    const char *root = d->paths->root ? d->paths->root : "";

    if (snprintf(out, PATH_MAX, "%s%s", root, path) >= PATH_MAX)
        out[0] = '\0';
    return out;
}

bool doctor_there(const struct doctor *d, const char *path)
{
    char full[PATH_MAX];

    return access(doctor_path(d, path, full), F_OK) == 0;
}

/* ---- namespaces ---- */

static const char *step(int error)
{
    return error == 0 ? "works" : error < 0 ? "not tried" : strerrordesc_np(error);
}

static void say_probe(struct doctor *d, const char *check, enum doctor_state bad,
                      enum avow_probe_as as, const char *advice)
{
    struct avow_error err = { 0 };
    struct avow_probe p;
    const char *who = as == AVOW_PROBE_NOBODY ? "as an ordinary user"
                      : geteuid() == 0        ? "as root"
                                              : "as this user, in a user namespace";

    if (avow_probe_run(as, &p, &err) < 0)
        doctor_find(d, check, bad, advice, "%s: %s", who, err.text);
    else if (avow_probe_ok(&p))
        doctor_find(d, check, STATE_OK, advice, "%s: they were made (TUN %s, veth %s)", who,
                    step(p.tun), step(p.veth));
    else
        doctor_find(d, check, bad, advice, "%s: namespaces: %s; a mount: %s; TUN: %s; veth: %s",
                    who, step(p.user ? p.user : p.unshare), step(p.mount), step(p.tun),
                    step(p.veth));
}

static void check_namespaces(struct doctor *d)
{
    say_probe(d, "namespaces", STATE_MISSING, AVOW_PROBE_SELF,
              "a node cannot isolate a job here and refuses it: run avowd as root (in a container: "
              "with CAP_SYS_ADMIN and CAP_NET_ADMIN), or allow user namespaces");
    if (geteuid() == 0)
        say_probe(d, "namespaces-unprivileged", STATE_WARN, AVOW_PROBE_NOBODY,
                  "avowd has to run as root here");
}

/* One number of a file below /proc/sys; false if there is none. */
static bool kernel_setting(const struct doctor *d, const char *path, long *out)
{
    char full[PATH_MAX];
    avow_autofclose FILE *f = fopen(doctor_path(d, path, full), "re");

    return f && fscanf(f, "%ld", out) == 1;
}

static void check_kernel(struct doctor *d)
{
    static const struct {
        const char *check, *path, *advice;
        long worst, best; /* inside: fine */
    } settings[] = {
        { "user.max_user_namespaces", "/proc/sys/user/max_user_namespaces",
          "sysctl user.max_user_namespaces=16384, unless avowd runs as root", 1, LONG_MAX },
        { "kernel.unprivileged_userns_clone", "/proc/sys/kernel/unprivileged_userns_clone",
          "sysctl kernel.unprivileged_userns_clone=1, unless avowd runs as root", 1, LONG_MAX },
        { "kernel.apparmor_restrict_unprivileged_userns",
          "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
          "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for "
          "avow-shell, unless avowd runs as root",
          0, 0 },
    };

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        long v = 0;

        if (!kernel_setting(d, settings[i].path, &v))
            doctor_find(d, settings[i].check, STATE_OK, "", "this kernel does not have it");
        else
            doctor_find(d, settings[i].check,
                        v >= settings[i].worst && v <= settings[i].best ? STATE_OK : STATE_WARN,
                        settings[i].advice, "%ld", v);
    }
}

static void check_limits(struct doctor *d)
{
    struct rlimit r = { 0 };

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return;
    if (r.rlim_max == RLIM_INFINITY)
        doctor_find(d, "open-files", STATE_OK, "", "no limit");
    else
        doctor_find(d, "open-files", r.rlim_max >= DESCRIPTORS_WANTED ? STATE_OK : STATE_WARN,
                    "large jobs need more: LimitNOFILE= in avowd's unit, or ulimit -Hn",
                    "at most %llu", (unsigned long long)r.rlim_max);
}

static void check_tun(struct doctor *d)
{
    char full[PATH_MAX];
    bool usable = access(doctor_path(d, "/dev/net/tun", full), R_OK | W_OK) == 0;

    if (usable)
        doctor_find(d, "/dev/net/tun", STATE_OK, "", "can be opened");
    else
        doctor_find(
            d, "/dev/net/tun", STATE_WARN,
            "none is needed if the check `namespaces` is ok: a pair of veth interfaces serves",
            "%s", strerrordesc_np(errno));
}

/* ---- libraries ---- */

static const char *const library_folders[] = {
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib64/openmpi/lib",
    "/usr/lib64/mpich/lib",
    "/usr/lib64/mpi/gcc/openmpi4/lib64",
};

/* The real name of the file that @soname leads to, for its version. */
static bool find_library(const struct doctor *d, const char *soname, char out[PATH_MAX])
{
    for (size_t i = 0; i < sizeof library_folders / sizeof library_folders[0]; i++) {
        char path[PATH_MAX];
        char full[PATH_MAX];

        if (snprintf(path, sizeof path, "%s/%s", library_folders[i], soname) < PATH_MAX &&
            realpath(doctor_path(d, path, full), out))
            return true;
    }
    return false;
}

/* The value of a "Name: value" line without its newline, or NULL. */
static const char *field(char *line, const char *name)
{
    size_t n = strlen(name);

    line[strcspn(line, "\n")] = '\0';
    return strncmp(line, name, n) == 0 && line[n] == ':' && line[n + 1] == ' ' ? line + n + 2
                                                                               : NULL;
}

/* Version of an installed Debian package called @package, or that with a suffix (t64). */
static bool package_version(const struct doctor *d, const char *package, char *out, size_t n)
{
    char full[PATH_MAX];
    avow_autofclose FILE *f = fopen(doctor_path(d, "/var/lib/dpkg/status", full), "re");
    avow_autofree char *line = NULL;
    size_t cap = 0;
    size_t seen = 0;
    ssize_t got = 0;
    bool mine = false;
    bool installed = false;

    while (f && seen < PACKAGES_MAX && (got = getline(&line, &cap, f)) > 0) {
        const char *v = NULL;

        seen += (size_t)got;
        if ((v = field(line, "Package"))) {
            const char *rest = strncmp(v, package, strlen(package)) ? "-" : v + strlen(package);

            mine = *rest == '\0' || strcmp(rest, "t64") == 0;
            installed = false;
        } else if (mine && (v = field(line, "Status"))) {
            installed = strcmp(v, "install ok installed") == 0;
        } else if (mine && installed && (v = field(line, "Version"))) {
            (void)snprintf(out, n, "%s", v);
            return true;
        }
    }
    return false;
}

/* What is known of a library: the package's version, or at least the file. */
static bool describe_library(const struct doctor *d, const char *soname, const char *package,
                             char out[DOCTOR_FOUND_MAX])
{
    char path[PATH_MAX];
    char version[128];

    if (!find_library(d, soname, path))
        return false;
    if (package_version(d, package, version, sizeof version))
        (void)snprintf(out, DOCTOR_FOUND_MAX, "%.64s (%.300s)", version, path);
    else
        (void)snprintf(out, DOCTOR_FOUND_MAX, "%.400s", path);
    return true;
}

static void check_mpi(struct doctor *d)
{
    static const struct {
        const char *check, *soname, *package, *advice, *advice_one;
    } kinds[] = {
        { "open-mpi", "libmpi.so.40", "libopenmpi3",
          "a node needs Open MPI or MPICH: apt install libopenmpi3",
          "only programs built with Open MPI need it: apt install libopenmpi3" },
        { "mpich", "libmpich.so.12", "libmpich12",
          "a node needs Open MPI or MPICH: apt install libmpich12",
          "only programs built with MPICH need it: apt install libmpich12" },
    };
    char text[2][DOCTOR_FOUND_MAX];
    bool have[2];

    for (size_t i = 0; i < 2; i++)
        have[i] = describe_library(d, kinds[i].soname, kinds[i].package, text[i]);
    for (size_t i = 0; i < 2; i++)
        if (have[i])
            doctor_find(d, kinds[i].check, STATE_OK, "", "%s", text[i]);
        else
            doctor_find(d, kinds[i].check, have[!i] ? STATE_WARN : STATE_MISSING,
                        have[!i] ? kinds[i].advice_one : kinds[i].advice, "no %s", kinds[i].soname);
}

static void check_libraries(struct doctor *d)
{
    char text[DOCTOR_FOUND_MAX];

    if (describe_library(d, "libpmix.so.2", "libpmix2", text))
        doctor_find(d, "pmix", STATE_OK, "", "%s", text);
    else
        doctor_find(d, "pmix", STATE_MISSING,
                    "avow-shell starts ranks with it: apt install libpmix2", "no libpmix.so.2");
    if (describe_library(d, "libIPSec_MB.so.1", "libipsec-mb1", text))
        doctor_find(d, "ipsec-mb", STATE_OK, "", "%s", text);
    else
        doctor_find(d, "ipsec-mb", STATE_WARN,
                    "OpenSSL encrypts instead, and more slowly: apt install libipsec-mb1",
                    "no libIPSec_MB.so.1");
}

/* ---- processor ---- */

bool doctor_has_word(const char *line, const char *flag)
{
    size_t n = strlen(flag);

    for (const char *p = line; (p = strstr(p, flag)); p += n)
        if (p > line && (p[-1] == ' ' || p[-1] == '\t') && (!p[n] || strchr(" \n", p[n])))
            return true;
    return false;
}

bool doctor_cpu_flags(const struct doctor *d, char line[DOCTOR_LINE_MAX_BYTES])
{
    char full[PATH_MAX];
    avow_autofclose FILE *f = fopen(doctor_path(d, "/proc/cpuinfo", full), "re");

    while (f && fgets(line, DOCTOR_LINE_MAX_BYTES, f))
        if (strncmp(line, "flags", 5) == 0 || strncmp(line, "Features", 8) == 0)
            return true;
    line[0] = '\0';
    return false;
}

static void check_cpu(struct doctor *d)
{
    static const char *const wanted[] = { "aes",        "pclmulqdq", "vaes",
                                          "vpclmulqdq", "avx512f",   "pmull" };
    char line[DOCTOR_LINE_MAX_BYTES];
    char text[DOCTOR_FOUND_MAX] = "";
    bool aes = doctor_cpu_flags(d, line) && doctor_has_word(line, "aes");

    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (doctor_has_word(line, wanted[i])) {
            size_t n = strlen(text);

            (void)snprintf(text + n, sizeof text - n, "%s%s", n ? " " : "", wanted[i]);
        }
    doctor_find(d, "cpu-aes", aes ? STATE_OK : STATE_WARN,
                "encryption in software is slow, and not safe from timing by other programs", "%s",
                *text ? text : "no instructions for AES");
}

/* ---- what belongs to avow ---- */

static void check_identity(struct doctor *d)
{
    const char *path = d->paths->identity;
    struct stat st;

    if (!path)
        return;
    if (lstat(path, &st) < 0 && errno == ENOENT)
        doctor_find(d, "identity", STATE_OK, "", "%s: will be made when it is first needed", path);
    else if (lstat(path, &st) < 0)
        doctor_find(d, "identity", STATE_MISSING, "avow needs to read this file", "%s: %s", path,
                    strerrordesc_np(errno));
    else if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
        doctor_find(d, "identity", STATE_MISSING, "name another file with --identity", "%s: %s",
                    path, S_ISREG(st.st_mode) ? "belongs to another user" : "not a regular file");
    else
        doctor_find(
            d, "identity", st.st_mode & 077 ? STATE_MISSING : STATE_OK,
            "chmod 600; others may have read the key: better make a new one and give nodes its "
            "fingerprint",
            "%s: mode %04o", path, (unsigned)st.st_mode & 07777);
}

static void check_program(struct doctor *d, const char *check, const char *path, int mode)
{
    if (!path)
        return;
    if (path[0] != '/')
        doctor_find(d, check, STATE_MISSING, "build or install all of avow: make, make install",
                    "%s is neither in the build tree nor installed beside avow", path);
    else if (access(path, mode) == 0)
        doctor_find(d, check, STATE_OK, "", "%s", path);
    else
        doctor_find(d, check, STATE_MISSING, "build or install all of avow: make, make install",
                    "%s: %s", path, strerrordesc_np(errno));
}

int avow_doctor_run(const struct avow_doctor_paths *paths, json_t **findings,
                    struct avow_error *err)
{
    static const struct avow_doctor_paths none = { 0 };
    struct doctor d = { .paths = paths ? paths : &none, .findings = json_array() };

    check_program(&d, "avowd", d.paths->avowd, X_OK);
    check_program(&d, "avow-shell", d.paths->avow_shell, X_OK);
    check_program(&d, "libavow-fabric", d.paths->fabric, R_OK);
    check_identity(&d);
    check_namespaces(&d);
    check_tun(&d);
    check_kernel(&d);
    check_limits(&d);
    check_mpi(&d);
    check_libraries(&d);
    check_cpu(&d);
    doctor_check_tee(&d);
    if (!d.findings)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    *findings = d.findings;
    return 0;
}

bool avow_doctor_healthy(const json_t *findings)
{
    size_t i = 0;
    json_t *row = NULL;

    json_array_foreach(findings, i, row) {
        const char *state = json_string_value(json_object_get(row, "state"));

        if (!state || strcmp(state, "missing") == 0)
            return false;
    }
    return json_array_size(findings) > 0;
}
