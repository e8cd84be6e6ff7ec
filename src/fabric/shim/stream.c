/* Reading and writing, in all the forms that the C library has for it. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/sendfile.h>

#include "base/cleanup.h"
#include "fabric/shim/shim.h"

/* A program can hand in any pointer; the kernel would say EINVAL. */
static bool iov_ok(int n)
{
    if (n >= 0 && n <= IOV_MAX)
        return true;
    errno = EINVAL;
    return false;
}

/* ---- in ---- */

static ssize_t recv_one(struct conn *c, int fd, void *buf, size_t len, int flags)
{
    struct iovec v = { .iov_base = buf, .iov_len = len };
    ssize_t r = conn_recv(c, fd, &v, 1, flags);

    conn_put(c);
    return r;
}

SHIM_EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    struct conn *c = conn_get(fd);

    return c ? recv_one(c, fd, buf, len, 0) : real()->read(fd, buf, len);
}

SHIM_EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags)
{
    struct conn *c = conn_get(fd);

    return c ? recv_one(c, fd, buf, len, flags) : real()->recv(fd, buf, len, flags);
}

SHIM_EXPORT ssize_t recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *sa,
                             socklen_t *sa_len)
{
    struct conn *c = conn_get(fd);

    if (!c)
        return real()->recvfrom(fd, buf, len, flags, sa, sa_len);
    if (sa && sa_len)
        *sa_len = 0; /* as TCP does */
    return recv_one(c, fd, buf, len, flags);
}

SHIM_EXPORT ssize_t readv(int fd, const struct iovec *v, int n)
{
    struct conn *c = conn_get(fd);
    ssize_t r = -1;

    if (!c)
        return real()->readv(fd, v, n);
    if (iov_ok(n))
        r = conn_recv(c, fd, v, (size_t)n, 0);
    conn_put(c);
    return r;
}

SHIM_EXPORT ssize_t recvmsg(int fd, struct msghdr *m, int flags)
{
    struct conn *c = flags & MSG_ERRQUEUE ? NULL : conn_get(fd);
    ssize_t r = -1;

    if (!c)
        return real()->recvmsg(fd, m, flags);
    if (iov_ok(m->msg_iovlen > IOV_MAX ? -1 : (int)m->msg_iovlen))
        r = conn_recv(c, fd, m->msg_iov, m->msg_iovlen, flags);
    conn_put(c);
    m->msg_namelen = 0;
    m->msg_controllen = 0;
    m->msg_flags = 0;
    return r;
}

SHIM_EXPORT int recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags, struct timespec *timeout)
{
    int done = 0;

    if (!table_peek(fd))
        return real()->recvmmsg(fd, m, n, flags, timeout);
    for (unsigned i = 0; i < n; i++) {
        int one = (flags & ~MSG_WAITFORONE) | (i && flags & MSG_WAITFORONE ? MSG_DONTWAIT : 0);
        ssize_t r = recvmsg(fd, &m[i].msg_hdr, one);

        if (r < 0)
            break;
        m[i].msg_len = (unsigned)r;
        done++;
        if (r == 0)
            break;
    }
    return done ? done : -1;
}

SHIM_EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    if (len > room)
        __chk_fail();
    return read(fd, buf, len);
}

SHIM_EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags)
{
    if (len > room)
        __chk_fail();
    return recv(fd, buf, len, flags);
}

SHIM_EXPORT ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags,
                                   struct sockaddr *sa, socklen_t *sa_len)
{
    if (len > room)
        __chk_fail();
    return recvfrom(fd, buf, len, flags, sa, sa_len);
}

/* ---- out ---- */

static ssize_t send_one(struct conn *c, int fd, const void *buf, size_t len, int flags)
{
    struct iovec v = { .iov_len = len };
    ssize_t r = 0;

    memcpy(&v.iov_base, &buf, sizeof buf); /* iovec has no const */
    r = conn_send(c, fd, &v, 1, flags);
    conn_put(c);
    return r;
}

SHIM_EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    struct conn *c = conn_get(fd);

    return c ? send_one(c, fd, buf, len, 0) : real()->write(fd, buf, len);
}

SHIM_EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags)
{
    struct conn *c = conn_get(fd);

    return c ? send_one(c, fd, buf, len, flags) : real()->send(fd, buf, len, flags);
}

SHIM_EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags,
                           const struct sockaddr *sa, socklen_t sa_len)
{
    struct conn *c = conn_get(fd);

    if (c)
        return send_one(c, fd, buf, len, flags);
    return address_allowed(sa, sa_len) ? real()->sendto(fd, buf, len, flags, sa, sa_len) : -1;
}

SHIM_EXPORT ssize_t writev(int fd, const struct iovec *v, int n)
{
    struct conn *c = conn_get(fd);
    ssize_t r = -1;

    if (!c)
        return real()->writev(fd, v, n);
    if (iov_ok(n))
        r = conn_send(c, fd, v, (size_t)n, 0);
    conn_put(c);
    return r;
}

/* A connection cannot be given to another process: its keys would not come along. */
static bool passes_connection(const struct msghdr *m)
{
    struct msghdr copy = *m;

    if (!m->msg_control)
        return false;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(&copy); h; h = CMSG_NXTHDR(&copy, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t at = CMSG_LEN(0); at + sizeof(int) <= h->cmsg_len; at += sizeof(int)) {
            int fd = -1;

            memcpy(&fd, CMSG_DATA(h) + at - CMSG_LEN(0), sizeof fd);
            if (table_peek(fd))
                return true;
        }
    }
    return false;
}

static bool message_allowed(const struct msghdr *m)
{
    if (passes_connection(m)) {
        shim_say("a connection between nodes cannot be passed to another process");
        errno = EOPNOTSUPP;
        return false;
    }
    return address_allowed(m->msg_name, m->msg_namelen);
}

SHIM_EXPORT ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    struct conn *c = conn_get(fd);
    ssize_t r = -1;

    if (!c)
        return message_allowed(m) ? real()->sendmsg(fd, m, flags) : -1;
    if (iov_ok(m->msg_iovlen > IOV_MAX ? -1 : (int)m->msg_iovlen))
        r = conn_send(c, fd, m->msg_iov, m->msg_iovlen, flags);
    conn_put(c);
    return r;
}

SHIM_EXPORT int sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
    int done = 0;

    for (unsigned i = 0; !table_peek(fd) && i < n; i++)
        if (!message_allowed(&m[i].msg_hdr))
            return -1;
    if (!table_peek(fd))
        return real()->sendmmsg(fd, m, n, flags);
    for (unsigned i = 0; i < n; i++) {
        ssize_t r = sendmsg(fd, &m[i].msg_hdr, flags);

        if (r < 0)
            break;
        m[i].msg_len = (unsigned)r;
        done++;
    }
    return done || !n ? done : -1;
}

/* ---- forms that are refused on connections between nodes ---- */

static bool refused(int fd, int error)
{
    if (!table_peek(fd))
        return false;
    errno = error;
    return true;
}

SHIM_EXPORT ssize_t preadv2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
    return refused(fd, EOPNOTSUPP) ? -1 : real()->preadv2(fd, v, n, off, flags);
}

SHIM_EXPORT ssize_t pwritev2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
    return refused(fd, EOPNOTSUPP) ? -1 : real()->pwritev2(fd, v, n, off, flags);
}

/* EINVAL is what the kernel says where these do not work: programs then read and write. */
SHIM_EXPORT ssize_t sendfile(int out, int in, off_t *off, size_t len)
{
    return refused(out, EINVAL) || refused(in, EINVAL) ? -1 : real()->sendfile(out, in, off, len);
}

SHIM_EXPORT ssize_t splice(int in, off_t *in_off, int out, off_t *out_off, size_t len,
                           unsigned flags)
{
    if (refused(in, EINVAL) || refused(out, EINVAL))
        return -1;
    return real()->splice(in, in_off, out, out_off, len, flags);
}

SHIM_EXPORT ssize_t tee(int in, int out, size_t len, unsigned flags)
{
    return refused(in, EINVAL) || refused(out, EINVAL) ? -1 : real()->tee(in, out, len, flags);
}

SHIM_EXPORT ssize_t vmsplice(int fd, const struct iovec *v, size_t n, unsigned flags)
{
    return refused(fd, EINVAL) ? -1 : real()->vmsplice(fd, v, n, flags);
}

/* The C library's own threads would read and write there, inside of it, where nothing intercepts.
 */
SHIM_EXPORT int aio_read(struct aiocb *cb)
{
    return refused(cb->aio_fildes, EOPNOTSUPP) ? -1 : real()->aio_read(cb);
}

SHIM_EXPORT int aio_write(struct aiocb *cb)
{
    return refused(cb->aio_fildes, EOPNOTSUPP) ? -1 : real()->aio_write(cb);
}

SHIM_EXPORT int lio_listio(int mode, struct aiocb *const list[], int n, struct sigevent *sig)
{
    for (int i = 0; i < n; i++)
        if (list[i] && refused(list[i]->aio_fildes, EOPNOTSUPP))
            return -1;
    return real()->lio_listio(mode, list, n, sig);
}

/* struct aiocb64 is the same where off_t has 64 bits, and there is no shim where it has not. */
_Static_assert(sizeof(struct aiocb64) == sizeof(struct aiocb), "one layout");

SHIM_EXPORT int aio_read64(struct aiocb64 *cb)
{
    return aio_read((struct aiocb *)(void *)cb);
}

SHIM_EXPORT int aio_write64(struct aiocb64 *cb)
{
    return aio_write((struct aiocb *)(void *)cb);
}

SHIM_EXPORT int lio_listio64(int mode, struct aiocb64 *const list[], int n, struct sigevent *sig)
{
    return lio_listio(mode, (struct aiocb *const *)(const void *)list, n, sig);
}

/* Streams read and write by functions inside the C library that cannot be intercepted. */
SHIM_EXPORT FILE *fdopen(int fd, const char *mode)
{
    if (refused(fd, EOPNOTSUPP)) {
        shim_say("a connection between nodes cannot become a stdio stream");
        return NULL;
    }
    return real()->fdopen(fd, mode);
}

SHIM_EXPORT int vdprintf(int fd, const char *fmt, va_list ap)
{
    avow_autofree char *text = NULL;
    int len = 0;

    if (!table_peek(fd))
        return real()->vdprintf(fd, fmt, ap);
    len = vasprintf(&text, fmt, ap);
    if (len < 0) {
        text = NULL;
        return -1;
    }
    return write(fd, text, (size_t)len) == len ? len : -1;
}

SHIM_EXPORT int dprintf(int fd, const char *fmt, ...)
{
    va_list ap;
    int r = 0;

    va_start(ap, fmt);
    r = vdprintf(fd, fmt, ap);
    va_end(ap);
    return r;
}

SHIM_EXPORT int __vdprintf_chk(int fd, int flag, const char *fmt, va_list ap)
{
    (void)flag;
    return vdprintf(fd, fmt, ap);
}

SHIM_EXPORT int __dprintf_chk(int fd, int flag, const char *fmt, ...)
{
    va_list ap;
    int r = 0;

    (void)flag;
    va_start(ap, fmt);
    r = vdprintf(fd, fmt, ap);
    va_end(ap);
    return r;
}

/* Other names of the same functions in the C library. */
SHIM_EXPORT ssize_t __read(int fd, void *buf, size_t len) __attribute__((alias("read")));
SHIM_EXPORT ssize_t __write(int fd, const void *buf, size_t len) __attribute__((alias("write")));
SHIM_EXPORT ssize_t __send(int fd, const void *buf, size_t len, int flags)
    __attribute__((alias("send")));
SHIM_EXPORT ssize_t sendfile64(int out, int in, off_t *off, size_t len)
    __attribute__((alias("sendfile")));
SHIM_EXPORT ssize_t preadv64v2(int fd, const struct iovec *v, int n, off_t off, int flags)
    __attribute__((alias("preadv2")));
SHIM_EXPORT ssize_t pwritev64v2(int fd, const struct iovec *v, int n, off_t off, int flags)
    __attribute__((alias("pwritev2")));
