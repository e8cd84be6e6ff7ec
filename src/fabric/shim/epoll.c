/*
 * epoll: which connections (and epolls inside epolls) are registered where, so that bytes in user
 * space are reported as the kernel would report bytes of its own. Level-triggered: as long as there
 * are any. Edge-triggered: once after every read that left some, since the kernel's edges for them
 * may have come and gone while they were read ahead.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "fabric/shim/shim.h"

#define READ_EVENTS (EPOLLIN | EPOLLRDNORM)
#define NEST_MAX 5 /* epolls inside epolls; the kernel allows as many */

struct reg {
    int fd;
    struct conn *conn; /* NULL: fd is an epoll itself */
    struct epoll_event ev;
    unsigned seen; /* conn->edge when it was last reported */
    bool disabled; /* EPOLLONESHOT has shot */
};

struct ep { /* its memory is never returned: descriptors are looked up without a lock */
    pthread_mutex_t lock;
    unsigned n_fds; /* eps_lock */
    struct ep *next_free;
    struct reg *regs;
    size_t n, cap;
    unsigned n_oneshot;
    bool turn; /* with room for one event only: whose turn it is */
};

static _Atomic(struct ep *) eps[SHIM_FD_MAX];
static pthread_mutex_t eps_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ep *free_list; /* eps_lock */
static atomic_int eps_end;

static struct ep *peek(int fd)
{
    return fd >= 0 && fd < SHIM_FD_MAX ? atomic_load_explicit(&eps[fd], memory_order_acquire)
                                       : NULL;
}

/* eps_lock held. */
static void set(int fd, struct ep *e)
{
    e->n_fds++;
    atomic_store_explicit(&eps[fd], e, memory_order_release);
    if (fd >= atomic_load(&eps_end))
        atomic_store(&eps_end, fd + 1);
}

static void forget_regs(struct ep *e, const struct conn *c, int fd)
{
    size_t kept = 0;

    for (size_t i = 0; i < e->n; i++) {
        struct reg *r = &e->regs[i];
        bool gone = c ? r->conn == c : r->fd == fd;

        if (!gone) {
            e->regs[kept++] = *r;
            continue;
        }
        if (r->conn)
            atomic_fetch_sub(&r->conn->n_regs, 1);
        if (r->ev.events & EPOLLONESHOT)
            e->n_oneshot--;
    }
    e->n = kept;
}

/* eps_lock held. @fd is no epoll any more. */
static void clear(int fd)
{
    struct ep *e = atomic_exchange_explicit(&eps[fd], NULL, memory_order_acq_rel);

    if (!e || --e->n_fds)
        return;
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->n; i++)
        if (e->regs[i].conn)
            atomic_fetch_sub(&e->regs[i].conn->n_regs, 1);
    e->n = 0;
    e->n_oneshot = 0;
    pthread_mutex_unlock(&e->lock);
    e->next_free = free_list;
    free_list = e;
}

/* @fd is an epoll; known from its creation, or from its first use. */
static struct ep *know(int fd)
{
    struct ep *e = NULL;

    if (fd < 0 || fd >= SHIM_FD_MAX)
        return NULL;
    pthread_mutex_lock(&eps_lock);
    e = peek(fd);
    if (!e) {
        e = free_list;
        if (e)
            free_list = e->next_free;
        else if ((e = calloc(1, sizeof *e)) != NULL)
            (void)pthread_mutex_init(&e->lock, NULL);
        if (e)
            set(fd, e);
    }
    pthread_mutex_unlock(&eps_lock);
    return e;
}

bool epoll_is(int fd)
{
    return peek(fd) != NULL;
}

void epoll_closed(int fd)
{
    if (!peek(fd))
        return;
    pthread_mutex_lock(&eps_lock);
    clear(fd);
    for (int i = 0; i < atomic_load(&eps_end); i++) { /* it may be registered in others */
        struct ep *e = peek(i);

        if (!e)
            continue;
        pthread_mutex_lock(&e->lock);
        forget_regs(e, NULL, fd);
        pthread_mutex_unlock(&e->lock);
    }
    pthread_mutex_unlock(&eps_lock);
}

void epoll_duplicated(int from, int to)
{
    struct ep *e = peek(from);

    if (!e || to >= SHIM_FD_MAX || from == to)
        return;
    pthread_mutex_lock(&eps_lock);
    clear(to);
    set(to, e);
    pthread_mutex_unlock(&eps_lock);
}

void epoll_forget(struct conn *c)
{
    if (atomic_load(&c->n_regs) == 0)
        return;
    pthread_mutex_lock(&eps_lock);
    for (int i = 0; i < atomic_load(&eps_end); i++) {
        struct ep *e = peek(i);

        if (!e)
            continue;
        pthread_mutex_lock(&e->lock);
        forget_regs(e, c, -1);
        pthread_mutex_unlock(&e->lock);
    }
    pthread_mutex_unlock(&eps_lock);
}

void epoll_abandon(void)
{
    (void)pthread_mutex_init(&eps_lock, NULL);
    for (int i = 0; i < atomic_load(&eps_end); i++) {
        struct ep *e = peek(i);

        if (!e)
            continue;
        (void)pthread_mutex_init(&e->lock, NULL);
        e->n = 0; /* connections are gone; a nested epoll has nothing left to add either */
        e->n_oneshot = 0;
    }
}

/* ---- registration ---- */

static void add_reg(struct ep *e, int fd, struct conn *c, const struct epoll_event *ev)
{
    if (e->n == e->cap) {
        size_t cap = e->cap ? 2 * e->cap : 8;
        struct reg *bigger = reallocarray(e->regs, cap, sizeof *bigger);

        if (!bigger) /* the kernel still reports what it sees; what we read ahead waits for more */
            return;
        e->regs = bigger;
        e->cap = cap;
    }
    /* bytes that are there already count as new, as they do for the kernel */
    e->regs[e->n++] =
        (struct reg){ .fd = fd, .conn = c, .ev = *ev, .seen = c ? atomic_load(&c->edge) - 1 : 0 };
    if (c)
        atomic_fetch_add(&c->n_regs, 1);
    if (ev->events & EPOLLONESHOT)
        e->n_oneshot++;
}

static void note(struct ep *e, int op, int fd, struct conn *c, const struct epoll_event *ev)
{
    pthread_mutex_lock(&e->lock);
    if (op == EPOLL_CTL_DEL || op == EPOLL_CTL_MOD)
        forget_regs(e, NULL, fd);
    if (op == EPOLL_CTL_ADD || op == EPOLL_CTL_MOD)
        add_reg(e, fd, c, ev);
    pthread_mutex_unlock(&e->lock);
}

SHIM_EXPORT int epoll_create1(int flags)
{
    int fd = real()->epoll_create1(flags);

    epoll_closed(fd); /* the number's former owner may have gone by a raw system call */
    (void)know(fd);
    return fd;
}

SHIM_EXPORT int epoll_create(int size)
{
    if (size <= 0) {
        errno = EINVAL;
        return -1;
    }
    return epoll_create1(0);
}

SHIM_EXPORT int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
    int r = real()->epoll_ctl(epfd, op, fd, ev);
    struct conn *c = NULL;
    struct ep *e = NULL;

    if (r != 0 || (e = know(epfd)) == NULL)
        return r;
    c = conn_get(fd);
    if (c || peek(fd))
        note(e, op, fd, c, ev);
    if (c)
        conn_put(c);
    return r;
}

/* ---- what is ready ---- */

static bool ep_ready(struct ep *e, int depth);

/* ep lock held. */
static bool reg_ready(const struct reg *r, int depth)
{
    if (r->disabled || !(r->ev.events & READ_EVENTS))
        return false;
    if (!r->conn) {
        struct ep *inner = peek(r->fd);

        return inner && depth < NEST_MAX && ep_ready(inner, depth + 1);
    }
    if (!atomic_load(&r->conn->readable))
        return false;
    return !(r->ev.events & EPOLLET) || r->seen != atomic_load(&r->conn->edge);
}

static bool ep_ready(struct ep *e, int depth)
{
    bool ready = false;

    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->n && !ready; i++)
        ready = reg_ready(&e->regs[i], depth);
    pthread_mutex_unlock(&e->lock);
    return ready;
}

bool ready_fd(int fd)
{
    struct conn *c = table_peek(fd);
    struct ep *e = c ? NULL : peek(fd);

    if (c)
        return atomic_load(&c->readable);
    return e && ep_ready(e, 0);
}

/* ep lock held. */
static size_t count_ready(const struct ep *e)
{
    size_t n = 0;

    for (size_t i = 0; i < e->n; i++)
        n += reg_ready(&e->regs[i], 0);
    return n;
}

/* ep lock held. Registration @r is reported: what that changes. */
static void reported(int epfd, struct reg *r)
{
    if (r->conn)
        r->seen = atomic_load(&r->conn->edge);
    if (r->ev.events & EPOLLONESHOT) {
        struct epoll_event none = { .events = EPOLLONESHOT, .data = r->ev.data };

        r->disabled = true;
        (void)real()->epoll_ctl(epfd, EPOLL_CTL_MOD, r->fd, &none);
    }
}

/* ep lock held. Adds to the kernel's @n events; how many there are then. */
static int add_ready(int epfd, struct ep *e, struct epoll_event *out, int n, int max)
{
    for (size_t i = 0; i < e->n; i++) {
        struct reg *r = &e->regs[i];
        int at = 0;

        if (!reg_ready(r, 0))
            continue;
        while (at < n && out[at].data.u64 != r->ev.data.u64)
            at++;
        if (at == max)
            continue; /* next time: it stays ready */
        if (at == n)
            out[n++] = (struct epoll_event){ .data = r->ev.data };
        out[at].events |= r->ev.events & READ_EVENTS;
        reported(epfd, r);
    }
    return n;
}

/* One-shot registrations that the kernel reported have shot. */
static void note_oneshots(struct ep *e, const struct epoll_event *out, int n)
{
    pthread_mutex_lock(&e->lock);
    for (size_t i = 0; i < e->n && e->n_oneshot; i++)
        for (int k = 0; k < n; k++)
            if (e->regs[i].ev.events & EPOLLONESHOT && e->regs[i].ev.data.u64 == out[k].data.u64)
                e->regs[i].disabled = true;
    pthread_mutex_unlock(&e->lock);
}

/* ---- waiting ---- */

/* The three kernel calls as one; @now: only ask. */
struct wait {
    enum { WAIT_PLAIN, WAIT_SIGNALS, WAIT_PRECISE } kind;
    int timeout_ms;
    const struct timespec *timeout;
    const sigset_t *mask;
};

static int ask_kernel(int epfd, struct epoll_event *out, int max, const struct wait *w, bool now)
{
    const struct timespec zero = { 0 };

    switch (w->kind) {
    case WAIT_PLAIN:
        return real()->epoll_wait(epfd, out, max, now ? 0 : w->timeout_ms);
    case WAIT_SIGNALS:
        return real()->epoll_pwait(epfd, out, max, now ? 0 : w->timeout_ms, w->mask);
    case WAIT_PRECISE:
        return real()->epoll_pwait2(epfd, out, max, now ? &zero : w->timeout, w->mask);
    }
    return -1;
}

/* How many events to ask the kernel for, so that neither side keeps the other out. */
static int kernel_share(struct ep *e, size_t ready, int max)
{
    if (ready < (size_t)max)
        return max - (int)ready;
    e->turn = !e->turn;
    return e->turn ? max : 0;
}

static int wait_events(int epfd, struct epoll_event *out, int max, const struct wait *w)
{
    struct ep *e = peek(epfd);
    size_t ready = 0;
    int share = 0;
    int n = 0;

    if (e && max > 0 && atomic_load(&conn_n_readable)) {
        pthread_mutex_lock(&e->lock);
        ready = count_ready(e);
        share = kernel_share(e, ready, max);
        pthread_mutex_unlock(&e->lock);
    }
    if (ready == 0) {
        n = ask_kernel(epfd, out, max, w, false);
        if (e && n > 0 && e->n_oneshot)
            note_oneshots(e, out, n);
        return n;
    }
    n = share ? ask_kernel(epfd, out, share, w, true) : 0;
    if (n < 0)
        return n;
    if (n > 0 && e->n_oneshot)
        note_oneshots(e, out, n);
    pthread_mutex_lock(&e->lock);
    n = add_ready(epfd, e, out, n, max);
    pthread_mutex_unlock(&e->lock);
    return n;
}

SHIM_EXPORT int epoll_wait(int epfd, struct epoll_event *out, int max, int timeout)
{
    return wait_events(epfd, out, max, &(struct wait){ .kind = WAIT_PLAIN, .timeout_ms = timeout });
}

SHIM_EXPORT int epoll_pwait(int epfd, struct epoll_event *out, int max, int timeout,
                            const sigset_t *mask)
{
    return wait_events(epfd, out, max,
                       &(struct wait){ .kind = WAIT_SIGNALS, .timeout_ms = timeout, .mask = mask });
}

SHIM_EXPORT int epoll_pwait2(int epfd, struct epoll_event *out, int max,
                             const struct timespec *timeout, const sigset_t *mask)
{
    return wait_events(epfd, out, max,
                       &(struct wait){ .kind = WAIT_PRECISE, .timeout = timeout, .mask = mask });
}

/* ---- registrations older than the connection ---- */

/* Registration of @fd in @epfd, from the kernel's own list of it. */
static bool find_in(int epfd, int fd, struct epoll_event *ev)
{
    char path[64];
    char line[256];
    avow_autofclose FILE *f = NULL;

    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", epfd);
    f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f)) {
        int target = -1;
        unsigned events = 0;
        unsigned long long data = 0;

        /* Linux, fs/eventpoll.c, ep_show_fdinfo */
        if (sscanf(line, "tfd: %d events: %x data: %llx", &target, &events, &data) == 3 &&
            target == fd) {
            *ev = (struct epoll_event){ .events = events, .data.u64 = data };
            return true;
        }
    }
    return false;
}

size_t epoll_save(int fd, struct epoll_saved *out)
{
    size_t n = 0;

    for (int i = 0; i < atomic_load(&eps_end) && n < EPOLL_SAVED_MAX; i++)
        if (peek(i) && find_in(i, fd, &out[n].ev))
            out[n++].epfd = i;
    return n;
}

void epoll_restore(int fd, const struct epoll_saved *saved, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct epoll_event ev = saved[i].ev;

        (void)epoll_ctl(saved[i].epfd, EPOLL_CTL_ADD, fd, &ev);
    }
}
