#include "daemon/shell_proc.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define HEADER 5         /* u32be length, u8 type */
#define FDS_PER_BYTE 253 /* SCM_MAX_FD of Linux */
/* From the end of the connection to that of the process, and the other way round. */
#define AFTER_EOF_MS 1000
#define AFTER_EXIT_MS 200

struct avow_shell {
    struct avow_shell_start how; /* fds and config are not valid after the start */
    struct bufferevent *bev;
    struct event *exit_ev; /* on pidfd */
    struct event *deadline;
    pid_t pid;
    int pidfd;
    int status;
    bool reaped;
    bool eof;
    bool broken;
};

/* --- end ---------------------------------------------------------------------------------- */

static void describe(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "was killed by signal %d", WTERMSIG(status));
    else
        snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
}

/* The zombie still holds the number of the group, so it cannot be another's. */
static void reap(struct avow_shell *s)
{
    pid_t rc = 0;

    if (s->reaped)
        return;
    kill(-s->pid, SIGKILL);
    do
        rc = waitpid(s->pid, &s->status, 0);
    while (rc < 0 && errno == EINTR);
    s->reaped = true;
}

static void wait_for(struct avow_shell *s, int ms)
{
    const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

    event_add(s->deadline, &tv);
}

static void end(struct avow_shell *s)
{
    char text[64];

    event_del(s->deadline);
    event_del(s->exit_ev);
    bufferevent_disable(s->bev, EV_READ | EV_WRITE);
    bufferevent_setcb(s->bev, NULL, NULL, NULL, NULL);
    describe(s->status, text, sizeof text);
    s->how.ended(s->how.ctx, text);
}

static void on_exit_seen(evutil_socket_t fd, short what, void *arg)
{
    struct avow_shell *s = arg;

    (void)fd;
    (void)what;
    reap(s);
    if (s->eof || s->broken)
        end(s);
    else
        wait_for(s, AFTER_EXIT_MS); /* its last frames may still be in the socket */
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct avow_shell *s = arg;

    (void)fd;
    (void)what;
    if (s->reaped)
        end(s);
    else
        avow_shell_kill(s);
}

void avow_shell_kill(struct avow_shell *s)
{
    if (!s->reaped)
        kill(-s->pid, SIGKILL);
}

/* --- frames ------------------------------------------------------------------------------- */

static void break_off(struct avow_shell *s, const char *text)
{
    s->broken = true;
    bufferevent_disable(s->bev, EV_READ);
    s->how.broken(s->how.ctx, text);
}

/* 1: a frame was taken; 0: more bytes are needed. */
static int take_frame(struct avow_shell *s, struct evbuffer *in)
{
    uint8_t header[HEADER];
    const uint8_t *p = NULL;
    size_t len = 0;

    if (evbuffer_copyout(in, header, sizeof header) < (ssize_t)sizeof header)
        return 0;
    len = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    if (len < 1 || len > AVOW_SHELL_FRAME_MAX) {
        break_off(s, "a frame of an impossible length");
        return 0;
    }
    if (evbuffer_get_length(in) < 4 + len)
        return 0;
    p = evbuffer_pullup(in, (ssize_t)(4 + len));
    if (!p) {
        break_off(s, "out of memory for a frame");
        return 0;
    }
    s->how.frame(s->how.ctx, header[4], AVOW_BYTES(p + HEADER, len - 1));
    evbuffer_drain(in, 4 + len);
    return 1;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct avow_shell *s = arg;

    while (!s->broken && take_frame(s, bufferevent_get_input(bev)))
        ;
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct avow_shell *s = arg;

    (void)bev;
    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    s->eof = true;
    bufferevent_disable(s->bev, EV_READ | EV_WRITE);
    if (s->reaped)
        end(s);
    else
        wait_for(s, AFTER_EOF_MS);
}

static void put_header(uint8_t header[HEADER], size_t payload, uint8_t type)
{
    size_t len = payload + 1;

    header[0] = (uint8_t)(len >> 24);
    header[1] = (uint8_t)(len >> 16);
    header[2] = (uint8_t)(len >> 8);
    header[3] = (uint8_t)len;
    header[4] = type;
}

int avow_shell_send(struct avow_shell *s, uint8_t type, struct avow_bytes a, struct avow_bytes b)
{
    struct evbuffer *out = bufferevent_get_output(s->bev);
    uint8_t header[HEADER];

    if (a.len >= AVOW_SHELL_FRAME_MAX || b.len >= AVOW_SHELL_FRAME_MAX - a.len ||
        evbuffer_get_length(out) + a.len + b.len > AVOW_SHELL_QUEUE_MAX)
        return -AVOW_E_LIMIT;
    if (s->eof || s->reaped)
        return 0; /* its end is being reported */
    put_header(header, a.len + b.len, type);
    if (evbuffer_add(out, header, sizeof header) < 0 || evbuffer_add(out, a.data, a.len) < 0 ||
        evbuffer_add(out, b.data, b.len) < 0)
        return -AVOW_E_NOMEM;
    return 0;
}

/* --- start -------------------------------------------------------------------------------- */

static int send_byte(int fd, uint8_t byte, const int *fds, size_t n, struct avow_error *err)
{
    union {
        char room[CMSG_SPACE(FDS_PER_BYTE * sizeof(int))];
        struct cmsghdr align;
    } control = { .room = { 0 } };
    struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
    struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct cmsghdr *c = NULL;

    if (n) {
        m.msg_control = control.room;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    }
    if (sendmsg(fd, &m, MSG_NOSIGNAL) != 1)
        return AVOW_FAIL_SYS(err, "cannot pass descriptors to avow-shell");
    return 0;
}

/* Header of CONFIG with the descriptors on its bytes; the rest goes the usual way. */
static int send_config(struct avow_shell *s, int fd, struct avow_error *err)
{
    uint8_t header[HEADER];
    size_t given = 0;

    if (s->how.config.len >= AVOW_SHELL_FRAME_MAX)
        return AVOW_FAIL(err, LIMIT, "configuration of avow-shell of %zu bytes", s->how.config.len);
    if (s->how.n_fds > (size_t)HEADER * FDS_PER_BYTE)
        return AVOW_FAIL(err, LIMIT, "%zu descriptors for avow-shell", s->how.n_fds);
    put_header(header, s->how.config.len, AVOW_SHELL_CONFIG);
    for (size_t i = 0; i < HEADER; i++) {
        size_t left = s->how.n_fds - given;
        size_t n = left < FDS_PER_BYTE ? left : FDS_PER_BYTE;

        AVOW_TRY(send_byte(fd, header[i], n ? s->how.fds + given : NULL, n, err));
        given += n;
    }
    if (evbuffer_add(bufferevent_get_output(s->bev), s->how.config.data, s->how.config.len) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return 0;
}

static int spawn_actions(posix_spawn_file_actions_t *fa, int fd)
{
    int rc = posix_spawn_file_actions_addopen(fa, 0, "/dev/null", O_RDONLY, 0);

    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(fa, 1, "/dev/null", O_WRONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(fa, fd, AVOW_SHELL_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(fa, AVOW_SHELL_FD + 1);
    return rc;
}

static int spawn(struct avow_shell *s, int fd, struct avow_error *err)
{
    char path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char lang[] = "LANG=C.UTF-8";
    char *const env[] = { path, lang, NULL };
    char name[] = "avow-shell";
    char *const argv[] = { name, NULL };
    posix_spawn_file_actions_t fa;
    posix_spawnattr_t attr;
    sigset_t none;
    sigset_t all;
    int rc = 0;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&fa);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                        POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attr, 0);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    rc = spawn_actions(&fa, fd);
    if (rc == 0)
        rc = posix_spawn(&s->pid, s->how.path, &fa, &attr, argv, env);
    posix_spawn_file_actions_destroy(&fa);
    posix_spawnattr_destroy(&attr);
    if (rc) {
        errno = rc;
        return AVOW_FAIL_SYS(err, "cannot start %s", s->how.path);
    }
    s->reaped = false;
    return 0;
}

static int watch(struct avow_shell *s, struct avow_error *err)
{
    s->pidfd = pidfd_open(s->pid, 0);
    if (s->pidfd < 0)
        return AVOW_FAIL_SYS(err, "cannot watch avow-shell");
    s->exit_ev = event_new(s->how.base, s->pidfd, EV_READ, on_exit_seen, s);
    s->deadline = event_new(s->how.base, -1, 0, on_deadline, s);
    if (!s->exit_ev || !s->deadline || event_add(s->exit_ev, NULL) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return bufferevent_enable(s->bev, EV_READ | EV_WRITE);
}

static void cleanup_shell(struct avow_shell **s)
{
    avow_shell_free(*s);
}

int avow_shell_start(const struct avow_shell_start *how, struct avow_shell **out,
                     struct avow_error *err)
{
    __attribute__((cleanup(cleanup_shell))) struct avow_shell *s = calloc(1, sizeof *s);
    avow_autoclose int theirs = -1;
    int pair[2] = { -1, -1 };

    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    s->how = *how;
    s->pidfd = -1;
    s->reaped = true; /* nothing runs yet */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return AVOW_FAIL_SYS(err, "cannot make a socket for avow-shell");
    theirs = pair[1];
    evutil_make_socket_nonblocking(pair[0]);
    s->bev = bufferevent_socket_new(how->base, pair[0], BEV_OPT_CLOSE_ON_FREE);
    if (!s->bev) {
        close(pair[0]);
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    bufferevent_setcb(s->bev, on_read, NULL, on_event, s);
    bufferevent_setwatermark(s->bev, EV_READ, 0, AVOW_SHELL_FRAME_MAX + HEADER);
    AVOW_TRY(spawn(s, theirs, err));
    AVOW_TRY(send_config(s, pair[0], err));
    AVOW_TRY(watch(s, err));
    s->how.fds = NULL;
    s->how.config = AVOW_BYTES(NULL, 0);
    *out = avow_steal(&s);
    return 0;
}

void avow_shell_free(struct avow_shell *s)
{
    if (!s)
        return;
    reap(s);
    if (s->exit_ev)
        event_free(s->exit_ev);
    if (s->deadline)
        event_free(s->deadline);
    if (s->bev)
        bufferevent_free(s->bev);
    if (s->pidfd >= 0)
        close(s->pidfd);
    free(s);
}
