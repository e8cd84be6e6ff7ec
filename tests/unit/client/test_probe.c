#include "../test.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/probe.h"

static size_t children(void)
{
    char path[64];
    FILE *f = NULL;
    size_t n = 0;
    int pid = 0;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    f = fopen(path, "r");
    while (f && fscanf(f, "%d", &pid) == 1)
        n++;
    if (f)
        fclose(f);
    return n;
}

/* What is found agrees with what util-linux's unshare(1) finds, for root and for an ordinary user.
 */
static void agrees_with_unshare(void **state)
{
    struct avow_error err = { 0 };
    struct avow_probe p = { 0 };
    bool root = geteuid() == 0;
    FILE *f = NULL;

    (void)state;
    assert_int_equal(avow_probe_run(AVOW_PROBE_SELF, &p, &err), 0);
    assert_int_equal(p.user, 0);
    f = fopen("/usr/bin/unshare", "r");
    if (f) {
        pid_t pid = fork();
        int status = 0;

        fclose(f);
        if (pid == 0) {
            execl("/usr/bin/unshare", "unshare", root ? "-nmiu" : "-nmiuUr", "true", (char *)NULL);
            _exit(126);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status == 0, p.unshare == 0);
    }
    if (p.unshare == 0) {
        assert_true(p.tun >= 0);
        assert_true(p.veth >= 0);
        assert_true(p.mount >= 0);
    }
    assert_int_equal(children(), 0);
}

static void nobody_is_another_answer(void **state)
{
    struct avow_error err = { 0 };
    struct avow_probe p = { 0 };

    (void)state;
    assert_int_equal(avow_probe_run(AVOW_PROBE_NOBODY, &p, &err), 0);
    if (geteuid() != 0) {
        assert_int_equal(p.user, EPERM);
        assert_int_equal(p.unshare, AVOW_PROBE_UNTRIED);
        assert_false(avow_probe_ok(&p));
    } else {
        assert_int_equal(p.user, 0);
        assert_true(p.unshare >= 0);
    }
    assert_int_equal(geteuid(), getuid());
    assert_int_equal(children(), 0);
}

/* The probing process's namespaces and mounts are its own. */
static void leaves_nothing(void **state)
{
    struct avow_error err = { 0 };
    struct avow_probe p = { 0 };
    struct stat net[2], tmp[2];

    (void)state;
    assert_int_equal(stat("/proc/self/ns/net", &net[0]), 0);
    assert_int_equal(stat("/tmp", &tmp[0]), 0);
    assert_int_equal(avow_probe_run(AVOW_PROBE_SELF, &p, &err), 0);
    assert_int_equal(stat("/proc/self/ns/net", &net[1]), 0);
    assert_int_equal(stat("/tmp", &tmp[1]), 0);
    assert_int_equal(net[0].st_ino, net[1].st_ino);
    assert_int_equal(tmp[0].st_dev, tmp[1].st_dev);
}

static void ok_needs_every_step(void **state)
{
    struct avow_probe p = { 0 };

    (void)state;
    assert_true(avow_probe_ok(&p));
    p.tun = ENOENT;
    assert_true(avow_probe_ok(&p));
    p.veth = EOPNOTSUPP;
    assert_false(avow_probe_ok(&p));
    p.tun = 0;
    assert_true(avow_probe_ok(&p));
    p.mount = EPERM;
    assert_false(avow_probe_ok(&p));
    p = (struct avow_probe){ .unshare = EPERM };
    assert_false(avow_probe_ok(&p));
    p = (struct avow_probe){ .user = EPERM };
    assert_false(avow_probe_ok(&p));
    p = (struct avow_probe){ .tun = AVOW_PROBE_UNTRIED, .veth = AVOW_PROBE_UNTRIED };
    assert_false(avow_probe_ok(&p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_unshare),
        cmocka_unit_test(nobody_is_another_answer),
        cmocka_unit_test(leaves_nothing),
        cmocka_unit_test(ok_needs_every_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
