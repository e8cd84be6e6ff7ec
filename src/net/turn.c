#include "net/turn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SUFFIX ".turn"
#define STAMP_MAX 24 /* digits of the time in the file */
/* A holder that is killed closes its file a moment before the kernel lets go of the lock. */
#define LOOK_AGAIN_MS 1000

static int64_t clock_ms(clockid_t id)
{
    struct timespec t;

    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int wait_for(struct pollfd *p, nfds_t n, int64_t until_ms, struct avow_error *err)
{
    for (;;) {
        int64_t left = until_ms - clock_ms(CLOCK_MONOTONIC);
        int rc = 0;

        if (left <= 0)
            return 0;
        rc = poll(p, n, left > INT_MAX ? INT_MAX : (int)left);
        if (rc > 0)
            return 1;
        if (rc < 0 && errno != EINTR)
            return AVOW_FAIL_SYS(err, "poll");
    }
}

int avow_pause(int64_t ms, int stop_fd, struct avow_error *err)
{
    struct pollfd p = { .fd = stop_fd > 0 ? stop_fd : -1, .events = POLLIN };
    int rc = wait_for(&p, 1, clock_ms(CLOCK_MONOTONIC) + ms, err);

    return rc > 0 ? AVOW_FAIL(err, CANCELLED, "interrupted") : rc;
}

/* The host becomes a file's name: what is no part of a host's name does not. */
static int file_name(const char *dir, const char *host, char out[PATH_MAX], struct avow_error *err)
{
    size_t n = strlen(host);
    int len = 0;

    if (!n || n > AVOW_TURN_HOST_MAX || *host == '.' ||
        strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]") != n)
        return AVOW_FAIL(err, FORMAT, "\"%.64s\" is no name of a host", host);
    len = snprintf(out, PATH_MAX, "%s/%s" SUFFIX, dir, host);
    return len >= PATH_MAX ? AVOW_FAIL(err, LIMIT, "%s: the path is too long", dir) : 0;
}

/* The event is looked for before the lock is tried again, so that none is missed. */
static int wait_for_lock(int lock, int events, int64_t until_ms, int stop_fd,
                         struct avow_error *err)
{
    char drain[sizeof(struct inotify_event) + NAME_MAX + 1];
    struct pollfd p[2] = { { .fd = events, .events = POLLIN },
                           { .fd = stop_fd > 0 ? stop_fd : -1, .events = POLLIN } };

    while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        int64_t now = clock_ms(CLOCK_MONOTONIC);
        int64_t next = now + LOOK_AGAIN_MS;

        if (errno != EWOULDBLOCK && errno != EINTR)
            return AVOW_FAIL_SYS(err, "flock");
        if (now >= until_ms)
            return AVOW_FAIL(err, TIMEOUT, "another process has had the turn all the time");
        AVOW_TRY(wait_for(p, 2, next < until_ms ? next : until_ms, err));
        if (p[1].revents)
            return AVOW_FAIL(err, CANCELLED, "interrupted");
        while (read(events, drain, sizeof drain) > 0)
            ;
    }
    return 0;
}

static int take(const char *path, uint32_t wait_ms, int stop_fd, struct avow_turn *out,
                struct avow_error *err)
{
    avow_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    avow_autoclose int events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

    if (fd < 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    if (events < 0 || inotify_add_watch(events, path, IN_CLOSE_WRITE) < 0)
        return AVOW_FAIL_SYS(err, "%s: inotify", path);
    AVOW_TRY(wait_for_lock(fd, events, clock_ms(CLOCK_MONOTONIC) + wait_ms, stop_fd, err));
    out->fd = avow_steal_fd(&fd);
    return 0;
}

int avow_turn_take(const char *dir, const char *host, uint32_t wait_ms, int stop_fd,
                   struct avow_turn *out, struct avow_error *err)
{
    char path[PATH_MAX];
    int rc = 0;

    *out = AVOW_TURN_NONE;
    AVOW_TRY(file_name(dir, host, path, err));
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "%s", dir);
    rc = take(path, wait_ms, stop_fd, out, err);
    if (rc < 0)
        (void)avow_error_prefix(err, "the turn at %s", host);
    return rc;
}

int64_t avow_turn_pause_ms(const struct avow_turn *t)
{
    char text[STAMP_MAX] = { 0 };
    long long next = 0;
    int64_t left = 0;

    if (t->fd < 0 || pread(t->fd, text, sizeof text - 1, 0) <= 0)
        return 0;
    next = strtoll(text, NULL, 10);
    left = next - clock_ms(CLOCK_REALTIME);
    return left < 0 || left > AVOW_TURN_WAIT_MAX_MS ? 0 : left;
}

int avow_turn_sent(const struct avow_turn *t, uint32_t interval_ms, struct avow_error *err)
{
    char text[STAMP_MAX] = { 0 };
    int n =
        snprintf(text, sizeof text, "%lld\n", (long long)(clock_ms(CLOCK_REALTIME) + interval_ms));

    if (t->fd < 0)
        return 0;
    if (ftruncate(t->fd, 0) < 0 || pwrite(t->fd, text, (size_t)n, 0) != n)
        return AVOW_FAIL_SYS(err, "the file of a turn cannot be written");
    return 0;
}

void avow_turn_done(struct avow_turn *t)
{
    if (t->fd < 0)
        return;
    /* let go before the close that wakes those who wait */
    (void)flock(t->fd, LOCK_UN);
    (void)close(t->fd);
    t->fd = -1;
}
