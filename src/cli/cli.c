#include "cli/cli.h"

#include <stdio.h>
#include <sys/ioctl.h>

#define TABLE_MAX (4u << 20) /* bytes of a table */

void avow_print_error(const struct avow_cli *cli, const struct avow_error *err)
{
    bool color = cli && cli->color;
    avow_autofree char *text = avow_clean_text(err->text[0] ? err->text : avow_err_text(err->code));

    (void)fflush(stdout);
    (void)fprintf(stderr, "%savow:%s %s\n", color ? avow_paint_code(AVOW_PAINT_BAD) : "",
                  color ? AVOW_PAINT_RESET : "", text ? text : "out of memory");
    (void)fprintf(stderr, "      %s (%s)\n", avow_err_hint(err->code), avow_err_name(err->code));
}

int avow_usage(const struct avow_command *cmd, const char *fmt, ...)
{
    va_list ap;

    (void)fputs("avow: ", stderr);
    va_start(ap, fmt);
    (void)vfprintf(stderr, fmt, ap);
    va_end(ap);
    if (cmd)
        (void)fprintf(stderr, "\nusage: avow %s%s%s   (avow %s --help says more)\n", cmd->name,
                      *cmd->args ? " " : "", cmd->args, cmd->name);
    else
        (void)fputs("\nusage: avow COMMAND ...   (avow --help lists the commands)\n", stderr);
    return AVOW_EXIT_USAGE;
}

void avow_say(const struct avow_cli *cli, const char *fmt, ...)
{
    va_list ap;

    if (cli->quiet || cli->json)
        return;
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)fflush(stdout);
}

void avow_heading(const struct avow_cli *cli, const char *text)
{
    avow_say(cli, "%s%s%s\n", cli->color ? "\033[1m" : "", text,
             cli->color ? AVOW_PAINT_RESET : "");
}

static int terminal_width(void)
{
    struct winsize w = { 0 };

    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 40)
        return 0;
    return w.ws_col;
}

void avow_print_table(const struct avow_cli *cli, struct avow_table *take_table)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(TABLE_MAX);

    if (!cli->quiet && !cli->json &&
        avow_table_render(take_table, 2, terminal_width(), cli->color, &out) == 0)
        avow_say(cli, "%s", avow_buf_cstr(&out));
    avow_table_free(take_table);
}

void avow_print_json(const json_t *doc)
{
    if (json_dumpf(doc, stdout,
                   JSON_INDENT(2) | JSON_SORT_KEYS | JSON_REAL_PRECISION(15) | JSON_ENCODE_ANY) ==
        0)
        (void)putchar('\n');
    (void)fflush(stdout);
}

static int network_trouble(int code)
{
    return code == AVOW_E_NETWORK || code == AVOW_E_TIMEOUT || code == AVOW_E_BUSY;
}

int avow_exit_for(int code, enum avow_phase phase)
{
    if (code < 0)
        code = -code;
    if (code == AVOW_E_CANCELLED)
        return AVOW_EXIT_INTERRUPTED;
    switch (phase) {
    case AVOW_PHASE_FILES:
        return AVOW_EXIT_USAGE;
    case AVOW_PHASE_ATTEST:
        return network_trouble(code) ? AVOW_EXIT_NETWORK : AVOW_EXIT_UNKNOWN;
    case AVOW_PHASE_FORM:
        return network_trouble(code) ? AVOW_EXIT_NETWORK : AVOW_EXIT_NOT_FORMED;
    case AVOW_PHASE_JOB:
        break;
    }
    return network_trouble(code) ? AVOW_EXIT_NETWORK : AVOW_EXIT_FAILED;
}

void avow_size_text(uint64_t bytes, char out[32])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double v = (double)bytes;
    size_t u = 0;

    while (v >= 1024 && u + 1 < sizeof units / sizeof units[0]) {
        v /= 1024;
        u++;
    }
    (void)snprintf(out, 32, u ? "%.1f %s" : "%.0f %s", v, units[u]);
}
