/* The shim's beginning and end in a process, and what it says. */
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "fabric/shim/shim.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* Linux 5.14; include/uapi/asm-generic/socket.h */
#endif
#define IO_URING_SETUP 425 /* the same number on every architecture (Linux 5.1) */
#define X32_BIT 0x40000000u
#define LINE_MAX_BYTES 512

struct shim shim;

void shim_say(const char *fmt, ...)
{
    char line[LINE_MAX_BYTES] = "avow: fabric: ";
    size_t at = strlen(line);
    va_list ap;
    int n = 0;

    va_start(ap, fmt);
    n = vsnprintf(line + at, sizeof line - at - 1, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    at = strlen(line);
    line[at++] = '\n';
    (void)!real()->write(STDERR_FILENO, line, at);
}

void shim_auth_failed(const struct conn *c)
{
    const struct avow_ctl_answer *w = &c->who;
    char peer[64] = "";
    char text[AVOW_CTL_TEXT_MAX];

    if (w->peer_rank >= 0)
        (void)snprintf(peer, sizeof peer, "rank %d on node %u", w->peer_rank, w->peer_node);
    else
        (void)snprintf(peer, sizeof peer, "port %u on node %u", w->peer_port, w->peer_node);
    (void)snprintf(text, sizeof text,
                   "a record on the connection between rank %u on node %u and %s does not "
                   "authenticate: it was changed, repeated, moved or left out on the way",
                   w->own_rank, w->own_node, peer);
    shim_say("%s; this process ends", text);
    control_auth_failed(w->peer_node, text);
    _exit(AVOW_FABRIC_EXIT_AUTH);
}

void shim_kill_fd(int fd)
{
    int dead = real()->socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (dead < 0) {
        real()->close(fd);
        return;
    }
    (void)real()->dup3(dead, fd, O_CLOEXEC);
    real()->close(dead);
}

/* ---- fork ---- */

static uint32_t *mark; /* what shim.original points to */

/* Every copy of this process finds a zero here, until in_child says otherwise. */
static void set_mark(void)
{
    size_t len = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return;
    if (madvise(page, len, MADV_WIPEONFORK) != 0) { /* Linux 4.14 */
        (void)munmap(page, len);
        return;
    }
    mark = page;
    *mark = 1;
    shim.original = mark;
}

static void in_child(void)
{
    shim.pid = getpid();
    control_abandon();
    table_abandon();
    conn_abandoned();
    epoll_abandon();
    if (mark)
        *mark = 1; /* the keys are gone: from here on this process makes its own */
}

/* ---- exit ---- */

/* The ends of connections that the program left open: all of them together may take as long as
 * one, or a process with many whose peers do not read would seem to hang. */
static void at_exit(void)
{
    int64_t deadline = conn_linger();

    if (!shim_is_owner())
        return;
    for (int fd = 0; fd < table_end(); fd++) {
        struct conn *c = conn_get(fd);

        if (!c)
            continue;
        conn_end(c, fd, deadline);
        conn_put(c);
    }
}

/* ---- start ---- */

/* io_uring carries reads and writes that no C library function sees. */
static void forbid_io_uring(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~X32_BIT),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IO_URING_SETUP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog prog = { .len = sizeof code / sizeof *code, .filter = code };

    if (syscall(IO_URING_SETUP, 0, NULL) < 0 && errno == ENOSYS)
        return; /* the parent has done it, or the kernel has none */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prog) != 0)
        shim_say("io_uring could not be forbidden (errno %d): programs must not use it", errno);
}

static bool is_control(int fd)
{
    int domain = 0;
    int type = 0;
    socklen_t len = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

static int inherited_fd(void)
{
    const char *text = getenv("AVOW_FABRIC_FD");
    char *end = NULL;
    long fd = text ? strtol(text, &end, 10) : -1;

    return text && end != text && *end == '\0' && fd >= 0 && fd < SHIM_FD_MAX && is_control((int)fd)
               ? (int)fd
               : -1;
}

static bool read_addresses(void)
{
    const char *self = getenv("AVOW_FABRIC_SELF");
    struct in_addr a = { 0 };

    if (!self || inet_pton(AF_INET, self, &a) != 1)
        return false;
    shim.self = ntohl(a.s_addr);
    shim.net = AVOW_FABRIC_NET;
    shim.mask = ~0u << (32 - AVOW_FABRIC_PREFIX);
    return (shim.self & shim.mask) == shim.net;
}

static bool cookie_of(int fd, uint64_t *cookie)
{
    socklen_t len = sizeof *cookie;

    return getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &len) == 0;
}

/*
 * A connection that came here through exec has no keys here: written to, it would speak in clear.
 * Its descriptor is close-on-exec, but a launcher may have copied it by means that the shim does
 * not see. A brokered socket is known by its network namespace, which is the daemon's.
 */
static void kill_inherited(void)
{
    int own = real()->socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint64_t ours = 0;
    uint64_t theirs = 0;
    DIR *d = NULL;
    struct dirent *e = NULL;

    if (own < 0 || !cookie_of(own, &ours) || (d = opendir("/proc/self/fd")) == NULL) {
        if (own >= 0)
            real()->close(own);
        return;
    }
    while ((e = readdir(d)) != NULL) {
        int fd = (int)strtol(e->d_name, NULL, 10);
        int domain = 0;
        socklen_t len = sizeof domain;

        if (e->d_name[0] == '.' || fd == dirfd(d) || fd == own)
            continue;
        if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
            (domain == AF_INET || domain == AF_INET6) && cookie_of(fd, &theirs) && theirs != ours)
            shim_kill_fd(fd);
    }
    closedir(d);
    real()->close(own);
}

__attribute__((constructor)) static void start(void)
{
    const char *aead = getenv("AVOW_FABRIC_AEAD");
    int saved = errno; /* a program may count on finding it 0 */
    int fd = inherited_fd();

    shim.pid = getpid();
    shim.engine = aead && strcmp(aead, "openssl") == 0 ? AVOW_GCM_OPENSSL : AVOW_GCM_AUTO;
    forbid_io_uring();
    shim.on = fd >= 0 && read_addresses();
    kill_inherited(); /* all the more where there is no broker */
    if (shim.on) {
        set_mark();
        control_start(fd);
        (void)pthread_atfork(NULL, NULL, in_child);
        (void)atexit(at_exit);
    }
    errno = saved;
}
