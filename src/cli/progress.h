/*
 * Progress: what the observer of the client shows while a job is under way. On a terminal one line
 * that is redrawn; elsewhere lines, few of them. Output of ranks goes past it, line by line.
 */
#ifndef AVOW_CLI_PROGRESS_H
#define AVOW_CLI_PROGRESS_H

#include "cli/cli.h"

#define AVOW_PROGRESS_STATES_SHOWN 6 /* nodes whose state is in the line */

struct avow_progress {
    struct avow_cli *cli;
    const struct avow_client *client;
    json_t *states; /* node -> state; owned */
    int64_t iteration, total;
    double sync_ms;
    char metrics[96];
    char leader[64]; /* the node whose progress is shown */
    double began_ms, drawn_ms;
    bool drawn; /* the live line is on the screen */
    bool syncing_said;
    char said[64]; /* state that the last line was about */
};

void avow_progress_init(struct avow_progress *p, struct avow_cli *cli);
void avow_progress_done(struct avow_progress *p);
/* The observer (avow_client_event_fn); @ctx is the progress. */
void avow_progress_event(void *ctx, const char *node, const char *type, const json_t *data);
/* Take the live line off the screen. */
void avow_progress_clear(struct avow_progress *p);
/* The live line for a terminal of @width columns. */
void avow_progress_line(const struct avow_progress *p, int width, double now_ms,
                        struct avow_buf *out);

#endif
