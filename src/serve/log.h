/*
 * The log of a service: one line on stderr for each event, "avowd[node]: event=NAME key=value ...",
 * with a syslog level in front when systemd's journal reads it. Secrets have no way in here;
 * evidence is named by digests. Any thread (one write for each line).
 */
#ifndef AVOW_SERVE_LOG_H
#define AVOW_SERVE_LOG_H

enum avow_log_level {
    AVOW_LOG_ERROR = 3,
    AVOW_LOG_WARNING = 4,
    AVOW_LOG_NOTICE = 5,
    AVOW_LOG_INFO = 6
};

#define AVOW_LOG_LINE_MAX 1024

/* Every line begins with @program, and [@name] if that is not NULL. */
void avow_log_start(const char *program, const char *name);
/* @event is a word; @fmt gives "key=value key=value", or "". Control characters come out as '?'. */
void avow_log(enum avow_log_level level, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
