#include "source/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

#define NAME_LEN_MAX 64

int folder_open(const char *path, int *fd, struct avow_error *err)
{
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT)
        return AVOW_FAIL(err, NOTFOUND, "folder %s does not exist", path);
    if (*fd < 0)
        return AVOW_FAIL_SYS(err, "cannot open folder %s", path);
    return 0;
}

int folder_make(const char *path, int *fd, struct avow_error *err)
{
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "cannot make folder %s", path);
    return folder_open(path, fd, err);
}

bool folder_has(int dir, const char *name)
{
    return faccessat(dir, name, F_OK, 0) == 0;
}

int folder_read(int dir, const char *name, struct avow_buf *out, struct avow_error *err)
{
    avow_autoclose int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    uint8_t chunk[4096];
    struct stat st;
    ssize_t n = 0;

    if (fd < 0 && errno == ENOENT)
        return AVOW_FAIL(err, NOTFOUND, "file %s does not exist", name);
    if (fd < 0 || fstat(fd, &st) < 0)
        return AVOW_FAIL_SYS(err, "cannot open %s", name);
    if (!S_ISREG(st.st_mode))
        return AVOW_FAIL(err, FORMAT, "%s is not a regular file", name);
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return AVOW_FAIL_SYS(err, "cannot read %s", name);
        if (avow_buf_put(out, chunk, (size_t)n) < 0)
            return AVOW_FAIL_CODE(err, out->failed, "%s: %s (at most %zu bytes)", name,
                                  avow_err_text(out->failed), out->max);
    }
    return 0;
}

static int write_all(int fd, struct avow_bytes data)
{
    while (data.len) {
        ssize_t n = write(fd, data.data, data.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data.data += n;
        data.len -= (size_t)n;
    }
    return 0;
}

int folder_write(int dir, const char *name, mode_t mode, struct avow_bytes data,
                 struct avow_error *err)
{
    char temporary[NAME_LEN_MAX + 8];
    avow_autoclose int fd = -1;

    if (strlen(name) > NAME_LEN_MAX)
        return AVOW_FAIL(err, LIMIT, "file name longer than %d bytes", NAME_LEN_MAX);
    snprintf(temporary, sizeof temporary, ".%s.new", name);
    if (unlinkat(dir, temporary, 0) < 0 && errno != ENOENT)
        return AVOW_FAIL_SYS(err, "cannot replace %s", name);
    fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 || write_all(fd, data) < 0 || renameat(dir, temporary, dir, name) < 0)
        return AVOW_FAIL_SYS(err, "cannot write %s", name);
    return 0;
}

int folder_copy(int from, int to, const char *name, size_t max, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf data = AVOW_BUF(max);

    AVOW_TRY(folder_read(from, name, &data, err));
    return folder_write(to, name, 0644, avow_buf_view(&data), err);
}
