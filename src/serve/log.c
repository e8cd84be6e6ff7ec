#include "serve/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char who[80] = "avow"; /* "avowd[node-1]" */
static bool for_journal;

void avow_log_start(const char *program, const char *name)
{
    /* set by systemd.exec(5) when stderr goes to the journal */
    for_journal = getenv("JOURNAL_STREAM") != NULL;
    if (name)
        snprintf(who, sizeof who, "%s[%s]", program, name);
    else
        snprintf(who, sizeof who, "%s", program);
}

static size_t put_head(char *line, size_t room, enum avow_log_level level, const char *event)
{
    int n = 0;
    size_t used = 0;

    if (for_journal) {
        n = snprintf(line, room, "<%d>", (int)level);
        used = n > 0 ? (size_t)n : 0;
    }
    n = snprintf(line + used, room - used, "%s: event=%s ", who, event);
    return used + (n > 0 ? (size_t)n : 0);
}

void avow_log(enum avow_log_level level, const char *event, const char *fmt, ...)
{
    char line[AVOW_LOG_LINE_MAX];
    size_t head = put_head(line, sizeof line, level, event);
    size_t len = 0;
    va_list ap;

    if (head >= sizeof line - 2)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line + head, sizeof line - head - 1, fmt, ap);
    va_end(ap);
    len = strlen(line);
    /* what others sent may be quoted here: it shall not forge a line */
    for (size_t i = head; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = '?';
    while (len && line[len - 1] == ' ')
        len--;
    line[len++] = '\n';
    while (write(STDERR_FILENO, line, len) < 0 && errno == EINTR)
        ;
}
