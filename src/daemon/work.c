#include "daemon/work.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct item {
    struct item *next;
    void (*run)(void *ctx);
    void (*done)(void *ctx);
    void *ctx;
};

struct queue {
    struct item *head;
    struct item **tail;
};

struct avow_work {
    pthread_t thread;
    pthread_mutex_t lock; /* protects todo, finished, n, stop */
    pthread_cond_t wake;
    struct queue todo;
    struct queue finished;
    unsigned n; /* items in todo and under way */
    bool stop;
    int fd; /* eventfd: finished is not empty */
    struct event *ev;
};

static void push(struct queue *q, struct item *it)
{
    it->next = NULL;
    *q->tail = it;
    q->tail = &it->next;
}

static struct item *take_all(struct queue *q)
{
    struct item *all = q->head;

    q->head = NULL;
    q->tail = &q->head;
    return all;
}

static struct item *pop(struct queue *q)
{
    struct item *it = q->head;

    if (it) {
        q->head = it->next;
        if (!q->head)
            q->tail = &q->head;
    }
    return it;
}

static void *worker(void *arg)
{
    struct avow_work *w = arg;
    const uint64_t one = 1;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct item *it = pop(&w->todo);

        if (it) {
            pthread_mutex_unlock(&w->lock);
            it->run(it->ctx);
            pthread_mutex_lock(&w->lock);
            push(&w->finished, it);
            (void)!write(w->fd, &one, sizeof one); /* cannot block: the counter is far from full */
            continue;
        }
        if (w->stop)
            break;
        pthread_cond_wait(&w->wake, &w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void deliver(struct avow_work *w)
{
    struct item *it = NULL;

    pthread_mutex_lock(&w->lock);
    it = take_all(&w->finished);
    pthread_mutex_unlock(&w->lock);
    while (it) {
        struct item *next = it->next;

        pthread_mutex_lock(&w->lock);
        w->n--;
        pthread_mutex_unlock(&w->lock);
        it->done(it->ctx);
        free(it);
        it = next;
    }
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n = 0;

    (void)what;
    (void)!read(fd, &n, sizeof n);
    deliver(arg);
}

/* Signals belong to the loop's thread. */
static int start_thread(struct avow_work *w)
{
    sigset_t all;
    sigset_t old;
    int rc = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&w->thread, NULL, worker, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

int avow_work_new(struct event_base *base, struct avow_work **out, struct avow_error *err)
{
    struct avow_work *w = calloc(1, sizeof *w);

    if (!w)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    (void)take_all(&w->todo);
    (void)take_all(&w->finished);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->fd >= 0)
        w->ev = event_new(base, w->fd, EV_READ | EV_PERSIST, on_finished, w);
    if (!w->ev || event_add(w->ev, NULL) != 0 || start_thread(w) != 0) {
        if (w->ev)
            event_free(w->ev);
        if (w->fd >= 0)
            close(w->fd);
        free(w);
        return AVOW_FAIL(err, SYSTEM, "cannot start a thread");
    }
    *out = w;
    return 0;
}

void avow_work_free(struct avow_work *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    deliver(w);
    event_free(w->ev);
    close(w->fd);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

int avow_work_submit(struct avow_work *w, void (*run)(void *ctx), void (*done)(void *ctx),
                     void *ctx)
{
    struct item *it = NULL;
    bool full = false;

    pthread_mutex_lock(&w->lock);
    full = w->stop || w->n >= AVOW_WORK_QUEUE_MAX;
    w->n += full ? 0 : 1;
    pthread_mutex_unlock(&w->lock);
    if (full)
        return -AVOW_E_BUSY;
    it = malloc(sizeof *it);
    pthread_mutex_lock(&w->lock);
    if (it) {
        *it = (struct item){ .run = run, .done = done, .ctx = ctx };
        push(&w->todo, it);
        pthread_cond_signal(&w->wake);
    } else {
        w->n--;
    }
    pthread_mutex_unlock(&w->lock);
    return it ? 0 : -AVOW_E_NOMEM;
}
