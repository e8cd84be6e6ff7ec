#include "maa/type.h"

#include "../test.h"

static void names_go_both_ways(void **state)
{
    (void)state;
    for (int t = AVOW_MAA_SEVSNPVM; t <= AVOW_MAA_AZUREVM; t++) {
        assert_int_equal(avow_maa_type_from_name(avow_maa_type_name((enum avow_maa_type)t)), t);
        assert_int_equal(avow_maa_type_from_name(avow_maa_type_path((enum avow_maa_type)t)), t);
    }
    assert_int_equal(avow_maa_type_from_name("SEVSNPVM"), AVOW_MAA_SEVSNPVM);
    assert_int_equal(avow_maa_type_from_name("tDxVm"), AVOW_MAA_TDXVM);
    assert_int_equal(avow_maa_type_from_name("none"), AVOW_MAA_NONE);
    assert_int_equal(avow_maa_type_from_name(""), AVOW_MAA_NONE);
    assert_int_equal(avow_maa_type_from_name(NULL), AVOW_MAA_NONE);
    assert_string_equal(avow_maa_type_name((enum avow_maa_type)99), "none");
}

static void evidence_has_a_type(void **state)
{
    (void)state;
    assert_int_equal(avow_maa_type_of(AVOW_TEE_SNP), AVOW_MAA_SEVSNPVM);
    assert_int_equal(avow_maa_type_of(AVOW_TEE_AZ_SNP), AVOW_MAA_SEVSNPVM);
    assert_int_equal(avow_maa_type_of(AVOW_TEE_TDX), AVOW_MAA_TDXVM);
    assert_int_equal(avow_maa_type_of(AVOW_TEE_AZ_TDX), AVOW_MAA_TDXVM);
    assert_int_equal(avow_maa_type_of(AVOW_TEE_NONE), AVOW_MAA_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(evidence_has_a_type),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
