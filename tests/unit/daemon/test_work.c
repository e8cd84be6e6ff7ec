#include "daemon/work.h"

#include <pthread.h>

#include "../test.h"

struct task {
    struct order *order;
    int id;
    pthread_t ran_in;
};

struct order {
    struct event_base *base;
    int ran[8];
    int done[8];
    int n_ran, n_done;
};

static void run(void *ctx)
{
    struct task *t = ctx;

    t->ran_in = pthread_self();
    t->order->ran[t->order->n_ran++] = t->id;
}

static void done(void *ctx)
{
    struct task *t = ctx;

    assert_true(pthread_equal(t->ran_in, pthread_self()) == 0);
    t->order->done[t->order->n_done++] = t->id;
    if (t->order->n_done == 5)
        event_base_loopbreak(t->order->base);
}

static void in_order_and_off_the_loop(void **state)
{
    struct order o = { .base = event_base_new() };
    struct task tasks[5];
    struct avow_work *w = NULL;
    const struct timeval limit = { .tv_sec = 10 };

    (void)state;
    assert_int_equal(avow_work_new(o.base, &w, NULL), 0);
    for (int i = 0; i < 5; i++) {
        tasks[i] = (struct task){ .order = &o, .id = i };
        assert_int_equal(avow_work_submit(w, run, done, &tasks[i]), 0);
    }
    assert_int_equal(o.n_done, 0); /* only the loop calls done */
    event_base_loopexit(o.base, &limit);
    event_base_dispatch(o.base);
    assert_int_equal(o.n_done, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(o.ran[i], i);
        assert_int_equal(o.done[i], i);
    }
    avow_work_free(w);
    event_base_free(o.base);
}

static void free_finishes_what_was_submitted(void **state)
{
    struct order o = { .base = event_base_new() };
    struct task tasks[3];
    struct avow_work *w = NULL;

    (void)state;
    assert_int_equal(avow_work_new(o.base, &w, NULL), 0);
    for (int i = 0; i < 3; i++) {
        tasks[i] = (struct task){ .order = &o, .id = i };
        assert_int_equal(avow_work_submit(w, run, done, &tasks[i]), 0);
    }
    avow_work_free(w);
    assert_int_equal(o.n_ran, 3);
    assert_int_equal(o.n_done, 3);
    event_base_free(o.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_and_off_the_loop),
        cmocka_unit_test(free_finishes_what_was_submitted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
