#define FUSE_USE_VERSION 34
#include <fuse.h>

#include "tsm_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES 4
#define BLOB_MAX (1u << 20)
#define LINE 64
#define CLOSE_WAIT_S 30

enum file {
    F_NONE,
    F_GENERATION,
    F_PROVIDER,
    F_PRIVLEVEL,
    F_FLOOR,
    F_INBLOB,
    F_OUTBLOB,
    F_AUXBLOB
};

struct entry {
    char name[LINE];
    uint8_t inblob[64];
    size_t inblob_len;
    unsigned privlevel;
    unsigned long write_generation, read_generation;
    bool have_report;
    struct avow_buf report, table;
};

struct tsm_fs {
    struct tsm_fs_config c;
    struct tsm_fs_seen seen;
    struct entry entries[ENTRIES];
    struct fuse *fuse;
    char *dir;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t closed;
    unsigned open; /* files and folders that the kernel has not released yet */
};

/* An open file: what is read was fixed when it was first read. */
struct handle {
    struct entry *entry;
    enum file file;
    bool filled, written;
    struct avow_buf text;
    uint8_t pending[64];
    size_t pending_len;
};

static struct tsm_fs *self(void)
{
    return fuse_get_context()->private_data;
}

static enum file file_of(const struct tsm_fs *fs, const char *name)
{
    static const struct {
        const char *name;
        enum file file;
    } files[] = { { "generation", F_GENERATION }, { "provider", F_PROVIDER },
                  { "privlevel", F_PRIVLEVEL },   { "privlevel_floor", F_FLOOR },
                  { "inblob", F_INBLOB },         { "outblob", F_OUTBLOB },
                  { "auxblob", F_AUXBLOB } };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, name) == 0) {
            bool hidden =
                (files[i].file == F_AUXBLOB && !fs->c.has_table) ||
                ((files[i].file == F_PRIVLEVEL || files[i].file == F_FLOOR) && !fs->c.has_levels);

            return hidden ? F_NONE : files[i].file;
        }
    return F_NONE;
}

/* "/entry" or "/entry/file". */
static struct entry *find(struct tsm_fs *fs, const char *path, enum file *file)
{
    const char *slash = strchr(path + 1, '/');
    size_t n = slash ? (size_t)(slash - path - 1) : strlen(path + 1);

    *file = slash ? file_of(fs, slash + 1) : F_NONE;
    if (slash && *file == F_NONE)
        return NULL;
    for (int i = 0; i < ENTRIES; i++)
        if (n && strlen(fs->entries[i].name) == n && strncmp(fs->entries[i].name, path + 1, n) == 0)
            return &fs->entries[i];
    return NULL;
}

static int do_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    struct tsm_fs *fs = self();
    enum file file = F_NONE;

    (void)fi;
    memset(st, 0, sizeof *st);
    pthread_mutex_lock(&fs->lock);
    if (strcmp(path, "/") == 0 || (find(fs, path, &file) && file == F_NONE))
        st->st_mode = S_IFDIR | 0755;
    else if (find(fs, path, &file))
        st->st_mode = S_IFREG | (file == F_INBLOB || file == F_PRIVLEVEL ? 0200 : 0400);
    pthread_mutex_unlock(&fs->lock);
    st->st_nlink = 1;
    return st->st_mode ? 0 : -ENOENT;
}

static int do_mkdir(const char *path, mode_t mode)
{
    struct tsm_fs *fs = self();
    enum file file = F_NONE;
    int rc = -ENOSPC;

    (void)mode;
    pthread_mutex_lock(&fs->lock);
    if (!fs->c.provider)
        rc = -ENXIO;
    else if (find(fs, path, &file))
        rc = -EEXIST;
    for (int i = 0; rc == -ENOSPC && i < ENTRIES; i++)
        if (!fs->entries[i].name[0]) {
            struct entry *e = &fs->entries[i];

            *e = (struct entry){ .report = AVOW_BUF(BLOB_MAX), .table = AVOW_BUF(BLOB_MAX) };
            snprintf(e->name, sizeof e->name, "%s", path + 1);
            fs->seen.made++;
            fs->seen.present++;
            if (fs->seen.present > fs->seen.most)
                fs->seen.most = fs->seen.present;
            rc = 0;
        }
    pthread_mutex_unlock(&fs->lock);
    return rc;
}

static int do_rmdir(const char *path)
{
    struct tsm_fs *fs = self();
    enum file file = F_NONE;
    struct entry *e = NULL;

    pthread_mutex_lock(&fs->lock);
    e = find(fs, path, &file);
    if (e) {
        avow_buf_done(&e->report);
        avow_buf_done(&e->table);
        e->name[0] = '\0';
        fs->seen.present--;
    }
    pthread_mutex_unlock(&fs->lock);
    return e ? 0 : -ENOENT;
}

static int do_open(const char *path, struct fuse_file_info *fi)
{
    struct tsm_fs *fs = self();
    struct handle *h = calloc(1, sizeof *h);

    if (!h)
        return -ENOMEM;
    h->text = AVOW_BUF(BLOB_MAX);
    pthread_mutex_lock(&fs->lock);
    h->entry = find(fs, path, &h->file);
    fs->open += h->entry != NULL;
    pthread_mutex_unlock(&fs->lock);
    if (!h->entry) {
        free(h);
        return -ENOENT;
    }
    fi->fh = (uint64_t)(uintptr_t)h;
    fi->direct_io = 1; /* sizes are not known beforehand, as in configfs */
    return 0;
}

static struct handle *handle_of(const struct fuse_file_info *fi)
{
    return (struct handle *)(uintptr_t)fi->fh; /* NOLINT */
}

static void count_closed(struct tsm_fs *fs)
{
    pthread_mutex_lock(&fs->lock);
    fs->open--;
    pthread_cond_broadcast(&fs->closed);
    pthread_mutex_unlock(&fs->lock);
}

static int do_release(const char *path, struct fuse_file_info *fi)
{
    struct handle *h = handle_of(fi);

    (void)path;
    avow_buf_done(&h->text);
    free(h);
    count_closed(self());
    return 0;
}

static int do_opendir(const char *path, struct fuse_file_info *fi)
{
    struct tsm_fs *fs = self();

    (void)path;
    (void)fi;
    pthread_mutex_lock(&fs->lock);
    fs->open++;
    pthread_mutex_unlock(&fs->lock);
    return 0;
}

static int do_releasedir(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    (void)fi;
    count_closed(self());
    return 0;
}

/* The kernel releases some time after close(2), and not at all once it is unmounted: what stands
 * for an open folder in libfuse would then never be freed. */
static void wait_until_closed(struct tsm_fs *fs)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CLOSE_WAIT_S;
    pthread_mutex_lock(&fs->lock);
    while (fs->open && pthread_cond_timedwait(&fs->closed, &fs->lock, &until) == 0)
        ;
    pthread_mutex_unlock(&fs->lock);
}

/* try_advance_write_generation(): the counter only wraps after 2^64 writes; not imitated. */
static int take_inblob(struct entry *e, const uint8_t *data, size_t n)
{
    memcpy(e->inblob, data, n);
    e->inblob_len = n;
    e->write_generation++;
    return 0;
}

static void meddle(struct entry *e)
{
    static const uint8_t theirs[64] = { 0xEE };

    (void)take_inblob(e, theirs, sizeof theirs);
}

static bool use_up(int *n)
{
    return *n > 0 && (*n)--;
}

/* tsm_report_read() */
static int make_report(struct tsm_fs *fs, struct entry *e, enum file file)
{
    int rc = 0;

    if (!e->inblob_len)
        return EINVAL;
    if (file == F_OUTBLOB && use_up(&fs->c.busy_reads))
        return EBUSY;
    if (file == F_OUTBLOB && use_up(&fs->c.again_reads))
        return EWOULDBLOCK;
    if (file == F_OUTBLOB && use_up(&fs->c.broken_reads))
        return EINTR;
    if (file == F_OUTBLOB && use_up(&fs->c.meddle_before))
        meddle(e);
    if (e->have_report && e->read_generation == e->write_generation)
        return 0;
    avow_buf_reset(&e->report);
    avow_buf_reset(&e->table);
    e->have_report = false;
    rc = fs->c.answer(fs->c.ctx, e->inblob, e->privlevel, &e->report, &e->table);
    if (rc)
        return rc;
    e->have_report = true;
    e->read_generation = e->write_generation;
    fs->seen.reports++;
    fs->seen.privlevel = e->privlevel;
    return 0;
}

static int fill(struct tsm_fs *fs, struct handle *h)
{
    struct entry *e = h->entry;
    int rc = 0;

    if (h->file == F_GENERATION)
        avow_buf_putf(&h->text, "%lu\n", e->write_generation);
    else if (h->file == F_PROVIDER)
        avow_buf_putf(&h->text, "%s\n", fs->c.provider);
    else if (h->file == F_FLOOR)
        avow_buf_putf(&h->text, "%u\n", fs->c.floor);
    else if ((rc = make_report(fs, e, h->file)) == 0)
        avow_buf_put_bytes(&h->text, avow_buf_view(h->file == F_OUTBLOB ? &e->report : &e->table));
    if (rc == 0 && h->file == F_OUTBLOB && use_up(&fs->c.meddle_after))
        meddle(e);
    return rc;
}

static int do_read(const char *path, char *buf, size_t n, off_t off, struct fuse_file_info *fi)
{
    struct tsm_fs *fs = self();
    struct handle *h = handle_of(fi);
    int rc = 0;

    (void)path;
    if (h->file == F_INBLOB || h->file == F_PRIVLEVEL)
        return -EACCES;
    pthread_mutex_lock(&fs->lock);
    if (!h->filled)
        rc = fill(fs, h);
    h->filled = rc == 0;
    pthread_mutex_unlock(&fs->lock);
    if (rc)
        return -rc;
    if ((size_t)off >= h->text.len)
        return 0;
    if (n > h->text.len - (size_t)off)
        n = h->text.len - (size_t)off;
    memcpy(buf, h->text.data + off, n);
    return (int)n;
}

static int do_write(const char *path, const char *buf, size_t n, off_t off,
                    struct fuse_file_info *fi)
{
    struct tsm_fs *fs = self();
    struct handle *h = handle_of(fi);
    unsigned long level = 0;
    int rc = (int)n;

    (void)path;
    if (h->file == F_INBLOB) {
        if ((size_t)off > sizeof h->pending || n > sizeof h->pending - (size_t)off)
            return -EFBIG;
        memcpy(h->pending + off, buf, n);
        h->pending_len = (size_t)off + n;
        h->written = true;
        return rc;
    }
    if (h->file != F_PRIVLEVEL || n >= LINE)
        return -EACCES;
    level = strtoul(buf, NULL, 0); /* FUSE's buffer is longer than what was written */
    pthread_mutex_lock(&fs->lock);
    if (level < fs->c.floor || level > 3) {
        rc = -EINVAL;
    } else {
        h->entry->privlevel = (unsigned)level;
        h->entry->write_generation++;
    }
    pthread_mutex_unlock(&fs->lock);
    return rc;
}

/* close(2) waits for this, not for release. */
static int do_flush(const char *path, struct fuse_file_info *fi)
{
    struct tsm_fs *fs = self();
    struct handle *h = handle_of(fi);

    (void)path;
    pthread_mutex_lock(&fs->lock);
    if (h->written && !use_up(&fs->c.lost_writes))
        (void)take_inblob(h->entry, h->pending, h->pending_len);
    h->written = false;
    pthread_mutex_unlock(&fs->lock);
    return 0;
}

static const struct fuse_operations operations = {
    .getattr = do_getattr,
    .mkdir = do_mkdir,
    .rmdir = do_rmdir,
    .open = do_open,
    .read = do_read,
    .write = do_write,
    .flush = do_flush,
    .release = do_release,
    .opendir = do_opendir,
    .releasedir = do_releasedir,
};

static void *serve(void *arg)
{
    struct tsm_fs *fs = arg;

    (void)fuse_loop(fs->fuse);
    return NULL;
}

struct tsm_fs *tsm_fs_start(const char *dir, const struct tsm_fs_config *c, char why[256])
{
    char name[] = "tsm_fs";
    char *argv[] = { name, NULL };
    struct fuse_args args = FUSE_ARGS_INIT(1, argv);
    struct tsm_fs *fs = calloc(1, sizeof *fs);

    if (!fs)
        abort();
    fs->c = *c;
    fs->dir = strdup(dir);
    pthread_mutex_init(&fs->lock, NULL);
    pthread_cond_init(&fs->closed, NULL);
    fs->fuse = access("/dev/fuse", R_OK | W_OK) == 0
                   ? fuse_new(&args, &operations, sizeof operations, fs)
                   : NULL;
    fuse_opt_free_args(&args);
    if (!fs->fuse || fuse_mount(fs->fuse, dir) != 0) {
        snprintf(why, 256,
                 "FUSE cannot be mounted here (needs /dev/fuse, and root or fusermount3)");
        if (fs->fuse)
            fuse_destroy(fs->fuse);
        free(fs->dir);
        free(fs);
        return NULL;
    }
    if (pthread_create(&fs->thread, NULL, serve, fs) != 0)
        abort();
    return fs;
}

void tsm_fs_stop(struct tsm_fs *fs)
{
    if (!fs)
        return;
    wait_until_closed(fs);
    (void)umount2(fs->dir, MNT_DETACH); /* ends the loop: the device is gone */
    pthread_join(fs->thread, NULL);
    fuse_unmount(fs->fuse); /* what is left of it here */
    fuse_destroy(fs->fuse);
    for (int i = 0; i < ENTRIES; i++) {
        avow_buf_done(&fs->entries[i].report);
        avow_buf_done(&fs->entries[i].table);
    }
    pthread_cond_destroy(&fs->closed);
    pthread_mutex_destroy(&fs->lock);
    free(fs->dir);
    free(fs);
}

struct tsm_fs_seen tsm_fs_seen(struct tsm_fs *fs)
{
    struct tsm_fs_seen seen;

    pthread_mutex_lock(&fs->lock);
    seen = fs->seen;
    pthread_mutex_unlock(&fs->lock);
    return seen;
}

void tsm_fs_set(struct tsm_fs *fs, const struct tsm_fs_config *c)
{
    pthread_mutex_lock(&fs->lock);
    fs->c = *c;
    pthread_mutex_unlock(&fs->lock);
}
