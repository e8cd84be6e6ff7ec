#include "../test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "client/fanout.h"

struct count {
    atomic_uint done[300];
    atomic_int now, most;
    pthread_barrier_t all;
};

static void touch(void *ctx, size_t i)
{
    struct count *c = ctx;
    int now = atomic_fetch_add(&c->now, 1) + 1;
    int most = atomic_load(&c->most);

    while (now > most && !atomic_compare_exchange_weak(&c->most, &most, now))
        continue;
    atomic_fetch_add(&c->done[i], 1);
    atomic_fetch_sub(&c->now, 1);
}

static void test_each_once_bounded(void **state)
{
    static struct count c;

    (void)state;
    avow_fanout(300, false, touch, &c);
    for (size_t i = 0; i < 300; i++)
        assert_int_equal(atomic_load(&c.done[i]), 1);
    assert_in_range(atomic_load(&c.most), 1, AVOW_FANOUT_THREADS_MAX);
    avow_fanout(0, false, touch, &c);
}

static void meet(void *ctx, size_t i)
{
    struct count *c = ctx;

    (void)pthread_barrier_wait(&c->all); /* passes only if all are at work at once */
    atomic_fetch_add(&c->done[i], 1);
}

static void test_all_at_once(void **state)
{
    enum { N = AVOW_FANOUT_THREADS_MAX + 8 };
    static struct count c;

    (void)state;
    assert_int_equal(pthread_barrier_init(&c.all, NULL, N), 0);
    avow_fanout(N, true, meet, &c);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(atomic_load(&c.done[i]), 1);
    (void)pthread_barrier_destroy(&c.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_once_bounded),
        cmocka_unit_test(test_all_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
