#include "evidence/tee.h"

#include "../test.h"

static void names_round_trip(void **state)
{
    (void)state;
    assert_int_equal(avow_tee_from_name(avow_tee_name(AVOW_TEE_SNP)), AVOW_TEE_SNP);
    assert_int_equal(avow_tee_from_name(avow_tee_name(AVOW_TEE_TDX)), AVOW_TEE_TDX);
    assert_string_equal(avow_tee_name(AVOW_TEE_NONE), "none");
    assert_string_equal(avow_tee_name((enum avow_tee)77), "none");
}

static void other_names_are_none(void **state)
{
    (void)state;
    assert_int_equal(avow_tee_from_name(NULL), AVOW_TEE_NONE);
    assert_int_equal(avow_tee_from_name(""), AVOW_TEE_NONE);
    assert_int_equal(avow_tee_from_name("SNP"), AVOW_TEE_NONE);
    assert_int_equal(avow_tee_from_name("none"), AVOW_TEE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(other_names_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
