#include "../test.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/doctor.h"

/* A tree that stands for a system. */
static char root[64];

static void put(const char *path, const char *text, mode_t mode)
{
    char full[512];
    FILE *f = NULL;

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *p = strchr(full + strlen(root) + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        mkdir(full, 0755);
        *p = '/';
    }
    f = fopen(full, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(full, mode), 0);
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/avow-doctor-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static json_t *run(const char *identity, const char *shell)
{
    struct avow_doctor_paths paths = { .root = root, .identity = identity, .avow_shell = shell };
    struct avow_error err = { 0 };
    json_t *findings = NULL;

    assert_int_equal(avow_doctor_run(&paths, &findings, &err), 0);
    return findings;
}

static const json_t *row(const json_t *findings, const char *check)
{
    size_t i = 0;
    json_t *r = NULL;

    json_array_foreach(findings, i, r)
        if (strcmp(json_string_value(json_object_get(r, "check")), check) == 0)
            return r;
    return NULL;
}

static void expect(const json_t *findings, const char *check, const char *state, const char *found)
{
    const json_t *r = row(findings, check);
    const char *advice = json_string_value(json_object_get(r, "advice"));

    if (!r)
        fail_msg("no finding %s", check);
    assert_string_equal(json_string_value(json_object_get(r, "state")), state);
    if (!strstr(json_string_value(json_object_get(r, "found")), found))
        fail_msg("%s: found \"%s\", not \"%s\"", check,
                 json_string_value(json_object_get(r, "found")), found);
    /* there is advice exactly where there is something to do */
    assert_int_equal(strcmp(state, "ok") == 0, *advice == '\0');
}

static void empty_system(void **state)
{
    avow_autojson json_t *f = run(NULL, NULL);

    (void)state;
    expect(f, "open-mpi", "missing", "libmpi.so.40");
    expect(f, "mpich", "missing", "libmpich.so.12");
    expect(f, "pmix", "missing", "libpmix.so.2");
    expect(f, "ipsec-mb", "warn", "libIPSec_MB.so.1");
    expect(f, "tee", "warn", "simulated only");
    expect(f, "cpu-aes", "warn", "no instructions");
    expect(f, "/dev/net/tun", "warn", "No such file");
    expect(f, "kernel.unprivileged_userns_clone", "ok", "does not have it");
    assert_null(row(f, "identity"));
    assert_null(row(f, "avowd"));
    assert_false(avow_doctor_healthy(f));
}

static void full_system(void **state)
{
    avow_autojson json_t *f = NULL;

    (void)state;
    put("/usr/lib/x86_64-linux-gnu/libmpi.so.40", "", 0644);
    put("/usr/lib64/libpmix.so.2", "", 0644);
    put("/usr/lib/libIPSec_MB.so.1", "", 0644);
    put("/var/lib/dpkg/status",
        "Package: libopenmpi3-extra\nStatus: install ok installed\nVersion: 9\n\n"
        "Package: libopenmpi3t64\nStatus: install ok installed\nVersion: 4.1.6-7\n\n"
        "Package: libpmix2\nStatus: deinstall ok config-files\nVersion: 8\n\n"
        "Package: libipsec-mb1\nStatus: install ok installed\nVersion: 1.3-2\n",
        0644);
    put("/proc/cpuinfo", "model name : aes\nflags\t\t: fpu vaes_not aes vaes avx512f\n", 0644);
    put("/dev/net/tun", "", 0600);
    put("/dev/sev-guest", "", 0600);
    put("/proc/sys/user/max_user_namespaces", "0\n", 0644);
    put("/proc/sys/kernel/unprivileged_userns_clone", "0\n", 0644);
    put("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", 0644);
    f = run(NULL, NULL);
    expect(f, "open-mpi", "ok", "4.1.6-7 (");
    expect(f, "mpich", "warn", "libmpich.so.12");
    expect(f, "pmix", "ok", "libpmix.so.2");
    /* a package that was removed has no version: the file alone is named */
    assert_null(strchr(json_string_value(json_object_get(row(f, "pmix"), "found")), '('));
    expect(f, "ipsec-mb", "ok", "1.3-2 (");
    expect(f, "cpu-aes", "ok", "aes vaes avx512f");
    expect(f, "/dev/net/tun", "ok", "can be opened");
    expect(f, "tee", "ok", "/dev/sev-guest");
    expect(f, "sev-guest", "ok", "can be opened");
    expect(f, "configfs-tsm", "warn", "configfs is not mounted");
    assert_null(row(f, "tdx-guest"));
    assert_null(row(f, "az-vtpm"));
    expect(f, "user.max_user_namespaces", "warn", "0");
    expect(f, "kernel.unprivileged_userns_clone", "warn", "0");
    expect(f, "kernel.apparmor_restrict_unprivileged_userns", "warn", "1");

    put("/proc/sys/user/max_user_namespaces", "96365\n", 0644);
    put("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n", 0644);
    json_decref(f);
    f = run(NULL, NULL);
    expect(f, "user.max_user_namespaces", "ok", "96365");
    expect(f, "kernel.apparmor_restrict_unprivileged_userns", "ok", "0");
}

static const char *advice(const json_t *f, const char *check)
{
    return json_string_value(json_object_get(row(f, check), "advice"));
}

/* A guest whose drivers are not loaded: what to load. */
static void guests_without_drivers(void **state)
{
    avow_autojson json_t *f = NULL;

    (void)state;
    put("/proc/cpuinfo", "flags\t\t: fpu tdx_guest aes\n", 0644);
    put("/proc/mounts", "configfs /sys/kernel/config configfs rw 0 0\n", 0644);
    f = run(NULL, NULL);
    expect(f, "tee", "ok", "a guest of TDX");
    expect(f, "configfs-tsm", "warn", "no /sys/kernel/config/tsm/report");
    assert_non_null(strstr(advice(f, "configfs-tsm"), "modprobe tsm"));
    expect(f, "tdx-guest", "warn", "no /dev/tdx_guest");
    assert_non_null(strstr(advice(f, "tdx-guest"), "modprobe tdx-guest"));
    assert_null(row(f, "sev-guest"));
    json_decref(f);
    put("/proc/cpuinfo", "flags\t\t: fpu aes\n", 0644);
    put("/sys/devices/system/cpu/sev/vmpl", "0\n", 0644);
    f = run(NULL, NULL);
    expect(f, "tee", "ok", "a guest of SEV-SNP");
    expect(f, "sev-guest", "warn", "no /dev/sev-guest");
    assert_null(row(f, "tdx-guest"));
}

/* An entry can be made, but no kernel fills it: tried, not only looked at; nothing is left. */
static void configfs_that_is_none(void **state)
{
    avow_autojson json_t *f = NULL;
    char path[512];

    (void)state;
    put("/sys/kernel/config/tsm/report/x", "", 0644);
    snprintf(path, sizeof path, "%s/sys/kernel/config/tsm/report/x", root);
    assert_int_equal(unlink(path), 0);
    f = run(NULL, NULL);
    expect(f, "tee", "ok", "/sys/kernel/config/tsm/report");
    expect(f, "configfs-tsm", geteuid() == 0 ? "missing" : "warn", "is this configfs?");
    snprintf(path, sizeof path, "%s/sys/kernel/config/tsm/report", root);
    assert_int_equal(rmdir(path), 0);
}

static void azure(void **state)
{
    avow_autojson json_t *f = NULL;

    (void)state;
    put("/sys/class/dmi/id/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n", 0444);
    f = run(NULL, NULL);
    expect(f, "tee", "ok", "a machine of Azure");
    expect(f, "az-vtpm", "warn", "no /dev/tpmrm0");
    assert_non_null(strstr(advice(f, "az-vtpm"), "virtual TPM"));
    json_decref(f);
    put("/dev/tpmrm0", "", 0600);
    f = run(NULL, NULL);
    expect(f, "az-vtpm", "ok", "can be opened");
    json_decref(f);
    put("/sys/class/dmi/id/chassis_asset_tag", "Some Other Vendor\n", 0444);
    f = run(NULL, NULL);
    assert_null(row(f, "az-vtpm")); /* a TPM elsewhere is of no interest */
    expect(f, "tee", "warn", "simulated only");
}

/* A flag is a word: `vaes` alone does not make `aes`, nor does the model's name. */
static void flags_are_words(void **state)
{
    avow_autojson json_t *f = NULL;

    (void)state;
    put("/proc/cpuinfo", "model name\t: best aes machine\nflags\t\t: fpu vaes aesx\n", 0644);
    f = run(NULL, NULL);
    expect(f, "cpu-aes", "warn", "vaes");
}

static void identity_mode(void **state)
{
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/id.pem", root);
    {
        avow_autojson json_t *f = run(path, NULL);

        expect(f, "identity", "ok", "will be made");
    }
    put("/id.pem", "key", 0600);
    {
        avow_autojson json_t *f = run(path, NULL);

        expect(f, "identity", "ok", "mode 0600");
    }
    put("/id.pem", "key", 0640);
    {
        avow_autojson json_t *f = run(path, NULL);

        expect(f, "identity", "missing", "mode 0640");
        assert_false(avow_doctor_healthy(f));
    }
    assert_int_equal(remove(path), 0);
    assert_int_equal(symlink("/etc/hostname", path), 0);
    {
        avow_autojson json_t *f = run(path, NULL);

        expect(f, "identity", "missing", "not a regular file");
    }
}

static void programs(void **state)
{
    char path[128];

    (void)state;
    {
        avow_autojson json_t *f = run(NULL, "avow-shell");

        expect(f, "avow-shell", "missing", "neither in the build tree");
        assert_false(avow_doctor_healthy(f));
    }
    snprintf(path, sizeof path, "%s/avow-shell", root);
    {
        avow_autojson json_t *f = run(NULL, path);

        expect(f, "avow-shell", "missing", "No such file");
    }
    put("/avow-shell", "", 0644);
    {
        avow_autojson json_t *f = run(NULL, path);

        expect(f, "avow-shell", "missing", "Permission denied");
    }
    put("/avow-shell", "", 0755);
    {
        avow_autojson json_t *f = run(NULL, path);

        expect(f, "avow-shell", "ok", path);
    }
}

static void this_system(void **state)
{
    struct avow_error err = { 0 };
    avow_autojson json_t *f = NULL;
    const json_t *r = NULL;

    (void)state;
    assert_int_equal(avow_doctor_run(NULL, &f, &err), 0);
    r = row(f, "namespaces");
    assert_non_null(r);
    assert_non_null(strstr(json_string_value(json_object_get(r, "found")),
                           geteuid() == 0 ? "as root" : "as this user"));
    assert_int_equal(row(f, "namespaces-unprivileged") != NULL, geteuid() == 0);
}

static void health(void **state)
{
    avow_autojson json_t *good = json_pack("[{s:s}, {s:s}]", "state", "ok", "state", "warn");
    avow_autojson json_t *bad = json_pack("[{s:s}, {s:s}]", "state", "ok", "state", "missing");
    avow_autojson json_t *none = json_array();

    (void)state;
    assert_true(avow_doctor_healthy(good));
    assert_false(avow_doctor_healthy(bad));
    assert_false(avow_doctor_healthy(none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(empty_system, setup, teardown),
        cmocka_unit_test_setup_teardown(full_system, setup, teardown),
        cmocka_unit_test_setup_teardown(guests_without_drivers, setup, teardown),
        cmocka_unit_test_setup_teardown(configfs_that_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(azure, setup, teardown),
        cmocka_unit_test_setup_teardown(flags_are_words, setup, teardown),
        cmocka_unit_test_setup_teardown(identity_mode, setup, teardown),
        cmocka_unit_test_setup_teardown(programs, setup, teardown),
        cmocka_unit_test(this_system),
        cmocka_unit_test(health),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
