#include "launch/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define EXIT_NOT_STARTED 127

/* Descriptors that the rank gets, -1 each at first. */
struct ends {
    int null, out, err, pmi, job, fabric;
    int report; /* closed by a successful exec, else errno is written */
};

static void ends_done(struct ends *e)
{
    int fds[] = { e->null, e->out, e->err, e->pmi, e->job, e->fabric, e->report };

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void spawned_close(struct avow_spawned *s)
{
    int *fds[] = { &s->out[0], &s->out[1], &s->pmi, &s->job };

    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static int make_pipe(int *mine, int *theirs)
{
    int p[2];

    if (pipe2(p, O_CLOEXEC) < 0)
        return -1;
    *mine = p[0];
    *theirs = p[1];
    return fcntl(p[0], F_SETFL, O_NONBLOCK);
}

static int make_socket(int type, int *mine, int *theirs)
{
    int p[2];

    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, p) < 0)
        return -1;
    *mine = p[0];
    *theirs = p[1];
    return 0; /* the launcher's calls say MSG_DONTWAIT; the rank's end blocks, as it expects */
}

static int make_ends(struct avow_spawned *s, struct ends *e, int *report, struct avow_error *err)
{
    int p[2];

    e->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (e->null < 0 || make_pipe(&s->out[0], &e->out) < 0 || make_pipe(&s->out[1], &e->err) < 0 ||
        make_socket(SOCK_STREAM, &s->pmi, &e->pmi) < 0 ||
        make_socket(SOCK_SEQPACKET, &s->job, &e->job) < 0 || pipe2(p, O_CLOEXEC) < 0)
        return AVOW_FAIL_SYS(err, "cannot make a rank's pipes");
    *report = p[0];
    e->report = p[1];
    return 0;
}

static void child_fail(const struct ends *e)
{
    int code = errno;

    if (write(e->report, &code, sizeof code) != (ssize_t)sizeof code)
        _exit(EXIT_NOT_STARTED - 1);
    _exit(EXIT_NOT_STARTED);
}

/* A rank that writes without end is killed by SIGXFSZ before it has filled the node's disk. */
static int limit_files(int64_t max)
{
    struct rlimit l = { 0 };

    if (!max)
        return 0;
    if (getrlimit(RLIMIT_FSIZE, &l) < 0)
        return -1;
    if (l.rlim_max == RLIM_INFINITY || l.rlim_max > (rlim_t)max)
        l.rlim_max = (rlim_t)max;
    l.rlim_cur = l.rlim_max;
    return setrlimit(RLIMIT_FSIZE, &l);
}

/* In the child of a process with threads: only async-signal-safe calls. */
static void child_run(const struct avow_launch_config *c, const struct ends *e, char *const *env)
{
    sigset_t none;
    int keep[] = { e->pmi, e->job, e->fabric };

    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++)
        (void)signal(s, SIG_DFL); /* libpmix ignores SIGPIPE, for one */
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (setsid() < 0 || dup2(e->null, 0) < 0 || dup2(e->out, 1) < 0 || dup2(e->err, 2) < 0)
        child_fail(e);
    for (size_t i = 0; i < sizeof keep / sizeof keep[0]; i++)
        if (keep[i] >= 0 && fcntl(keep[i], F_SETFD, 0) < 0)
            child_fail(e);
    /* without a PID namespace this is what ends a rank together with its launcher */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || limit_files(c->file_max) < 0 ||
        chdir(c->workdir) < 0)
        child_fail(e);
    execve(c->program, c->argv, env);
    child_fail(e);
}

int avow_spawn(const struct avow_launch_config *c, uint32_t rank, int take_fabric,
               struct avow_environ *env, struct avow_spawned *out, struct avow_error *err)
{
    avow_auto(ends_done) struct ends e = { -1, -1, -1, -1, -1, take_fabric, -1 };
    avow_auto(spawned_close) struct avow_spawned s = { .out = { -1, -1 }, .pmi = -1, .job = -1 };
    avow_autoclose int report = -1;
    struct avow_rank_fds fds = { 0 };
    int rc = 0;

    AVOW_TRY(make_ends(&s, &e, &report, err));
    fds = (struct avow_rank_fds){ .pmi = e.pmi, .job = e.job, .fabric = e.fabric };
    rc = avow_environ_pin(c, rank, &fds, env);
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "no memory for the environment of rank %u", rank);
    s.pid = fork();
    if (s.pid < 0)
        return AVOW_FAIL_SYS(err, "cannot start rank %u", rank);
    if (s.pid == 0)
        child_run(c, &e, env->list);
    close(e.report);
    e.report = -1;
    if (read(report, &s.exec_errno, sizeof s.exec_errno) != (ssize_t)sizeof s.exec_errno)
        s.exec_errno = 0;
    *out = s;
    s = (struct avow_spawned){ .out = { -1, -1 }, .pmi = -1, .job = -1 };
    return 0;
}
