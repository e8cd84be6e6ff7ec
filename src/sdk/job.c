/*
 * Runs inside other people's programs: libc only, no allocation, no locks, no signal, no output,
 * and never a wait. A rank must not fail or slow down because nobody listens.
 */
#include "avow/job.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "sdk/wire.h"

#define NO_SOCKET (-1)

static struct {
    bool ready; /* the environment was looked at */
    int fd;     /* NO_SOCKET: outside avow */
    bool syncing;
    uint64_t iteration; /* of the sync point that is open */
    struct timespec since;
    uint64_t dropped, told; /* datagrams that were lost; how many of them were reported */
} job = { .fd = NO_SOCKET };

/* The number in AVOW_JOB_FD if it is what the launch host hands over, else NO_SOCKET. */
static int find_socket(void)
{
    const char *text = getenv(AVOW_JOB_ENV_FD);
    char *end = NULL;
    long fd = 0;
    int type = 0;
    socklen_t len = sizeof type;

    if (!text || *text < '0' || *text > '9')
        return NO_SOCKET;
    errno = 0;
    fd = strtol(text, &end, 10);
    if (errno || *end || fd > INT_MAX)
        return NO_SOCKET;
    /* the descriptor may have been closed by a wrapper and its number used for something else */
    if (getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
        return NO_SOCKET;
    return (int)fd;
}

static int job_fd(void)
{
    int keep = errno;

    if (!job.ready) {
        job.fd = find_socket();
        job.ready = true;
        errno = keep;
    }
    return job.fd;
}

static bool send_now(const char *text, size_t len)
{
    return send(job_fd(), text, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

/* What was lost before is said first, so that the count arrives in order. */
static void tell(const char *text, size_t len)
{
    int keep = errno;

    if (job.told < job.dropped) {
        char lost[64];
        int n = snprintf(lost, sizeof lost, "{\"t\":\"dropped\",\"n\":%llu}",
                         (unsigned long long)job.dropped);

        if (n > 0 && send_now(lost, (size_t)n))
            job.told = job.dropped;
    }
    if (!send_now(text, len))
        job.dropped++;
    errno = keep;
}

/* A datagram under construction; @len over the size means that it did not fit. */
struct text {
    size_t len;
    char at[AVOW_JOB_DATAGRAM_MAX];
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n = 0;

    if (t->len >= sizeof t->at)
        return;
    va_start(ap, fmt);
    n = vsnprintf(t->at + t->len, sizeof t->at - t->len, fmt, ap);
    va_end(ap);
    t->len += n < 0 ? sizeof t->at : (size_t)n;
}

static void tell_text(const struct text *t)
{
    if (t->len < sizeof t->at)
        tell(t->at, t->len);
    else
        job.dropped++;
}

static bool name_ok(const char *name)
{
    size_t n = 0;

    if (!name)
        return false;
    while (name[n] && n <= AVOW_JOB_METRIC_NAME_MAX) {
        char c = name[n++];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
    }
    return n > 0 && n <= AVOW_JOB_METRIC_NAME_MAX;
}

/* JSON wants a point; printf writes what the program's locale says, of any number of bytes. */
static void put_number(struct text *t, double v)
{
    char digits[64];
    size_t to = 0;
    bool foreign = false;
    int n = snprintf(digits, sizeof digits, "%.17g", v);

    for (int i = 0; i < n && i < (int)sizeof digits; i++) {
        char c = digits[i];

        if ((c >= '0' && c <= '9') || c == '-' || c == '+' || c == 'e') {
            digits[to++] = c;
            foreign = false;
        } else if (!foreign) {
            digits[to++] = '.';
            foreign = true;
        }
    }
    put(t, "%.*s", (int)to, digits);
}

static void put_metrics(struct text *t, const struct avow_job_metric *metrics, size_t n)
{
    const char *separator = "";

    if (n > AVOW_JOB_METRICS_MAX)
        n = AVOW_JOB_METRICS_MAX;
    put(t, ",\"m\":{");
    for (size_t i = 0; i < n; i++) {
        bool again = false;

        for (size_t k = 0; k < i && !again; k++)
            again =
                metrics[k].name && metrics[i].name && strcmp(metrics[k].name, metrics[i].name) == 0;
        if (again || !name_ok(metrics[i].name) || !isfinite(metrics[i].value))
            continue;
        put(t, "%s\"%s\":", separator, metrics[i].name);
        put_number(t, metrics[i].value);
        separator = ",";
    }
    put(t, "}");
}

static const char *variable(const char *name, const char *otherwise)
{
    const char *v = getenv(name);

    return v && *v ? v : otherwise;
}

int avow_job_active(void)
{
    return job_fd() != NO_SOCKET;
}

const char *avow_job_input(void)
{
    return variable(AVOW_JOB_ENV_INPUT, ".");
}

const char *avow_job_output(void)
{
    return variable(AVOW_JOB_ENV_OUTPUT, ".");
}

const char *avow_job_node(void)
{
    return variable(AVOW_JOB_ENV_NODE, "local");
}

void avow_job_sync_begin(uint64_t iteration)
{
    struct text t = { 0 };

    if (!avow_job_active())
        return;
    put(&t, "{\"t\":\"begin\",\"i\":%llu}", (unsigned long long)iteration);
    tell_text(&t);
    job.syncing = true;
    job.iteration = iteration;
    clock_gettime(CLOCK_MONOTONIC, &job.since);
}

void avow_job_sync_end(const struct avow_job_metric *metrics, size_t n_metrics)
{
    struct timespec now = { 0 };
    struct text t = { 0 };
    long long ns = 0;

    if (!job.syncing)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ns =
        (long long)(now.tv_sec - job.since.tv_sec) * 1000000000 + (now.tv_nsec - job.since.tv_nsec);
    job.syncing = false;
    put(&t, "{\"t\":\"end\",\"i\":%llu,\"ns\":%lld", (unsigned long long)job.iteration, ns);
    if (metrics && n_metrics)
        put_metrics(&t, metrics, n_metrics);
    put(&t, "}");
    tell_text(&t);
}

void avow_job_progress(uint64_t done, uint64_t total)
{
    struct text t = { 0 };

    if (!avow_job_active())
        return;
    put(&t, "{\"t\":\"progress\",\"i\":%llu,\"n\":%llu}", (unsigned long long)done,
        (unsigned long long)total);
    tell_text(&t);
}
