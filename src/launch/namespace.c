#include "launch/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "launch/netlink.h"

#define KEPT_MAX 4 /* folders that stay reachable below a private file system */
#define VETH_OTHER "avow0-far"
#define READY_TIMEOUT_MS 5000
#define PRELOAD_MAX (64u << 20) /* bytes of the library that ranks preload */

/*
 * File systems that the job gets for itself: so that nothing is left behind in the host's, and in
 * /run so that it meets none of the sockets of the host's services (name service caches, D-Bus,
 * container engines), which would carry what it says past its network namespace.
 */
static const struct {
    const char *path;
    const char *options;
} private_mounts[] = {
    { "/tmp", "mode=1777" },
    { "/dev/shm", "mode=1777" },
    { "/run", "mode=0755" },
    { "/var/run", "mode=0755" }, /* usually a link to /run */
};
#define N_PRIVATE (sizeof private_mounts / sizeof private_mounts[0])

/*
 * Devices that network namespaces do not bind: to the machine's host, to other machines, and to the
 * TEE, whose evidence is the daemon's alone to ask for. Their modes are the image's business; a job
 * finds /dev/null or an empty folder there in any case. configfs has reports of the TEE too: a
 * fresh /sys does not show it, but not everywhere can one be mounted.
 */
static const char *const closed_devices[] = {
    "/dev/vsock",     "/dev/vhost-vsock", "/dev/infiniband", "/dev/sev-guest",     "/dev/tdx_guest",
    "/dev/tdx-guest", "/dev/tpm0",        "/dev/tpmrm0",     "/sys/kernel/config",
};
#define N_CLOSED (sizeof closed_devices / sizeof closed_devices[0])

/* A folder to bind again over its own path, held by a descriptor meanwhile. */
struct kept {
    char *path;
    int fd;
};

struct kept_list {
    struct kept items[KEPT_MAX];
    size_t n;
};

static void kept_done(struct kept_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        free(l->items[i].path);
        if (l->items[i].fd >= 0)
            close(l->items[i].fd);
    }
    l->n = 0;
}

static int write_file(const char *path, const char *text, struct avow_error *err)
{
    avow_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return AVOW_FAIL_SYS(err, "cannot write %s", path);
    return 0;
}

int avow_namespace_enter(struct avow_error *err)
{
    int flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID;
    uid_t uid = geteuid();
    gid_t gid = getegid();
    char map[64];

    if (uid == 0 && unshare(flags) == 0)
        return 0;
    /* root of a container may lack CAP_SYS_ADMIN, and then is like anybody */
    if (uid == 0 && errno != EPERM)
        return AVOW_FAIL_SYS(err, "cannot make namespaces");
    if (unshare(flags | CLONE_NEWUSER) < 0)
        return AVOW_FAIL_SYS(err, "cannot make a user namespace and others as user %u", uid);
    /* user_namespaces(7): without setgroups denied an ordinary user may not write gid_map */
    AVOW_TRY(write_file("/proc/self/setgroups", "deny", err));
    snprintf(map, sizeof map, "%u %u 1\n", uid, uid);
    AVOW_TRY(write_file("/proc/self/uid_map", map, err));
    snprintf(map, sizeof map, "%u %u 1\n", gid, gid);
    return write_file("/proc/self/gid_map", map, err);
}

static bool below(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

static bool in_private_mount(const char *path)
{
    for (size_t i = 0; i < N_PRIVATE; i++)
        if (below(path, private_mounts[i].path))
            return true;
    return false;
}

static bool hidden(const struct avow_launch_config *c, const char *path)
{
    return in_private_mount(path) || (c->hide[0] && below(path, c->hide));
}

/* Remember the folder that @path is in, if a private file system will hide it. */
static int keep_folder_of(const struct avow_launch_config *c, struct kept_list *l, const char *path,
                          struct avow_error *err)
{
    const char *slash = strrchr(path, '/');
    avow_autofree char *folder = strndup(path, slash ? (size_t)(slash - path) : 0);
    avow_autoclose int fd = -1;

    if (!folder)
        return AVOW_FAIL(err, NOMEM, "no memory for a path");
    if (!hidden(c, path))
        return 0;
    if (!hidden(c, folder))
        return AVOW_FAIL(err, NAMESPACE,
                         "%s is directly in a folder that each job has for itself; put it into a "
                         "folder of its own",
                         path);
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->items[i].path, folder) == 0)
            return 0;
    fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return AVOW_FAIL_SYS(err, "cannot open %s", folder);
    l->items[l->n].path = avow_steal(&folder);
    l->items[l->n++].fd = avow_steal_fd(&fd);
    return 0;
}

static int make_folders(const char *path, struct avow_error *err)
{
    avow_autofree char *p = strdup(path);

    if (!p)
        return AVOW_FAIL(err, NOMEM, "no memory for a path");
    for (char *s = p + 1;; s++) {
        char c = *s;

        if (c != '/' && c != '\0')
            continue;
        *s = '\0';
        if (mkdir(p, 0755) < 0 && errno != EEXIST)
            return AVOW_FAIL_SYS(err, "cannot make %s", p);
        if (c == '\0')
            return 0;
        *s = c;
    }
}

static int bind_kept(const struct kept_list *l, struct avow_error *err)
{
    for (size_t i = 0; i < l->n; i++) {
        char source[64];

        AVOW_TRY(make_folders(l->items[i].path, err));
        snprintf(source, sizeof source, "/proc/self/fd/%d", l->items[i].fd);
        if (mount(source, l->items[i].path, NULL, MS_BIND | MS_REC, NULL) < 0)
            return AVOW_FAIL_SYS(err, "cannot keep %s where the job sees it", l->items[i].path);
    }
    return 0;
}

/* The folders of other jobs: what keeps them apart is not only that their names cannot be guessed.
 */
static int hide_others(const struct avow_launch_config *c, struct avow_error *err)
{
    if (!c->hide[0] || in_private_mount(c->hide))
        return 0; /* there it is hidden already */
    if (mount("tmpfs", c->hide, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
        return AVOW_FAIL_SYS(err, "cannot hide %s", c->hide);
    return 0;
}

static int close_devices(struct avow_error *err)
{
    for (size_t i = 0; i < N_CLOSED; i++) {
        const char *path = closed_devices[i];
        struct stat st;
        int rc = 0;

        if (stat(path, &st) < 0)
            continue;
        rc = S_ISDIR(st.st_mode)
                 ? mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_RDONLY, "mode=0555")
                 : mount("/dev/null", path, NULL, MS_BIND, NULL);
        if (rc < 0)
            return AVOW_FAIL_SYS(err, "cannot close %s", path);
    }
    return 0;
}

/* Fresh /proc of the PID namespace and /sys of the network namespace (UCX reads /sys/class/net). */
static int mount_views(char *note, size_t note_max, struct avow_error *err)
{
    static const char *const views[][2] = { { "proc", "/proc" }, { "sysfs", "/sys" } };

    for (size_t i = 0; i < 2; i++) {
        if (mount(views[i][0], views[i][1], views[i][0], MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) ==
            0)
            continue;
        if (errno != EPERM)
            return AVOW_FAIL_SYS(err, "cannot mount a fresh %s", views[i][1]);
        /* a container's masked /proc: mount_namespaces(7), "locked" mounts */
        snprintf(note, note_max, "cannot mount a fresh %s: %s; the job sees the host's",
                 views[i][1], strerror(errno));
    }
    return 0;
}

/* All of the file @from; -AVOW_E_SYSTEM with errno, and where it is longer than PRELOAD_MAX. */
static int copy_file(int from, int to)
{
    ssize_t n = 0;
    size_t all = 0;

    while (all <= PRELOAD_MAX && (n = sendfile(to, from, NULL, PRELOAD_MAX)) > 0)
        all += (size_t)n;
    if (n == 0)
        return 0;
    errno = n < 0 ? errno : EFBIG;
    return -AVOW_E_SYSTEM;
}

/*
 * The library that ranks preload, where the job's user surely reads it: avowd may be installed in
 * a folder that is closed to others, and the file itself too (umask 077). So it is copied.
 */
static int place_preload(struct avow_launch_config *c, int fd, struct avow_error *err)
{
    avow_autoclose int file = -1;
    avow_autofree char *path = strdup(AVOW_NAMESPACE_PRELOAD);

    if (!path)
        return AVOW_FAIL(err, NOMEM, "no memory for a path");
    if (mkdir(AVOW_NAMESPACE_LIB, 0755) < 0 ||
        (file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444)) < 0)
        return AVOW_FAIL_SYS(err, "cannot make %s", path);
    if (copy_file(fd, file) < 0)
        return AVOW_FAIL_SYS(err, "cannot show %s to the job", c->preload);
    free(c->preload);
    c->preload = avow_steal(&path);
    return 0;
}

static int mount_private(struct avow_error *err)
{
    for (size_t i = 0; i < N_PRIVATE; i++) {
        const char *path = private_mounts[i].path;
        struct stat st;

        if (strcmp(path, "/var/run") == 0 && (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode)))
            continue;
        if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, private_mounts[i].options) < 0)
            return AVOW_FAIL_SYS(err, "cannot mount a private %s", path);
    }
    return 0;
}

static int mount_all(struct avow_launch_config *c, char *note, size_t note_max,
                     struct avow_error *err)
{
    avow_auto(kept_done) struct kept_list kept = { 0 };
    avow_autoclose int preload = -1;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return AVOW_FAIL_SYS(err, "cannot make mounts private");
    AVOW_TRY(keep_folder_of(c, &kept, c->workdir, err));
    AVOW_TRY(keep_folder_of(c, &kept, c->program, err));
    if (c->preload[0] && (preload = open(c->preload, O_RDONLY | O_CLOEXEC)) < 0)
        return AVOW_FAIL_SYS(err, "cannot open %s", c->preload);
    AVOW_TRY(mount_private(err));
    AVOW_TRY(hide_others(c, err));
    AVOW_TRY(bind_kept(&kept, err));
    if (preload >= 0)
        AVOW_TRY(place_preload(c, preload, err));
    AVOW_TRY(close_devices(err));
    return mount_views(note, note_max, err);
}

static int make_interface(int nl, int *tun, struct avow_error *err)
{
    struct avow_error why = { 0 };

    if (avow_tun_open(AVOW_NAMESPACE_IFACE, tun, &why) == 0)
        return 0;
    /* for ordinary users /dev/net/tun is often closed; a veth pair with both ends here has a
     * carrier too and leads nowhere else */
    if (avow_netlink_veth(nl, AVOW_NAMESPACE_IFACE, VETH_OTHER, err) < 0)
        return avow_error_prefix(err, "%s", why.text);
    return avow_netlink_up(nl, VETH_OTHER, err);
}

static int furnish_network(const struct avow_launch_config *c, int *tun, struct avow_error *err)
{
    avow_autoclose int nl = -1;

    AVOW_TRY(avow_netlink_open(&nl, err));
    AVOW_TRY(avow_netlink_up(nl, "lo", err));
    AVOW_TRY(make_interface(nl, tun, err));
    AVOW_TRY(avow_netlink_addr(nl, AVOW_NAMESPACE_IFACE, c->vaddr, err));
    AVOW_TRY(avow_netlink_up(nl, AVOW_NAMESPACE_IFACE, err));
    AVOW_TRY(avow_netlink_prohibit(nl, c->net, c->prefix, err));
    return avow_netlink_wait_running(AVOW_NAMESPACE_IFACE, READY_TIMEOUT_MS, err);
}

int avow_namespace_furnish(struct avow_launch_config *c, int *tun, char *note, size_t note_max,
                           struct avow_error *err)
{
    const char *name = avow_launch_self(c)->name;

    note[0] = '\0';
    *tun = -1;
    if (sethostname(name, strlen(name)) < 0)
        return AVOW_FAIL_SYS(err, "cannot set the host name");
    AVOW_TRY(furnish_network(c, tun, err));
    return mount_all(c, note, note_max, err);
}
