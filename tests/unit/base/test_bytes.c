#include "base/bytes.h"

#include "../test.h"

static void a_reader_only_shrinks(void **state)
{
    static const uint8_t raw[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
    struct avow_rd r = avow_rd_init(AVOW_BYTES_OF(raw));
    struct avow_bytes v = { 0 };
    uint8_t u8 = 0, copy[2];
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;

    (void)state;
    assert_int_equal(avow_rd_u8(&r, &u8), 0);
    assert_int_equal(u8, 1);
    assert_int_equal(avow_rd_u16le(&r, &u16), 0);
    assert_int_equal(u16, 0x0302);
    assert_int_equal(avow_rd_u32be(&r, &u32), 0);
    assert_int_equal(u32, 0x04050607);
    assert_int_equal(avow_rd_u64le(&r, &u64), 0);
    assert_true(u64 == 0x0f0e0d0c0b0a0908ull);
    assert_int_equal(avow_rd_end(&r), 0);
    assert_int_equal(avow_rd_u8(&r, &u8), -AVOW_E_TRUNCATED);
    assert_int_equal(avow_rd_bytes(&r, 0, &v), 0);

    r = avow_rd_init(AVOW_BYTES_OF(raw));
    assert_int_equal(avow_rd_u64be(&r, &u64), 0);
    assert_true(u64 == 0x0102030405060708ull);
    assert_int_equal(avow_rd_u32le(&r, &u32), 0);
    assert_int_equal(u32, 0x0c0b0a09);
    assert_int_equal(avow_rd_u32le(&r, &u32), -AVOW_E_TRUNCATED); /* and consumes nothing: */
    assert_int_equal(avow_rd_end(&r), -AVOW_E_TRAILING);
    assert_int_equal(avow_rd_u16be(&r, &u16), 0);
    assert_int_equal(u16, 0x0d0e);
    assert_int_equal(avow_rd_copy(&r, copy, 2), -AVOW_E_TRUNCATED);
    assert_int_equal(avow_rd_skip(&r, SIZE_MAX), -AVOW_E_TRUNCATED);
    assert_int_equal(avow_rd_skip(&r, 1), 0);
    assert_int_equal(avow_rd_end(&r), 0);
}

static void views_stay_inside(void **state)
{
    static const uint8_t raw[] = { 0, 1, 2, 3 };
    struct avow_bytes b = AVOW_BYTES_OF(raw);

    (void)state;
    assert_ptr_equal(avow_bytes_sub(b, 1, 3).data, raw + 1);
    assert_int_equal(avow_bytes_sub(b, 4, 0).len, 0);
    assert_non_null(avow_bytes_sub(b, 4, 0).data);
    assert_int_equal(avow_bytes_u32le(AVOW_BYTES("\1\2\3\4\5", 5), 1), 0x05040302);
    assert_int_equal(avow_bytes_u32le(AVOW_BYTES("\1\2\3\4\5", 5), 2), UINT32_MAX);
    assert_int_equal(avow_bytes_sub(AVOW_BYTES(NULL, 0), 0, 0).len, 0); /* not even by UBSan */
    assert_null(avow_bytes_sub(b, 1, 4).data);
    assert_null(avow_bytes_sub(b, 5, 0).data);
    assert_null(avow_bytes_sub(b, 2, SIZE_MAX).data);
    assert_true(avow_bytes_equal(AVOW_BYTES(NULL, 0), AVOW_BYTES(raw, 0)));
    assert_false(avow_bytes_equal(b, avow_bytes_sub(b, 0, 3)));
    assert_true(avow_bytes_zero(avow_bytes_sub(b, 0, 1)));
    assert_false(avow_bytes_zero(b));
    assert_int_equal(avow_bytes_str(NULL).len, 0);
}

static void a_buffer_has_a_maximum(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(10);
    struct avow_error err = { 0 };

    (void)state;
    assert_string_equal(avow_buf_cstr(&b), "");
    assert_int_equal(avow_buf_put_str(&b, "12345678"), 0);
    assert_int_equal(avow_buf_put_u16be(&b, 0x3930), 0);
    assert_string_equal(avow_buf_cstr(&b), "1234567890");
    assert_int_equal(avow_buf_put_u8(&b, '1'), -AVOW_E_LIMIT);
    assert_int_equal(b.len, 10);
    assert_int_equal(avow_buf_put(&b, "", 0), -AVOW_E_LIMIT); /* sticky */
    assert_int_equal(avow_buf_ok(&b, &err), -AVOW_E_LIMIT);
    assert_int_equal(err.code, AVOW_E_LIMIT);
    avow_buf_reset(&b);
    assert_int_equal(avow_buf_ok(&b, NULL), 0);
    assert_int_equal(b.len, 0);
    assert_int_equal(avow_buf_put(&b, "x", SIZE_MAX), -AVOW_E_LIMIT);
}

static void numbers_are_written_in_their_order(void **state)
{
    static const uint8_t want[] = { 1,    0x02, 0x01, 0x04, 0x03, 0x02, 0x01, 0x08, 0x07,
                                    0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x01, 0x02, 0x01,
                                    0x02, 0x03, 0x04, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06,
                                    0x07, 0x08, 0,    0,    '-',  '7' };
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(1000);

    (void)state;
    avow_buf_put_u8(&b, 1);
    avow_buf_put_u16le(&b, 0x0102);
    avow_buf_put_u32le(&b, 0x01020304);
    avow_buf_put_u64le(&b, 0x0102030405060708);
    avow_buf_put_u16be(&b, 0x0102);
    avow_buf_put_u32be(&b, 0x01020304);
    avow_buf_put_u64be(&b, 0x0102030405060708);
    avow_buf_put_zero(&b, 2);
    avow_buf_putf(&b, "-%d", 7);
    assert_int_equal(avow_buf_ok(&b, NULL), 0);
    assert_true(avow_bytes_equal(avow_buf_view(&b), AVOW_BYTES_OF(want)));
}

static void contents_survive_growth_and_stealing(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(1u << 20);
    avow_autofree uint8_t *taken = NULL;
    size_t len = 0;

    (void)state;
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(avow_buf_put_u32le(&b, i), 0);
    taken = avow_buf_steal(&b, &len);
    assert_int_equal(len, 40000);
    for (unsigned i = 0; i < 10000; i++)
        assert_int_equal(taken[4 * i] | taken[4 * i + 1] << 8, i);
    assert_null(avow_buf_steal(&b, &len));
    assert_int_equal(len, 0);
    assert_int_equal(avow_buf_put_str(&b, "again"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_only_shrinks),
        cmocka_unit_test(views_stay_inside),
        cmocka_unit_test(a_buffer_has_a_maximum),
        cmocka_unit_test(numbers_are_written_in_their_order),
        cmocka_unit_test(contents_survive_growth_and_stealing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
