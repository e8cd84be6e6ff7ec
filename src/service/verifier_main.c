/* avow-verifier: Azure Attestation's API on one's own premises. See man/avow-verifier.8. */
#include <signal.h>
#include <stdio.h>

#include "codec/text.h"
#include "serve/log.h"
#include "serve/program.h"
#include "service/audit.h"
#include "service/state.h"
#include "service/verifier.h"

#define EXIT_BROKEN 3 /* the audit log's chain */
#define RELOADS_MAX 2 /* settings in use, and settings that may come into use */

struct service {
    struct avow_program program;
    const char *state, *listen; /* options */
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
static int read_options(int argc, char **argv, struct service *s)
{
    static const struct option known[] = { AVOW_PROGRAM_OPTIONS,
                                           { "state", required_argument, NULL, 's' },
                                           { "listen", required_argument, NULL, 'l' },
                                           { 0 } };
    int status = -1;
    int c = 0;

    while (status < 0 && (c = getopt_long(argc, argv, "c:s:l:h", known, NULL)) != -1) {
        if (c == 's')
            s->state = optarg;
        else if (c == 'l')
            s->listen = optarg;
        else
            status = avow_program_option(&s->program, c, optarg);
    }
    return status;
}

static int load(const struct service *s, struct avow_settings *out, struct avow_error *err)
{
    avow_auto(avow_settings_done) struct avow_settings fresh = { 0 };

    AVOW_TRY(avow_settings_load(s->program.config, &fresh, err));
    if (s->state)
        AVOW_TRY(avow_settings_set(&fresh.state, s->state, err));
    if (s->listen)
        AVOW_TRY(avow_settings_set(&fresh.listen, s->listen, err));
    AVOW_TRY(avow_settings_check(&fresh, err));
    *out = fresh;
    memset(&fresh, 0, sizeof fresh);
    return 0;
}

/* ---- audit ---- */

static int print_row(void *ctx, const struct avow_audit_row *row)
{
    char hex[65];

    (void)ctx;
    avow_hex(AVOW_BYTES(row->hash, 32), hex);
    return printf("{\"hash\":\"%s\",\"row\":%s}\n", hex, row->json) < 0 ? 1 : 0;
}

static int audit(const struct service *s, const char *verb)
{
    avow_auto(avow_settings_done) struct avow_settings settings = { 0 };
    avow_auto(avow_cleanup_audit) struct avow_audit *a = NULL;
    avow_autofree char *path = NULL;
    struct avow_error err = { 0 };
    bool export = strcmp(verb, "export") == 0;
    uint64_t n = 0;
    uint8_t last[32];
    char hex[65];

    if (!export && strcmp(verb, "check") != 0)
        return avow_program_misused(&s->program);
    if (load(s, &settings, &err) < 0 ||
        avow_settings_path(&settings, "audit.db", &path, &err) < 0 ||
        avow_audit_open(path, AVOW_AUDIT_READ, 0, &a, &err) < 0)
        return avow_program_complain(&s->program, &err, AVOW_EXIT_USAGE);
    if (avow_audit_each(a, export ? print_row : NULL, NULL, &n, last, &err) != 0)
        return avow_program_complain(&s->program, &err,
                                     err.code == AVOW_E_DIGEST ? EXIT_BROKEN : EXIT_FAILURE);
    avow_hex(AVOW_BYTES_OF(last), hex);
    if (!export)
        printf("%s: ok, %llu rows, last hash %s\n", path, (unsigned long long)n, hex);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- serving ---- */

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
    struct service *s = arg;
    struct avow_settings *fresh = &s->settings[(s->current + 1) % RELOADS_MAX];
    struct avow_error err = { 0 };

    (void)sig;
    (void)what;
    avow_settings_done(fresh);
    if (load(s, fresh, &err) < 0 || avow_verifier_reload(s->verifier, fresh, &err) < 0)
        (void)avow_program_report(&err, 0);
    else
        s->current = (s->current + 1) % RELOADS_MAX;
}

static void on_rotate(evutil_socket_t sig, short what, void *arg)
{
    struct service *s = arg;

    (void)sig;
    (void)what;
    avow_verifier_rotate(s->verifier);
}

static int loop(struct service *s, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf line = AVOW_BUF(8192);
    struct avow_program *p = &s->program;

    AVOW_TRY(avow_program_open(p, err));
    AVOW_TRY(avow_program_on(p, SIGHUP, on_reload, s, err));
    AVOW_TRY(avow_program_on(p, SIGUSR1, on_rotate, s, err));
    AVOW_TRY(avow_verifier_new(p->base, &s->settings[0], &s->verifier, err));
    AVOW_TRY(avow_verifier_ready(s->verifier, &line, err));
    return avow_program_run(p, avow_buf_view(&line), err);
}

static int serve(struct service *s)
{
    avow_autoclose int lock = -1;
    struct avow_error err = { 0 };
    int rc = 0;

    if (load(s, &s->settings[0], &err) < 0)
        return avow_program_complain(&s->program, &err, AVOW_EXIT_USAGE);
    if (s->program.check) {
        printf("%s: ok\n", s->program.config ? s->program.config : "no configuration");
    } else if (avow_state_take(s->settings[0].state, &lock, &err) < 0) {
        rc = avow_program_complain(&s->program, &err,
                                   err.code == AVOW_E_BUSY ? EXIT_FAILURE : AVOW_EXIT_USAGE);
    } else {
        rc = loop(s, &err) < 0 ? avow_program_report(&err, EXIT_FAILURE) : EXIT_SUCCESS;
        avow_verifier_free(s->verifier);
        avow_program_close(&s->program);
    }
    for (size_t i = 0; i < RELOADS_MAX; i++)
        avow_settings_done(&s->settings[i]);
    return rc;
}

int main(int argc, char **argv)
{
    struct service s = { .program = { .name = "avow-verifier",
                                      .version = AVOW_VERSION,
                                      .usage = usage,
                                      .ready_fd = -1 } };
    int status = read_options(argc, argv, &s);

    if (status >= 0)
        return status;
    avow_log_start(s.program.name, NULL);
    if (argc - optind == 2 && strcmp(argv[optind], "audit") == 0)
        return audit(&s, argv[optind + 1]);
    if (optind < argc)
        return avow_program_misused(&s.program);
    avow_program_settle();
    return serve(&s);
}
