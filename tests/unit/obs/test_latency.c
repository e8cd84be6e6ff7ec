#include "obs/latency.h"

#include "../test.h"

static void empty_and_single(void **state)
{
    struct avow_latency *l = calloc(1, sizeof *l);

    (void)state;
    assert_int_equal(avow_latency_quantile(l, 0.5), 0);
    avow_latency_add(l, 123456789);
    assert_int_equal(l->min, 123456789);
    assert_int_equal(avow_latency_quantile(l, 0), 123456789);
    assert_int_equal(avow_latency_quantile(l, 0.5), 123456789);
    assert_int_equal(avow_latency_quantile(l, 1), 123456789);
    free(l);
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Against sorting: within 1/128, over twelve decades, for the ends exact. */
static void quantiles_are_close(void **state)
{
    enum { N = 20001 };
    static uint64_t v[N];
    static const double q[] = { 0.001, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999 };
    struct avow_latency *l = calloc(1, sizeof *l);
    uint64_t x = 88172645463325252u;

    (void)state;
    for (size_t i = 0; i < N; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        v[i] = x >> (18 + x % 40);
        avow_latency_add(l, v[i]);
    }
    qsort(v, N, sizeof v[0], by_value);
    assert_int_equal(l->min, v[0]);
    assert_int_equal(l->max, v[N - 1]);
    for (size_t i = 0; i < sizeof q / sizeof q[0]; i++) {
        double want = (double)v[(size_t)(q[i] * N + 0.999999) - 1];
        double got = (double)avow_latency_quantile(l, q[i]);

        if (got < want * (1 - 1 / 128.0) - 1 || got > want * (1 + 1 / 128.0) + 1)
            fail_msg("q %g: %g, sorted says %g", q[i], got, want);
    }
    free(l);
}

static void out_of_range_is_counted(void **state)
{
    struct avow_latency *l = calloc(1, sizeof *l);

    (void)state;
    avow_latency_add(l, 0);
    avow_latency_add(l, UINT64_MAX);
    avow_latency_add(l, UINT64_MAX);
    assert_int_equal(l->count, 3);
    assert_int_equal(l->max, UINT64_MAX);
    assert_true(avow_latency_quantile(l, 0.5) > (uint64_t)1 << 46);
    free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_single),
        cmocka_unit_test(quantiles_are_close),
        cmocka_unit_test(out_of_range_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
