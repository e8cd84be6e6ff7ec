#include "../test.h"

#include "serve/rate.h"

#define S 1000000000ull

static void burst_then_steady(void **state)
{
    struct avow_rate r;

    (void)state;
    avow_rate_init(&r, 20, 5 * S);
    for (int i = 0; i < 20; i++)
        assert_true(avow_rate_take(&r, 5 * S));
    assert_false(avow_rate_take(&r, 5 * S));
    assert_false(avow_rate_take(&r, 5 * S + S / 20 - 1));
    assert_true(avow_rate_take(&r, 5 * S + S / 20));
    assert_false(avow_rate_take(&r, 5 * S + S / 20));
    /* a long time brings one bucket, not more */
    for (int i = 0; i < 20; i++)
        assert_true(avow_rate_take(&r, 500000 * S));
    assert_false(avow_rate_take(&r, 500000 * S));
}

static void clock_may_stand_still(void **state)
{
    struct avow_rate r;

    (void)state;
    avow_rate_init(&r, 1, 9 * S);
    assert_true(avow_rate_take(&r, 8 * S));
    assert_false(avow_rate_take(&r, 7 * S));
    avow_rate_init(&r, 0, 0);
    assert_false(avow_rate_take(&r, 100 * S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_steady),
        cmocka_unit_test(clock_may_stand_still),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
