/*
 * What the programs that serve do alike: options, complaints, saying that they are ready, signals
 * and the loop until one of them ends it. Main thread only.
 */
#ifndef AVOW_SERVE_PROGRAM_H
#define AVOW_SERVE_PROGRAM_H

#include <event2/event.h>
#include <getopt.h>

#include "base/bytes.h"

#define AVOW_EXIT_USAGE 2 /* what the operator wrote: options, configuration */
#define AVOW_PROGRAM_SIGNALS_MAX 8

/* Zeroed but for what is static and ready_fd = -1. */
struct avow_program {
    const char *name, *version, *usage;
    const char *config; /* --config, or NULL */
    int ready_fd;       /* --ready-fd, or -1 */
    bool check;         /* --check */
    struct event_base *base;
    struct event *signals[AVOW_PROGRAM_SIGNALS_MAX];
    size_t n_signals;
};

/* The options of all of them: at the head of getopt_long's list; the short ones are "c:h". */
/* clang-format off */
#define AVOW_PROGRAM_OPTIONS                      \
    { "config", required_argument, NULL, 'c' },   \
    { "check", no_argument, NULL, 'C' },          \
    { "ready-fd", required_argument, NULL, 'r' }, \
    { "version", no_argument, NULL, 'V' },        \
    { "help", no_argument, NULL, 'h' }
/* clang-format on */

/* Take option @c with @value; any other is misused. Goes on (-1), or ends with an exit status. */
int avow_program_option(struct avow_program *p, int c, const char *value);
/* The usage, to stderr; the exit status. */
int avow_program_misused(const struct avow_program *p);
/* What the operator wrote is answered as a program answers, not as a service logs. @status. */
int avow_program_complain(const struct avow_program *p, const struct avow_error *err, int status);
/* One line of the log. @status. */
int avow_program_report(const struct avow_error *err, int status);
/* What to do about it: of a failed system call by its errno, else as avow_err_hint. */
const char *avow_program_hint(const struct avow_error *err);

/* Before anything secret is read: no dumps, all the descriptors that are allowed (the hard limit,
 * at most 65536), no SIGPIPE. */
void avow_program_settle(void);
/* Makes ->base, which SIGTERM and SIGINT end the loop of. -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_program_open(struct avow_program *p, struct avow_error *err);
/* @fn(number, EV_SIGNAL, @ctx) in the loop for each signal @number. -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_program_on(struct avow_program *p, int number, event_callback_fn fn,
                                  void *ctx, struct avow_error *err);
/* Say that it is ready (log; systemd, by sd_notify's protocol; @line to --ready-fd, which is
 * closed), then loop until a signal ends it. @line ends with a newline. -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_program_run(struct avow_program *p, struct avow_bytes line,
                                   struct avow_error *err);
/* Lets libevent free what it frees from the loop. */
void avow_program_close(struct avow_program *p);

#endif
