#include "job/utf8.h"

#include <jansson.h>

#include "../test.h"

#define R "\xef\xbf\xbd"

static const struct {
    const char *in;
    size_t len;
    const char *out;
} rows[] = {
    { "plain\n", 6, "plain\n" },
    { "h\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80!", 11, "h\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80!" },
    { "a\0b", 3, "a" R "b" },
    { "\x80z", 2, R "z" },
    { "\xc0\xaf", 2, R R },
    { "\xe0\x9f\xbf", 3, R R R },
    { "\xed\xa0\x80", 3, R R R },
    { "\xf4\x90\x80\x80", 4, R R R R },
    { "\xf5z", 2, R "z" },
    { "\xe2\x82z", 3, R "z" },
    { "\xf0\x9f\x98\xc3\xa4", 5, R "\xc3\xa4" },
    { "\xff\xfe", 2, R R },
};

/* In one chunk, byte by byte, and in every cut in two, the outcome is the same. */
static void cleans_whatever_the_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t cut = 0; cut <= rows[i].len + 1; cut++) {
            avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(256);
            struct avow_utf8 u = { 0 };
            size_t first = cut > rows[i].len ? 0 : cut;

            if (cut > rows[i].len) {
                for (size_t k = 0; k < rows[i].len; k++)
                    assert_int_equal(avow_utf8_put(&u, AVOW_BYTES(rows[i].in + k, 1), &out), 0);
            } else {
                assert_int_equal(avow_utf8_put(&u, AVOW_BYTES(rows[i].in, first), &out), 0);
                assert_int_equal(
                    avow_utf8_put(&u, AVOW_BYTES(rows[i].in + first, rows[i].len - first), &out),
                    0);
            }
            assert_string_equal(avow_buf_cstr(&out), rows[i].out);
            assert_int_equal(u.n, 0);
        }
    }
}

static void keeps_a_cut_sequence(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(256);
    struct avow_utf8 u = { 0 };

    (void)state;
    assert_int_equal(avow_utf8_put(&u, AVOW_BYTES("x\xf0\x9f\x98", 4), &out), 0);
    assert_string_equal(avow_buf_cstr(&out), "x");
    assert_int_equal(u.n, 3);
}

/* jansson has a decoder of its own: it takes whatever comes out. */
static void another_decoder_agrees(void **state)
{
    uint32_t x = 1;

    (void)state;
    for (int round = 0; round < 3000; round++) {
        avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1024);
        struct avow_utf8 u = { 0 };
        json_t *v = NULL;

        for (int chunk = 0; chunk < 6; chunk++) {
            uint8_t bytes[7];

            for (size_t i = 0; i < sizeof bytes; i++) {
                x = x * 1664525 + 1013904223;
                bytes[i] = (uint8_t)(x >> 24 | (x & 0x100 ? 0x80 : 0));
            }
            assert_int_equal(avow_utf8_put(&u, AVOW_BYTES_OF(bytes), &out), 0);
        }
        v = json_stringn(avow_buf_cstr(&out), out.len);
        assert_non_null(v);
        json_decref(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_whatever_the_cuts),
        cmocka_unit_test(keeps_a_cut_sequence),
        cmocka_unit_test(another_decoder_agrees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
