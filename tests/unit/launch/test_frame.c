#include "../test.h"

#include "launch/frame.h"
#include "launch/shell.h"

static void test_round_trip(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(1000);
    struct avow_bytes in;
    struct avow_frame f;

    (void)state;
    assert_int_equal(avow_frame_put(&b, 18, avow_bytes_str("hello")), 0);
    assert_int_equal(avow_frame_put(&b, 2, AVOW_BYTES(NULL, 0)), 0);
    assert_int_equal(b.len, 10 + 5);
    in = avow_buf_view(&b);
    assert_int_equal(avow_frame_take(&in, &f, NULL), 1);
    assert_int_equal(f.type, 18);
    assert_true(avow_bytes_equal(f.body, avow_bytes_str("hello")));
    assert_int_equal(avow_frame_take(&in, &f, NULL), 1);
    assert_int_equal(f.type, 2);
    assert_int_equal(f.body.len, 0);
    assert_int_equal(in.len, 0);
    assert_int_equal(avow_frame_take(&in, &f, NULL), 0);
}

static void test_cut_anywhere(void **state)
{
    static const uint8_t frame[] = { 0, 0, 0, 4, 7, 'a', 'b', 'c' };
    struct avow_frame f;

    (void)state;
    for (size_t n = 0; n < sizeof frame; n++) {
        struct avow_bytes in = AVOW_BYTES(frame, n);

        assert_int_equal(avow_frame_take(&in, &f, NULL), 0);
        assert_int_equal(in.len, n);
    }
}

static void test_lengths(void **state)
{
    static const uint8_t zero[] = { 0, 0, 0, 0, 1 }, huge[] = { 0x00, 0x80, 0x00, 0x01, 1 };
    struct avow_bytes in = AVOW_BYTES_OF(zero);
    struct avow_frame f;
    struct avow_error err = { 0 };
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(20);

    (void)state;
    assert_int_equal(avow_frame_take(&in, &f, &err), -AVOW_E_PROTOCOL);
    in = AVOW_BYTES_OF(huge);
    assert_int_equal(avow_frame_take(&in, &f, NULL), -AVOW_E_PROTOCOL);
    /* a frame that does not fit is not begun */
    assert_int_equal(avow_frame_put(&b, 1, AVOW_BYTES("0123456789abcdef", 16)), -AVOW_E_LIMIT);
    assert_int_equal(b.len, 0);
    assert_int_equal(avow_frame_head(&b, 1, AVOW_SHELL_FRAME_MAX), -AVOW_E_LIMIT);
    assert_int_equal(avow_frame_put(&b, 1, AVOW_BYTES("0123456789abcdef", 15)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
