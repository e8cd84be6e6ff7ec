#include "../test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "launch/namespace.h"
#include "launch/netlink.h"

/* Run @f in new namespaces, in a process of its own; 77: they cannot be made here. */
static void in_namespace(int (*f)(void))
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct avow_error err = { 0 };
        int rc = 77;

        if (avow_namespace_enter(&err) == 0)
            rc = f();
        else
            fprintf(stderr, "%s\n", err.text);
        _exit(rc);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int flags_of(const char *name)
{
    struct ifreq q = { 0 };
    int fd = socket(AF_INET, SOCK_DGRAM, 0), rc = 0;

    snprintf(q.ifr_name, sizeof q.ifr_name, "%s", name);
    rc = ioctl(fd, SIOCGIFFLAGS, &q);
    close(fd);
    return rc < 0 ? -1 : q.ifr_flags;
}

static int connect_errno(const char *addr)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
    int fd = socket(AF_INET, SOCK_STREAM, 0), code = 0;

    inet_pton(AF_INET, addr, &to.sin_addr);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
        code = errno;
    close(fd);
    return code;
}

#define MUST(x)                                                                    \
    do {                                                                           \
        if (!(x)) {                                                                \
            fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #x, err.text); \
            return 1;                                                              \
        }                                                                          \
    } while (0)

static int veth(void)
{
    struct avow_error err = { 0 };
    struct in_addr self = { 0 }, net = { 0 };
    avow_autoclose int nl = -1;

    inet_pton(AF_INET, "10.89.0.1", &self);
    inet_pton(AF_INET, "10.89.0.0", &net);
    MUST(avow_netlink_open(&nl, &err) == 0);
    MUST(connect_errno("127.0.0.1") == ENETUNREACH);
    MUST(avow_netlink_up(nl, "lo", &err) == 0);
    MUST(connect_errno("127.0.0.1") == ECONNREFUSED);
    MUST(avow_netlink_veth(nl, "avow0", "far", &err) == 0);
    /* this order: with the other end down the first one gets ready, unready and ready again */
    MUST(avow_netlink_up(nl, "far", &err) == 0);
    MUST(avow_netlink_wait_running("avow0", 10, &err) == -AVOW_E_TIMEOUT);
    avow_error_clear(&err);
    MUST(avow_netlink_up(nl, "avow0", &err) == 0);
    MUST(avow_netlink_wait_running("avow0", 5000, &err) == 0);
    MUST((flags_of("avow0") & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING));
    MUST(avow_netlink_addr(nl, "avow0", self, &err) == 0);
    MUST(connect_errno("10.89.0.1") == ECONNREFUSED);
    MUST(connect_errno("10.89.0.2") == ENETUNREACH);
    MUST(avow_netlink_prohibit(nl, net, 16, &err) == 0);
    MUST(connect_errno("10.89.0.2") == EACCES);
    MUST(connect_errno("10.89.0.1") == ECONNREFUSED);
    MUST(connect_errno("10.90.0.1") == ENETUNREACH);
    return 0;
}

static int refusals(void)
{
    struct avow_error err = { 0 };
    struct in_addr self = { .s_addr = htonl(0x0a590001) };
    avow_autoclose int nl = -1;

    MUST(avow_netlink_open(&nl, &err) == 0);
    MUST(avow_netlink_up(nl, "absent", &err) == -AVOW_E_SYSTEM && err.sys == ENODEV);
    avow_error_clear(&err);
    MUST(avow_netlink_addr(nl, "absent", self, &err) == -AVOW_E_SYSTEM);
    avow_error_clear(&err);
    MUST(avow_netlink_veth(nl, "a", "b", &err) == 0);
    MUST(avow_netlink_veth(nl, "a", "c", &err) == -AVOW_E_SYSTEM && err.sys == EEXIST);
    return 0;
}

static int tun(void)
{
    struct avow_error err = { 0 };
    avow_autoclose int nl = -1;
    int fd = -1;

    if (avow_tun_open("avow0", &fd, &err) < 0)
        return 77;
    MUST(avow_netlink_open(&nl, &err) == 0);
    MUST(avow_netlink_up(nl, "avow0", &err) == 0);
    MUST(avow_netlink_wait_running("avow0", 5000, &err) == 0);
    MUST((flags_of("avow0") & (IFF_UP | IFF_RUNNING)) == (IFF_UP | IFF_RUNNING));
    close(fd);
    MUST(flags_of("avow0") == -1);
    return 0;
}

static void test_veth(void **state)
{
    (void)state;
    in_namespace(veth);
}

static void test_refusals(void **state)
{
    (void)state;
    in_namespace(refusals);
}

static void test_tun(void **state)
{
    (void)state;
    in_namespace(tun);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_veth),
                                        cmocka_unit_test(test_refusals),
                                        cmocka_unit_test(test_tun) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
