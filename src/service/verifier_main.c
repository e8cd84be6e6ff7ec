/* avow-verifier: Azure Attestation's API on one's own premises. See man/avow-verifier.8. */
#include <errno.h>
#include <event2/event.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/secret.h"
#include "codec/text.h"
#include "serve/log.h"
#include "service/audit.h"
#include "service/verifier.h"

#define EXIT_USAGE 2
#define EXIT_BROKEN 3 /* the audit log's chain */
#define FILES_MAX 65536
#define RELOADS_MAX 2 /* settings in use, and settings that may come into use */

struct options {
    const char *config, *state, *listen;
    int ready_fd;
    bool check;
};

struct program {
    struct options o;
    struct event_base *base;
    struct avow_verifier *verifier;
    struct avow_settings settings[RELOADS_MAX];
    size_t current;
};

static const char usage[] =
    "usage: avow-verifier [--config FILE] [--state DIR] [--listen HOST:PORT] [--check]\n"
    "                     [--ready-fd N]\n"
    "       avow-verifier audit check|export [--config FILE] [--state DIR]\n"
    "       avow-verifier --version | --help\n";

/* Goes on (-1), or ends with an exit status. */
static int read_options(int argc, char **argv, struct options *o)
{
    static const struct option known[] = {
        { "config", required_argument, NULL, 'c' },   { "state", required_argument, NULL, 's' },
        { "listen", required_argument, NULL, 'l' },   { "check", no_argument, NULL, 'C' },
        { "ready-fd", required_argument, NULL, 'r' }, { "version", no_argument, NULL, 'V' },
        { "help", no_argument, NULL, 'h' },           { 0 },
    };
    char *end = NULL;
    long fd = 0;
    int c = 0;

    while ((c = getopt_long(argc, argv, "c:s:l:h", known, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case 's':
            o->state = optarg;
            break;
        case 'l':
            o->listen = optarg;
            break;
        case 'C':
            o->check = true;
            break;
        case 'r':
            fd = strtol(optarg, &end, 10);
            if (*end || end == optarg || fd < 0 || fd > FILES_MAX) {
                fprintf(stderr, "avow-verifier: --ready-fd needs the number of an open file\n");
                return EXIT_USAGE;
            }
            o->ready_fd = (int)fd;
            break;
        case 'V':
            printf("avow-verifier %s\n", AVOW_VERSION);
            return 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    return -1;
}

static int load(const struct options *o, struct avow_settings *out, struct avow_error *err)
{
    avow_auto(avow_settings_done) struct avow_settings s = { 0 };

    AVOW_TRY(avow_settings_load(o->config, &s, err));
    if (o->state)
        AVOW_TRY(avow_settings_set(&s.state, o->state, err));
    if (o->listen)
        AVOW_TRY(avow_settings_set(&s.listen, o->listen, err));
    AVOW_TRY(avow_settings_check(&s, err));
    *out = s;
    memset(&s, 0, sizeof s);
    return 0;
}

static int report(const struct avow_error *err, int status)
{
    avow_log(AVOW_LOG_ERROR, "failed", "code=%s text=\"%s\" hint=\"%s\"", avow_err_name(err->code),
             err->text, avow_err_hint(err->code));
    return status;
}

/* What the operator wrote is answered as a program answers, not as a service logs. */
static int complain(const struct avow_error *err, int status)
{
    fprintf(stderr, "avow-verifier: %s\n               %s (%s)\n", err->text,
            avow_err_hint(err->code), avow_err_name(err->code));
    return status;
}

/* ---- audit ---- */

static int print_row(void *ctx, const struct avow_audit_row *row)
{
    char hex[65];

    (void)ctx;
    avow_hex(AVOW_BYTES(row->hash, 32), hex);
    return printf("{\"hash\":\"%s\",\"row\":%s}\n", hex, row->json) < 0 ? 1 : 0;
}

static int audit(const struct options *o, const char *verb)
{
    avow_auto(avow_settings_done) struct avow_settings s = { 0 };
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    avow_autofree char *path = NULL;
    struct avow_error err = { 0 };
    bool export = strcmp(verb, "export") == 0;
    uint64_t n = 0;
    uint8_t last[32];
    char hex[65];

    if (!export && strcmp(verb, "check") != 0) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (load(o, &s, &err) < 0 || avow_settings_path(&s, "audit.db", &path, &err) < 0 ||
        avow_audit_open(path, AVOW_AUDIT_READ, 0, &a, &err) < 0)
        return complain(&err, EXIT_USAGE);
    if (avow_audit_each(a, export ? print_row : NULL, NULL, &n, last, &err) != 0)
        return complain(&err, err.code == AVOW_E_DIGEST ? EXIT_BROKEN : EXIT_FAILURE);
    avow_hex(AVOW_BYTES_OF(last), hex);
    if (!export)
        printf("%s: ok, %llu rows, last hash %s\n", path, (unsigned long long)n, hex);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- serving ---- */

static void raise_file_limit(void)
{
    struct rlimit r = { 0 };

    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max < FILES_MAX ? r.rlim_max : FILES_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &r);
}

static int say_ready(const struct program *p, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf line = AVOW_BUF(8192);
    struct avow_bytes rest = { 0 };
    const int fd = p->o.ready_fd;

    AVOW_TRY(avow_verifier_ready(p->verifier, &line, err));
    avow_log(AVOW_LOG_NOTICE, "ready", "%.*s", (int)line.len - 1, avow_buf_cstr(&line));
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
    struct program *p = arg;

    (void)what;
    avow_log(AVOW_LOG_NOTICE, "stopping", "signal=%d", (int)sig);
    event_base_loopbreak(p->base);
}

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
    struct program *p = arg;
    struct avow_settings *fresh = &p->settings[(p->current + 1) % RELOADS_MAX];
    struct avow_error err = { 0 };

    (void)sig;
    (void)what;
    avow_settings_done(fresh);
    if (load(&p->o, fresh, &err) < 0 || avow_verifier_reload(p->verifier, fresh, &err) < 0)
        (void)report(&err, 0);
    else
        p->current = (p->current + 1) % RELOADS_MAX;
}

static void on_rotate(evutil_socket_t sig, short what, void *arg)
{
    struct program *p = arg;

    (void)sig;
    (void)what;
    avow_verifier_rotate(p->verifier);
}

static int loop(struct program *p, struct avow_error *err)
{
    static const struct {
        int signal;
        event_callback_fn fn;
    } signals[] = {
        { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_reload }, { SIGUSR1, on_rotate }
    };
    struct event *events[4] = { NULL };
    int rc = 0;

    for (size_t i = 0; i < 4; i++) {
        events[i] = evsignal_new(p->base, signals[i].signal, signals[i].fn, p);
        if (!events[i] || event_add(events[i], NULL) != 0)
            rc = AVOW_FAIL(err, NOMEM, "out of memory");
    }
    if (rc == 0)
        rc = avow_verifier_new(p->base, &p->settings[0], &p->verifier, err);
    if (rc == 0)
        rc = say_ready(p, err);
    if (rc == 0 && event_base_dispatch(p->base) < 0)
        rc = AVOW_FAIL(err, SYSTEM, "the event loop failed");
    avow_verifier_free(p->verifier);
    (void)event_base_loop(p->base, EVLOOP_NONBLOCK); /* libevent lets go of connections there */
    for (size_t i = 0; i < 4; i++)
        if (events[i])
            event_free(events[i]);
    return rc;
}

static int serve(const struct options *o)
{
    struct program p = { .o = *o };
    struct avow_error err = { 0 };
    int rc = 0;

    if (load(o, &p.settings[0], &err) < 0)
        return complain(&err, EXIT_USAGE);
    if (o->check) {
        printf("%s: ok\n", o->config ? o->config : "no configuration");
        avow_settings_done(&p.settings[0]);
        return EXIT_SUCCESS;
    }
    p.base = event_base_new();
    rc = p.base ? loop(&p, &err) : AVOW_FAIL(&err, NOMEM, "out of memory");
    if (p.base)
        event_base_free(p.base);
    for (size_t i = 0; i < RELOADS_MAX; i++)
        avow_settings_done(&p.settings[i]);
    return rc < 0 ? report(&err, EXIT_FAILURE) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct options o = { .ready_fd = -1 };
    int status = read_options(argc, argv, &o);

    if (status >= 0)
        return status;
    avow_log_start("avow-verifier", NULL);
    if (argc - optind == 2 && strcmp(argv[optind], "audit") == 0)
        return audit(&o, argv[optind + 1]);
    if (optind < argc) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    avow_process_harden();
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN);
    return serve(&o);
}
