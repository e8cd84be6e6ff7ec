/* avow-verifier: Azure Attestation's API on one's own premises. See man/avow-verifier.8. */
#include <signal.h>
#include <stdio.h>

#include "serve/log.h"
#include "serve/program.h"
#include "service/commands.h"
#include "service/state.h"
#include "service/verifier.h"

#define TIMEOUT_MAX_S 86400
#define RELOADS_MAX 2 /* settings in use, and settings that may come into use */

struct service {
    struct avow_program program;
    const char *state, *listen, *head; /* options */
    bool json;
    unsigned timeout_s; /* 0: none was given */
    struct avow_service *verifier;
    struct avow_settings settings[RELOADS_MAX];
    size_t current;
};

static const char usage[] =
    "usage: avow-verifier [--config FILE] [--state DIR] [--listen HOST:PORT] [--check]\n"
    "                     [--ready-fd N]\n"
    "       avow-verifier rotate [--json] [--timeout SECONDS] [--config FILE] [--state DIR]\n"
    "       avow-verifier audit check [--head SEQ:HASH|FILE] [--config FILE] [--state DIR]\n"
    "       avow-verifier audit head [--json] [--config FILE] [--state DIR]\n"
    "       avow-verifier audit export [--config FILE] [--state DIR]\n"
    "       avow-verifier --version | --help\n";

static int take_timeout(struct service *s, const char *value)
{
    char *end = NULL;
    long seconds = strtol(value, &end, 10);

    if (*end || end == value || seconds < 1 || seconds > TIMEOUT_MAX_S) {
        fprintf(stderr, "%s: --timeout needs seconds, 1 to %d\n", s->program.name, TIMEOUT_MAX_S);
        return AVOW_EXIT_USAGE;
    }
    s->timeout_s = (unsigned)seconds;
    return -1;
}

/* Goes on (-1), or ends with an exit status. */
static int read_options(int argc, char **argv, struct service *s)
{
    static const struct option known[] = { AVOW_PROGRAM_OPTIONS,
                                           { "state", required_argument, NULL, 's' },
                                           { "listen", required_argument, NULL, 'l' },
                                           { "head", required_argument, NULL, 'H' },
                                           { "json", no_argument, NULL, 'j' },
                                           { "timeout", required_argument, NULL, 't' },
                                           { 0 } };
    int status = -1;
    int c = 0;

    while (status < 0 && (c = getopt_long(argc, argv, "c:s:l:h", known, NULL)) != -1) {
        if (c == 's')
            s->state = optarg;
        else if (c == 'l')
            s->listen = optarg;
        else if (c == 'H')
            s->head = optarg;
        else if (c == 'j')
            s->json = true;
        else if (c == 't')
            status = take_timeout(s, optarg);
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

/* ---- serving ---- */

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
    struct service *s = arg;
    struct avow_settings *fresh = &s->settings[(s->current + 1) % RELOADS_MAX];
    struct avow_error err = { 0 };

    (void)sig;
    (void)what;
    avow_settings_done(fresh);
    if (load(s, fresh, &err) < 0 || avow_service_reload(s->verifier, fresh, &err) < 0)
        (void)avow_program_report(&err, 0);
    else
        s->current = (s->current + 1) % RELOADS_MAX;
}

static void on_rotate(evutil_socket_t sig, short what, void *arg)
{
    struct service *s = arg;

    (void)sig;
    (void)what;
    avow_service_rotate(s->verifier);
}

/* Signals first: who finds the state folder taken may send one at once. */
static int open_program(struct service *s, struct avow_error *err)
{
    AVOW_TRY(avow_program_open(&s->program, err));
    AVOW_TRY(avow_program_on(&s->program, SIGHUP, on_reload, s, err));
    return avow_program_on(&s->program, SIGUSR1, on_rotate, s, err);
}

static int loop(struct service *s, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf line = AVOW_BUF(8192);

    AVOW_TRY(avow_service_new(s->program.base, &s->settings[0], &s->verifier, err));
    AVOW_TRY(avow_service_ready(s->verifier, &line, err));
    return avow_program_run(&s->program, avow_buf_view(&line), err);
}

static int serve(struct service *s)
{
    avow_autoclose int lock = -1;
    struct avow_error err = { 0 };
    int status = EXIT_SUCCESS;

    if (load(s, &s->settings[0], &err) < 0)
        return avow_program_complain(&s->program, &err, AVOW_EXIT_USAGE);
    if (s->program.check)
        printf("%s: ok\n", s->program.config ? s->program.config : "no configuration");
    else if (open_program(s, &err) < 0)
        status = avow_program_report(&err, EXIT_FAILURE);
    else if (avow_state_take(s->settings[0].state, &lock, &err) < 0)
        status = avow_program_complain(&s->program, &err,
                                       err.code == AVOW_E_BUSY ? EXIT_FAILURE : AVOW_EXIT_USAGE);
    else if (loop(s, &err) < 0)
        status = avow_program_report(&err, EXIT_FAILURE);
    avow_service_free(s->verifier);
    avow_program_close(&s->program);
    for (size_t i = 0; i < RELOADS_MAX; i++)
        avow_settings_done(&s->settings[i]);
    return status;
}

/* ---- commands ---- */

enum { TAKES_HEAD = 1, TAKES_JSON = 2, TAKES_TIMEOUT = 4 };

static const struct {
    const char *words[2];
    unsigned takes;
    int (*run)(const struct command *c);
} commands[] = {
    { { "rotate" }, TAKES_JSON | TAKES_TIMEOUT, command_rotate },
    { { "audit", "check" }, TAKES_HEAD, command_audit_check },
    { { "audit", "export" }, 0, command_audit_export },
    { { "audit", "head" }, TAKES_JSON, command_audit_head },
};

/* Whether @words are those of command @i, all of them. */
static bool is_command(size_t i, char **words, int n)
{
    for (int k = 0; k < 2; k++)
        if (k < n ? !commands[i].words[k] || strcmp(commands[i].words[k], words[k]) != 0
                  : commands[i].words[k] != NULL)
            return false;
    return n <= 2;
}

static int run_command(const struct service *s, size_t i)
{
    struct command c = { .program = &s->program,
                         .head = s->head,
                         .timeout_s = s->timeout_s ? s->timeout_s : ROTATE_TIMEOUT_S,
                         .json = s->json };
    const unsigned given = (s->head ? TAKES_HEAD : 0u) | (s->json ? TAKES_JSON : 0u) |
                           (s->timeout_s ? TAKES_TIMEOUT : 0u);
    struct avow_error err = { 0 };
    int status = 0;

    if (given & ~commands[i].takes)
        return avow_program_misused(&s->program);
    if (load(s, &c.settings, &err) < 0)
        return avow_program_complain(&s->program, &err, AVOW_EXIT_USAGE);
    status = commands[i].run(&c);
    avow_settings_done(&c.settings);
    return status;
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
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (is_command(i, argv + optind, argc - optind))
            return run_command(&s, i);
    if (optind < argc || s.head || s.json || s.timeout_s)
        return avow_program_misused(&s.program);
    avow_program_settle();
    return serve(&s);
}
