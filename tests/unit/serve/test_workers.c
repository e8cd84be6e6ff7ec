#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "serve/workers.h"

#define ITEMS 500

struct item {
    pthread_t loop;
    bool worked, done, ran;
    unsigned *n_done;
    struct event_base *base;
};

static void work(void *ctx)
{
    struct item *i = ctx;

    i->worked = !pthread_equal(pthread_self(), i->loop);
}

static void done(void *ctx, bool ran)
{
    struct item *i = ctx;

    assert_true(pthread_equal(pthread_self(), i->loop));
    i->done = true;
    i->ran = ran;
    if (++*i->n_done == ITEMS)
        event_base_loopbreak(i->base);
}

static void all_is_done_in_the_loop(void **state)
{
    static struct item items[ITEMS];
    const struct timeval limit = { .tv_sec = 20 };
    struct event_base *base = event_base_new();
    struct avow_workers *p = NULL;
    unsigned n_done = 0;

    (void)state;
    assert_int_equal(avow_workers_new(base, 3, &p, NULL), 0);
    for (int i = 0; i < ITEMS; i++) {
        items[i] = (struct item){ .loop = pthread_self(), .n_done = &n_done, .base = base };
        assert_int_equal(avow_workers_submit(p, work, done, &items[i]), 0);
    }
    event_base_loopexit(base, &limit);
    event_base_dispatch(base);
    assert_int_equal(n_done, ITEMS);
    for (int i = 0; i < ITEMS; i++)
        assert_true(items[i].worked && items[i].done && items[i].ran);
    avow_workers_free(p);
    event_base_free(base);
}

struct gate {
    pthread_mutex_t lock;
    atomic_bool inside;
    unsigned n_done, n_ran;
};

static void work_at_gate(void *ctx)
{
    struct gate *g = ctx;

    atomic_store(&g->inside, true);
    pthread_mutex_lock(&g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void done_at_gate(void *ctx, bool ran)
{
    struct gate *g = ctx;

    g->n_done++;
    g->n_ran += ran;
}

static void *open_gate(void *ctx)
{
    struct gate *g = ctx;

    pthread_mutex_unlock(&g->lock);
    return NULL;
}

static void queue_is_bounded_and_dropped_at_the_end(void **state)
{
    struct gate g = { .lock = PTHREAD_MUTEX_INITIALIZER };
    struct event_base *base = event_base_new();
    struct avow_workers *p = NULL;
    unsigned n = 0;

    (void)state;
    pthread_mutex_lock(&g.lock);
    assert_int_equal(avow_workers_new(base, 1, &p, NULL), 0);
    while (avow_workers_submit(p, work_at_gate, done_at_gate, &g) == 0)
        n++;
    assert_int_equal(n, AVOW_WORKERS_QUEUE_MAX);
    assert_int_equal(avow_workers_submit(p, work_at_gate, done_at_gate, &g), -AVOW_E_BUSY);
    while (!atomic_load(&g.inside))
        sched_yield();
    (void)open_gate(&g);
    avow_workers_free(p);
    assert_int_equal(g.n_done, AVOW_WORKERS_QUEUE_MAX);
    assert_true(g.n_ran >= 1);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_is_done_in_the_loop),
        cmocka_unit_test(queue_is_bounded_and_dropped_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
