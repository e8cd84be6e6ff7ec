#include "verify/basis.h"

#include "../test.h"

static void each_vendor_has_its_own(void **state)
{
    (void)state;
    assert_string_equal(avow_check_basis(AVOW_TEE_SNP, "chip"),
                        "AMD 57230, hwID extension; AMD 56860, CHIP_ID");
    assert_string_equal(avow_check_basis(AVOW_TEE_TDX, "tcb-status"),
                        "Intel PCS, comparing TCB levels");
    assert_string_not_equal(avow_check_basis(AVOW_TEE_SNP, "signature"),
                            avow_check_basis(AVOW_TEE_TDX, "signature"));
    assert_string_equal(avow_check_basis(AVOW_TEE_AZ_TDX, "signature"),
                        avow_check_basis(AVOW_TEE_TDX, "signature"));
    assert_string_equal(avow_check_basis(AVOW_TEE_AZ_SNP, "tpm-quote"),
                        avow_check_basis(AVOW_TEE_AZ_TDX, "tpm-quote"));
    assert_string_equal(avow_check_basis(AVOW_TEE_SNP, "no such code"), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_vendor_has_its_own) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
