#include "../test.h"

#include "net/backoff.h"

static void test_steps(void **state)
{
    struct avow_backoff b = AVOW_BACKOFF_DEFAULT;
    uint32_t want[] = { 100, 200, 400, 800, 1600, 3200, 5000, 5000 };

    (void)state;
    assert_int_equal(b.tries, 6);
    for (unsigned i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(avow_backoff_delay_ms(&b, i + 1, UINT32_MAX), want[i]);
        assert_int_equal(avow_backoff_delay_ms(&b, i + 1, 0), 0);
    }
    assert_int_equal(avow_backoff_delay_ms(&b, 4000000000u, UINT32_MAX), 5000);
}

/* Full jitter: the whole range, evenly; never beyond the step. */
static void test_jitter(void **state)
{
    struct avow_backoff b = AVOW_BACKOFF_DEFAULT;
    unsigned below = 0;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t d = avow_backoff_delay_ms(&b, 3, i * 4294967u);

        assert_true(d <= 400);
        below += d < 200;
    }
    assert_in_range(below, 450, 550);
}

static void test_transient(void **state)
{
    (void)state;
    assert_true(avow_backoff_transient(AVOW_E_NETWORK));
    assert_true(avow_backoff_transient(-AVOW_E_NETWORK));
    assert_true(avow_backoff_transient(AVOW_E_TIMEOUT));
    assert_true(avow_backoff_transient(AVOW_E_BUSY));
    assert_false(avow_backoff_transient(AVOW_E_AUTH));
    assert_false(avow_backoff_transient(AVOW_E_REFUSED));
    assert_false(avow_backoff_transient(AVOW_E_UNTRUSTED));
    assert_false(avow_backoff_transient(AVOW_E_CANCELLED));
    assert_false(avow_backoff_transient(0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_transient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
