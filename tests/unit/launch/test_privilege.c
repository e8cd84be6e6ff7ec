#include "../test.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "launch/namespace.h"

/* No capability in any set of this process. */
static bool powerless(void)
{
    char line[256];
    avow_autofclose FILE *f = fopen("/proc/self/status", "re");
    int n = 0;

    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "Cap", 3) == 0) {
            n++;
            if (strspn(strchr(line, ':') + 1, "\t0\n") != strlen(strchr(line, ':') + 1))
                return false;
        }
    return n == 5;
}

/* No way to the host but over the network: other sockets remain. */
static bool no_vsock(void)
{
    int streams[2];

    return socket(AF_VSOCK, SOCK_STREAM, 0) < 0 && errno == EAFNOSUPPORT &&
           socket(AF_VSOCK, SOCK_DGRAM | SOCK_CLOEXEC, 0) < 0 && errno == EAFNOSUPPORT &&
           syscall(425, 1, NULL) < 0 && errno == ENOSYS && /* io_uring_setup */
           socket(AF_INET, SOCK_STREAM, 0) >= 0 && socket(AF_NETLINK, SOCK_RAW, 0) >= 0 &&
           socketpair(AF_UNIX, SOCK_STREAM, 0, streams) == 0;
}

static int drop(int64_t uid, int64_t gid)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct avow_error err = { 0 };
        struct rlimit core = { 1, 1 };

        if (avow_privileges_drop(uid, gid, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            _exit(1);
        }
        getrlimit(RLIMIT_CORE, &core);
        if ((uid >= 0 && (getuid() != (uid_t)uid || setuid(0) == 0)) ||
            (gid >= 0 && getgid() != (gid_t)gid))
            _exit(2);
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || core.rlim_cur != 0)
            _exit(3);
        if (!no_vsock())
            _exit(5);
        _exit(powerless() ? 0 : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_drop(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(drop(-1, -1), 0);
    assert_int_equal(drop(65534, 65533), 0);
    assert_int_equal(drop(-1, 65533), 0);
}

/* An ordinary user may stay, and become nobody else. */
static void test_ordinary_user(void **state)
{
    int status = 0;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        struct avow_error err = { 0 };

        if (geteuid() == 0 && avow_privileges_drop(65534, 65534, &err) < 0)
            _exit(1);
        if (avow_privileges_drop(-1, -1, &err) < 0)
            _exit(2);
        _exit(avow_privileges_drop(1, -1, &err) < 0 ? 0 : 3);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_drop),
                                        cmocka_unit_test(test_ordinary_user) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
