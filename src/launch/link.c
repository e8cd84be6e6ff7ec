#include "launch/link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/cleanup.h"
#include "launch/shell.h"

#define READ_CHUNK 65536
#define IN_MAX (AVOW_SHELL_FRAME_MAX + 4 + READ_CHUNK)

struct avow_link {
    int fd;
    struct event *readable, *writable;
    struct avow_link_ops ops;
    struct avow_buf in;
    struct avow_buf out;
    size_t sent; /* bytes of out that are written */
    bool congested;
    bool closed;
};

static void link_close(struct avow_link *l, const struct avow_error *err)
{
    if (l->closed)
        return;
    l->closed = true;
    event_del(l->readable);
    event_del(l->writable);
    l->ops.closed(l->ops.ctx, err);
}

static size_t queued(const struct avow_link *l)
{
    return l->out.len - l->sent;
}

/* Drop the written bytes once they are most of the buffer. */
static void compact(struct avow_link *l)
{
    size_t rest = queued(l);

    if (l->sent < rest)
        return;
    if (rest > 0)
        memmove(l->out.data, l->out.data + l->sent, rest);
    l->out.len = rest;
    l->sent = 0;
}

/* 1 all is written, 0 the socket is full, negative errno otherwise. */
static int write_some(struct avow_link *l)
{
    while (queued(l) > 0) {
        ssize_t n = send(l->fd, l->out.data + l->sent, queued(l), MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        l->sent += (size_t)n;
        compact(l);
    }
    return 1;
}

static void try_write(struct avow_link *l)
{
    int rc = write_some(l);

    if (rc < 0)
        link_close(l, NULL);
    else if (rc == 0)
        event_add(l->writable, NULL);
    if (l->congested && !l->closed && queued(l) < AVOW_LINK_LOW) {
        l->congested = false;
        l->ops.drained(l->ops.ctx);
    }
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    try_write(ctx);
}

static int take_frames(struct avow_link *l, struct avow_error *err)
{
    struct avow_bytes rest = avow_buf_view(&l->in);

    while (!l->closed) {
        struct avow_frame f;
        int rc = avow_frame_take(&rest, &f, err);

        AVOW_TRY(rc);
        if (rc == 0)
            break;
        l->ops.frame(l->ops.ctx, &f);
    }
    if (rest.len > 0 && rest.len < l->in.len)
        memmove(l->in.data, rest.data, rest.len);
    l->in.len = rest.len;
    return 0;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_link *l = ctx;
    struct avow_error err = { 0 };
    uint8_t chunk[READ_CHUNK];
    ssize_t n = recv(fd, chunk, sizeof chunk, MSG_DONTWAIT);

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        link_close(l, NULL);
        return;
    }
    if (avow_buf_put(&l->in, chunk, (size_t)n) < 0) {
        (void)AVOW_FAIL(&err, LIMIT, "a frame from avowd does not fit");
        link_close(l, &err);
        return;
    }
    if (take_frames(l, &err) < 0)
        link_close(l, &err);
}

int avow_link_new(struct event_base *base, int take_fd, const struct avow_link_ops *ops,
                  struct avow_link **out, struct avow_error *err)
{
    avow_autoclose int fd = take_fd;
    struct avow_link *l = calloc(1, sizeof *l);

    if (!l)
        return AVOW_FAIL(err, NOMEM, "no memory for the link to avowd");
    l->fd = fd;
    l->ops = *ops;
    l->in = AVOW_BUF(IN_MAX);
    l->out = AVOW_BUF(AVOW_LINK_QUEUE_MAX);
    l->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, l);
    l->writable = event_new(base, fd, EV_WRITE, on_writable, l);
    if (!l->readable || !l->writable || event_add(l->readable, NULL) < 0) {
        l->fd = -1;
        avow_link_free(l);
        return AVOW_FAIL(err, NOMEM, "no memory for the link to avowd");
    }
    (void)avow_steal_fd(&fd);
    *out = l;
    return 0;
}

void avow_link_free(struct avow_link *l)
{
    if (!l)
        return;
    if (l->readable)
        event_free(l->readable);
    if (l->writable)
        event_free(l->writable);
    if (l->fd >= 0)
        close(l->fd);
    avow_buf_done(&l->in);
    avow_buf_done(&l->out);
    free(l);
}

void avow_link_send(struct avow_link *l, uint8_t type, struct avow_bytes head,
                    struct avow_bytes body)
{
    struct avow_error err = { 0 };

    if (l->closed)
        return;
    if (avow_frame_head(&l->out, type, head.len + body.len) < 0 ||
        avow_buf_put_bytes(&l->out, head) < 0 || avow_buf_put_bytes(&l->out, body) < 0) {
        (void)AVOW_FAIL(&err, LIMIT, "avowd does not read: %zu bytes are queued for it", queued(l));
        link_close(l, &err);
        return;
    }
    if (queued(l) > AVOW_LINK_HIGH)
        l->congested = true;
    if (!event_pending(l->writable, EV_WRITE, NULL))
        try_write(l);
}

bool avow_link_congested(const struct avow_link *l)
{
    return l->congested;
}

static int64_t now_ms(void)
{
    struct timespec t = { 0 };

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int avow_link_flush(struct avow_link *l, int timeout_ms, struct avow_error *err)
{
    int64_t end = now_ms() + timeout_ms;

    for (;;) {
        struct pollfd p = { .fd = l->fd, .events = POLLOUT };
        int rc = write_some(l);
        int64_t left = end - now_ms();

        if (rc == 1)
            return 0;
        if (rc < 0)
            return AVOW_FAIL(err, NETWORK, "the link to avowd is closed");
        if (left <= 0)
            return AVOW_FAIL(err, TIMEOUT, "avowd does not read");
        if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
            return AVOW_FAIL_SYS(err, "cannot wait for avowd");
    }
}
