#include "codec/cbor.h"

#include "../test.h"

static int note(void *ctx, struct avow_bytes key, struct avow_bytes value, struct avow_error *err)
{
    char *out = ctx;
    size_t n = strlen(out);

    (void)err;
    snprintf(out + n, 256 - n, "%.*s=%.*s;", (int)key.len, (const char *)key.data, (int)value.len,
             (const char *)value.data);
    return value.len == 3 && memcmp(value.data, "bad", 3) == 0 ? -AVOW_E_REFUSED : 0;
}

static int walk(const char *bytes, size_t n, char out[256])
{
    out[0] = 0;
    return avow_cbor_map(AVOW_BYTES(bytes, n), note, out, NULL);
}

#define WALK(text, out) walk(text, sizeof text - 1, out)

static void maps_are_walked(void **state)
{
    char out[256];

    (void)state;
    assert_int_equal(WALK("\xA2\x61"
                          "a\x42"
                          "xy\x61"
                          "b\x61"
                          "z",
                          out),
                     0);
    assert_string_equal(out, "a=xy;b=z;");
    assert_int_equal(WALK("\xA2\x61"
                          "a\x43"
                          "bad\x61"
                          "b\x61"
                          "z",
                          out),
                     -AVOW_E_REFUSED);
    assert_string_equal(out, "a=bad;");
}

static void what_is_no_such_map_is_refused(void **state)
{
    char out[256];

    (void)state;
    assert_int_equal(WALK("\xA2\x61"
                          "a\x42"
                          "xy\x61"
                          "a\x61"
                          "z",
                          out),
                     -AVOW_E_FORMAT);
    assert_int_equal(WALK("\xA1\x61"
                          "a\x42"
                          "xy\x00",
                          out),
                     -AVOW_E_TRAILING);
    assert_int_equal(WALK("\xA1\x61"
                          "a\x42"
                          "x",
                          out),
                     -AVOW_E_FORMAT);
    assert_int_equal(WALK("\xA1\x61"
                          "a\x05",
                          out),
                     -AVOW_E_FORMAT);
    assert_int_equal(WALK("\xA1\x01\x42"
                          "xy",
                          out),
                     -AVOW_E_FORMAT);
    assert_int_equal(WALK("\xBF\x61"
                          "a\x42"
                          "xy\xFF",
                          out),
                     -AVOW_E_FORMAT);
    assert_int_equal(WALK("\x81\x01", out), -AVOW_E_FORMAT);
    assert_int_equal(WALK("\xA1\x61"
                          "a\x5B\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
                          out),
                     -AVOW_E_FORMAT);
    assert_false(avow_cbor_likely_map(avow_bytes_str("{\"a\":1}")));
    assert_true(avow_cbor_likely_map(avow_bytes_str("\xA1\x61"
                                                    "a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(maps_are_walked),
        cmocka_unit_test(what_is_no_such_map_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
