#include "base/secret.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include "../test.h"

static void wiping_leaves_zeros(void **state)
{
    struct avow_key k;
    uint8_t zero[32] = { 0 };

    (void)state;
    memset(&k, 0xAA, sizeof k);
    avow_key_wipe(&k);
    assert_memory_equal(k.bytes, zero, sizeof zero);
    avow_wipe(NULL, 0);
}

static void equality_sees_every_bit(void **state)
{
    uint8_t a[33], b[33];

    (void)state;
    memset(a, 0x5A, sizeof a);
    memcpy(b, a, sizeof b);
    assert_true(avow_ct_equal(a, b, sizeof a));
    for (size_t i = 0; i < 8 * sizeof a; i++) {
        b[i / 8] ^= (uint8_t)(1 << i % 8);
        assert_false(avow_ct_equal(a, b, sizeof a));
        b[i / 8] ^= (uint8_t)(1 << i % 8);
    }
    assert_true(avow_ct_equal(a, b + 1, 0));
}

static void hardening_forbids_dumps(void **state)
{
    struct rlimit core = { 0 };

    (void)state;
    avow_process_harden();
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
    assert_int_equal(core.rlim_cur, 0);
    assert_int_equal(core.rlim_max, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wiping_leaves_zeros),
        cmocka_unit_test(equality_sees_every_bit),
        cmocka_unit_test(hardening_forbids_dumps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
