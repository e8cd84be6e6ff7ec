/* Sockets as a whole: connect, accept, names, shutdown, close, copies of descriptors. */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>

#include "base/cleanup.h"
#include "fabric/shim/shim.h"

/* ---- addresses ---- */

enum where address_where(const struct sockaddr *sa, socklen_t len, uint32_t *addr, uint16_t *port)
{
    if (sa && sa->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in a;

        memcpy(&a, sa, sizeof a);
        *addr = ntohl(a.sin_addr.s_addr);
        *port = ntohs(a.sin_port);
    } else if (sa && sa->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 a;

        memcpy(&a, sa, sizeof a);
        if (IN6_IS_ADDR_LOOPBACK(&a.sin6_addr) || IN6_IS_ADDR_UNSPECIFIED(&a.sin6_addr))
            return WHERE_NATIVE;
        if (!IN6_IS_ADDR_V4MAPPED(&a.sin6_addr))
            return WHERE_OUTSIDE;
        memcpy(addr, &a.sin6_addr.s6_addr[12], sizeof *addr);
        *addr = ntohl(*addr);
        *port = ntohs(a.sin6_port);
    } else {
        return WHERE_NATIVE; /* other families do not leave the machine; malformed: the kernel's say
                              */
    }
    if (*addr >> 24 == IN_LOOPBACKNET || *addr == INADDR_ANY)
        return WHERE_NATIVE;
    if (!shim.on || (*addr & shim.mask) != shim.net)
        return WHERE_OUTSIDE;
    return *addr == shim.self ? WHERE_NATIVE : WHERE_FABRIC;
}

static void say_refused(void)
{
    static atomic_bool said;

    if (atomic_exchange(&said, true))
        return;
    if (shim.on)
        shim_say("a connection or datagram out of the job's virtual network was refused");
    else
        shim_say("AVOW_FABRIC_FD does not name the broker's socket: connections that leave this "
                 "machine are refused");
}

bool address_allowed(const struct sockaddr *sa, socklen_t len)
{
    uint32_t addr = 0;
    uint16_t port = 0;

    if (!sa || address_where(sa, len, &addr, &port) == WHERE_NATIVE)
        return true;
    say_refused();
    errno = EACCES;
    return false;
}

/* The bell's connection: 127.76.0.1, or that mapped to IPv6. Its port. */
static bool is_bell(const struct sockaddr_storage *ss, uint16_t *port)
{
    uint32_t addr = 0;

    if (ss->ss_family != AF_INET && ss->ss_family != AF_INET6)
        return false;
    (void)address_where((const struct sockaddr *)ss, sizeof *ss, &addr, port);
    return addr == AVOW_FABRIC_BELL;
}

static void put_name(int family, uint32_t addr, uint16_t port, struct sockaddr *sa, socklen_t *len)
{
    struct sockaddr_in a4 = { .sin_family = AF_INET,
                              .sin_port = htons(port),
                              .sin_addr.s_addr = htonl(addr) };
    struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    const void *name = &a4;
    socklen_t full = sizeof a4;

    if (!sa || !len)
        return;
    if (family == AF_INET6) {
        a6.sin6_addr.s6_addr[10] = a6.sin6_addr.s6_addr[11] = 0xff;
        memcpy(&a6.sin6_addr.s6_addr[12], &a4.sin_addr.s_addr, 4);
        name = &a6;
        full = sizeof a6;
    }
    memcpy(sa, name, *len < full ? *len : full);
    *len = full;
}

/* @fd's number means nothing brokered any more, here or, if it was the last, in any epoll. */
static void forget(int fd)
{
    struct conn *last = table_peek(fd) ? table_clear(fd) : NULL;

    if (!last)
        return;
    epoll_forget(last);
    conn_put(last);
}

/* Standard streams are written by functions inside the C library that the shim does not see. */
static bool is_low(int fd)
{
    return fd >= 0 && fd <= STDERR_FILENO;
}

/* @fd, or in its place a copy with a number that no standard stream has; -1 with errno. */
static int lift(int fd)
{
    int high = is_low(fd) ? real()->fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) : fd;
    int saved = errno;

    if (high != fd)
        real()->close(fd);
    errno = saved;
    return high;
}

static int refuse_low(int fd)
{
    shim_say("a connection between nodes cannot be descriptor %d", fd);
    errno = EOPNOTSUPP;
    return -1;
}

/* ---- connect ---- */

/* Options that a program may have set on the socket that is being replaced; only what differs from
 * a fresh socket: setting SO_RCVBUF, for one, turns the kernel's own tuning off. */
static void copy_options(int from, int to)
{
    static const struct {
        int level, name;
        bool doubled; /* the kernel reports twice what was set */
    } options[] = {
        { SOL_SOCKET, SO_KEEPALIVE, false },       { SOL_SOCKET, SO_SNDBUF, true },
        { SOL_SOCKET, SO_RCVBUF, true },           { SOL_SOCKET, SO_OOBINLINE, false },
        { SOL_SOCKET, SO_PRIORITY, false },        { IPPROTO_TCP, TCP_NODELAY, false },
        { IPPROTO_TCP, TCP_KEEPIDLE, false },      { IPPROTO_TCP, TCP_KEEPINTVL, false },
        { IPPROTO_TCP, TCP_KEEPCNT, false },       { IPPROTO_TCP, TCP_USER_TIMEOUT, false },
        { IPPROTO_TCP, TCP_NOTSENT_LOWAT, false },
    };
    static const int times[] = { SO_RCVTIMEO, SO_SNDTIMEO };
    avow_autoclose int fresh = real()->socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct linger linger = { 0 };
    socklen_t len = 0;

    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        int set = 0;
        int usual = 0;

        len = sizeof set;
        if (getsockopt(from, options[i].level, options[i].name, &set, &len) != 0)
            continue;
        len = sizeof usual;
        (void)getsockopt(fresh, options[i].level, options[i].name, &usual, &len);
        if (options[i].doubled)
            set /= 2;
        if (set != (options[i].doubled ? usual / 2 : usual))
            (void)setsockopt(to, options[i].level, options[i].name, &set, sizeof set);
    }
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct timeval tv = { 0 };

        len = sizeof tv;
        if (getsockopt(from, SOL_SOCKET, times[i], &tv, &len) == 0 && (tv.tv_sec || tv.tv_usec))
            (void)setsockopt(to, SOL_SOCKET, times[i], &tv, sizeof tv);
    }
    len = sizeof linger;
    if (getsockopt(from, SOL_SOCKET, SO_LINGER, &linger, &len) == 0 && linger.l_onoff)
        (void)setsockopt(to, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static void set_nonblock(int fd, bool on)
{
    int flags = real()->fcntl(fd, F_GETFL);

    (void)real()->fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK);
}

/* The brokered socket @take_fd takes @fd's place, with @answer's keys. 0, or -1 with errno. */
static int become(int fd, int take_fd, struct avow_ctl_answer *answer, int family)
{
    avow_autoclose int sock = take_fd;
    struct conn *c = NULL;

    if (fd >= SHIM_FD_MAX) {
        avow_wipe(answer, sizeof *answer);
        errno = EMFILE;
        return -1;
    }
    c = conn_new(answer, family);
    avow_wipe(answer, sizeof *answer);
    if (!c) {
        errno = ENOBUFS;
        return -1;
    }
    /* known first, so that at no moment a write by another thread could go out in clear */
    table_set(fd, c);
    if (real()->dup3(sock, fd, O_CLOEXEC) < 0) {
        int saved = errno;

        forget(fd);
        errno = saved;
        return -1;
    }
    return 0;
}

/* The local port of the socket, which gets one by binding where it has none. */
static uint16_t own_port(int fd, int family)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof ss;
    uint32_t addr = 0;
    uint16_t port = 0;

    if (real()->getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
        (void)address_where((const struct sockaddr *)&ss, len, &addr, &port);
    if (port || family != AF_INET)
        return port;
    len = sizeof ss;
    put_name(family, shim.self, 0, (struct sockaddr *)&ss, &len);
    if (bind(fd, (const struct sockaddr *)&ss, len) != 0)
        return 0;
    len = sizeof ss;
    if (real()->getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
        (void)address_where((const struct sockaddr *)&ss, len, &addr, &port);
    return port;
}

static int connect_fabric(int fd, int family, uint32_t addr, uint16_t port)
{
    struct epoll_saved saved[EPOLL_SAVED_MAX];
    struct avow_ctl_answer answer = { 0 };
    size_t n_saved = 0;
    int sock = -1;
    int rc = control_connect(addr, port, own_port(fd, family), &answer, &sock);

    if (rc < 0) {
        errno = -rc;
        return -1;
    }
    copy_options(fd, sock);
    set_nonblock(sock, real()->fcntl(fd, F_GETFL) & O_NONBLOCK);
    n_saved = epoll_save(fd, saved);
    if (become(fd, sock, &answer, family) != 0)
        return -1;
    epoll_restore(fd, saved, n_saved);
    return 0;
}

/* connect on a descriptor that is connected. */
static int connect_again(struct conn *c, int fd, const struct sockaddr *sa)
{
    if (sa && sa->sa_family == AF_UNSPEC) {
        errno = EOPNOTSUPP; /* the socket would be free to go anywhere */
        return -1;
    }
    if (real()->fcntl(fd, F_GETFL) & O_NONBLOCK && !atomic_exchange(&c->asked_again, true))
        return 0; /* as the kernel answers the first one after EINPROGRESS */
    errno = EISCONN;
    return -1;
}

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

SHIM_EXPORT int connect(int fd, const struct sockaddr *sa, socklen_t len)
{
    struct conn *c = conn_get(fd);
    uint32_t addr = 0;
    uint16_t port = 0;

    if (c) {
        int r = connect_again(c, fd, sa);

        conn_put(c);
        return r;
    }
    if (address_where(sa, len, &addr, &port) == WHERE_FABRIC && is_stream(fd))
        return is_low(fd) ? refuse_low(fd) : connect_fabric(fd, sa->sa_family, addr, port);
    return address_allowed(sa, len) ? real()->connect(fd, sa, len) : -1;
}

/* ---- accept ---- */

/* The bell rang on @fd, a connection just accepted: the real one takes its place. */
static int answer_bell(int fd, uint16_t port, int family, int flags)
{
    struct avow_ctl_answer answer = { 0 };
    int sock = -1;
    int rc = control_fetch(port, &answer, &sock);

    if (rc < 0) {
        real()->close(fd);
        errno = ECONNABORTED;
        return -1;
    }
    copy_options(fd, sock);
    set_nonblock(sock, flags & SOCK_NONBLOCK);
    if (become(fd, sock, &answer, family) != 0) {
        int saved = errno;

        real()->close(fd);
        errno = saved;
        return -1;
    }
    return 0;
}

SHIM_EXPORT int accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
    struct sockaddr_storage ss = { 0 };
    socklen_t full = sizeof ss;
    uint16_t port = 0;
    int r = real()->accept4(fd, (struct sockaddr *)&ss, &full, flags);

    if (r < 0)
        return r;
    forget(r); /* the number's former owner may have gone by a raw system call */
    if (shim.on && is_bell(&ss, &port)) {
        r = lift(r);
        if (r < 0)
            return -1;
        if (answer_bell(r, port, ss.ss_family, flags) != 0)
            return -1;
        if (sa && len)
            (void)getpeername(r, sa, len);
        return r;
    }
    if (sa && len) {
        memcpy(sa, &ss, *len < full ? *len : full);
        *len = full;
    }
    return r;
}

SHIM_EXPORT int accept(int fd, struct sockaddr *sa, socklen_t *len)
{
    return accept4(fd, sa, len, 0);
}

SHIM_EXPORT int socket(int domain, int type, int protocol)
{
    int fd = real()->socket(domain, type, protocol);

    forget(fd); /* as in accept4 */
    return fd;
}

/* ---- names ---- */

SHIM_EXPORT int getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
    struct conn *c = conn_get(fd);

    if (!c)
        return real()->getsockname(fd, sa, len);
    put_name(c->family, c->who.own_addr, c->who.own_port, sa, len);
    conn_put(c);
    return 0;
}

SHIM_EXPORT int getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
    struct conn *c = conn_get(fd);

    if (!c)
        return real()->getpeername(fd, sa, len);
    put_name(c->family, c->who.peer_addr, c->who.peer_port, sa, len);
    conn_put(c);
    return 0;
}

/* ---- the end of a descriptor ---- */

SHIM_EXPORT int shutdown(int fd, int how)
{
    struct conn *c = conn_get(fd);

    if (c) {
        bool ours = shim_is_original();

        if (ours && (how == SHUT_RD || how == SHUT_RDWR))
            atomic_store(&c->rx_shut, true);
        if (ours && (how == SHUT_WR || how == SHUT_RDWR))
            conn_end(c, fd, conn_linger());
        conn_put(c);
        if (!ours) {
            errno = ENOTCONN;
            return -1;
        }
    }
    return real()->shutdown(fd, how);
}

static bool close_is_abortive(int fd)
{
    struct linger linger = { 0 };
    socklen_t len = sizeof linger;

    return getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len) == 0 && linger.l_onoff &&
           linger.l_linger == 0;
}

/* What close has to do before the kernel's part. A vfork child has our memory but its own
 * descriptors: its close is not ours. */
static void closing(int fd)
{
    struct conn *c = NULL;

    if ((!table_peek(fd) && !epoll_is(fd)) || !shim_is_owner())
        return;
    epoll_closed(fd);
    c = conn_get(fd);
    if (!c)
        return;
    if (table_is_last(c)) {
        if (!close_is_abortive(fd))
            conn_end(c, fd, conn_linger());
        /* from here to the kernel's close another thread's write would find no table entry */
        (void)real()->shutdown(fd, SHUT_WR);
    }
    conn_put(c);
    forget(fd);
}

SHIM_EXPORT int close(int fd)
{
    if (control_owns(fd)) {
        errno = EBADF; /* programs that close everything must not lose the fabric */
        return -1;
    }
    closing(fd);
    return real()->close(fd);
}

/* Closes [first, last] but for control sockets. */
SHIM_EXPORT int close_range(unsigned first, unsigned last, int flags)
{
    unsigned from = first;
    unsigned highest = last < SHIM_FD_MAX ? last : SHIM_FD_MAX - 1;

    if (flags & (int)CLOSE_RANGE_CLOEXEC)
        return real()->close_range(first, last, flags);
    for (unsigned fd = first; fd <= highest; fd++) {
        if (control_owns((int)fd)) {
            if (fd > from && real()->close_range(from, fd - 1, flags) != 0)
                return -1;
            from = fd + 1;
        } else {
            closing((int)fd);
        }
    }
    return from <= last ? real()->close_range(from, last, flags) : 0;
}

SHIM_EXPORT void closefrom(int low)
{
    (void)close_range(low < 0 ? 0 : (unsigned)low, ~0u, 0);
}

/* ---- copies ---- */

/* @to has become a copy of @from. Never inherited by exec: there it would speak in clear. */
static int copied(int from, int to)
{
    struct conn *c = NULL;

    if (to < 0 || from == to || !shim_is_owner())
        return to;
    epoll_duplicated(from, to);
    c = conn_get(from);
    if (!c) {
        forget(to);
        return to;
    }
    (void)real()->fcntl(to, F_SETFD, FD_CLOEXEC);
    if (to < SHIM_FD_MAX) {
        table_set(to, c);
    } else {
        real()->close(to);
        errno = EMFILE;
        to = -1;
    }
    conn_put(c);
    return to;
}

SHIM_EXPORT int dup(int fd)
{
    if (table_peek(fd))
        return copied(fd, real()->fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    return copied(fd, real()->dup(fd));
}

/* Whether @to may become a copy of @from. */
static bool copy_allowed(int from, int to)
{
    return !table_peek(from) || !is_low(to) || refuse_low(to) == 0;
}

SHIM_EXPORT int dup3(int from, int to, int flags)
{
    bool ours = from != to && to >= 0 && to < SHIM_FD_MAX && shim_is_owner() &&
                real()->fcntl(from, F_GETFD) >= 0;
    struct conn *c = NULL;
    int r = 0;

    if (!copy_allowed(from, to))
        return -1;
    if (ours && control_owns(to))
        control_move(to);
    if (ours)
        closing(to);
    c = ours ? conn_get(from) : NULL;
    if (c)
        table_set(to, c); /* known first, as in become */
    r = copied(from, real()->dup3(from, to, table_peek(from) ? flags | O_CLOEXEC : flags));
    if (c && r < 0)
        forget(to);
    if (c)
        conn_put(c);
    return r;
}

SHIM_EXPORT int dup2(int from, int to)
{
    if (from == to)
        return real()->dup2(from, to);
    return dup3(from, to, 0);
}

SHIM_EXPORT int __dup2(int from, int to)
{
    return dup2(from, to);
}

static int control_fd(int fd, int cmd, void *arg)
{
    int value = (int)(intptr_t)arg; /* as the C library itself passes it on */

    switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (table_peek(fd) && is_low(value))
            value = STDERR_FILENO + 1;
        return copied(fd, real()->fcntl(fd, cmd, value));
    case F_SETFD:
        if (table_peek(fd) && shim_is_owner())
            value |= FD_CLOEXEC;
        return real()->fcntl(fd, cmd, value);
    default:
        return real()->fcntl(fd, cmd, arg);
    }
}

SHIM_EXPORT int fcntl(int fd, int cmd, ...)
{
    va_list ap;
    void *arg = NULL;

    va_start(ap, cmd);
    arg = va_arg(ap, void *);
    va_end(ap);
    return control_fd(fd, cmd, arg);
}

SHIM_EXPORT int ioctl(int fd, unsigned long request, ...)
{
    va_list ap;
    void *arg = NULL;
    struct conn *c = NULL;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (request != FIONREAD || (c = conn_get(fd)) == NULL)
        return real()->ioctl(fd, request, arg);
    *(int *)arg = conn_available(c, fd);
    conn_put(c);
    return 0;
}

/* The copy would be made where the shim is not. */
SHIM_EXPORT int posix_spawn_file_actions_adddup2(posix_spawn_file_actions_t *acts, int from, int to)
{
    return table_peek(from) ? EOPNOTSUPP : real()->posix_spawn_file_actions_adddup2(acts, from, to);
}

/* Other names of the same functions in the C library. */
SHIM_EXPORT int __connect(int fd, const struct sockaddr *sa, socklen_t len)
    __attribute__((alias("connect")));
SHIM_EXPORT int __close(int fd) __attribute__((alias("close")));
SHIM_EXPORT int fcntl64(int fd, int cmd, ...) __attribute__((alias("fcntl")));
SHIM_EXPORT int __fcntl(int fd, int cmd, ...) __attribute__((alias("fcntl")));
