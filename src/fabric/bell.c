#include "fabric/bell.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "fabric/wire.h"

/*
 * A ring stays open until the listener's side closes it: while it waits in a listen queue its
 * source port is taken, so a port names one ring only; and the close of a listener that never
 * accepted is seen here and told to the broker.
 */
struct ring {
    uint32_t id;
    int64_t deadline_ms; /* of connect; 0 once the listener has it */
    uint16_t port;
};

struct bell {
    int fd;
    size_t n;                              /* entries of ring, and of poll from index 1 on */
    struct pollfd poll[AVOW_BELL_MAX + 1]; /* [0] is fd */
    struct ring ring[AVOW_BELL_MAX + 1];
};

static int64_t now_ms(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int answer(const struct bell *b, uint32_t id, enum avow_bell_event event, uint16_t port,
                  int error)
{
    const struct avow_bell_reply r = {
        .id = id, .event = (uint16_t)event, .port = port, .error = error
    };
    ssize_t n = 0;

    do {
        n = send(b->fd, &r, sizeof r, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof r ? 0 : -AVOW_E_SYSTEM;
}

/* A socket of the reserved source address, connecting to @q; or -errno. */
static int dial(const struct avow_bell_request *q, uint16_t *port)
{
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(AVOW_FABRIC_BELL) };
    const struct sockaddr_in to = { .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(q->addr),
                                    .sin_port = htons(q->port) };
    socklen_t len = sizeof from;
    avow_autoclose int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (s < 0 || bind(s, (const struct sockaddr *)&from, sizeof from) != 0 ||
        getsockname(s, (struct sockaddr *)&from, &len) != 0)
        return -errno;
    *port = ntohs(from.sin_port);
    if (connect(s, (const struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)
        return -errno;
    return avow_steal_fd(&s);
}

static int take_request(struct bell *b)
{
    struct avow_bell_request q = { 0 };
    uint16_t port = 0;
    ssize_t n = recv(b->fd, &q, sizeof q, MSG_DONTWAIT);
    int s = -1;

    if (n == 0)
        return 1;
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : -AVOW_E_SYSTEM;
    if (n != (ssize_t)sizeof q)
        return -AVOW_E_PROTOCOL;
    if (b->n == AVOW_BELL_MAX)
        return answer(b, q.id, AVOW_BELL_FAILED, 0, ENOBUFS);
    s = dial(&q, &port);
    if (s < 0)
        return answer(b, q.id, AVOW_BELL_FAILED, 0, -s);
    b->n++;
    b->poll[b->n] = (struct pollfd){ .fd = s, .events = POLLOUT };
    b->ring[b->n] =
        (struct ring){ .id = q.id, .deadline_ms = now_ms() + AVOW_BELL_CONNECT_MS, .port = port };
    return 0;
}

static void drop(struct bell *b, size_t i)
{
    close(b->poll[i].fd);
    b->poll[i] = b->poll[b->n];
    b->ring[i] = b->ring[b->n];
    b->n--;
}

/* What became of ring @i; 1 when it is done with and the caller drops it. */
static int look(struct bell *b, size_t i, int64_t now)
{
    struct ring *r = &b->ring[i];
    struct pollfd *p = &b->poll[i];
    socklen_t len = sizeof(int);
    int error = 0;

    if (r->deadline_ms == 0) {
        if (!p->revents)
            return 0;
        AVOW_TRY(answer(b, r->id, AVOW_BELL_GONE, r->port, 0));
        return 1;
    }
    if (!p->revents && now < r->deadline_ms)
        return 0;
    if (!p->revents)
        error = ETIMEDOUT;
    else if (getsockopt(p->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error) {
        AVOW_TRY(answer(b, r->id, AVOW_BELL_FAILED, 0, error));
        return 1;
    }
    AVOW_TRY(answer(b, r->id, AVOW_BELL_RANG, r->port, 0));
    r->deadline_ms = 0;
    p->events = POLLIN | POLLRDHUP; /* the listener's side sends nothing: only its close can come */
    return 0;
}

/* Until the earliest connect deadline; -1 when none is under way. */
static int timeout_ms(const struct bell *b, int64_t now)
{
    int64_t first = -1;

    for (size_t i = 1; i <= b->n; i++) {
        int64_t left = b->ring[i].deadline_ms - now;

        if (b->ring[i].deadline_ms == 0)
            continue;
        if (left < 0)
            left = 0;
        if (first < 0 || left < first)
            first = left;
    }
    return (int)first;
}

static int serve(struct bell *b)
{
    for (;;) {
        int rc = 0;
        int64_t now = 0;

        if (poll(b->poll, b->n + 1, timeout_ms(b, now_ms())) < 0 && errno != EINTR)
            return -AVOW_E_SYSTEM;
        now = now_ms();
        for (size_t i = b->n; i >= 1; i--) { /* downwards: drop moves the last one to here */
            AVOW_TRY(rc = look(b, i, now));
            if (rc > 0)
                drop(b, i);
        }
        if (!b->poll[0].revents)
            continue;
        AVOW_TRY(rc = take_request(b));
        if (rc > 0)
            return 0;
    }
}

int avow_bell_serve(int fd)
{
    avow_autofree struct bell *b = calloc(1, sizeof *b);
    struct rlimit files = { 0 };
    int rc = 0;

    if (!b)
        return -AVOW_E_NOMEM;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    b->fd = fd;
    b->poll[0] = (struct pollfd){ .fd = fd, .events = POLLIN };
    rc = serve(b);
    while (b->n)
        drop(b, b->n);
    return rc;
}
