#include "serve/workers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct item {
    struct item *next;
    void (*work)(void *ctx);
    void (*done)(void *ctx, bool ran);
    void *ctx;
};

struct list {
    struct item *first;
    struct item **end; /* where the next one is hung */
};

struct avow_workers {
    struct event *wake; /* on eventfd; loop thread */
    int fd;
    unsigned n_threads;
    pthread_t threads[AVOW_WORKERS_THREADS_MAX];
    size_t n_items;       /* loop thread: submitted and not yet done */
    pthread_mutex_t lock; /* protects all below */
    pthread_cond_t more;
    struct list todo;
    struct list finished;
    bool stop;
};

static void list_init(struct list *l)
{
    l->first = NULL;
    l->end = &l->first;
}

static void list_put(struct list *l, struct item *i)
{
    i->next = NULL;
    *l->end = i;
    l->end = &i->next;
}

static struct item *list_take(struct list *l)
{
    struct item *i = l->first;

    if (i) {
        l->first = i->next;
        if (!l->first)
            l->end = &l->first;
    }
    return i;
}

static void *worker(void *arg)
{
    struct avow_workers *p = arg;
    const uint64_t one = 1;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct item *i = NULL;

        while (!p->stop && !p->todo.first)
            pthread_cond_wait(&p->more, &p->lock);
        if (p->stop)
            break;
        i = list_take(&p->todo);
        pthread_mutex_unlock(&p->lock);
        i->work(i->ctx);
        pthread_mutex_lock(&p->lock);
        list_put(&p->finished, i);
        while (write(p->fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

static void finish(struct avow_workers *p, struct item *i, bool ran)
{
    p->n_items--;
    i->done(i->ctx, ran);
    free(i);
}

static struct item *take_finished(struct avow_workers *p)
{
    struct item *i = NULL;

    pthread_mutex_lock(&p->lock);
    i = list_take(&p->finished);
    pthread_mutex_unlock(&p->lock);
    return i;
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct avow_workers *p = arg;
    struct item *i = NULL;
    uint64_t n = 0;

    (void)what;
    while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
    while ((i = take_finished(p)) != NULL)
        finish(p, i, true);
}

/* Signals belong to the loop thread. */
static int start_threads(struct avow_workers *p, unsigned n)
{
    sigset_t all;
    sigset_t old;
    int rc = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (rc == 0 && p->n_threads < n) {
        rc = pthread_create(&p->threads[p->n_threads], NULL, worker, p);
        if (rc == 0)
            p->n_threads++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

int avow_workers_new(struct event_base *base, unsigned threads, struct avow_workers **out,
                     struct avow_error *err)
{
    struct avow_workers *p = calloc(1, sizeof *p);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = threads ? threads : cpus > 0 ? (unsigned)cpus : 1;

    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (n > AVOW_WORKERS_THREADS_MAX)
        n = AVOW_WORKERS_THREADS_MAX;
    list_init(&p->todo);
    list_init(&p->finished);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->wake = p->fd < 0 ? NULL : event_new(base, p->fd, EV_READ | EV_PERSIST, on_wake, p);
    if (!p->wake || event_add(p->wake, NULL) != 0 || start_threads(p, n) != 0) {
        avow_workers_free(p);
        return AVOW_FAIL(err, SYSTEM, "worker threads could not be started");
    }
    *out = p;
    return 0;
}

void avow_workers_free(struct avow_workers *p)
{
    struct item *i = NULL;

    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (unsigned t = 0; t < p->n_threads; t++)
        pthread_join(p->threads[t], NULL);
    while ((i = list_take(&p->finished)) != NULL)
        finish(p, i, true);
    while ((i = list_take(&p->todo)) != NULL)
        finish(p, i, false);
    if (p->wake)
        event_free(p->wake);
    if (p->fd >= 0)
        close(p->fd);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int avow_workers_submit(struct avow_workers *p, void (*work)(void *ctx),
                        void (*done)(void *ctx, bool ran), void *ctx)
{
    struct item *i = NULL;

    if (p->n_items >= AVOW_WORKERS_QUEUE_MAX)
        return -AVOW_E_BUSY;
    i = calloc(1, sizeof *i);
    if (!i)
        return -AVOW_E_NOMEM;
    i->work = work;
    i->done = done;
    i->ctx = ctx;
    p->n_items++;
    pthread_mutex_lock(&p->lock);
    list_put(&p->todo, i);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->lock);
    return 0;
}
