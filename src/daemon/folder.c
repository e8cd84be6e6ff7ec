#include "daemon/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "job/names.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
/* Entries of one folder that are looked at; a job could make millions of them. */
#define ENTRIES_MAX 100000

static void cleanup_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}
#define autoclosedir __attribute__((cleanup(cleanup_dir)))

/* --- making ------------------------------------------------------------------------------- */

/* The mode is set and not left to the umask: the ranks' own user depends on it. */
static int give(int fd, mode_t mode, int uid, int gid, struct avow_error *err)
{
    if ((uid >= 0 || gid >= 0) && fchown(fd, (uid_t)uid, (gid_t)gid) < 0)
        return AVOW_FAIL_SYS(err, "cannot give a file to user %d group %d", uid, gid);
    if (fchmod(fd, mode) < 0)
        return AVOW_FAIL_SYS(err, "cannot set the mode of a file");
    return 0;
}

static int make_dir(int dir, const char *name, mode_t mode, int uid, int gid, int *fd,
                    struct avow_error *err)
{
    avow_autoclose int made = -1;

    if (mkdirat(dir, name, 0700) < 0) {
        if (errno == EEXIST)
            return AVOW_FAIL(err, EXISTS, "folder %s exists", name);
        return AVOW_FAIL_SYS(err, "cannot make folder %s", name);
    }
    made = openat(dir, name, OPEN_DIR);
    if (made < 0)
        return AVOW_FAIL_SYS(err, "cannot open folder %s", name);
    AVOW_TRY(give(made, mode, uid, gid, err));
    *fd = avow_steal_fd(&made);
    return 0;
}

int avow_folder_new(int dir, const char *name, const struct avow_folder_owner *owner, int *fd,
                    struct avow_error *err)
{
    avow_autoclose int top = -1;
    avow_autoclose int input = -1;
    avow_autoclose int output = -1;
    mode_t mode = owner->gid >= 0 ? 0750 : 0700;

    AVOW_TRY(make_dir(dir, name, mode, -1, owner->gid, &top, err));
    AVOW_TRY(make_dir(top, "input", mode, -1, owner->gid, &input, err));
    AVOW_TRY(make_dir(top, "output", 0700, owner->uid, owner->gid, &output, err));
    *fd = avow_steal_fd(&top);
    return 0;
}

int avow_folder_open(int dir, const char *name, int *fd, struct avow_error *err)
{
    int f = openat(dir, name, OPEN_DIR);

    if (f < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return AVOW_FAIL(err, NOTFOUND, "no folder %s", name);
    if (f < 0)
        return AVOW_FAIL_SYS(err, "cannot open folder %s", name);
    *fd = f;
    return 0;
}

/* Follow @name to its last component; @last points to that, @fd is its folder. */
static int walk(int dir, const char *name, const struct avow_folder_owner *make, int *fd,
                const char **last, struct avow_error *err)
{
    avow_autoclose int at = openat(dir, ".", OPEN_DIR);
    const char *s = name;

    if (!avow_job_file_name_ok(name))
        return AVOW_FAIL(err, FORMAT, "\"%.80s\" is not an allowed file name", name);
    for (const char *end = strchr(s, '/'); at >= 0 && end; end = strchr(s, '/')) {
        char part[AVOW_JOB_FILE_NAME_MAX + 1];
        int next = -1;

        memcpy(part, s, (size_t)(end - s));
        part[end - s] = 0;
        next = openat(at, part, OPEN_DIR);
        if (next < 0 && errno == ENOENT && make)
            AVOW_TRY(make_dir(at, part, make->gid >= 0 ? 0750 : 0700, -1, make->gid, &next, err));
        close(at);
        at = next;
        s = end + 1;
    }
    if (at < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        return AVOW_FAIL(err, NOTFOUND, "no file %s", name);
    if (at < 0)
        return AVOW_FAIL_SYS(err, "cannot open the folder of %s", name);
    *fd = avow_steal_fd(&at);
    *last = s;
    return 0;
}

int avow_folder_write(int dir, const char *name, bool executable,
                      const struct avow_folder_owner *owner, int *fd, struct avow_error *err)
{
    avow_autoclose int folder = -1;
    avow_autoclose int f = -1;
    const char *last = NULL;
    mode_t mode = executable ? 0700 : 0600;
    struct stat st;

    AVOW_TRY(walk(dir, name, owner, &folder, &last, err));
    f = openat(folder, last, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
    if (f < 0 || fstat(f, &st) < 0)
        return AVOW_FAIL_SYS(err, "cannot write %s", name);
    if (!S_ISREG(st.st_mode))
        return AVOW_FAIL(err, STATE, "%s is not a regular file", name);
    if (owner->gid >= 0)
        mode |= executable ? 0050 : 0040;
    AVOW_TRY(give(f, mode, -1, owner->gid, err));
    *fd = avow_steal_fd(&f);
    return 0;
}

int avow_folder_read(int dir, const char *name, int *fd, struct avow_error *err)
{
    avow_autoclose int folder = -1;
    avow_autoclose int f = -1;
    const char *last = NULL;
    struct stat of_dir;
    struct stat st;

    AVOW_TRY(walk(dir, name, NULL, &folder, &last, err));
    if (fstat(dir, &of_dir) < 0)
        return AVOW_FAIL_SYS(err, "cannot look at the folder of %s", name);
    /* O_NONBLOCK: opening a pipe that a job left would wait for its writer */
    f = openat(folder, last, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (f < 0 && errno != ENOENT && errno != ELOOP && errno != ENXIO)
        return AVOW_FAIL_SYS(err, "cannot read %s", name);
    if (f < 0 || fstat(f, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != of_dir.st_uid)
        return AVOW_FAIL(err, NOTFOUND, "no file %s", name);
    *fd = avow_steal_fd(&f);
    return 0;
}

/* --- digests ------------------------------------------------------------------------------ */

struct scan {
    struct avow_folder_list *list;
    uint32_t files_max;
    uint64_t bytes_max;
    uint32_t entries;
    uid_t owner; /* of the folder */
    struct avow_error *err;
};

static int add_file(struct scan *s, int fd, const char *path)
{
    struct avow_folder_list *l = s->list;
    uint8_t digest[32];
    char hex[65];
    uint64_t size = 0;
    struct stat st;

    if (json_array_size(l->files) == s->files_max)
        return AVOW_FAIL(s->err, LIMIT, "more than %u files of results", s->files_max);
    if (fstat(fd, &st) < 0)
        return AVOW_FAIL_SYS(s->err, "cannot read %s", path);
    /* before it is read: a sparse file of an exabyte costs nothing to make */
    if ((uint64_t)st.st_size > s->bytes_max - l->bytes)
        return AVOW_FAIL(s->err, LIMIT, "results of more than %llu bytes (outputs_max)",
                         (unsigned long long)s->bytes_max);
    AVOW_TRY(avow_sha256_fd(fd, digest, &size, s->err));
    if (size > s->bytes_max - l->bytes)
        return AVOW_FAIL(s->err, LIMIT, "results of more than %llu bytes (outputs_max)",
                         (unsigned long long)s->bytes_max);
    l->bytes += size;
    avow_hex(AVOW_BYTES_OF(digest), hex);
    if (json_array_append_new(l->files, json_pack("{s:s,s:I,s:s}", "name", path, "size",
                                                  (json_int_t)size, "sha256", hex)) != 0)
        return AVOW_FAIL(s->err, NOMEM, "out of memory");
    return 0;
}

static int scan_dir(struct scan *s, int take_fd, const char *prefix);

static int scan_entry(struct scan *s, int dir, const char *prefix, const char *name)
{
    char path[AVOW_JOB_FILE_NAME_MAX + 1];
    avow_autoclose int fd = -1;
    struct stat st;
    int n = snprintf(path, sizeof path, "%s%s", prefix, name);

    if (++s->entries > ENTRIES_MAX)
        return AVOW_FAIL(s->err, LIMIT, "more than %d entries in output/", ENTRIES_MAX);
    if (n < 0 || (size_t)n >= sizeof path || !avow_job_file_name_ok(path)) {
        s->list->skipped++;
        return 0;
    }
    fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
        s->list->skipped++;
        return 0;
    }
    /* a hard link to a file that the job itself cannot read would make us read it out */
    if (st.st_uid != s->owner) {
        s->list->skipped++;
        return 0;
    }
    if (S_ISREG(st.st_mode))
        return add_file(s, fd, path);
    if ((size_t)n + 1 >= sizeof path) {
        s->list->skipped++;
        return 0;
    }
    path[n] = '/';
    path[n + 1] = 0;
    return scan_dir(s, avow_steal_fd(&fd), path);
}

/* The depth is bounded by AVOW_JOB_FILE_DEPTH_MAX: a deeper name is not allowed. */
static int scan_dir(struct scan *s, int take_fd, const char *prefix)
{
    autoclosedir DIR *d = fdopendir(take_fd);
    const struct dirent *e = NULL;

    if (!d) {
        close(take_fd);
        return AVOW_FAIL_SYS(s->err, "cannot list output/%s", prefix);
    }
    while ((e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        AVOW_TRY(scan_entry(s, dirfd(d), prefix, e->d_name));
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a;
    const json_t *y = *(json_t *const *)b;

    return strcmp(json_string_value(json_object_get(x, "name")),
                  json_string_value(json_object_get(y, "name")));
}

static int sort_files(json_t **files)
{
    size_t n = json_array_size(*files);
    avow_autofree json_t **v = calloc(n ? n : 1, sizeof *v);
    json_t *sorted = json_array();

    if (!v || !sorted)
        return -AVOW_E_NOMEM;
    for (size_t i = 0; i < n; i++)
        v[i] = json_array_get(*files, i);
    qsort(v, n, sizeof *v, by_name);
    for (size_t i = 0; i < n; i++)
        json_array_append(sorted, v[i]);
    json_decref(*files);
    *files = sorted;
    return 0;
}

int avow_folder_digest(int dir, const char *name, uint32_t files_max, uint64_t bytes_max,
                       struct avow_folder_list *out, struct avow_error *err)
{
    struct avow_folder_list list = { .files = json_array() };
    struct scan s = { .list = &list, .files_max = files_max, .bytes_max = bytes_max, .err = err };
    int fd = -1;
    int rc = avow_folder_open(dir, name, &fd, err);
    struct stat st;

    if (rc == 0 && fstat(fd, &st) < 0) {
        rc = AVOW_FAIL_SYS(err, "cannot look at folder %s", name);
        close(fd);
    }
    if (rc == 0) {
        s.owner = st.st_uid;
        rc = scan_dir(&s, fd, "");
    }
    if (rc == 0)
        rc = sort_files(&list.files);
    if (rc < 0) {
        json_decref(list.files);
        return rc;
    }
    *out = list;
    return 0;
}

/* --- removing ----------------------------------------------------------------------------- */

/*
 * Empty folder @name of @dir: its files go, its folders are moved up into @dir under names of our
 * own, so that any depth takes two descriptors. Then the folder itself goes.
 */
static int flatten(int dir, const char *name, unsigned *serial, struct avow_error *err)
{
    avow_autoclose int fd = openat(dir, name, OPEN_DIR);
    autoclosedir DIR *d = NULL;
    const struct dirent *e = NULL;
    int rc = 0;

    if (fd < 0 && errno == EACCES && fchmodat(dir, name, 0700, 0) == 0)
        fd = openat(dir, name, OPEN_DIR);
    if (fd < 0)
        return AVOW_FAIL_SYS(err, "cannot open a folder to remove");
    (void)!fchmod(fd, 0700); /* a job may have made its own folder read-only */
    d = fdopendir(fd);
    if (!d)
        return AVOW_FAIL_SYS(err, "cannot list a folder to remove");
    (void)avow_steal_fd(&fd);
    while ((e = readdir(d)) != NULL) {
        char up[32];

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(d), e->d_name, 0) == 0)
            continue;
        (void)!fchmodat(dirfd(d), e->d_name, 0700, 0); /* moving a folder writes to it */
        /* a name that is taken is left from a removal that was cut short, and is removed as well */
        do
            snprintf(up, sizeof up, ".removed-%u", ++*serial);
        while ((rc = renameat(dirfd(d), e->d_name, dir, up)) < 0 &&
               (errno == EEXIST || errno == ENOTEMPTY));
        if (rc < 0)
            return AVOW_FAIL_SYS(err, "cannot remove a file");
    }
    if (unlinkat(dir, name, AT_REMOVEDIR) < 0)
        return AVOW_FAIL_SYS(err, "cannot remove a folder");
    return 0;
}

int avow_folder_remove(int dir, const char *name, struct avow_error *err)
{
    unsigned serial = 0;
    unsigned done = 0;
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return 0;
        return AVOW_FAIL_SYS(err, "cannot remove %s", name);
    }
    if (!S_ISDIR(st.st_mode)) {
        if (unlinkat(dir, name, 0) < 0)
            return AVOW_FAIL_SYS(err, "cannot remove %s", name);
        return 0;
    }
    AVOW_TRY(flatten(dir, name, &serial, err));
    while (done < serial) {
        char up[32];

        snprintf(up, sizeof up, ".removed-%u", ++done);
        AVOW_TRY(flatten(dir, up, &serial, err));
    }
    return 0;
}
