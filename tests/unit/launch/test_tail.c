#include "../test.h"

#include "launch/tail.h"

static void test_whole(void **state)
{
    struct avow_tail t = { 0 };

    (void)state;
    assert_int_equal(avow_tail_view(&t).len, 0);
    avow_tail_add(&t, avow_bytes_str("one\ntwo"));
    avow_tail_add(&t, avow_bytes_str(""));
    avow_tail_add(&t, avow_bytes_str("\nthree\n"));
    assert_true(avow_bytes_equal(avow_tail_view(&t), avow_bytes_str("one\ntwo\nthree\n")));
}

/* However the stream is cut into pieces, the same lines are kept. */
static void test_pieces(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf all = AVOW_BUF(1u << 20);

    (void)state;
    for (int i = 0; i < 1000; i++)
        avow_buf_putf(&all, "line %d\n", i);
    for (size_t piece = 1; piece < 4000; piece = piece * 3 + 1) {
        struct avow_tail t = { 0 };
        struct avow_bytes v;

        for (size_t at = 0; at < all.len; at += piece)
            avow_tail_add(&t,
                          AVOW_BYTES(all.data + at, all.len - at < piece ? all.len - at : piece));
        v = avow_tail_view(&t);
        assert_true(v.len > AVOW_TAIL_KEPT - 20 && v.len <= AVOW_TAIL_KEPT);
        assert_memory_equal(v.data, "line ", 5);
        assert_memory_equal(v.data, all.data + all.len - v.len, v.len);
    }
}

static void test_one_long_line(void **state)
{
    struct avow_tail t = { 0 };
    char line[3000];

    (void)state;
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    avow_tail_add(&t, AVOW_BYTES_OF(line));
    assert_int_equal(avow_tail_view(&t).len, AVOW_TAIL_KEPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_whole), cmocka_unit_test(test_pieces),
                                        cmocka_unit_test(test_one_long_line) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
