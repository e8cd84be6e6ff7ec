#include "serve/quiet.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"

static void tell(struct avow_quiet *q)
{
    if (q->left_out)
        avow_log(q->level, q->event, "left-out=%llu text=\"more of the same in the last second\"",
                 (unsigned long long)q->left_out);
    q->left_out = 0;
}

static void on_tell(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell(arg);
}

void avow_quiet_init(struct avow_quiet *q, struct event_base *base, enum avow_log_level level,
                     const char *event)
{
    *q = (struct avow_quiet){ .level = level, .event = event };
    avow_rate_init(&q->rate, AVOW_QUIET_LINES, avow_now_ns());
    event_assign(&q->tell, base, -1, 0, on_tell, q);
}

void avow_quiet_log(struct avow_quiet *q, const char *fmt, ...)
{
    const struct timeval second = { .tv_sec = 1 };
    char line[AVOW_LOG_LINE_MAX];
    va_list ap;

    if (!avow_rate_take(&q->rate, avow_now_ns())) {
        if (q->left_out++ == 0)
            event_add(&q->tell, &second);
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    avow_log(q->level, q->event, "%s", line);
}

void avow_quiet_done(struct avow_quiet *q)
{
    if (!q->event)
        return;
    event_del(&q->tell);
    tell(q);
}
