#include "attest/pcrs.h"

#include "../test.h"

#define A32 "00000000000000000000000000000000000000000000000000000000000000AA"
#define B32 "0b00000000000000000000000000000000000000000000000000000000000000"
#define SELECTION 132u /* TPML_PCR_SELECTION, then a count, then TPML_DIGESTs */
#define LIST 532u

static void text_is_read(void **state)
{
    static const char *const bad[] = {
        "",
        "sha256:\n",
        "0 : 0x" A32 "\n", /* of no bank */
        "sha256:\n 24: 0x" A32 "\n",
        "sha256:\n 0 : 0x" A32 "\n 0 : 0x" B32 "\n", /* twice */
        "sha256:\n 0 : 0xAA\n",
        "sha256:\n 0 : 0x" A32 "\nnonsense\n",
        "sha384:\n 0 : 0x" A32 "\n",
    };
    struct avow_pcrs p;

    (void)state;
    assert_true(avow_pcrs_from_text(avow_bytes_str("  sha1:\r\n    0 : 0xABCD\r\n  sha256:\r\n"
                                                   "    0 : 0x" A32 "\r\n    23: 0x" B32 "\r\n"),
                                    &p));
    assert_int_equal(p.mask, 1u << 23 | 1);
    assert_int_equal(p.value[0][31], 0xAA);
    assert_int_equal(p.value[23][0], 0x0B);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (avow_pcrs_from_text(avow_bytes_str(bad[i]), &p))
            fail_msg("read: %s", bad[i]);
}

/* PCRs 0 to 8 and 10: ten digests in two lists. */
static void serialized_is_read(void **state)
{
    uint8_t file[SELECTION + 4 + 2 * LIST] = { 1, 0, 0, 0, 0x0B, 0, 3, 0xFF, 0x05 };
    uint8_t *lists = file + SELECTION + 4;
    struct avow_pcrs p;

    (void)state;
    file[SELECTION] = 2;
    for (unsigned i = 0; i < 10; i++) {
        uint8_t *list = lists + i / 8 * LIST;

        list[0] = i < 8 ? 8 : 2;
        list[4 + i % 8 * 66] = 32;
        list[4 + i % 8 * 66 + 2] = (uint8_t)(i + 1);
    }
    assert_true(avow_pcrs_from_serialized(AVOW_BYTES_OF(file), &p));
    assert_int_equal(p.mask, 0x5FF);
    assert_int_equal(p.value[8][0], 9);
    assert_int_equal(p.value[10][0], 10);
    for (size_t n = 0; n < sizeof file; n++)
        assert_false(avow_pcrs_from_serialized(AVOW_BYTES(file, n), &p));
    file[8] = 0x01; /* fewer selected than digests */
    assert_false(avow_pcrs_from_serialized(AVOW_BYTES_OF(file), &p));
    file[8] = 0x0D; /* more */
    assert_false(avow_pcrs_from_serialized(AVOW_BYTES_OF(file), &p));
    file[8] = 0x05;
    file[4] = 0x04; /* SHA-1 */
    assert_false(avow_pcrs_from_serialized(AVOW_BYTES_OF(file), &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_read),
        cmocka_unit_test(serialized_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
