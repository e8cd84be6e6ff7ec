#include "service/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define WHERE "the state folder %s (--state, or \"state\" in the configuration)"

static int open_lock(const char *dir, int flags, struct avow_error *err)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/lock", dir);
    int fd = -1;

    if (n < 0 || (size_t)n >= sizeof path)
        return AVOW_FAIL(err, LIMIT, WHERE ": the name is too long", dir);
    fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT && !(flags & O_CREAT))
        return AVOW_FAIL(err, NOTFOUND, "no avow-verifier runs with " WHERE ", nor ever did", dir);
    return fd < 0 ? AVOW_FAIL_SYS(err, WHERE ": its file \"lock\" cannot be opened", dir) : fd;
}

static int check_folder(const char *dir, struct avow_error *err)
{
    struct stat st = { 0 };

    if (stat(dir, &st) != 0)
        return AVOW_FAIL_SYS(err, WHERE, dir);
    if (!S_ISDIR(st.st_mode))
        return AVOW_FAIL(err, FORMAT, WHERE " is no folder: name another", dir);
    if ((st.st_mode & 022) || st.st_uid != geteuid())
        return AVOW_FAIL(err, UNTRUSTED,
                         WHERE " must belong to user %u, who runs this, and nobody else may write "
                               "to it: chown and chmod 0700 it, or name another",
                         dir, (unsigned)geteuid());
    return 0;
}

/* The kernel's answer to @command (fcntl(2): F_SETLK, F_GETLK) about the whole file. */
static int ask(int fd, int command, struct flock *l)
{
    *l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET };
    return fcntl(fd, command, l);
}

int avow_state_take(const char *dir, int *lock, struct avow_error *err)
{
    avow_autoclose int fd = -1;
    struct flock l;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, WHERE " cannot be made", dir);
    AVOW_TRY(check_folder(dir, err));
    fd = open_lock(dir, O_RDWR | O_CREAT, err);
    AVOW_TRY(fd);
    if (ask(fd, F_SETLK, &l) != 0) {
        if (errno != EACCES && errno != EAGAIN)
            return AVOW_FAIL_SYS(err, WHERE " cannot be locked", dir);
        if (ask(fd, F_GETLK, &l) == 0 && l.l_type != F_UNLCK)
            return AVOW_FAIL(err, BUSY, "%s: another avow-verifier uses it (process %d)", dir,
                             (int)l.l_pid);
        return AVOW_FAIL(err, BUSY, "%s: another avow-verifier uses it", dir);
    }
    *lock = avow_steal_fd(&fd);
    return 0;
}

int avow_state_holder(const char *dir, pid_t *pid, struct avow_error *err)
{
    avow_autoclose int fd = -1;
    struct flock l;

    fd = open_lock(dir, O_RDONLY, err);
    AVOW_TRY(fd);
    if (ask(fd, F_GETLK, &l) != 0)
        return AVOW_FAIL_SYS(err, WHERE ": its lock", dir);
    if (l.l_type == F_UNLCK)
        return AVOW_FAIL(err, NOTFOUND, "no avow-verifier runs with " WHERE, dir);
    if (l.l_pid <= 0)
        return AVOW_FAIL(
            err, UNSUPPORTED,
            "the avow-verifier that runs with %s is in another PID namespace: ask it there", dir);
    *pid = l.l_pid;
    return 0;
}
