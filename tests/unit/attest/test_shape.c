#include "attest/shape.h"

#include "../test.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"

/* With any one byte of its first ones damaged, evidence is still evidence: it has to be refused,
 * not passed over as something else. */
static void damaged_evidence_is_evidence(void **state)
{
    uint8_t report[AVOW_SNP_REPORT_LEN] = { 3 };
    uint8_t quote[AVOW_TDX_HEADER_LEN] = { 4,    0,    2,    0,    0x81, 0,    0,
                                           0,    0,    0,    0,    0,    0x93, 0x9A,
                                           0x72, 0x33, 0xF7, 0x9C, 0x4C, 0xA9, 0x94,
                                           0x0A, 0x0D, 0xB3, 0x95, 0x7F, 0x06, 0x07 };

    (void)state;
    report[AVOW_SNP_OFF_POLICY + 2] = 2;
    report[AVOW_SNP_OFF_SIGNATURE_ALGO] = 1;
    for (size_t i = 0; i < 64; i++) {
        report[i] ^= 0x80;
        assert_true(avow_shape_report(AVOW_BYTES_OF(report)));
        report[i] ^= 0x80;
    }
    for (size_t i = 0; i < sizeof quote; i++) {
        quote[i] ^= 0x80;
        assert_true(avow_shape_quote(AVOW_BYTES_OF(quote)));
        quote[i] ^= 0x80;
    }
    for (size_t n = 0; n < sizeof quote; n++)
        assert_false(avow_shape_quote(AVOW_BYTES(quote, n)));
}

static void other_files_are_none(void **state)
{
    uint8_t zeros[2600] = { 0 };
    uint8_t text[1184];

    (void)state;
    memset(text, 'a', sizeof text);
    assert_false(avow_shape_report(AVOW_BYTES_OF(text)));
    assert_false(avow_shape_quote(AVOW_BYTES_OF(text)));
    assert_false(avow_shape_hcl(AVOW_BYTES_OF(text)));
    assert_false(avow_shape_quote(AVOW_BYTES_OF(zeros)));
    assert_false(avow_shape_report(AVOW_BYTES_OF(zeros)));
    assert_false(avow_shape_tdreport(AVOW_BYTES(zeros, 1024)));
    memcpy(zeros, "HCLA", 4);
    assert_true(avow_shape_hcl(AVOW_BYTES_OF(zeros)));
    assert_false(avow_shape_hcl(AVOW_BYTES(zeros, 0x4D3)));
    assert_false(avow_shape_hcl(AVOW_BYTES(NULL, 0)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damaged_evidence_is_evidence),
        cmocka_unit_test(other_files_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
