#include "client/fanout.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define STACK_BYTES (1u << 20) /* curl and OpenSSL need far less than the default 8 MiB */

struct work {
    void (*fn)(void *ctx, size_t i);
    void *ctx;
    size_t n;
    atomic_size_t next;
};

static void *run(void *arg)
{
    struct work *w = arg;
    size_t i = 0;

    /* relaxed: the counter only hands out numbers; pthread_join orders the results */
    while ((i = atomic_fetch_add_explicit(&w->next, 1, memory_order_relaxed)) < w->n)
        w->fn(w->ctx, i);
    return NULL;
}

void avow_fanout(size_t n, bool all, void (*fn)(void *ctx, size_t i), void *ctx)
{
    struct work w = { .fn = fn, .ctx = ctx, .n = n };
    size_t n_threads = all || n < AVOW_FANOUT_THREADS_MAX ? n : AVOW_FANOUT_THREADS_MAX;
    avow_autofree pthread_t *threads = calloc(n_threads ? n_threads : 1, sizeof *threads);
    pthread_attr_t attr;
    size_t started = 0;

    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, STACK_BYTES);
    /* one of them is the caller itself, so that the work is done even where no thread can be made
     */
    while (threads && started + 1 < n_threads &&
           pthread_create(&threads[started], &attr, run, &w) == 0)
        started++;
    (void)pthread_attr_destroy(&attr);
    (void)run(&w);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}
