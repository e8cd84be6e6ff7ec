#include "evidence/tpm.h"

#include "../test.h"
#include "base/cleanup.h"

static void make(struct avow_buf *b, uint16_t bank, uint32_t banks)
{
    avow_buf_put_u32be(b, AVOW_TPM_GENERATED);
    avow_buf_put_u16be(b, AVOW_TPM_ST_ATTEST_QUOTE);
    avow_buf_put_u16be(b, 2);
    avow_buf_put_u16be(b, 0x000B);
    avow_buf_put_u16be(b, 3);
    avow_buf_put(b, "abc", 3);
    avow_buf_put_u64be(b, 1000);
    avow_buf_put_u32be(b, 7);
    avow_buf_put_u32be(b, 8);
    avow_buf_put_u8(b, 1);
    avow_buf_put_u64be(b, 0x1122334455667788);
    avow_buf_put_u32be(b, banks);
    avow_buf_put_u16be(b, bank);
    avow_buf_put_u8(b, 3);
    avow_buf_put(b, "\x11\x00\x80", 3);
    avow_buf_put_u16be(b, 32);
    avow_buf_put_zero(b, 32);
}

static void a_quote_is_read(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(1024);
    struct avow_tpm_quote q = { 0 };

    (void)state;
    make(&b, AVOW_TPM_ALG_SHA256, 1);
    assert_int_equal(avow_tpm_quote_parse(avow_buf_view(&b), &q, NULL), 0);
    assert_true(avow_bytes_equal(q.extra_data, avow_bytes_str("abc")));
    assert_int_equal(q.pcr_mask, 1u << 0 | 1u << 4 | 1u << 23);
    assert_int_equal(q.reset_count, 7);
    assert_int_equal(q.restart_count, 8);
    for (size_t n = 0; n < b.len; n++)
        assert_int_equal(avow_tpm_quote_parse(AVOW_BYTES(b.data, n), &q, NULL), -AVOW_E_TRUNCATED);
    avow_buf_put_u8(&b, 0);
    assert_int_equal(avow_tpm_quote_parse(avow_buf_view(&b), &q, NULL), -AVOW_E_TRAILING);
}

static void what_is_no_quote_is_refused(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf sha1 = AVOW_BUF(1024);
    avow_auto(avow_buf_done) struct avow_buf two = AVOW_BUF(1024);
    avow_auto(avow_buf_done) struct avow_buf other = AVOW_BUF(1024);
    struct avow_tpm_quote q = { 0 };

    (void)state;
    make(&sha1, 0x0004, 1);
    assert_int_equal(avow_tpm_quote_parse(avow_buf_view(&sha1), &q, NULL), -AVOW_E_UNSUPPORTED);
    make(&two, AVOW_TPM_ALG_SHA256, 2);
    assert_int_equal(avow_tpm_quote_parse(avow_buf_view(&two), &q, NULL), -AVOW_E_UNSUPPORTED);
    make(&other, AVOW_TPM_ALG_SHA256, 1);
    other.data[5] = 0x17; /* TPM_ST_ATTEST_CERTIFY */
    assert_int_equal(avow_tpm_quote_parse(avow_buf_view(&other), &q, NULL), -AVOW_E_FORMAT);
    other.data[5] = 0x18;
    other.data[0] = 0; /* not made by a TPM */
    assert_int_equal(avow_tpm_quote_parse(avow_buf_view(&other), &q, NULL), -AVOW_E_FORMAT);
}

static void signatures(void **state)
{
    uint8_t raw[6 + 256] = { 0x00, 0x14, 0x00, 0x0B, 0x01, 0x00, 0xAA };
    struct avow_bytes sig = { 0 };

    (void)state;
    assert_int_equal(avow_tpm_signature_parse(AVOW_BYTES(raw + 6, 256), &sig, NULL), 0);
    assert_int_equal(sig.len, 256);
    assert_int_equal(avow_tpm_signature_parse(AVOW_BYTES_OF(raw), &sig, NULL), 0);
    assert_int_equal(sig.len, 256);
    assert_int_equal(sig.data[0], 0xAA);
    assert_int_equal(avow_tpm_signature_parse(AVOW_BYTES(raw, 261), &sig, NULL), -AVOW_E_FORMAT);
    raw[1] = 0x16; /* RSAPSS */
    assert_int_equal(avow_tpm_signature_parse(AVOW_BYTES_OF(raw), &sig, NULL), -AVOW_E_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quote_is_read),
        cmocka_unit_test(what_is_no_quote_is_refused),
        cmocka_unit_test(signatures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
