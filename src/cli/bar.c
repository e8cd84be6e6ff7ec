#include "cli/bar.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/ioctl.h>

#define LINE_MAX_BYTES 512
#define CELLS_MAX 40
#define WIDTH_DEFAULT 80

void avow_bar_init(struct avow_bar *b, const struct avow_cli *cli, const char *what)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    *b = (struct avow_bar){ .what = what, .began_ms = avow_now_ms() };
    b->live = !cli->quiet && !cli->no_progress && isatty(STDERR_FILENO) &&
              !(term && strcmp(term, "dumb") == 0);
    b->color = b->live && !(no_color && *no_color);
}

static int width(void)
{
    struct winsize w = { 0 };

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col < 40)
        return WIDTH_DEFAULT;
    return w.ws_col;
}

void avow_bar_line(const char *what, uint64_t done, uint64_t total, double seconds,
                   const char *note, int columns, struct avow_buf *out)
{
    double rate = seconds > 0 ? (double)done / seconds : 0;
    double part = total ? (double)done / (double)total : 0;
    int cells = columns / 3 > CELLS_MAX ? CELLS_MAX : columns / 3;
    int full = (int)(part * cells);

    avow_buf_putf(out, "%s [", what);
    for (int i = 0; i < cells; i++)
        avow_buf_put_str(out, i < full ? "#" : ".");
    avow_buf_putf(out, "] %3d%% %" PRIu64 "/%" PRIu64, (int)(part * 100), done, total);
    if (rate >= 1)
        avow_buf_putf(out, ", %.0f/s", rate);
    if (rate > 0 && done < total)
        avow_buf_putf(out, ", %.0f s left", (double)(total - done) / rate);
    if (*note)
        avow_buf_putf(out, ", %s", note);
    if (columns > 0 && out->len >= (size_t)columns && out->failed == 0)
        out->data[out->len = (size_t)columns - 1] = 0;
}

void avow_bar_draw(struct avow_bar *b, uint64_t done, uint64_t total, const char *note)
{
    avow_auto(avow_buf_done) struct avow_buf line = AVOW_BUF(LINE_MAX_BYTES);
    double now = avow_now_ms();

    if (!b->live || (b->drawn && now - b->drawn_ms < AVOW_BAR_INTERVAL_MS && done < total))
        return;
    avow_bar_line(b->what, done, total, (now - b->began_ms) / 1000, note, width(), &line);
    (void)fprintf(stderr, "\r\033[K%s%s%s", b->color ? avow_paint_code(AVOW_PAINT_DIM) : "",
                  avow_buf_cstr(&line), b->color ? AVOW_PAINT_RESET : "");
    (void)fflush(stderr);
    b->drawn = true;
    b->drawn_ms = now;
}

void avow_bar_clear(struct avow_bar *b)
{
    if (b->drawn)
        (void)fputs("\r\033[K", stderr);
    b->drawn = false;
}
