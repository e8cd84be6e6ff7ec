#include "fabric/shim/shim.h"

_Atomic(struct conn *) table[SHIM_FD_MAX];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* writers of table, conn.n_fds */
static atomic_int end;

int table_end(void)
{
    return atomic_load_explicit(&end, memory_order_relaxed);
}

/* Lock held. */
static struct conn *clear(int fd)
{
    struct conn *c = atomic_exchange_explicit(&table[fd], NULL, memory_order_acq_rel);

    if (!c || --c->n_fds)
        return NULL;
    return c;
}

void table_set(int fd, struct conn *c)
{
    struct conn *old = NULL;

    pthread_mutex_lock(&lock);
    old = clear(fd);
    c->n_fds++;
    atomic_store_explicit(&table[fd], c, memory_order_release);
    if (fd >= table_end())
        atomic_store_explicit(&end, fd + 1, memory_order_relaxed);
    pthread_mutex_unlock(&lock);
    if (old) { /* closed behind our back, by a raw system call */
        epoll_forget(old);
        conn_put(old);
    }
}

bool table_is_last(const struct conn *c)
{
    bool last = false;

    pthread_mutex_lock(&lock);
    last = c->n_fds == 1;
    pthread_mutex_unlock(&lock);
    return last;
}

struct conn *table_clear(int fd)
{
    struct conn *c = NULL;

    pthread_mutex_lock(&lock);
    c = clear(fd);
    pthread_mutex_unlock(&lock);
    return c;
}

void table_abandon(void)
{
    (void)pthread_mutex_init(&lock, NULL);
    for (int fd = 0; fd < table_end(); fd++) {
        struct conn *c = atomic_exchange_explicit(&table[fd], NULL, memory_order_relaxed);

        if (!c)
            continue;
        shim_kill_fd(fd);
        if (--c->n_fds == 0)
            conn_abandon(c);
    }
}
