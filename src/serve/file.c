#include "serve/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"

static int check_owner(const char *path, const struct stat *st, enum avow_file_owner owner,
                       struct avow_error *err)
{
    if (owner == AVOW_FILE_OURS &&
        ((st->st_mode & 022) || (st->st_uid != 0 && st->st_uid != geteuid())))
        return AVOW_FAIL(err, UNTRUSTED, "%s can be written to by others", path);
    if (owner == AVOW_FILE_SECRET &&
        (!S_ISREG(st->st_mode) || (st->st_mode & 077) || st->st_uid != geteuid()))
        return AVOW_FAIL(err, UNTRUSTED,
                         "%s must be a regular file of your own with mode 0600, not %04o", path,
                         (unsigned)st->st_mode & 07777);
    return 0;
}

int avow_file_read(const char *path, enum avow_file_owner owner, struct avow_buf *out,
                   struct avow_error *err)
{
    const int follow = owner == AVOW_FILE_SECRET ? O_NOFOLLOW : 0;
    avow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | follow);
    struct stat st = { 0 };
    char chunk[4096];
    ssize_t n = 0;
    int rc = 0;

    if (fd < 0 || fstat(fd, &st) != 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    AVOW_TRY(check_owner(path, &st, owner, err));
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        avow_buf_put(out, chunk, (size_t)n);
    avow_wipe(chunk, sizeof chunk);
    if (n < 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    rc = avow_buf_ok(out, err);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", path);
    return rc;
}

static int write_all(int fd, struct avow_bytes data)
{
    while (data.len) {
        ssize_t n = write(fd, data.data, data.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        data.data += n;
        data.len -= (size_t)n;
    }
    return fsync(fd);
}

/* The name itself is on the disk once its folder is. */
static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX] = ".";
    avow_autoclose int fd = -1;

    if (slash)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

int avow_file_write(const char *path, unsigned mode, struct avow_bytes data, struct avow_error *err)
{
    char temporary[PATH_MAX];
    avow_autoclose int fd = -1;
    int n = snprintf(temporary, sizeof temporary, "%s.new", path);

    if (n < 0 || (size_t)n >= sizeof temporary)
        return AVOW_FAIL(err, LIMIT, "%s: the name is too long", path);
    (void)unlink(temporary); /* of a run that was cut off */
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 || fchmod(fd, mode) != 0 || write_all(fd, data) != 0 ||
        rename(temporary, path) != 0 || sync_folder(path) != 0) {
        int sys = errno;

        (void)unlink(temporary);
        errno = sys;
        return AVOW_FAIL_SYS(err, "%s", path);
    }
    return 0;
}
