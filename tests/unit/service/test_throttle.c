#include "../test.h"

#include "service/throttle.h"

#define SECOND 1000000000u

static void address(uint32_t i, uint8_t out[16])
{
    memset(out, 0, 16);
    memcpy(out, &i, sizeof i);
}

static void each_has_its_own(void **state)
{
    avow_auto(avow_cleanup_throttle) struct avow_throttle *t = NULL;
    uint8_t a[16], b[16];

    (void)state;
    address(1, a);
    address(2, b);
    assert_int_equal(avow_throttle_new(3, &t, NULL), 0);
    for (int i = 0; i < 3; i++)
        assert_true(avow_throttle_take(t, a, SECOND));
    assert_false(avow_throttle_take(t, a, SECOND));
    assert_true(avow_throttle_take(t, b, SECOND));
    assert_true(avow_throttle_take(t, a, SECOND + SECOND / 3 + 1));
    assert_false(avow_throttle_take(t, a, SECOND + SECOND / 3 + 1));
    assert_true(avow_throttle_take(t, a, 3 * (uint64_t)SECOND));
    avow_throttle_set(t, 1);
    assert_true(avow_throttle_take(t, a, 3 * (uint64_t)SECOND));
    assert_false(avow_throttle_take(t, a, 3 * (uint64_t)SECOND));
}

/* More addresses than there is room for: those that find none share, and nobody gets more. */
static void flood(void **state)
{
    avow_auto(avow_cleanup_throttle) struct avow_throttle *t = NULL;
    const uint32_t n = 4 * AVOW_THROTTLE_SETS * AVOW_THROTTLE_WAYS;
    uint32_t passed = 0;
    uint8_t a[16];

    (void)state;
    assert_int_equal(avow_throttle_new(2, &t, NULL), 0);
    for (uint32_t i = 0; i < n; i++) {
        address(i, a);
        passed += avow_throttle_take(t, a, SECOND);
    }
    assert_true(passed <= AVOW_THROTTLE_SETS * AVOW_THROTTLE_WAYS + 2);
    assert_true(passed > AVOW_THROTTLE_SETS * AVOW_THROTTLE_WAYS / 2);
    /* a second later their places are free again */
    address(n + 1, a);
    assert_true(avow_throttle_take(t, a, 3 * (uint64_t)SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_has_its_own),
                                        cmocka_unit_test(flood) };

    return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
