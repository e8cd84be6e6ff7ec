#include "serve/program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/secret.h"
#include "serve/log.h"

#define FILES_MAX 65536 /* descriptors */

/* ---- options ---- */

static int take_ready_fd(struct avow_program *p, const char *value)
{
    char *end = NULL;
    long fd = strtol(value, &end, 10);

    if (*end || end == value || fd < 0 || fd > FILES_MAX) {
        fprintf(stderr, "%s: --ready-fd needs the number of an open file\n", p->name);
        return AVOW_EXIT_USAGE;
    }
    p->ready_fd = (int)fd;
    return -1;
}

int avow_program_option(struct avow_program *p, int c, const char *value)
{
    switch (c) {
    case 'c':
        p->config = value;
        return -1;
    case 'C':
        p->check = true;
        return -1;
    case 'r':
        return take_ready_fd(p, value);
    case 'V':
        printf("%s %s\n", p->name, p->version);
        return EXIT_SUCCESS;
    case 'h':
        fputs(p->usage, stdout);
        return EXIT_SUCCESS;
    default:
        return avow_program_misused(p);
    }
}

int avow_program_misused(const struct avow_program *p)
{
    fputs(p->usage, stderr);
    return AVOW_EXIT_USAGE;
}

/* ---- what went wrong ---- */

const char *avow_program_hint(const struct avow_error *err)
{
    switch (err->code == AVOW_E_SYSTEM ? err->sys : 0) {
    case ENOENT:
    case ENOTDIR:
        return "Check the name; the folder above it must be there.";
    case EACCES:
    case EPERM:
        return "Correct its owner and mode, or run as a user who may.";
    case EROFS:
        return "That file system cannot be written to: name another place.";
    case ENOSPC:
    case EDQUOT:
        return "Make room there.";
    case EADDRINUSE:
        return "Something else listens there: end it, or choose another address.";
    case EADDRNOTAVAIL:
        return "This machine has no such address: choose another.";
    case EMFILE:
    case ENFILE:
        return "Raise the limit of open files (LimitNOFILE).";
    default:
        return avow_err_hint(err->code);
    }
}

int avow_program_complain(const struct avow_program *p, const struct avow_error *err, int status)
{
    fprintf(stderr, "%s: %s\n%*s%s (%s)\n", p->name, err->text, (int)strlen(p->name) + 2, "",
            avow_program_hint(err), avow_err_name(err->code));
    return status;
}

int avow_program_report(const struct avow_error *err, int status)
{
    avow_log(AVOW_LOG_ERROR, "failed", "code=%s text=\"%s\" hint=\"%s\"", avow_err_name(err->code),
             err->text, avow_program_hint(err));
    return status;
}

/* ---- the process ---- */

static void raise_file_limit(void)
{
    struct rlimit r = { 0 };

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max < FILES_MAX ? r.rlim_max : FILES_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

void avow_program_settle(void)
{
    avow_process_harden();
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
}

/* sd_notify(3) by hand: a datagram to a socket whose name systemd gave. */
static void notify(const char *text)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t n = name ? strlen(name) : 0;
    int fd = -1;

    if (n < 2 || n >= sizeof to.sun_path || (name[0] != '/' && name[0] != '@'))
        return;
    memcpy(to.sun_path, name, n);
    if (name[0] == '@')
        to.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

static int say_ready(const struct avow_program *p, struct avow_bytes line, struct avow_error *err)
{
    const int fd = p->ready_fd;

    avow_log(AVOW_LOG_NOTICE, "ready", "%.*s", (int)line.len - 1, (const char *)line.data);
    notify("READY=1");
    while (fd >= 0 && line.len) {
        ssize_t k = write(fd, line.data, line.len);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return AVOW_FAIL_SYS(err, "--ready-fd %d", fd);
        line.data += k;
        line.len -= (size_t)k;
    }
    if (fd >= 0)
        close(fd);
    return 0;
}

static void on_stop(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    avow_log(AVOW_LOG_NOTICE, "stopping", "signal=%d", (int)number);
    notify("STOPPING=1");
    event_base_loopbreak(arg);
}

int avow_program_open(struct avow_program *p, struct avow_error *err)
{
    p->base = event_base_new();
    if (!p->base)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_program_on(p, SIGTERM, on_stop, p->base, err));
    return avow_program_on(p, SIGINT, on_stop, p->base, err);
}

int avow_program_on(struct avow_program *p, int number, event_callback_fn fn, void *ctx,
                    struct avow_error *err)
{
    struct event *e = NULL;

    if (p->n_signals == AVOW_PROGRAM_SIGNALS_MAX)
        abort(); /* they are compiled in */
    e = evsignal_new(p->base, number, fn, ctx);
    if (e)
        p->signals[p->n_signals++] = e;
    return e && event_add(e, NULL) == 0 ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

int avow_program_run(struct avow_program *p, struct avow_bytes line, struct avow_error *err)
{
    AVOW_TRY(say_ready(p, line, err));
    return event_base_dispatch(p->base) < 0 ? AVOW_FAIL(err, SYSTEM, "the event loop failed") : 0;
}

void avow_program_close(struct avow_program *p)
{
    while (p->n_signals)
        event_free(p->signals[--p->n_signals]);
    if (!p->base)
        return;
    (void)event_base_loop(p->base, EVLOOP_NONBLOCK); /* libevent lets go of connections there */
    event_base_free(p->base);
    p->base = NULL;
}
