/*
 * The C library's own functions, behind the ones that the shim puts in front of them. Found with
 * dlsym(RTLD_NEXT), so that other preloaded libraries keep their place in the chain. Any thread.
 */
#ifndef AVOW_FABRIC_SHIM_REAL_H
#define AVOW_FABRIC_SHIM_REAL_H

#include <aio.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#define REAL_FUNCTIONS(X)                                                                    \
    X(int, socket, (int, int, int))                                                          \
    X(int, connect, (int, const struct sockaddr *, socklen_t))                               \
    X(int, accept4, (int, struct sockaddr *, socklen_t *, int))                              \
    X(int, getsockname, (int, struct sockaddr *, socklen_t *))                               \
    X(int, getpeername, (int, struct sockaddr *, socklen_t *))                               \
    X(int, shutdown, (int, int))                                                             \
    X(int, close, (int))                                                                     \
    X(int, close_range, (unsigned, unsigned, int))                                           \
    X(int, dup, (int))                                                                       \
    X(int, dup2, (int, int))                                                                 \
    X(int, dup3, (int, int, int))                                                            \
    X(int, fcntl, (int, int, ...))                                                           \
    X(int, ioctl, (int, unsigned long, ...))                                                 \
    X(ssize_t, read, (int, void *, size_t))                                                  \
    X(ssize_t, readv, (int, const struct iovec *, int))                                      \
    X(ssize_t, recv, (int, void *, size_t, int))                                             \
    X(ssize_t, recvfrom, (int, void *, size_t, int, struct sockaddr *, socklen_t *))         \
    X(ssize_t, recvmsg, (int, struct msghdr *, int))                                         \
    X(int, recvmmsg, (int, struct mmsghdr *, unsigned, int, struct timespec *))              \
    X(ssize_t, preadv2, (int, const struct iovec *, int, off_t, int))                        \
    X(ssize_t, write, (int, const void *, size_t))                                           \
    X(ssize_t, writev, (int, const struct iovec *, int))                                     \
    X(ssize_t, send, (int, const void *, size_t, int))                                       \
    X(ssize_t, sendto, (int, const void *, size_t, int, const struct sockaddr *, socklen_t)) \
    X(ssize_t, sendmsg, (int, const struct msghdr *, int))                                   \
    X(int, sendmmsg, (int, struct mmsghdr *, unsigned, int))                                 \
    X(ssize_t, pwritev2, (int, const struct iovec *, int, off_t, int))                       \
    X(ssize_t, sendfile, (int, int, off_t *, size_t))                                        \
    X(ssize_t, splice, (int, off_t *, int, off_t *, size_t, unsigned))                       \
    X(ssize_t, tee, (int, int, size_t, unsigned))                                            \
    X(ssize_t, vmsplice, (int, const struct iovec *, size_t, unsigned))                      \
    X(int, aio_read, (struct aiocb *))                                                       \
    X(int, aio_write, (struct aiocb *))                                                      \
    X(int, lio_listio, (int, struct aiocb *const *, int, struct sigevent *))                 \
    X(FILE *, fdopen, (int, const char *))                                                   \
    X(int, vdprintf, (int, const char *, va_list))                                           \
    X(int, poll, (struct pollfd *, nfds_t, int))                                             \
    X(int, ppoll, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))      \
    X(int, select, (int, fd_set *, fd_set *, fd_set *, struct timeval *))                    \
    X(int, pselect,                                                                          \
      (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))        \
    X(int, posix_spawn_file_actions_adddup2, (posix_spawn_file_actions_t *, int, int))       \
    X(int, epoll_create1, (int))                                                             \
    X(int, epoll_ctl, (int, int, int, struct epoll_event *))                                 \
    X(int, epoll_wait, (int, struct epoll_event *, int, int))                                \
    X(int, epoll_pwait, (int, struct epoll_event *, int, int, const sigset_t *))             \
    X(int, epoll_pwait2,                                                                     \
      (int, struct epoll_event *, int, const struct timespec *, const sigset_t *))

struct real_functions {
    atomic_bool ready;
#define X(type, name, args) type(*name) args;
    REAL_FUNCTIONS(X)
#undef X
};

extern struct real_functions real_functions;

void real_load(void);

/* Functions may be called before the shim's constructor has run. */
static inline const struct real_functions *real(void)
{
    /* pairs with the release in real_load: who sees `ready` sees the pointers */
    if (!atomic_load_explicit(&real_functions.ready, memory_order_acquire))
        real_load();
    return &real_functions;
}

/* Names inside the C library that have no header: what fortified headers call, and aliases. */
_Noreturn void __chk_fail(void);
ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t len, size_t room, int flags, struct sockaddr *sa,
                       socklen_t *sa_len);
int __poll_chk(struct pollfd *p, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *p, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
                size_t room);
int __vdprintf_chk(int fd, int flag, const char *fmt, va_list ap)
    __attribute__((format(printf, 3, 0)));
int __dprintf_chk(int fd, int flag, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int __dup2(int from, int to);

#define SHIM_EXPORT __attribute__((visibility("default")))

#endif
