#include "launch/netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "base/cleanup.h"

#define REQUEST_MAX 512
#define ANSWER_TIMEOUT_S 5

/* if_nametoindex(3); <net/if.h> and <linux/if.h> do not go together. */
unsigned int if_nametoindex(const char *name);

struct request {
    _Alignas(struct nlmsghdr) uint8_t bytes[REQUEST_MAX];
    size_t len;
};

static struct nlmsghdr *header(struct request *q)
{
    return (struct nlmsghdr *)(void *)q->bytes;
}

/* Everything below fits REQUEST_MAX by construction: names are short, nesting is fixed. */
static void *append(struct request *q, size_t n)
{
    void *p = q->bytes + q->len;

    q->len += NLMSG_ALIGN(n);
    header(q)->nlmsg_len = (uint32_t)q->len;
    return p;
}

static struct request request(uint16_t type, uint16_t flags)
{
    struct request q = { 0 };

    append(&q, sizeof(struct nlmsghdr));
    header(&q)->nlmsg_type = type;
    header(&q)->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
    header(&q)->nlmsg_seq = 1;
    return q;
}

static struct rtattr *attr(struct request *q, uint16_t type, const void *data, size_t n)
{
    struct rtattr *a = append(q, RTA_LENGTH(n));

    a->rta_type = type;
    a->rta_len = (uint16_t)RTA_LENGTH(n);
    if (n > 0)
        memcpy(RTA_DATA(a), data, n);
    return a;
}

/* Attributes appended since @a was made are inside it. */
static void nest_end(const struct request *q, struct rtattr *a)
{
    a->rta_len = (uint16_t)(q->bytes + q->len - (const uint8_t *)a);
}

static int talk(int fd, const struct request *q, const char *what, struct avow_error *err)
{
    _Alignas(struct nlmsghdr) uint8_t answer[REQUEST_MAX * 2];
    struct nlmsghdr *h = (struct nlmsghdr *)(void *)answer;
    const struct nlmsgerr *e = NULL;
    ssize_t n = send(fd, q->bytes, q->len, 0);

    if (n != (ssize_t)q->len)
        return AVOW_FAIL_SYS(err, "cannot ask the kernel to %s", what);
    n = recv(fd, answer, sizeof answer, 0);
    if (n < 0)
        return AVOW_FAIL_SYS(err, "no answer from the kernel to: %s", what);
    if ((size_t)n < NLMSG_LENGTH(sizeof *e) || h->nlmsg_type != NLMSG_ERROR)
        return AVOW_FAIL(err, PROTOCOL, "an odd answer of the kernel to: %s", what);
    e = NLMSG_DATA(h);
    if (e->error == 0)
        return 0;
    errno = -e->error;
    return AVOW_FAIL_SYS(err, "cannot %s", what);
}

static int open_socket(uint32_t groups, int *out, struct avow_error *err)
{
    struct timeval limit = { .tv_sec = ANSWER_TIMEOUT_S };
    struct sockaddr_nl self = { .nl_family = AF_NETLINK, .nl_groups = groups };
    avow_autoclose int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) < 0 ||
        bind(fd, (struct sockaddr *)&self, sizeof self) < 0)
        return AVOW_FAIL_SYS(err, "cannot open a netlink socket");
    *out = avow_steal_fd(&fd);
    return 0;
}

int avow_netlink_open(int *out, struct avow_error *err)
{
    return open_socket(0, out, err);
}

static int index_of(const char *name, int *out, struct avow_error *err)
{
    unsigned int i = if_nametoindex(name);

    if (i == 0)
        return AVOW_FAIL_SYS(err, "there is no interface %s", name);
    *out = (int)i;
    return 0;
}

int avow_netlink_up(int fd, const char *name, struct avow_error *err)
{
    struct request q = request(RTM_NEWLINK, 0);
    struct ifinfomsg *m = append(&q, sizeof *m);
    char what[64];

    m->ifi_flags = m->ifi_change = IFF_UP;
    AVOW_TRY(index_of(name, &m->ifi_index, err));
    snprintf(what, sizeof what, "set interface %s up", name);
    return talk(fd, &q, what, err);
}

static int64_t now_ms(void)
{
    struct timespec t = { 0 };

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool running(int fd, const char *name)
{
    struct ifreq q = { 0 };

    snprintf(q.ifr_name, sizeof q.ifr_name, "%s", name);
    return ioctl(fd, SIOCGIFFLAGS, &q) == 0 && (q.ifr_flags & IFF_RUNNING);
}

int avow_netlink_wait_running(const char *name, int timeout_ms, struct avow_error *err)
{
    int64_t end = now_ms() + timeout_ms;
    avow_autoclose int events = -1;
    uint8_t event[REQUEST_MAX];

    /* first listen, then look: no change is missed */
    AVOW_TRY(open_socket(RTMGRP_LINK, &events, err));
    for (;;) {
        struct pollfd p = { .fd = events, .events = POLLIN };
        int64_t left = end - now_ms();

        if (running(events, name))
            return 0;
        if (left <= 0)
            return AVOW_FAIL(err, TIMEOUT, "interface %s does not get ready", name);
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return AVOW_FAIL_SYS(err, "cannot wait for interface %s", name);
        while (recv(events, event, sizeof event, MSG_DONTWAIT) > 0)
            ;
    }
}

int avow_netlink_veth(int fd, const char *name, const char *peer, struct avow_error *err)
{
    struct request q = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
    struct rtattr *info = NULL, *data = NULL, *other = NULL;

    append(&q, sizeof(struct ifinfomsg));
    attr(&q, IFLA_IFNAME, name, strlen(name) + 1);
    info = attr(&q, IFLA_LINKINFO, NULL, 0);
    attr(&q, IFLA_INFO_KIND, "veth", sizeof "veth");
    data = attr(&q, IFLA_INFO_DATA, NULL, 0);
    other = attr(&q, VETH_INFO_PEER, NULL, 0);
    append(&q, sizeof(struct ifinfomsg));
    attr(&q, IFLA_IFNAME, peer, strlen(peer) + 1);
    nest_end(&q, other);
    nest_end(&q, data);
    nest_end(&q, info);
    return talk(fd, &q, "make a pair of veth interfaces", err);
}

int avow_netlink_addr(int fd, const char *name, struct in_addr addr, struct avow_error *err)
{
    struct request q = request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
    struct ifaddrmsg *m = append(&q, sizeof *m);
    int index = 0;

    AVOW_TRY(index_of(name, &index, err));
    m->ifa_family = AF_INET;
    m->ifa_prefixlen = 32;
    m->ifa_index = (uint32_t)index;
    attr(&q, IFA_LOCAL, &addr, sizeof addr);
    attr(&q, IFA_ADDRESS, &addr, sizeof addr);
    return talk(fd, &q, "set the job's virtual address", err);
}

int avow_netlink_prohibit(int fd, struct in_addr net, unsigned prefix, struct avow_error *err)
{
    struct request q = request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
    struct rtmsg *m = append(&q, sizeof *m);

    m->rtm_family = AF_INET;
    m->rtm_dst_len = (uint8_t)prefix;
    m->rtm_table = RT_TABLE_MAIN;
    m->rtm_protocol = RTPROT_STATIC;
    m->rtm_scope = RT_SCOPE_UNIVERSE;
    m->rtm_type = RTN_PROHIBIT;
    attr(&q, RTA_DST, &net, sizeof net);
    return talk(fd, &q, "prohibit the job's virtual network", err);
}

int avow_tun_open(const char *name, int *out, struct avow_error *err)
{
    struct ifreq q = { .ifr_flags = IFF_TUN | IFF_NO_PI };
    avow_autoclose int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return AVOW_FAIL_SYS(err, "cannot open /dev/net/tun");
    snprintf(q.ifr_name, sizeof q.ifr_name, "%s", name);
    if (ioctl(fd, TUNSETIFF, &q) < 0)
        return AVOW_FAIL_SYS(err, "cannot make the TUN interface %s", name);
    *out = avow_steal_fd(&fd);
    return 0;
}
