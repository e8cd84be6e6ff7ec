/* avow: the program of the job's owner. */
#include <fcntl.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/signals.h"

static const struct avow_command *const commands[] = {
    &avow_cmd_demo,   &avow_cmd_attest,   &avow_cmd_verify, &avow_cmd_policy,
    &avow_cmd_run,    &avow_cmd_status,   &avow_cmd_watch,  &avow_cmd_fetch,
    &avow_cmd_cancel, &avow_cmd_identity, &avow_cmd_doctor, &avow_cmd_collateral,
};

#define N_COMMANDS (sizeof commands / sizeof commands[0])

static struct avow_cli cli;

static const struct avow_option globals[] = {
    { "help", 'h', NULL, "show help", &cli.help, NULL },
    { "version", 0, NULL, "show the version", &cli.version, NULL },
    { "json", 0, NULL, "report as JSON on standard output", &cli.json, NULL },
    { "quiet", 'q', NULL, "say nothing but errors", &cli.quiet, NULL },
    { "no-progress", 0, NULL, "lines instead of a progress bar", &cli.no_progress, NULL },
    { "cluster", 0, "FILE", "where the nodes are (cluster.yaml)", NULL, &cli.cluster },
    { "identity", 0, "FILE", "this user's key (default: $XDG_CONFIG_HOME/avow/client.pem)", NULL,
      &cli.identity },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

static void print_options(const struct avow_option *o)
{
    for (; o && o->name; o++) {
        char left[48];

        (void)snprintf(left, sizeof left, "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
                       o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
                       o->value ? " " : "", o->value ? o->value : "");
        (void)printf("  %-24s %s\n", left, o->help);
    }
}

static int help(const struct avow_command *cmd)
{
    if (cmd) {
        (void)printf("avow %s%s%s - %s\n\n%s\n", cmd->name, *cmd->args ? " " : "", cmd->args,
                     cmd->summary, cmd->help);
        if (cmd->options) {
            (void)puts("Options:");
            print_options(cmd->options);
        }
    } else {
        (void)puts("avow: MPI jobs on confidential VMs that have proved themselves\n\n"
                   "usage: avow COMMAND [OPTION...] [ARGUMENT...]\n\nCommands:");
        for (size_t i = 0; i < N_COMMANDS; i++)
            (void)printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
        (void)puts("\n`avow help COMMAND` says more about a command.\n\nExamples:\n"
                   "  avow demo                 everything on this machine, with simulated VMs\n"
                   "  avow attest job.yaml      what do the nodes prove?\n"
                   "  avow run job.yaml         run a job");
    }
    (void)puts("\nOptions of every command:");
    print_options(globals);
    return AVOW_EXIT_OK;
}

/* `avow help run` is `avow --help run`. */
static void take_help_word(int argc, char **argv)
{
    static char option[] = "--help";

    if (argc > 1 && strcmp(argv[1], "help") == 0)
        argv[1] = option;
}

static const struct avow_command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[N_COMMANDS + 1] = { NULL };
    const char *near = NULL;

    for (size_t i = 0; i < N_COMMANDS; i++)
        names[i] = commands[i]->name;
    near = avow_nearest(name, names);
    if (near)
        return avow_usage(NULL, "there is no command \"%s\" (did you mean %s?)", name, near);
    return avow_usage(NULL, "there is no command \"%s\"", name);
}

static void look_at_terminal(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    cli.live = isatty(STDOUT_FILENO) && !(term && strcmp(term, "dumb") == 0);
    cli.color = cli.live && !(no_color && *no_color);
}

/* Options may stand before the command too. The command is the first argument that is none. */
static const struct avow_command *split(int argc, char **argv, int *at)
{
    for (*at = 1; *at < argc; (*at)++) {
        const char *a = argv[*at];

        if (a[0] != '-' || !a[1])
            return find_command(a);
        if (strcmp(a, "--cluster") == 0 || strcmp(a, "--identity") == 0)
            (*at)++;
    }
    return NULL;
}

/* A descriptor that the caller closed must not become a file of ours, which prints would go into.
 */
static void hold_descriptors(void)
{
    int fd = 0;

    do /* standard output is then one that cannot be written, as it was */
        fd = open("/dev/null", O_RDONLY);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

/* A script that could not get the result must not take the status for it. */
static int written(int exit)
{
    struct avow_error err = { 0 };

    if (exit != AVOW_EXIT_OK || (fflush(stdout) == 0 && !ferror(stdout)))
        return exit;
    (void)AVOW_FAIL(&err, SYSTEM, "standard output: the result could not be written");
    avow_print_error(&cli, &err);
    return AVOW_EXIT_USAGE;
}

int main(int argc, char **argv)
{
    const struct avow_option *tables[3] = { globals, NULL, NULL };
    const struct avow_command *cmd = NULL;
    static struct avow_args args;
    struct avow_error err = { 0 };
    int at = 0;

    hold_descriptors();
    look_at_terminal();
    take_help_word(argc, argv);
    cmd = split(argc, argv, &at);
    if (!cmd && at < argc)
        return unknown_command(argv[at]);
    if (cmd) {
        tables[1] = cmd->options;
        for (int i = at; i > 1; i--) /* to the front, so that the rest is options and arguments */
            argv[i] = argv[i - 1];
    }
    if (avow_options_parse(tables, argc - 1 - (cmd != NULL), argv + 1 + (cmd != NULL), &args,
                           &err) < 0)
        return avow_usage(cmd, "%s", err.text);
    if (cli.version) {
        (void)printf("avow %s\n", AVOW_VERSION);
        return written(AVOW_EXIT_OK);
    }
    if (cli.help)
        return written(help(cmd));
    if (!cmd)
        return avow_usage(NULL, "a command is needed");
    avow_signals_init();
    return written(cmd->run(&cli, &args));
}
