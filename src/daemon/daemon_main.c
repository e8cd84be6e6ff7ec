/* avowd: the node daemon. See man/avowd.8. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/secret.h"
#include "daemon/node.h"
#include "serve/log.h"

#define EXIT_USAGE 2
#define FILES_MAX 65536 /* descriptors; connections of ranks pass through here */

struct options {
    const char *config;
    int ready_fd;
    bool check;
};

static const char usage[] = "usage: avowd --config FILE [--check] [--ready-fd N]\n"
                            "       avowd --version | --help\n";

/* Goes on (-1), or ends with an exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },   { "check", no_argument, NULL, 'C' },
        { "ready-fd", required_argument, NULL, 'r' }, { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },           { 0 },
    };
    char *end = NULL;
    long fd = 0;
    int c = 0;

    while ((c = getopt_long(argc, argv, "c:h", known, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 'C':
            o->check = true;
            break;
        case 'r':
            fd = strtol(optarg, &end, 10);
            if (*end || end == optarg || fd < 0 || fd > FILES_MAX) {
                fprintf(stderr, "avowd: --ready-fd needs the number of an open file\n");
                return EXIT_USAGE;
            }
            o->ready_fd = (int)fd;
            break;
        case 'V':
            printf("avowd %s\n", AVOW_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc || !o->config) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static int report(const struct avow_error *err, int status)
{
    avow_log(AVOW_LOG_ERROR, "failed", "code=%s text=\"%s\" hint=\"%s\"", avow_err_name(err->code),
             err->text, avow_err_hint(err->code));
    return status;
}

/* What the operator wrote is answered as a program answers, not as a daemon logs. */
static int complain(const struct avow_error *err)
{
    fprintf(stderr, "avowd: %s\n       %s (%s)\n", err->text, avow_err_hint(err->code),
            avow_err_name(err->code));
    return EXIT_USAGE;
}

static void raise_file_limit(void)
{
    struct rlimit r = { 0 };

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max < FILES_MAX ? r.rlim_max : FILES_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &r);
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

static int say_ready(const struct avow_node *n, int fd, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf line = AVOW_BUF(4096);
    struct avow_bytes rest = { 0 };

    AVOW_TRY(avow_node_ready(n, &line, err));
    avow_log(AVOW_LOG_NOTICE, "ready", "%.*s", (int)line.len - 1, avow_buf_cstr(&line));
    notify("READY=1");
    rest = avow_buf_view(&line);
    while (fd >= 0 && rest.len) {
        ssize_t k = write(fd, rest.data, rest.len);

        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return AVOW_FAIL_SYS(err, "--ready-fd %d", fd);
        rest.data += k;
        rest.len -= (size_t)k;
    }
    if (fd >= 0)
        close(fd);
    return 0;
}

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
    (void)what;
    avow_log(AVOW_LOG_NOTICE, "stopping", "signal=%d", (int)sig);
    notify("STOPPING=1");
    event_base_loopbreak(arg);
}

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
    struct avow_error err = { 0 };

    (void)sig;
    (void)what;
    if (avow_node_reload(arg, &err) < 0)
        (void)report(&err, 0);
}

static int serve(struct event_base *base, const struct avow_config *cfg, int ready_fd,
                 struct avow_error *err)
{
    avow_auto(avow_cleanup_node) struct avow_node *n = NULL;
    struct event *stop[2] = { NULL, NULL };
    struct event *reload = NULL;
    int rc = 0;

    AVOW_TRY(avow_node_new(base, cfg, &n, err));
    stop[0] = evsignal_new(base, SIGTERM, on_stop, base);
    stop[1] = evsignal_new(base, SIGINT, on_stop, base);
    reload = evsignal_new(base, SIGHUP, on_reload, n);
    if (!stop[0] || !stop[1] || !reload || event_add(stop[0], NULL) != 0 ||
        event_add(stop[1], NULL) != 0 || event_add(reload, NULL) != 0)
        rc = AVOW_FAIL(err, NOMEM, "out of memory");
    if (rc == 0)
        rc = say_ready(n, ready_fd, err);
    if (rc == 0 && event_base_dispatch(base) < 0)
        rc = AVOW_FAIL(err, SYSTEM, "the event loop failed");
    for (size_t i = 0; i < 2; i++)
        if (stop[i])
            event_free(stop[i]);
    if (reload)
        event_free(reload);
    return rc;
}

/* The exit status (docs/errors.md): what the operator wrote is told apart from what went wrong. */
static int run(const struct options *o)
{
    avow_auto(avow_config_done) struct avow_config cfg = { 0 };
    struct avow_error err = { 0 };
    struct event_base *base = NULL;
    int rc = 0;

    if (avow_config_load(o->config, &cfg, &err) < 0 || avow_config_check(&cfg, &err) < 0)
        return complain(&err);
    if (o->check) {
        printf("%s: ok\n", o->config);
        return EXIT_SUCCESS;
    }
    avow_log_start("avowd", cfg.name);
    base = event_base_new();
    if (!base)
        return EXIT_FAILURE;
    rc = serve(base, &cfg, o->ready_fd, &err);
    event_base_free(base);
    return rc < 0 ? report(&err, EXIT_FAILURE) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options o = { .ready_fd = -1 };
    int status = read_options(argc, argv, &o);

    if (status >= 0)
        return status;
    avow_log_start("avowd", NULL);
    avow_process_harden();
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
    return run(&o);
}
