/*
 * avow-shell (launch/shell.h). Two processes: this one, the monitor, reads CONFIG, makes the
 * namespaces and waits; its child is init of the PID namespace and the launch host. When the
 * monitor dies (or avowd, for which it lives), init gets SIGKILL, and with init the kernel ends
 * every process of the job.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/secret.h"
#include "fabric/bell.h"
#include "launch/frame.h"
#include "launch/host.h"
#include "launch/intake.h"
#include "launch/namespace.h"
#include "launch/outcome.h"

#define EXIT_USAGE 2
#define SWEEPS_MAX 100
#define SEND_TIMEOUT_S 5 /* for frames before the host runs and after */
#define NFTW_FDS 16

/* Both processes: die with the parent. A change of user clears it (prctl(2)), so call it again. */
static void die_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
}

/* A rank takes five; the usual limit of 1024 is for two hundred ranks. */
static void allow_many_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static void send_frame(enum avow_shell_msg type, struct avow_bytes body)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_SHELL_FRAME_MAX);
    struct timeval limit = { .tv_sec = SEND_TIMEOUT_S };
    size_t sent = 0;

    (void)setsockopt(AVOW_SHELL_FD, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (avow_frame_put(&out, (uint8_t)type, body) < 0)
        return;
    while (sent < out.len) {
        ssize_t n = send(AVOW_SHELL_FD, out.data + sent, out.len - sent, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        sent += (size_t)n;
    }
}

static int report(const char *code, const struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf json = AVOW_BUF(AVOW_SHELL_FRAME_MAX / 2);
    struct avow_outcome o;

    avow_outcome_fail(&o, code, 1, -1, "%s", err->text);
    if (avow_outcome_json(&o, &json) == 0)
        send_frame(AVOW_SHELL_DONE, avow_buf_view(&json));
    return EXIT_FAILURE;
}

/* Before anything else, and before libpmix makes a thread. */
static pid_t start_bell(int fd)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    die_with_parent();
    if (dup2(fd, AVOW_SHELL_FD) < 0)
        _exit(EXIT_FAILURE);
    close_range(AVOW_SHELL_FD + 1, ~0u, 0);
    _exit(avow_bell_serve(AVOW_SHELL_FD) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* What init does before the host runs; names the step that failed in @code. */
static int prepare(struct avow_launch_config *c, bool isolated, const char **code,
                   struct avow_error *err)
{
    char note[256] = "";
    int tun = -1; /* held open until this process ends */

    *code = "namespace";
    if (isolated)
        AVOW_TRY(avow_namespace_furnish(c, &tun, note, sizeof note, err));
    if (note[0])
        send_frame(AVOW_SHELL_LOG, avow_bytes_str(note));
    *code = "system";
    AVOW_TRY(avow_privileges_drop(c->uid, c->gid, err));
    avow_process_harden(); /* ranks are of the same user, and must not reach the link to avowd */
    die_with_parent();
    return 0;
}

static void session_path(const struct avow_launch_config *c, bool isolated, char *out, size_t max)
{
    if (isolated)
        snprintf(out, max, "/tmp/avow-shell");
    else
        snprintf(out, max, "/tmp/avow-%s-%u", c->job, c->node);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    (void)remove(path);
    return 0;
}

/* Without a PID namespace: end what is left of the job. Orphans come to this process (subreaper).
 */
static void sweep(void)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    for (int i = 0; i < SWEEPS_MAX; i++) {
        avow_autofclose FILE *f = fopen(path, "re");
        int pid = 0, n = 0;

        while (f && fscanf(f, "%d", &pid) == 1) {
            kill(pid, SIGKILL);
            n++;
        }
        if (n == 0)
            return;
        while (n-- > 0)
            (void)waitpid(-1, NULL, 0);
    }
}

static int init_main(struct avow_intake *in, bool isolated, int monitor, pid_t shown)
{
    const struct avow_launch_config *c = in->config;
    struct avow_error err = { 0 };
    const char *code = NULL;
    char dir[128];
    struct avow_host_start start = { .config = c,
                                     .link = AVOW_SHELL_FD,
                                     .monitor = monitor,
                                     .shown_pid = shown,
                                     .in_namespace = isolated,
                                     .session_dir = dir,
                                     .fabric = in->fds + 1 };
    int rc = 0;

    if (prepare(in->config, isolated, &code, &err) < 0)
        return report(code, &err);
    session_path(c, isolated, dir, sizeof dir);
    if (!isolated && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        (void)AVOW_FAIL_SYS(&err, "cannot become a subreaper");
    else if (mkdir(dir, 0700) < 0)
        (void)AVOW_FAIL_SYS(&err, "cannot make %s", dir);
    start.bell = err.code ? -1 : start_bell(in->fds[0]);
    if (start.bell < 0) {
        (void)AVOW_FAIL_SYS(&err, "cannot start the doorbell");
        return report("system", &err);
    }
    close(in->fds[0]);
    in->fds[0] = -1;
    rc = avow_host_run(&start, &err);
    if (!isolated) {
        sweep();
        nftw(dir, remove_one, NFTW_FDS, FTW_DEPTH | FTW_PHYS);
    }
    return rc < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Whether namespaces can be made and furnished here: tried in a process of its own. */
static bool probe(struct avow_launch_config *c)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct avow_error err = { 0 };
        char note[256];
        int tun = -1;

        if (avow_namespace_enter(&err) < 0)
            _exit(EXIT_FAILURE);
        pid = fork();
        if (pid == 0)
            _exit(avow_namespace_furnish(c, &tun, note, sizeof note, &err) < 0);
        _exit(pid < 0 || waitpid(pid, &status, 0) != pid || status != 0);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* Wait for init; how it ended is how this process ends. */
static int monitor_main(const struct avow_launch_config *c, pid_t init)
{
    struct avow_error err = { 0 };
    int status = 0;

    /* nothing is left to do that needs a privilege */
    if (avow_privileges_drop(c->uid, c->gid, &err) < 0) {
        kill(init, SIGKILL);
        fprintf(stderr, "avow-shell: job %s: %s\n", c->job, err.text);
    }
    die_with_parent();
    while (waitpid(init, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_FAILURE;
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr, "avow-shell: job %s: the launch host was killed by signal %d\n", c->job,
            WTERMSIG(status));
    return 128 + WTERMSIG(status);
}

static int run(struct avow_intake *in)
{
    struct avow_error err = { 0 };
    bool isolated = true;
    pid_t shown = getpid(), init = 0;
    int alive[2];

    if (!in->config->require_namespace && !probe(in->config)) {
        isolated = false;
        send_frame(AVOW_SHELL_LOG,
                   avow_bytes_str("no namespaces can be made here: the job runs without"));
    }
    if (isolated && avow_namespace_enter(&err) < 0)
        return report("namespace", &err);
    if (pipe2(alive, O_CLOEXEC) < 0 || (init = fork()) < 0) {
        (void)AVOW_FAIL_SYS(&err, "cannot start the launch host");
        return report("system", &err);
    }
    if (init == 0) {
        die_with_parent();
        close(alive[1]);
        return init_main(in, isolated, alive[0], shown);
    }
    close(alive[0]);
    close(AVOW_SHELL_FD);
    for (size_t i = 0; i < in->n_fds; i++)
        close(in->fds[i]);
    in->n_fds = 0;
    return monitor_main(in->config, init);
}

int main(int argc, char **argv)
{
    avow_auto(avow_intake_done) struct avow_intake in = { 0 };
    struct avow_error err = { 0 };
    struct stat st;

    (void)argv;
    if (argc > 1 || fstat(AVOW_SHELL_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        fprintf(stderr, "avow-shell is started by avowd, with a socket as descriptor %d\n",
                AVOW_SHELL_FD);
        return EXIT_USAGE;
    }
    die_with_parent();
    (void)setsid(); /* a terminal's Ctrl-C is for avowd, which then says KILL */
    clearenv();
    umask(022);
    allow_many_descriptors();
    if (close_range(AVOW_SHELL_FD + 1, ~0u, 0) < 0 ||
        fcntl(AVOW_SHELL_FD, F_SETFD, FD_CLOEXEC) < 0) {
        (void)AVOW_FAIL_SYS(&err, "cannot arrange descriptors");
        return report("system", &err);
    }
    if (avow_intake_read(AVOW_SHELL_FD, &in, &err) < 0)
        return report("config", &err);
    return run(&in);
}
