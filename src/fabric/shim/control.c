/*
 * Talking to the broker. The inherited socket is shared with every process of the rank and only
 * carries the end of a private one; the private one carries one request and its answer at a time.
 */
#include <fcntl.h>

#include "base/cleanup.h"
#include "fabric/shim/shim.h"

#define HIGH_FD \
    800 /* control sockets go up here, out of the way of programs that count on low ones */

static int shared = -1;     /* our own, close-on-exec copy of the inherited socket */
static int inherited = -1;  /* stays as it is for the programs that we may start */
static int private_fd = -1; /* lock */
static uint32_t next_id;    /* lock */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Move @fd up; where the limit does not allow it, it stays. */
static int raise_fd(int fd)
{
    int high = real()->fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);

    if (high < 0)
        return fd;
    real()->close(fd);
    return high;
}

void control_start(int fd)
{
    inherited = fd;
    shared = real()->fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
    if (shared < 0)
        shared = real()->fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

void control_abandon(void)
{
    (void)pthread_mutex_init(&lock, NULL);
    if (private_fd >= 0)
        real()->close(private_fd);
    private_fd = -1;
}

bool control_owns(int fd)
{
    return fd >= 0 && (fd == shared || fd == private_fd || fd == inherited);
}

void control_move(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd == inherited)
        inherited = -1; /* programs that we start will find the fabric gone, and be refused */
    else if (fd == shared)
        shared = real()->fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
    else if (fd == private_fd)
        private_fd = real()->fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
    pthread_mutex_unlock(&lock);
}

static int send_message(int fd, const struct avow_ctl_request *q, const char *text, int pass)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct avow_ctl_request copy = *q;
    char words[AVOW_CTL_TEXT_MAX];
    size_t len = text ? strnlen(text, sizeof words) : 0;
    struct iovec v[2] = { { .iov_base = &copy, .iov_len = sizeof copy },
                          { .iov_base = words, .iov_len = len } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = len ? 2 : 1 };
    ssize_t n = 0;

    if (len)
        memcpy(words, text, len);
    if (pass >= 0) {
        struct cmsghdr *c = NULL;

        m.msg_control = control.room;
        m.msg_controllen = sizeof control.room;
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof pass);
        memcpy(CMSG_DATA(c), &pass, sizeof pass);
    }
    do {
        n = real()->sendmsg(fd, &m, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* Lock held. A private socket to the broker, which learns of it over the shared one. */
static int open_private(void)
{
    const struct avow_ctl_request hello = { .version = AVOW_CTL_VERSION, .type = AVOW_CTL_HELLO };
    int pair[2] = { -1, -1 };
    int rc = 0;

    if (private_fd >= 0)
        return 0;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return -errno;
    rc = send_message(shared, &hello, NULL, pair[1]);
    real()->close(pair[1]);
    if (rc < 0)
        real()->close(pair[0]);
    else
        private_fd = raise_fd(pair[0]);
    return rc;
}

/* One answer; its descriptor in *fd, or -1. 0, or -errno. */
static int read_answer(struct avow_ctl_answer *a, int *fd)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec v = { .iov_base = a, .iov_len = sizeof *a };
    struct msghdr m = { .msg_iov = &v,
                        .msg_iovlen = 1,
                        .msg_control = control.room,
                        .msg_controllen = sizeof control.room };
    ssize_t n = real()->recvmsg(private_fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    *fd = -1;
    if (n < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fd, CMSG_DATA(c), sizeof *fd);
    if (n == (ssize_t)sizeof *a && a->version == AVOW_CTL_VERSION && a->type == AVOW_CTL_ANSWER)
        return 0;
    if (*fd >= 0)
        real()->close(*fd);
    return -ENETDOWN; /* closed: the job is over */
}

static int64_t now_ms(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Lock held. */
static int wait_answer(uint32_t id, struct avow_ctl_answer *a, int *fd)
{
    int64_t deadline = now_ms() + SHIM_ANSWER_MS;

    for (;;) {
        struct pollfd p = { .fd = private_fd, .events = POLLIN };
        int64_t left = deadline - now_ms();
        int rc = 0;

        if (left <= 0)
            return -ETIMEDOUT;
        if (real()->poll(&p, 1, (int)left) <= 0)
            continue;
        rc = read_answer(a, fd);
        if (rc == -EAGAIN || rc == -EINTR)
            continue;
        if (rc < 0)
            return rc;
        if (a->id == id)
            return 0;
        if (*fd >= 0) /* answers a request that was given up */
            real()->close(*fd);
    }
}

static int errno_of(uint32_t status)
{
    switch (status) {
    case AVOW_FABRIC_CONNECTED:
        return 0;
    case AVOW_FABRIC_NO_LISTENER:
        return ECONNREFUSED;
    case AVOW_FABRIC_NO_NODE:
        return EHOSTUNREACH;
    case AVOW_FABRIC_NO_ANSWER:
        return ETIMEDOUT;
    case AVOW_FABRIC_FULL:
        return ENOBUFS;
    case AVOW_FABRIC_BROKEN:
        return ECONNRESET;
    case AVOW_FABRIC_UNKNOWN:
        return ENOENT;
    default:
        return ECONNABORTED;
    }
}

static int request(struct avow_ctl_request *q, struct avow_ctl_answer *a, int *fd)
{
    int rc = 0;

    *fd = -1;
    if (!shim_is_original()) /* the private socket's answers are for the process that it is of */
        return -ENETDOWN;
    pthread_mutex_lock(&lock);
    q->version = AVOW_CTL_VERSION;
    q->id = ++next_id;
    rc = open_private();
    if (rc == 0)
        rc = send_message(private_fd, q, NULL, -1);
    if (rc == 0)
        rc = wait_answer(q->id, a, fd);
    if (rc < 0 && private_fd >= 0) { /* whatever is still to come on it answers nothing any more */
        real()->close(private_fd);
        private_fd = -1;
    }
    pthread_mutex_unlock(&lock);
    if (rc < 0)
        return rc == -EPIPE || rc == -ECONNRESET ? -ENETDOWN : rc;
    rc = -errno_of(a->status);
    if (rc == 0 && *fd < 0) {
        avow_wipe(a, sizeof *a); /* it has keys */
        rc = -EMFILE;            /* the kernel had no descriptor left for the socket */
    }
    return rc;
}

int control_connect(uint32_t addr, uint16_t port, uint16_t own_port, struct avow_ctl_answer *a,
                    int *fd)
{
    struct avow_ctl_request q = {
        .type = AVOW_CTL_CONNECT, .addr = addr, .port = port, .own_port = own_port
    };

    return request(&q, a, fd);
}

int control_fetch(uint16_t port, struct avow_ctl_answer *a, int *fd)
{
    struct avow_ctl_request q = { .type = AVOW_CTL_FETCH, .port = port };

    return request(&q, a, fd);
}

void control_auth_failed(uint32_t peer, const char *text)
{
    const struct avow_ctl_request q = { .version = AVOW_CTL_VERSION,
                                        .type = AVOW_CTL_AUTH_FAILED,
                                        .addr = peer };

    pthread_mutex_lock(&lock);
    if (open_private() == 0)
        (void)send_message(private_fd, &q, text, -1);
    pthread_mutex_unlock(&lock);
}
