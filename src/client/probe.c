#include "client/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "base/cleanup.h"

#define NOBODY 65534 /* the kernel's overflow user: owns nothing that matters */
#define NETLINK_MAX 512
#define NETLINK_TIMEOUT_S 2

/*
 * What the child needs, written before the fork: it may only make system calls, because another
 * thread of this program may have held any lock at that moment.
 */
struct child {
    enum avow_probe_as as;
    bool user_namespace;
    char uid_map[32];
    char gid_map[32];
    struct avow_probe *result; /* shared with the parent */
};

static int write_file(const char *path, const char *text)
{
    avow_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return errno;
    return write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno;
}

static int become_nobody(void)
{
    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return errno;
    /* a change of user makes /proc/self root's, and the maps could not be written */
    return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0 ? errno : 0;
}

static int make_namespaces(const struct child *c)
{
    int flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID;
    int rc = 0;

    if (unshare(c->user_namespace ? flags | CLONE_NEWUSER : flags) < 0)
        return errno;
    if (!c->user_namespace)
        return 0;
    /* user_namespaces(7): without setgroups denied an ordinary user may not write gid_map */
    rc = write_file("/proc/self/setgroups", "deny");
    rc = rc ? rc : write_file("/proc/self/uid_map", c->uid_map);
    return rc ? rc : write_file("/proc/self/gid_map", c->gid_map);
}

static int make_mount(void)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") < 0)
        return errno;
    return 0;
}

static int make_tun(void)
{
    struct ifreq q = { .ifr_flags = IFF_TUN | IFF_NO_PI, .ifr_name = "avow0" };
    avow_autoclose int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    return fd < 0 || ioctl(fd, TUNSETIFF, &q) < 0 ? errno : 0;
}

/* rtnetlink(7): a link of kind veth; the kernel names both ends itself. */
static int make_veth(void)
{
    struct {
        struct nlmsghdr head;
        struct ifinfomsg link;
        struct rtattr info;
        struct rtattr kind;
        char name[8];
    } q = {
        .head = { .nlmsg_len = sizeof q,
                  .nlmsg_type = RTM_NEWLINK,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
                  .nlmsg_seq = 1 },
        .info = { .rta_len = sizeof q.info + sizeof q.kind + sizeof q.name,
                  .rta_type = IFLA_LINKINFO },
        .kind = { .rta_len = RTA_LENGTH(sizeof "veth"), .rta_type = IFLA_INFO_KIND },
        .name = "veth",
    };
    struct {
        struct nlmsghdr head;
        struct nlmsgerr e;
        uint8_t more[NETLINK_MAX];
    } answer;
    struct timeval limit = { .tv_sec = NETLINK_TIMEOUT_S };
    avow_autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    ssize_t n = 0;

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        send(fd, &q, sizeof q, 0) != (ssize_t)sizeof q)
        return errno;
    n = recv(fd, &answer, sizeof answer, 0);
    if (n < 0)
        return errno;
    if ((size_t)n < sizeof answer.head + sizeof answer.e || answer.head.nlmsg_type != NLMSG_ERROR)
        return EPROTO;
    return -answer.e.error;
}

static _Noreturn void child_main(const struct child *c)
{
    struct avow_probe *r = c->result;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    r->user = c->as == AVOW_PROBE_NOBODY ? become_nobody() : 0;
    if (r->user)
        _exit(EXIT_FAILURE);
    r->unshare = make_namespaces(c);
    if (r->unshare)
        _exit(EXIT_FAILURE);
    r->tun = make_tun();
    r->veth = make_veth();
    r->mount = make_mount();
    _exit(avow_probe_ok(r) ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* Wait for the end of @pid, which comes in any case. */
static int await(pid_t pid, struct avow_error *err)
{
    avow_autoclose int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int n = fd < 0 ? -1 : poll(&p, 1, AVOW_PROBE_TIMEOUT_MS);
    int cause = errno;

    if (n <= 0)
        (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0)
        if (errno != EINTR)
            break;
    errno = cause;
    if (n < 0)
        return AVOW_FAIL_SYS(err, "cannot wait for a process: %s", strerrordesc_np(cause));
    if (n == 0)
        return AVOW_FAIL(err, TIMEOUT, "making namespaces took more than %d ms",
                         AVOW_PROBE_TIMEOUT_MS);
    return 0;
}

int avow_probe_run(enum avow_probe_as as, struct avow_probe *out, struct avow_error *err)
{
    bool nobody = as == AVOW_PROBE_NOBODY;
    unsigned uid = nobody ? NOBODY : geteuid();
    unsigned gid = nobody ? NOBODY : getegid();
    struct child c = { .as = as, .user_namespace = uid != 0 };
    struct avow_probe *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid = 0;
    int rc = 0;

    if (shared == MAP_FAILED)
        return AVOW_FAIL_SYS(err, "no shared memory");
    *shared = (struct avow_probe){ AVOW_PROBE_UNTRIED, AVOW_PROBE_UNTRIED, AVOW_PROBE_UNTRIED,
                                   AVOW_PROBE_UNTRIED, AVOW_PROBE_UNTRIED };
    c.result = shared;
    (void)snprintf(c.uid_map, sizeof c.uid_map, "%u %u 1\n", uid, uid);
    (void)snprintf(c.gid_map, sizeof c.gid_map, "%u %u 1\n", gid, gid);
    pid = fork();
    if (pid == 0)
        child_main(&c);
    rc = pid < 0 ? AVOW_FAIL_SYS(err, "cannot start a process") : await(pid, err);
    *out = *shared;
    (void)munmap(shared, sizeof *shared);
    return rc;
}

bool avow_probe_ok(const struct avow_probe *p)
{
    return p->user == 0 && p->unshare == 0 && p->mount == 0 && (p->tun == 0 || p->veth == 0);
}
