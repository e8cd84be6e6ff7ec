/* The set of nonces: once, and never again. */
#include "../test.h"

#include "fabric/nonces.h"

static void test_nonces(void **state)
{
    struct avow_nonces s = { 0 };
    uint8_t nonce[AVOW_FABRIC_NONCE_LEN] = { 0 };

    (void)state;
    assert_int_equal(avow_nonces_add(&s, nonce), -AVOW_E_INVAL);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 1; i <= 5000; i++) {
            memcpy(nonce + 4, &i, sizeof i); /* the low bits of all are the same: worst case */
            assert_int_equal(avow_nonces_add(&s, nonce), round ? -AVOW_E_EXISTS : 0);
        }
    }
    assert_int_equal(s.n, 5000);
    s.n = AVOW_NONCES_MAX;
    memset(nonce, 0xee, sizeof nonce);
    assert_int_equal(avow_nonces_add(&s, nonce), -AVOW_E_LIMIT);
    avow_nonces_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
