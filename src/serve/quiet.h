/*
 * A log line that strangers can cause as often as they like: AVOW_QUIET_LINES a second are written,
 * the others are counted, and the count is written once a second. Loop thread only.
 */
#ifndef AVOW_SERVE_QUIET_H
#define AVOW_SERVE_QUIET_H

#include <event2/event_struct.h>

#include "serve/log.h"
#include "serve/rate.h"

#define AVOW_QUIET_LINES 10

struct avow_quiet {
    enum avow_log_level level;
    const char *event; /* static */
    struct avow_rate rate;
    uint64_t left_out;
    struct event tell; /* pending while lines are being left out */
};

void avow_quiet_init(struct avow_quiet *q, struct event_base *base, enum avow_log_level level,
                     const char *event);
/* As avow_log. */
void avow_quiet_log(struct avow_quiet *q, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Tells what was left out and not told yet. Fine for one that is all zero. */
void avow_quiet_done(struct avow_quiet *q);

#endif
