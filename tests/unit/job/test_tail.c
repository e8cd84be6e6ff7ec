#include "job/tail.h"

#include "../test.h"

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 31 + (i >> 8));
}

/* Whatever the sizes of the puts, the last @max bytes are there, at their offsets. */
static void keeps_the_last_bytes(void **state)
{
    static const size_t maxima[] = { 1, 7, 4096, 10000 };
    uint8_t chunk[9000];

    (void)state;
    for (size_t m = 0; m < sizeof maxima / sizeof maxima[0]; m++) {
        avow_auto(avow_tail_done) struct avow_tail t = AVOW_TAIL(maxima[m]);
        unsigned step = 1;

        while (t.total < 60000) {
            avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1 << 20);
            size_t n = step % sizeof chunk;
            uint64_t from = 0;

            step = step * 5 + 3;
            for (size_t i = 0; i < n; i++)
                chunk[i] = byte_at(t.total + i);
            assert_int_equal(avow_tail_put(&t, AVOW_BYTES(chunk, n)), 0);
            assert_int_equal(avow_tail_read(&t, 0, SIZE_MAX, &from, &out), 0);
            assert_int_equal(out.len, t.total < maxima[m] ? t.total : maxima[m]);
            assert_int_equal(from, t.total - out.len);
            for (size_t i = 0; i < out.len; i++)
                assert_int_equal(out.data[i], byte_at(from + i));
            assert_true(t.cap <= maxima[m]);
        }
    }
}

static void reads_a_part(void **state)
{
    avow_auto(avow_tail_done) struct avow_tail t = AVOW_TAIL(8);
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(64);
    uint64_t from = 0;

    (void)state;
    assert_int_equal(avow_tail_read(&t, 5, 10, &from, &out), 0);
    assert_int_equal(from, 0);
    assert_int_equal(avow_tail_put(&t, avow_bytes_str("0123456789ab")), 0);
    assert_int_equal(avow_tail_read(&t, 6, 3, &from, &out), 0);
    assert_string_equal(avow_buf_cstr(&out), "678");
    assert_int_equal(from, 6);
    avow_buf_reset(&out);
    assert_int_equal(avow_tail_read(&t, 1, 3, &from, &out), 0);
    assert_int_equal(from, 4);
    assert_string_equal(avow_buf_cstr(&out), "456");
    avow_buf_reset(&out);
    assert_int_equal(avow_tail_read(&t, 99, 3, &from, &out), 0);
    assert_int_equal(from, 12);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_last_bytes),
        cmocka_unit_test(reads_a_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
