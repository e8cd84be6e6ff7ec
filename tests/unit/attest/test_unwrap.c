#include "attest/unwrap.h"

#include "../test.h"
#include "codec/json.h"

#define HEX32 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define B64 "ABEiM0RVZneImaq7zN3u/wARIjNEVWZ3iJmqu8zd7v8AESIzRFVmd4iZqrvM3e7/ABEi"

static char seen[1024];

static int note(void *ctx, struct avow_bytes part, struct avow_error *err)
{
    size_t n = strlen(seen);

    (void)ctx;
    (void)err;
    snprintf(seen + n, sizeof seen - n, "[%.*s]", (int)part.len, (const char *)part.data);
    return 0;
}

static void marks_and_space_go(void **state)
{
    struct avow_bytes t = avow_unwrap_bom(avow_bytes_str("\xEF\xBB\xBF{}"));

    (void)state;
    assert_true(avow_bytes_equal(t, avow_bytes_str("{}")));
    assert_int_equal(avow_unwrap_bom(avow_bytes_str("\xEF\xBB")).len, 2);
    assert_int_equal(avow_unwrap_bom(AVOW_BYTES(NULL, 0)).len, 0);
    t = avow_unwrap_trim(AVOW_BYTES(" \r\n\ta b\n\0\0", 10));
    assert_true(avow_bytes_equal(t, avow_bytes_str("a b")));
    assert_int_equal(avow_unwrap_trim(avow_bytes_str(" \n")).len, 0);
}

static void texts_are_opened(void **state)
{
    static const char *const hex[] = { HEX32, "0x" HEX32,
                                       "00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff:\n"
                                       "00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF" };
    static const char *const none[] = {
        "",
        "hello",
        "00112233",      /* too short to be a file */
        "0x" HEX32 ":z", /* no digit */
        "\"" HEX32,      /* a string that does not end */
        "\"a\\n" HEX32 "\"",
        "0x",
        B64 " " B64, /* a base64 that lost something is not repaired */
    };

    (void)state;
    for (size_t i = 0; i < sizeof hex / sizeof hex[0]; i++) {
        avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_JSON_MAX);

        assert_int_equal(avow_unwrap_text(avow_bytes_str(hex[i]), &out, NULL), 1);
        assert_int_equal(out.len, 32);
        assert_int_equal(out.data[31], 0xFF);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_JSON_MAX);

        if (avow_unwrap_text(avow_bytes_str(none[i]), &out, NULL) != 0)
            fail_msg("opened: %s", none[i]);
        assert_int_equal(out.len, 0);
    }
}

static void base64_and_strings_are_opened(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf a = AVOW_BUF(AVOW_JSON_MAX);
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_JSON_MAX);
    avow_auto(avow_buf_done) struct avow_buf c = AVOW_BUF(AVOW_JSON_MAX);
    avow_auto(avow_buf_done) struct avow_buf small = AVOW_BUF(16);

    (void)state;
    assert_int_equal(avow_unwrap_text(avow_bytes_str(B64 "\r\n" B64), &a, NULL), 1);
    assert_int_equal(a.len, 102);
    assert_int_equal(avow_unwrap_text(avow_bytes_str(B64 "AB-_"), &b, NULL), 0); /* two alphabets */
    assert_int_equal(avow_unwrap_text(avow_bytes_str("\"" HEX32 "\""), &c, NULL), 1);
    assert_true(avow_bytes_equal(avow_buf_view(&c), avow_bytes_str(HEX32)));
    assert_int_equal(avow_unwrap_text(avow_bytes_str(HEX32), &small, NULL), -AVOW_E_LIMIT);
}

static void responses_are_opened(void **state)
{
    static const struct {
        const char *text, *parts;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nTCB-Info-Issuer-Chain: -----BEGIN%20X\r\nA: b\r\n\r\n{\"a\":1}",
          "[-----BEGIN X][{\"a\":1}]" },
        { "HTTP/2 200\nsgx-pck-crl-issuer-chain: %2D%0A\n\nbody", "[-\n][body]" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody", "[body]" },
        { "SGX-Enclave-Identity-Issuer-Chain: %41\n", "[A]" },
        { "-----BEGIN%20CERTIFICATE-----%0A", "[-----BEGIN CERTIFICATE-----\n]" },
        { "%2D%2D%2D%2D%2DBEGIN%20", "[-----BEGIN ]" },
        { "%2d%2d%2d%2d%2dBEGIN%20", "[-----BEGIN ]" },
    };
    static const char *const none[] = {
        "", "hello", "Name: value\n\nbody", "{\"a\":1}", "HTTP/1.1 200\nno header\n\nx", ": x\n\n"
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        seen[0] = 0;
        assert_int_equal(avow_unwrap_http(avow_bytes_str(rows[i].text), note, NULL, NULL), 1);
        assert_string_equal(seen, rows[i].parts);
    }
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_int_equal(avow_unwrap_http(avow_bytes_str(none[i]), note, NULL, NULL), 0);
    assert_int_equal(
        avow_unwrap_http(avow_bytes_str("TCB-Info-Issuer-Chain: %4\n"), note, NULL, NULL),
        -AVOW_E_FORMAT);
}

static void bincode_is_read(void **state)
{
    uint8_t file[8 + 2 + 8 + 3 + 8 + 24 * 32] = { 2 };
    struct avow_unwrap_quote q = { 0 };

    (void)state;
    file[10] = 3;
    file[21] = 24;
    file[29 + 23 * 32] = 7;
    assert_true(avow_unwrap_bincode(AVOW_BYTES_OF(file), &q));
    assert_int_equal(q.signature.len, 2);
    assert_int_equal(q.message.len, 3);
    assert_int_equal(q.pcrs[23].data[0], 7);
    for (size_t n = 0; n < sizeof file; n++)
        assert_false(avow_unwrap_bincode(AVOW_BYTES(file, n), &q));
    file[7] = 0xFF; /* a length of 2^63 and more */
    assert_false(avow_unwrap_bincode(AVOW_BYTES_OF(file), &q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_and_space_go),
        cmocka_unit_test(texts_are_opened),
        cmocka_unit_test(base64_and_strings_are_opened),
        cmocka_unit_test(responses_are_opened),
        cmocka_unit_test(bincode_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
