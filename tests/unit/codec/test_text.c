#include "codec/text.h"

#include "../test.h"

static void hex_round_trips(void **state)
{
    static const uint8_t raw[] = { 0x00, 0x7f, 0x80, 0xff, 0x0a };
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(100);
    char text[11];
    uint8_t back[5];

    (void)state;
    avow_hex(AVOW_BYTES_OF(raw), text);
    assert_string_equal(text, "007f80ff0a");
    assert_int_equal(avow_unhex("007F80fF0a", back, 5), 0);
    assert_memory_equal(back, raw, 5);
    assert_int_equal(avow_hex_put(&b, AVOW_BYTES_OF(raw)), 0);
    assert_string_equal(avow_buf_cstr(&b), text);
    avow_buf_reset(&b);
    assert_int_equal(avow_unhex_put(&b, text), 0);
    assert_true(avow_bytes_equal(avow_buf_view(&b), AVOW_BYTES_OF(raw)));
}

static void bad_hex_is_refused(void **state)
{
    static const char *const bad[] = { "0",    "000",  "0g",   " 00",     "00 ",
                                       "0x00", "00:0", "0000", "\xff\xff" };
    uint8_t one[1];
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(3);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(avow_unhex(bad[i], one, 1), -AVOW_E_FORMAT);
    assert_int_equal(avow_unhex(NULL, one, 1), -AVOW_E_FORMAT);
    assert_int_equal(avow_unhex_put(&b, "0"), -AVOW_E_FORMAT);
    assert_int_equal(avow_unhex_put(&b, "00112233"), -AVOW_E_LIMIT);
}

/* RFC 4648, section 10 */
static void base64_of_the_rfc(void **state)
{
    static const char *const rows[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(100);
        avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(100);

        assert_int_equal(avow_b64_put(&text, avow_bytes_str(rows[i][0])), 0);
        assert_string_equal(avow_buf_cstr(&text), rows[i][1]);
        assert_int_equal(avow_unb64_put(&raw, avow_bytes_str(rows[i][1])), 0);
        assert_string_equal(avow_buf_cstr(&raw), rows[i][0]);
    }
}

static void every_byte_survives_both_alphabets(void **state)
{
    uint8_t raw[259];

    (void)state;
    for (size_t i = 0; i < sizeof raw; i++)
        raw[i] = (uint8_t)(i * 37 + i / 3);
    for (size_t n = 0; n <= sizeof raw; n++) {
        avow_auto(avow_buf_done) struct avow_buf std = AVOW_BUF(1000);
        avow_auto(avow_buf_done) struct avow_buf url = AVOW_BUF(1000);
        avow_auto(avow_buf_done) struct avow_buf back = AVOW_BUF(1000);

        avow_b64_put(&std, AVOW_BYTES(raw, n));
        avow_b64url_put(&url, AVOW_BYTES(raw, n));
        assert_null(strpbrk(avow_buf_cstr(&url), "+/="));
        assert_int_equal(avow_unb64_put(&back, avow_buf_view(&std)), 0);
        assert_true(avow_bytes_equal(avow_buf_view(&back), AVOW_BYTES(raw, n)));
        avow_buf_reset(&back);
        assert_int_equal(avow_unb64url_put(&back, avow_buf_view(&url)), 0);
        assert_true(avow_bytes_equal(avow_buf_view(&back), AVOW_BYTES(raw, n)));
    }
}

static void bad_base64_is_refused(void **state)
{
    static const char *const bad[] = { "A",     "AA",   "AAA",   "AA=",    "A===",    "====",
                                       "=AAA",  "AA=A", "AAAA=", "AB==",   "AAB=",    "AA A",
                                       "AA\nA", "AA-A", "AA_A",  "AAAA\n", "AA==AAAA" };
    static const char *const bad_url[] = {
        "A", "AA=", "A===", "AB", "AAB", "AA+A", "AA/A", "AAAA="
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(100);

        if (avow_unb64_put(&b, avow_bytes_str(bad[i])) != -AVOW_E_FORMAT)
            fail_msg("base64 \"%s\" is accepted", bad[i]);
    }
    for (size_t i = 0; i < sizeof bad_url / sizeof bad_url[0]; i++) {
        avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(100);

        if (avow_unb64url_put(&b, avow_bytes_str(bad_url[i])) != -AVOW_E_FORMAT)
            fail_msg("base64url \"%s\" is accepted", bad_url[i]);
    }
}

static void only_printable_ascii_stays(void **state)
{
    char text[] = "plain ~!\x1b[2J\x7f\t\xc3\xa4";

    (void)state;
    avow_printable(text);
    assert_string_equal(text, "plain ~!?[2J????");
}

static void urls(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(16);

    (void)state;
    assert_int_equal(avow_url_decode("a%20b%2Bc+d%0A", &out, NULL), 0);
    assert_string_equal(avow_buf_cstr(&out), "a b+c+d\n");
    avow_buf_reset(&out);
    assert_int_equal(avow_url_decode("%2", &out, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_url_decode("%", &out, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_url_decode("%zz", &out, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_url_decode("12345678901234567", &out, NULL), -AVOW_E_LIMIT);
}

static void lines(void **state)
{
    struct avow_bytes rest = avow_bytes_str("a\r\n\nlast");
    struct avow_bytes line = { 0 };

    (void)state;
    assert_true(avow_text_line(&rest, &line));
    assert_true(avow_bytes_equal(line, avow_bytes_str("a\r")));
    assert_true(avow_text_line(&rest, &line));
    assert_int_equal(line.len, 0);
    assert_true(avow_text_line(&rest, &line));
    assert_true(avow_bytes_equal(line, avow_bytes_str("last")));
    assert_false(avow_text_line(&rest, &line));
    rest = AVOW_BYTES(NULL, 0);
    assert_false(avow_text_line(&rest, &line));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_round_trips),
        cmocka_unit_test(bad_hex_is_refused),
        cmocka_unit_test(base64_of_the_rfc),
        cmocka_unit_test(every_byte_survives_both_alphabets),
        cmocka_unit_test(bad_base64_is_refused),
        cmocka_unit_test(only_printable_ascii_stays),
        cmocka_unit_test(urls),
        cmocka_unit_test(lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
