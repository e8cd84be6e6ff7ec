/* avowd: the node daemon. See man/avowd.8. */
#include <signal.h>
#include <stdio.h>

#include "daemon/node.h"
#include "serve/log.h"
#include "serve/program.h"

static const char usage[] = "usage: avowd --config FILE [--check] [--ready-fd N]\n"
                            "       avowd --version | --help\n";

/* Goes on (-1), or ends with an exit status. */
static int read_options(int argc, char **argv, struct avow_program *p)
{
    static const struct option known[] = { AVOW_PROGRAM_OPTIONS, { 0 } };
    int status = -1;
    int c = 0;

    while (status < 0 && (c = getopt_long(argc, argv, "c:h", known, NULL)) != -1)
        status = avow_program_option(p, c, optarg);
    if (status < 0 && (optind < argc || !p->config))
        status = avow_program_misused(p);
    return status;
}

static void on_reload(evutil_socket_t sig, short what, void *arg)
{
    struct avow_error err = { 0 };

    (void)sig;
    (void)what;
    if (avow_node_reload(arg, &err) < 0)
        (void)avow_program_report(&err, 0);
}

static int serve(struct avow_program *p, const struct avow_config *cfg, struct avow_error *err)
{
    avow_auto(avow_cleanup_node) struct avow_node *n = NULL;
    avow_auto(avow_buf_done) struct avow_buf line = AVOW_BUF(4096);

    AVOW_TRY(avow_program_open(p, err));
    AVOW_TRY(avow_node_new(p->base, cfg, &n, err));
    AVOW_TRY(avow_program_on(p, SIGHUP, on_reload, n, err));
    AVOW_TRY(avow_node_ready(n, &line, err));
    return avow_program_run(p, avow_buf_view(&line), err);
}

/* The exit status (docs/errors.md): what the operator wrote is told apart from what went wrong. */
static int run(struct avow_program *p)
{
    avow_auto(avow_config_done) struct avow_config cfg = { 0 };
    struct avow_error err = { 0 };
    int rc = 0;

    if (avow_config_load(p->config, &cfg, &err) < 0 || avow_config_check(&cfg, &err) < 0)
        return avow_program_complain(p, &err, AVOW_EXIT_USAGE);
    if (p->check) {
        printf("%s: ok\n", p->config);
        return EXIT_SUCCESS;
    }
    avow_log_start(p->name, cfg.name);
    rc = serve(p, &cfg, &err);
    avow_program_close(p);
    return rc < 0 ? avow_program_report(&err, EXIT_FAILURE) : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    struct avow_program p = {
        .name = "avowd", .version = AVOW_VERSION, .usage = usage, .ready_fd = -1
    };
    int status = read_options(argc, argv, &p);

    if (status >= 0)
        return status;
    avow_log_start(p.name, NULL);
    avow_program_settle();
    return run(&p);
}
