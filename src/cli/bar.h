/* A progress bar on standard error for work that is counted: drawn on a terminal only. */
#ifndef AVOW_CLI_BAR_H
#define AVOW_CLI_BAR_H

#include <stdint.h>

#include "cli/cli.h"

#define AVOW_BAR_INTERVAL_MS 100

struct avow_bar {
    const char *what; /* "verify" */
    bool live;        /* standard error is a terminal, and progress is wanted */
    bool color;
    double began_ms, drawn_ms;
    bool drawn;
};

/* @what: borrowed. Nothing is drawn with --quiet, --no-progress or --json to the same terminal. */
void avow_bar_init(struct avow_bar *b, const struct avow_cli *cli, const char *what);
/* Draw anew, at most once in AVOW_BAR_INTERVAL_MS; @note: a few words, or "". */
void avow_bar_draw(struct avow_bar *b, uint64_t done, uint64_t total, const char *note);
/* Take it off the screen. */
void avow_bar_clear(struct avow_bar *b);

/* The line for a terminal of @width columns. */
void avow_bar_line(const char *what, uint64_t done, uint64_t total, double seconds,
                   const char *note, int width, struct avow_buf *out);

#endif
