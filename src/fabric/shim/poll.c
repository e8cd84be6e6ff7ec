/*
 * poll and select: bytes that were opened, or read ahead, are in user space, where the kernel does
 * not see them. While there are such bytes the kernel is only asked, not waited for.
 */
#include <stdlib.h>

#include "base/cleanup.h"
#include "fabric/shim/shim.h"

#define READ_EVENTS (POLLIN | POLLRDNORM)

static bool any_ready(struct pollfd *p, nfds_t n)
{
    if (atomic_load(&conn_n_readable) == 0)
        return false;
    for (nfds_t i = 0; i < n; i++)
        if (p[i].events & READ_EVENTS && ready_fd(p[i].fd))
            return true;
    return false;
}

/* Adds what the kernel did not know to its answer. */
static int merge(struct pollfd *p, nfds_t n, int kernel)
{
    int count = 0;

    if (kernel < 0)
        return kernel;
    for (nfds_t i = 0; i < n; i++) {
        if (p[i].events & READ_EVENTS && ready_fd(p[i].fd))
            p[i].revents = (short)(p[i].revents | (p[i].events & READ_EVENTS));
        count += p[i].revents != 0;
    }
    return count;
}

SHIM_EXPORT int poll(struct pollfd *p, nfds_t n, int timeout)
{
    if (!any_ready(p, n))
        return real()->poll(p, n, timeout);
    return merge(p, n, real()->poll(p, n, 0));
}

SHIM_EXPORT int ppoll(struct pollfd *p, nfds_t n, const struct timespec *timeout,
                      const sigset_t *mask)
{
    const struct timespec now = { 0 };

    if (!any_ready(p, n))
        return real()->ppoll(p, n, timeout, mask);
    return merge(p, n, real()->ppoll(p, n, &now, mask));
}

SHIM_EXPORT int __poll_chk(struct pollfd *p, nfds_t n, int timeout, size_t room)
{
    if (room / sizeof *p < n)
        __chk_fail();
    return poll(p, n, timeout);
}

SHIM_EXPORT int __ppoll_chk(struct pollfd *p, nfds_t n, const struct timespec *timeout,
                            const sigset_t *mask, size_t room)
{
    if (room / sizeof *p < n)
        __chk_fail();
    return ppoll(p, n, timeout, mask);
}

/* ---- select ---- */

/* Descriptors of @set that are ready in user space, in @found; how many. */
static int ready_in(int n, const fd_set *set, fd_set *found)
{
    int count = 0;

    FD_ZERO(found);
    if (!set || n > FD_SETSIZE || atomic_load(&conn_n_readable) == 0)
        return 0;
    for (int fd = 0; fd < n; fd++) {
        if (FD_ISSET(fd, set) && ready_fd(fd)) {
            FD_SET(fd, found);
            count++;
        }
    }
    return count;
}

static int add_found(int n, fd_set *set, const fd_set *found, int kernel)
{
    if (kernel < 0)
        return kernel;
    for (int fd = 0; fd < n; fd++) {
        if (FD_ISSET(fd, found) && !FD_ISSET(fd, set)) {
            FD_SET(fd, set);
            kernel++;
        }
    }
    return kernel;
}

SHIM_EXPORT int select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *timeout)
{
    struct timeval now = { 0 };
    fd_set found;

    if (!ready_in(n, r, &found))
        return real()->select(n, r, w, x, timeout);
    return add_found(n, r, &found, real()->select(n, r, w, x, &now));
}

SHIM_EXPORT int pselect(int n, fd_set *r, fd_set *w, fd_set *x, const struct timespec *timeout,
                        const sigset_t *mask)
{
    const struct timespec now = { 0 };
    fd_set found;

    if (!ready_in(n, r, &found))
        return real()->pselect(n, r, w, x, timeout, mask);
    return add_found(n, r, &found, real()->pselect(n, r, w, x, &now, mask));
}

/* Other names of the same functions in the C library. */
SHIM_EXPORT int __poll(struct pollfd *p, nfds_t n, int timeout) __attribute__((alias("poll")));
SHIM_EXPORT int __select(int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *timeout)
    __attribute__((alias("select")));
