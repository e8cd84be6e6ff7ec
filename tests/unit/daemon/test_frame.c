#include "../test.h"

#include "daemon/peer.h"

#define UUID "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

static struct avow_hello hello = { .formation = UUID, .epoch = 0x0102, .member = "node-a" };

static void hello_is_exact(void **state)
{
    static const char expected[] = UUID "\0\0\0\0\0\0\1\2\6node-a";
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(256);
    struct avow_hello back;

    (void)state;
    assert_int_equal(avow_hello_emit(&hello, &out, NULL), 0);
    assert_int_equal(out.len, sizeof expected - 1);
    assert_memory_equal(out.data, expected, out.len);
    assert_int_equal(avow_hello_parse(avow_buf_view(&out), &back, NULL), 0);
    assert_memory_equal(&back, &hello, sizeof back);
    for (size_t n = 0; n < out.len; n++)
        assert_int_equal(avow_hello_parse(AVOW_BYTES(out.data, n), &back, NULL), -AVOW_E_TRUNCATED);
    avow_buf_put_u8(&out, 'x');
    assert_int_equal(avow_hello_parse(avow_buf_view(&out), &back, NULL), -AVOW_E_TRAILING);
}

static void bad_hello_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
#define B(s) { s, sizeof s - 1 }
        B("6BA7B810-9dad-41d1-80b4-00c04fd430c8\0\0\0\0\0\0\0\1\1a"),
        B(UUID "\0\0\0\0\0\0\0\0\1a"),   /* epoch 0 */
        B(UUID "\x80\0\0\0\0\0\0\1\1a"), /* epoch too large for JSON */
        B(UUID "\0\0\0\0\0\0\0\1\0"),    /* no name */
        B(UUID "\0\0\0\0\0\0\0\1\3a\0b"),
        B(UUID "\0\0\0\0\0\0\0\1\2a-"),
        B(UUID "\0\0\0\0\0\0\0\1\x40"
               "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
#undef B
    };
    struct avow_hello out;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_true(avow_hello_parse(AVOW_BYTES(bad[i].bytes, bad[i].len), &out, NULL) < 0);
}

static void frames_are_cut_out(void **state)
{
    static const uint8_t in[] = { 0, 0, 0, 2, 33, 'a', 'b', 0, 0, 0, 0, 3 };
    struct avow_bytes payload = { 0 };
    uint8_t type = 0;
    size_t used = 0;

    (void)state;
    for (size_t n = 0; n < 7; n++)
        assert_int_equal(avow_frame_parse(AVOW_BYTES(in, n), 100, &type, &payload, &used),
                         -AVOW_E_TRUNCATED);
    assert_int_equal(avow_frame_parse(AVOW_BYTES_OF(in), 100, &type, &payload, &used), 0);
    assert_int_equal(type, 33);
    assert_int_equal(used, 7);
    assert_int_equal(payload.len, 2);
    assert_memory_equal(payload.data, "ab", 2);
    assert_int_equal(
        avow_frame_parse(AVOW_BYTES(in + 7, sizeof in - 7), 100, &type, &payload, &used), 0);
    assert_int_equal(type, 3);
    assert_int_equal(payload.len, 0);
    /* too long is said before the bytes are there */
    assert_int_equal(avow_frame_parse(AVOW_BYTES(in, 4), 1, &type, &payload, &used), -AVOW_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hello_is_exact),
        cmocka_unit_test(bad_hello_is_refused),
        cmocka_unit_test(frames_are_cut_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
