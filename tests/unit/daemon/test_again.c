#include "../test.h"

#include "daemon/attestation.h"

#define PERIOD 1000

static void spki_of(size_t n, uint8_t spki[32])
{
    memset(spki, 0, 32);
    memcpy(spki, &n, sizeof n);
}

static void lives_for_a_period(void **state)
{
    avow_auto(avow_cleanup_again) struct avow_again *t = NULL;
    struct avow_key k = { { 1 } };
    struct avow_key l = { { 2 } };
    uint8_t a[32], b[32];

    (void)state;
    spki_of(1, a);
    spki_of(2, b);
    assert_int_equal(avow_again_new(PERIOD, &t, NULL), 0);
    assert_null(avow_again_get(t, a, 5));
    avow_again_put(t, a, &k, 5);
    assert_null(avow_again_get(t, b, 5));
    assert_memory_equal(avow_again_get(t, a, 5 + PERIOD - 1), &k, sizeof k);
    assert_null(avow_again_get(t, a, 5 + PERIOD));
    assert_null(avow_again_get(t, a, 6)); /* gone for good */
    /* each quote replaces what was */
    avow_again_put(t, a, &k, 10);
    avow_again_put(t, a, &l, 20);
    assert_memory_equal(avow_again_get(t, a, 20), &l, sizeof l);
}

static void oldest_goes_first(void **state)
{
    avow_auto(avow_cleanup_again) struct avow_again *t = NULL;
    struct avow_key k = { { 3 } };
    uint8_t spki[32];

    (void)state;
    assert_int_equal(avow_again_new(UINT64_MAX, &t, NULL), 0);
    for (size_t i = 0; i <= AVOW_AGAIN_MAX; i++) {
        spki_of(i, spki);
        avow_again_put(t, spki, &k, 100 + i);
    }
    spki_of(0, spki);
    assert_null(avow_again_get(t, spki, 5000));
    for (size_t i = 1; i <= AVOW_AGAIN_MAX; i++) {
        spki_of(i, spki);
        assert_non_null(avow_again_get(t, spki, 5000));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_for_a_period),
        cmocka_unit_test(oldest_goes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
