#include "fabric/shim/shim.h"

#include <stdlib.h>

atomic_uint conn_n_readable;

/* Connections whose last reference has gone; their memory stays a struct conn for ever, so that
 * conn_get may look at one that is just being dropped. */
static struct conn *free_list;
static pthread_mutex_t free_lock = PTHREAD_MUTEX_INITIALIZER;

static struct conn *alloc(void)
{
    struct conn *c = NULL;

    pthread_mutex_lock(&free_lock);
    c = free_list;
    if (c)
        free_list = c->next_free;
    pthread_mutex_unlock(&free_lock);
    if (c)
        return c;
    c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    (void)pthread_mutex_init(&c->tx_lock, NULL);
    (void)pthread_mutex_init(&c->rx_lock, NULL);
    return c;
}

/* Everything but locks and references back to zero. */
static void clean(struct conn *c)
{
    avow_record_done(&c->tx);
    avow_record_done(&c->rx);
    avow_wipe(c->plain, c->plain_used);
    free(c->out);
    free(c->in);
    free(c->plain);
    c->out = c->in = c->plain = NULL;
    c->out_off = c->out_len = c->in_off = c->in_len = c->plain_off = c->plain_len = c->plain_used =
        0;
    c->owed = c->tx_ended = c->rx_ended = false;
    c->rx_error = 0;
    if (atomic_exchange(&c->readable, false))
        atomic_fetch_sub(&conn_n_readable, 1);
    atomic_store(&c->edge, 0);
    atomic_store(&c->asked_again, false);
    atomic_store(&c->rx_shut, false);
}

static void release(struct conn *c)
{
    clean(c);
    pthread_mutex_lock(&free_lock);
    c->next_free = free_list;
    free_list = c;
    pthread_mutex_unlock(&free_lock);
}

struct conn *conn_new(struct avow_ctl_answer *answer, int family)
{
    avow_auto(avow_key_wipe) struct avow_key send = { 0 };
    avow_auto(avow_key_wipe) struct avow_key recv = { 0 };
    struct conn *c = alloc();

    memcpy(send.bytes, answer->send_key, sizeof send.bytes);
    memcpy(recv.bytes, answer->recv_key, sizeof recv.bytes);
    avow_wipe(answer->send_key, sizeof answer->send_key);
    avow_wipe(answer->recv_key, sizeof answer->recv_key);
    if (!c)
        return NULL;
    c->out = malloc(AVOW_RECORD_MAX + AVOW_RECORD_OVERHEAD);
    c->in = malloc(SHIM_IN_CAP);
    c->plain = malloc(SHIM_PLAIN_CAP);
    if (!c->out || !c->in || !c->plain ||
        avow_record_init(&c->tx, shim.engine, &send, AVOW_RECORD_REKEY) < 0 ||
        avow_record_init(&c->rx, shim.engine, &recv, AVOW_RECORD_REKEY) < 0) {
        release(c);
        return NULL;
    }
    c->family = family;
    c->who = *answer;
    c->n_fds = 0;
    atomic_store(&c->n_regs, 0);
    atomic_store_explicit(&c->refs, 1, memory_order_release);
    return c;
}

struct conn *conn_get(int fd)
{
    for (;;) {
        struct conn *c = table_peek(fd);
        unsigned refs = 0;

        if (!c)
            return NULL;
        refs = atomic_load_explicit(&c->refs, memory_order_relaxed);
        if (refs == 0 || !atomic_compare_exchange_weak_explicit(
                             &c->refs, &refs, refs + 1, memory_order_acq_rel, memory_order_relaxed))
            continue; /* just dropped, or another thread was faster */
        if (table_peek(fd) == c)
            return c;
        conn_put(c);
    }
}

void conn_put(struct conn *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        release(c);
}

void conn_abandon(struct conn *c)
{
    avow_record_done(&c->tx);
    avow_record_done(&c->rx);
    if (atomic_exchange(&c->readable, false))
        atomic_fetch_sub(&conn_n_readable, 1);
}

void conn_abandoned(void)
{
    (void)pthread_mutex_init(&free_lock, NULL);
    free_list = NULL; /* it may have been in the middle of a change */
}

/* ---- sending ---- */

/* A place in an iovec. */
struct cursor {
    const struct iovec *v;
    size_t n;   /* entries left, the current one included */
    size_t off; /* in the current one */
};

static void skip_empty(struct cursor *k)
{
    while (k->n && k->off == k->v->iov_len) {
        k->v++;
        k->n--;
        k->off = 0;
    }
}

static void advance(struct cursor *k, size_t len)
{
    while (len) {
        size_t here = 0;

        skip_empty(k);
        here = k->v->iov_len - k->off < len ? k->v->iov_len - k->off : len;
        k->off += here;
        len -= here;
    }
    skip_empty(k);
}

static uint8_t byte_at(const struct cursor *k)
{
    return ((const uint8_t *)k->v->iov_base)[k->off];
}

/* The next record's worth of the iovec, as pieces; moves the cursor behind it. */
static size_t gather(struct cursor *k, struct avow_bytes parts[SHIM_PARTS_MAX], size_t *n_parts)
{
    size_t len = 0;

    *n_parts = 0;
    for (skip_empty(k); k->n && len < AVOW_RECORD_MAX && *n_parts < SHIM_PARTS_MAX; skip_empty(k)) {
        size_t here = k->v->iov_len - k->off;

        if (here > AVOW_RECORD_MAX - len)
            here = AVOW_RECORD_MAX - len;
        parts[(*n_parts)++] = AVOW_BYTES((const uint8_t *)k->v->iov_base + k->off, here);
        k->off += here;
        len += here;
    }
    return len;
}

/* Send the rest of the sealed record: 0, or -1 with errno. */
static int flush(struct conn *c, int fd, int flags)
{
    while (c->out_off < c->out_len) {
        ssize_t n = real()->send(fd, c->out + c->out_off, c->out_len - c->out_off, flags);

        if (n < 0)
            return -1;
        c->out_off += (size_t)n;
    }
    c->out_off = c->out_len = 0;
    return 0;
}

/*
 * What the program gets to hear when the kernel did not take all of the last record. A sealed
 * record is never sealed again, and nobody but the program can be relied on to come back for the
 * rest: so it is told that all but the last byte went out. It comes back for that byte, when the
 * kernel says that there is room, and finds it sent. Other errors stand for the whole record.
 */
static ssize_t cut_short(struct conn *c, size_t before, size_t sealed, uint8_t last)
{
    size_t told = before + sealed - 1;

    if (errno != EAGAIN && errno != EINTR)
        return before ? (ssize_t)before : -1;
    c->owed = true;
    c->owed_byte = last;
    return told ? (ssize_t)told : -1;
}

/* tx lock held. */
static ssize_t send_locked(struct conn *c, int fd, struct cursor *k, int flags)
{
    struct avow_bytes parts[SHIM_PARTS_MAX];
    size_t total = 0;
    size_t n = 0;

    skip_empty(k);
    if (!k->n)
        return 0;
    if (flush(c, fd, flags) != 0)
        return -1;
    if (c->owed) {
        if (byte_at(k) != c->owed_byte) { /* not a stream any more: what was sealed is on its way */
            errno = EPIPE;
            return -1;
        }
        c->owed = false;
        advance(k, 1);
        total = 1;
    }
    for (size_t len = gather(k, parts, &n); len; len = gather(k, parts, &n)) {
        struct avow_bytes tail = parts[n - 1];

        if (c->tx_ended || avow_record_seal(&c->tx, parts, n, c->out, &c->out_len) < 0) {
            errno = EPIPE;
            return total ? (ssize_t)total : -1;
        }
        c->out_off = 0;
        if (flush(c, fd, flags) != 0)
            return cut_short(c, total, len, tail.data[tail.len - 1]);
        total += len;
    }
    return (ssize_t)total;
}

ssize_t conn_send(struct conn *c, int fd, const struct iovec *v, size_t n, int flags)
{
    struct cursor k = { .v = v, .n = n };
    bool ended = true;
    ssize_t r = -1;

    /* out-of-band bytes and zero-copy notices have no meaning on records */
    if (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE | MSG_EOR | MSG_CONFIRM | MSG_DONTROUTE)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (shim_is_original()) {
        pthread_mutex_lock(&c->tx_lock);
        ended = c->tx_ended;
        r = ended ? -1 : send_locked(c, fd, &k, flags);
        pthread_mutex_unlock(&c->tx_lock);
    }
    if (ended) { /* as the kernel does after shutdown */
        if (!(flags & MSG_NOSIGNAL))
            (void)raise(SIGPIPE);
        errno = EPIPE;
    }
    return r;
}

static int64_t now_ms(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t conn_linger(void)
{
    return now_ms() + SHIM_LINGER_MS;
}

static bool flush_until(struct conn *c, int fd, int64_t deadline)
{
    while (flush(c, fd, MSG_DONTWAIT | MSG_NOSIGNAL) != 0) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        int64_t left = deadline - now_ms();

        if ((errno != EAGAIN && errno != EINTR) || left <= 0)
            return false;
        (void)real()->poll(&p, 1, (int)left);
    }
    return true;
}

void conn_end(struct conn *c, int fd, int64_t deadline_ms)
{
    int64_t left = deadline_ms - now_ms();
    struct timespec until = { 0 };

    if (!shim_is_original())
        return;
    (void)clock_gettime(CLOCK_REALTIME, &until); /* what pthread_mutex_timedlock counts by */
    if (left > 0) {
        until.tv_nsec += left % 1000 * 1000000;
        until.tv_sec += left / 1000 + until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
    }
    if (pthread_mutex_timedlock(&c->tx_lock, &until) != 0)
        return; /* another thread is stuck in a send: the peer sees an end without an end record */
    if (!c->tx_ended && flush_until(c, fd, deadline_ms)) {
        c->tx_ended = true;
        if (avow_record_seal(&c->tx, NULL, 0, c->out, &c->out_len) == 0) {
            c->out_off = 0;
            (void)flush_until(c, fd, deadline_ms);
        }
    }
    pthread_mutex_unlock(&c->tx_lock);
}

/* ---- receiving ---- */

static struct avow_bytes in_view(const struct conn *c)
{
    return AVOW_BYTES(c->in + c->in_off, c->in_len - c->in_off);
}

/* Size of the whole record at the front of the input; 0: there is none yet. */
static size_t whole_record(const struct conn *c)
{
    size_t total = 0;

    if (avow_record_size(in_view(c), &total) < 0)
        shim_auth_failed(c);
    return total && total <= in_view(c).len ? total : 0;
}

static void open_record(struct conn *c, size_t total, uint8_t *to)
{
    size_t end = to >= c->plain && to < c->plain + SHIM_PLAIN_CAP
                     ? (size_t)(to - c->plain) + total - AVOW_RECORD_OVERHEAD
                     : 0;

    if (end > c->plain_used)
        c->plain_used = end;
    if (avow_record_open(&c->rx, AVOW_BYTES(c->in + c->in_off, total), to) < 0)
        shim_auth_failed(c);
    c->in_off += total;
    if (c->in_off == c->in_len)
        c->in_off = c->in_len = 0;
    if (total == AVOW_RECORD_OVERHEAD)
        c->rx_ended = true;
}

static void make_room(struct conn *c)
{
    if (SHIM_IN_CAP - c->in_len >= AVOW_RECORD_MAX + AVOW_RECORD_OVERHEAD)
        return;
    memmove(c->in, c->in + c->in_off, c->in_len - c->in_off);
    c->in_len -= c->in_off;
    c->in_off = 0;
}

/* Read once from the kernel; *@drained if that emptied its buffer. False: nothing came; errno says
 * why, and the end is in rx_error. */
static bool fill(struct conn *c, int fd, int flags, bool *drained)
{
    size_t room = 0;
    ssize_t n = 0;

    make_room(c);
    room = SHIM_IN_CAP - c->in_len;
    if (room == 0) { /* full of whole records: nothing more is taken until they are read */
        errno = EAGAIN;
        return false;
    }
    n = real()->recv(fd, c->in + c->in_len, room, flags);
    *drained = n < (ssize_t)room;
    if (n > 0) {
        c->in_len += (size_t)n;
        return true;
    }
    if (n == 0 && atomic_load(&c->rx_shut)) {
        c->rx_ended = true;
    } else if (n == 0) {
        /* Without an end record the stream was cut off: by a peer that died, or by somebody on the
         * way. Both look the same from here, and neither may look like an orderly end. */
        c->rx_error = ECONNRESET;
        errno = ECONNRESET;
    } else if (errno != EAGAIN && errno != EINTR) {
        c->rx_error = errno;
    }
    return false;
}

/* Opened bytes to the cursor. */
static size_t take_plain(struct conn *c, struct cursor *k)
{
    size_t done = 0;

    for (skip_empty(k); k->n && c->plain_off < c->plain_len; skip_empty(k)) {
        size_t here = k->v->iov_len - k->off;

        if (here > c->plain_len - c->plain_off)
            here = c->plain_len - c->plain_off;
        memcpy((uint8_t *)k->v->iov_base + k->off, c->plain + c->plain_off, here);
        k->off += here;
        c->plain_off += here;
        done += here;
    }
    if (c->plain_off == c->plain_len)
        c->plain_off = c->plain_len = 0;
    return done;
}

/* Everything that is there to the cursor, as far as it goes: records that fit go straight there. */
static size_t take(struct conn *c, struct cursor *k)
{
    size_t done = take_plain(c, k);

    while (k->n && !c->rx_ended) {
        size_t total = whole_record(c);
        size_t len = total - AVOW_RECORD_OVERHEAD;

        if (!total)
            break;
        if (k->v->iov_len - k->off >= len) {
            open_record(c, total, (uint8_t *)k->v->iov_base + k->off);
            k->off += len;
            done += len;
        } else {
            open_record(c, total, c->plain);
            c->plain_len = len;
            done += take_plain(c, k);
        }
        skip_empty(k);
    }
    return done;
}

/* For MSG_PEEK: opened bytes, up to @want, stay where they are. */
static size_t peek(struct conn *c, struct cursor k, size_t want)
{
    size_t off = c->plain_off;
    size_t len = 0;

    if (off) {
        memmove(c->plain, c->plain + off, c->plain_len - off);
        c->plain_len -= off;
        c->plain_off = 0;
    }
    while (c->plain_len < want && !c->rx_ended) {
        size_t total = whole_record(c);

        if (!total || total - AVOW_RECORD_OVERHEAD > SHIM_PLAIN_CAP - c->plain_len)
            break;
        open_record(c, total, c->plain + c->plain_len);
        c->plain_len += total - AVOW_RECORD_OVERHEAD;
    }
    len = c->plain_len;
    if (len) {
        (void)take_plain(c, &k);
        c->plain_off = 0;
        c->plain_len = len;
    }
    return len < want ? len : want;
}

static void publish(struct conn *c, bool left_by_read)
{
    bool now = c->plain_off < c->plain_len || c->rx_ended || c->rx_error || whole_record(c);

    if (atomic_exchange(&c->readable, now) != now) {
        if (now)
            atomic_fetch_add(&conn_n_readable, 1);
        else
            atomic_fetch_sub(&conn_n_readable, 1);
    }
    if (now && left_by_read)
        atomic_fetch_add(&c->edge, 1);
}

static size_t length_of(const struct iovec *v, size_t n)
{
    size_t len = 0;

    for (size_t i = 0; i < n; i++)
        len += v[i].iov_len;
    return len;
}

/* rx lock held. */
static ssize_t recv_locked(struct conn *c, int fd, struct cursor *k, size_t want, int flags)
{
    int kernel_flags = flags & MSG_DONTWAIT;
    bool drained = false; /* in this very call: only then may a short read say "that was all" */
    size_t got = 0;

    for (;;) {
        if (flags & MSG_PEEK)
            got = peek(c, *k, want);
        else
            got += take(c, k);
        if (got == want || (got && flags & MSG_PEEK && c->plain_len > SHIM_PLAIN_CAP / 2))
            return (ssize_t)got;
        if (c->rx_ended)
            return (ssize_t)got;
        if (c->rx_error) {
            errno = c->rx_error;
            return got ? (ssize_t)got : -1;
        }
        if (got && !(flags & MSG_WAITALL)) {
            if (drained)
                return (ssize_t)got;
            kernel_flags |= MSG_DONTWAIT;
        }
        if (!fill(c, fd, kernel_flags, &drained) && !c->rx_error && !c->rx_ended)
            return got ? (ssize_t)got : -1;
    }
}

ssize_t conn_recv(struct conn *c, int fd, const struct iovec *v, size_t n, int flags)
{
    struct cursor k = { .v = v, .n = n };
    size_t want = length_of(v, n);
    ssize_t r = 0;
    int saved = 0;

    if (flags & ~(MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK | MSG_WAITALL | MSG_CMSG_CLOEXEC)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (want == 0)
        return 0;
    if (!shim_is_original()) {
        errno = ENOTCONN;
        return -1;
    }
    pthread_mutex_lock(&c->rx_lock);
    r = recv_locked(c, fd, &k, want, flags);
    saved = errno;
    publish(c, r > 0);
    pthread_mutex_unlock(&c->rx_lock);
    errno = saved;
    return r;
}

int conn_available(struct conn *c, int fd)
{
    bool drained = false;
    size_t n = 0;

    if (!shim_is_original())
        return 0;
    pthread_mutex_lock(&c->rx_lock);
    if (!c->rx_ended && !c->rx_error)
        (void)fill(c, fd, MSG_DONTWAIT, &drained);
    n = c->plain_len - c->plain_off;
    for (size_t off = c->in_off; off < c->in_len;) {
        size_t total = 0;

        if (avow_record_size(AVOW_BYTES(c->in + off, c->in_len - off), &total) < 0)
            shim_auth_failed(c);
        if (!total || total > c->in_len - off)
            break;
        n += total - AVOW_RECORD_OVERHEAD;
        off += total;
    }
    publish(c, true);
    pthread_mutex_unlock(&c->rx_lock);
    return (int)n;
}
