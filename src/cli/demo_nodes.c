/* Node daemons of a demo: processes of this one, which end when it does, however it does. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "cli/demo.h"
#include "cli/places.h"
#include "codec/text.h"
#include "source/source.h"

#define READY_MS 20000
#define STOP_MS 5000
#define READY_LINE_MAX 4096
#define CONFIG_MAX (64u << 10)
#define ARGS_MAX 8
#define LOG_TAIL 2000 /* bytes of a daemon's log that are shown if it does not start */

struct parts {
    char *avowd, *shell, *preload;
};

static void parts_done(struct parts *p)
{
    free(p->avowd);
    free(p->shell);
    free(p->preload);
}

/* ---- configuration ---- */

static void put_key(struct avow_buf *text, const char *key, const char *dir, const char *file)
{
    avow_autofree char *path = NULL;

    if (dir && asprintf(&path, "%s/%s", dir, file) < 0)
        path = NULL;
    (void)avow_buf_putf(text, "%s: ", key);
    avow_demo_quote(text, path ? path : file);
    (void)avow_buf_put_str(text, "\n");
}

static int write_config(const struct avow_demo *d, const struct avow_demo_node *n,
                        const struct parts *p, const char *path, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(CONFIG_MAX);
    avow_autofree char *own = NULL;

    AVOW_TRY(avow_demo_path(&own, err, "%s/%s", d->dir, n->name));
    (void)avow_buf_putf(&text, "name: %s\nlisten: \"127.0.0.1:0\"\nlisten-nodes: \"127.0.0.1:0\"\n",
                        n->name);
    put_key(&text, "state-dir", own, "state");
    (void)avow_buf_putf(&text, "tee:\n  kind: sim-%s\n  ", avow_tee_name(n->tee));
    put_key(&text, "dir", own, "tee");
    put_key(&text, "authorized-clients", d->dir, "authorized-clients");
    put_key(&text, "simulated-roots", d->dir, "vendor/roots.pem");
    put_key(&text, "policy", d->dir, "policy.yaml");
    avow_demo_verifier_put(d, &text);
    put_key(&text, "shell", NULL, p->shell);
    put_key(&text, "preload", NULL, p->preload);
    return avow_demo_write(path, &text, err);
}

/* The demo has an identity of its own, so that the user's stays untouched. */
static int authorise(const struct avow_demo *d, struct avow_error *err)
{
    avow_auto(avow_cleanup_leaf) struct avow_leaf *leaf = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(1024);
    avow_autofree char *identity = NULL;
    avow_autofree char *path = NULL;
    uint8_t spki[32];
    char hex[65];

    AVOW_TRY(avow_demo_path(&identity, err, "%s/client.pem", d->dir));
    AVOW_TRY(avow_demo_path(&path, err, "%s/authorized-clients", d->dir));
    AVOW_TRY(avow_leaf_load_or_make(identity, "avow demo", &leaf, err));
    avow_leaf_spki(leaf, spki);
    avow_hex(AVOW_BYTES_OF(spki), hex);
    (void)avow_buf_putf(&text, "sha256:%s the owner of the demo\n", hex);
    return avow_demo_write(path, &text, err);
}

/* ---- processes ---- */

/* Between fork and exec: only what is async-signal-safe. */
static void become_daemon(char **argv, int ready, int log, pid_t parent)
{
    sigset_t none;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    (void)setsid(); /* Ctrl-C is for the client, which cancels the job first */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
        dup2(log, STDERR_FILENO) < 0 || fcntl(ready, F_SETFD, 0) < 0)
        _exit(1);
    execv(argv[0], argv);
    _exit(127);
}

int avow_demo_spawn(const char *const *argv, const char *log, pid_t *pid, int *ready,
                    struct avow_error *err)
{
    avow_autoclose int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    avow_autoclose int end = -1;
    char *args[ARGS_MAX] = { NULL };
    char fd_text[16];
    size_t n = 0;
    int ends[2];
    pid_t self = getpid();

    if (out < 0 || pipe2(ends, O_CLOEXEC) != 0)
        return AVOW_FAIL_SYS(err, "%s", log);
    *ready = ends[0];
    end = ends[1];
    (void)snprintf(fd_text, sizeof fd_text, "%d", end);
    while (argv[n] && n < ARGS_MAX - 3) {
        args[n] = (char *)(uintptr_t)argv[n];
        n++;
    }
    args[n++] = (char *)(uintptr_t) "--ready-fd";
    args[n++] = fd_text;
    *pid = fork();
    if (*pid == 0)
        become_daemon(args, end, out, self);
    if (*pid < 0) {
        *pid = 0;
        return AVOW_FAIL_SYS(err, "fork");
    }
    return 0;
}

static int start_node(const struct avow_demo *d, struct avow_demo_node *n, const struct parts *p,
                      struct avow_error *err)
{
    avow_autofree char *config = NULL;
    avow_autofree char *log = NULL;
    const char *argv[] = { p->avowd, "--config", NULL, NULL };

    AVOW_TRY(avow_demo_path(&config, err, "%s/%s/avowd.yaml", d->dir, n->name));
    AVOW_TRY(avow_demo_path(&log, err, "%s/%s/avowd.log", d->dir, n->name));
    AVOW_TRY(write_config(d, n, p, config, err));
    argv[2] = config;
    return avow_demo_spawn(argv, log, &n->pid, &n->ready, err);
}

static int not_ready(const char *log, const char *what, struct avow_error *err)
{
    avow_autofclose FILE *f = fopen(log, "re");
    char tail[LOG_TAIL + 1] = "";
    size_t len = 0;

    if (f && fseek(f, -LOG_TAIL, SEEK_END) != 0)
        rewind(f);
    len = f ? fread(tail, 1, LOG_TAIL, f) : 0;
    tail[len] = 0;
    (void)fprintf(stderr, "%s", tail);
    return AVOW_FAIL(err, TIMEOUT, "%s did not start; its log is above", what);
}

int avow_demo_await(int ready, const char *log, const char *what, json_t **out,
                    struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf line = AVOW_BUF(READY_LINE_MAX);
    double until = avow_now_ms() + READY_MS;

    while (!line.len || line.data[line.len - 1] != '\n') {
        struct pollfd p = { .fd = ready, .events = POLLIN };
        double left = until - avow_now_ms();
        char chunk[512];
        ssize_t got = -1;

        if (left > 0 && poll(&p, 1, (int)left + 1) > 0)
            got = read(ready, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || avow_buf_put(&line, chunk, (size_t)got) < 0)
            return not_ready(log, what, err);
    }
    return avow_json_parse(avow_buf_view(&line), out, err);
}

/* {"api","nodes","spki"} */
static int await_node(const struct avow_demo *d, struct avow_demo_node *n, struct avow_error *err)
{
    avow_autofree char *log = NULL;
    avow_autofree char *what = NULL;
    avow_autojson json_t *doc = NULL;
    const char *api = NULL;
    const char *nodes = NULL;

    AVOW_TRY(avow_demo_path(&log, err, "%s/%s/avowd.log", d->dir, n->name));
    AVOW_TRY(avow_demo_path(&what, err, "the daemon of %s", n->name));
    AVOW_TRY(avow_demo_await(n->ready, log, what, &doc, err));
    AVOW_TRY(avow_json_get_str(doc, "api", &api, err));
    AVOW_TRY(avow_json_get_str(doc, "nodes", &nodes, err));
    (void)snprintf(n->api, sizeof n->api, "%s", api);
    (void)snprintf(n->nodes, sizeof n->nodes, "%s", nodes);
    return 0;
}

static int make_machines(const struct avow_demo *d, struct avow_error *err)
{
    avow_autofree char *vendor = NULL;

    AVOW_TRY(avow_demo_path(&vendor, err, "%s/vendor", d->dir));
    AVOW_TRY(avow_sim_vendor_new(vendor, err));
    for (size_t i = 0; i < d->n; i++) {
        struct avow_sim_vm vm = { .tee = d->nodes[i].tee };
        avow_autofree char *own = NULL;
        avow_autofree char *tee = NULL;

        AVOW_TRY(avow_demo_path(&own, err, "%s/%s", d->dir, d->nodes[i].name));
        AVOW_TRY(avow_demo_path(&tee, err, "%s/tee", own));
        AVOW_TRY(avow_demo_folder(own, err));
        AVOW_TRY(avow_sim_vm_new(vendor, tee, &vm, err));
    }
    return 0;
}

int avow_demo_start(struct avow_demo *d, struct avow_error *err)
{
    avow_auto(parts_done) struct parts p = { 0 };

    AVOW_TRY(avow_place_find(AVOW_PLACE_AVOWD, &p.avowd, err));
    AVOW_TRY(avow_place_find(AVOW_PLACE_SHELL, &p.shell, err));
    AVOW_TRY(avow_place_find(AVOW_PLACE_PRELOAD, &p.preload, err));
    AVOW_TRY(authorise(d, err));
    AVOW_TRY(make_machines(d, err));
    AVOW_TRY(avow_demo_verifier_start(d, err));
    for (size_t i = 0; i < d->n; i++)
        AVOW_TRY(start_node(d, &d->nodes[i], &p, err));
    for (size_t i = 0; i < d->n; i++)
        AVOW_TRY(await_node(d, &d->nodes[i], err));
    return 0;
}

/* Wait for a child until @until_ms; true once it is gone. */
static bool await_end(pid_t pid, double until_ms)
{
    avow_autoclose int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    double left = until_ms - avow_now_ms();

    if (fd >= 0)
        (void)poll(&p, 1, left > 0 ? (int)left + 1 : 0);
    return waitpid(pid, NULL, WNOHANG) != 0;
}

static void end_process(pid_t *pid, int *ready, double until)
{
    if (*pid > 0 && !await_end(*pid, until)) {
        (void)kill(*pid, SIGKILL);
        (void)waitpid(*pid, NULL, 0);
    }
    *pid = 0;
    if (*ready >= 0)
        close(*ready);
    *ready = -1;
}

void avow_demo_stop(struct avow_demo *d)
{
    double until = avow_now_ms() + STOP_MS;

    for (size_t i = 0; i < d->n; i++)
        if (d->nodes[i].pid > 0)
            (void)kill(d->nodes[i].pid, SIGTERM);
    if (d->verifier.pid > 0)
        (void)kill(d->verifier.pid, SIGTERM);
    for (size_t i = 0; i < d->n; i++)
        end_process(&d->nodes[i].pid, &d->nodes[i].ready, until);
    end_process(&d->verifier.pid, &d->verifier.ready, until);
    avow_demo_verifier_done(d);
}
