#include "collateral/document.h"

#include "edit.h"

#define SIG "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SIGNATURE "\"signature\":\"" SIG SIG "\""

static int parse(const char *text, struct avow_document *d)
{
    return avow_document_parse(avow_bytes_str(text), "x", d, NULL);
}

static void accepted(const char *text, const char *body)
{
    avow_auto(avow_document_done) struct avow_document d = { 0 };
    const uint8_t sig[] = { 0x00, 0x11, 0x22, 0x33 };

    if (parse(text, &d) < 0)
        fail_msg("refused: %s", text);
    assert_int_equal(d.signed_bytes.len, strlen(body));
    assert_memory_equal(d.signed_bytes.data, body, strlen(body));
    assert_memory_equal(d.signature, sig, sizeof sig);
    assert_true(json_is_object(d.body));
}

static void the_signed_bytes_are_as_received(void **state)
{
    (void)state;
    accepted("{\"x\":{}," SIGNATURE "}", "{}");
    accepted("{" SIGNATURE ",\"x\":{\"a\":1}}", "{\"a\":1}");
    accepted(" {\n\"x\" : { \"a\" : [ 1 , { } ] }\t, " SIGNATURE " }\r\n",
             "{ \"a\" : [ 1 , { } ] }");
    accepted("{\"x\":{\"a\":\"}\\\"]{\",\"b\":\"\\\\\"}," SIGNATURE "}",
             "{\"a\":\"}\\\"]{\",\"b\":\"\\\\\"}");
    accepted("{\"x\":{\"signature\":\"inner\",\"x\":{}}," SIGNATURE "}",
             "{\"signature\":\"inner\",\"x\":{}}");
}

static void other_envelopes_are_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"x\":{}}",
        "{" SIGNATURE "}",
        "{" SIGNATURE "," SIGNATURE "}",
        "{\"x\":{},\"x\":{}}",
        "{\"x\":{}," SIGNATURE ",\"y\":1}",
        "{\"x\":{},\"y\":1," SIGNATURE "}",
        "{\"x\":{}," SIGNATURE ",\"x\":{}}",
        "{\"x\":{}," SIGNATURE ",}",
        "{\"x\":{}," SIGNATURE "",
        "{\"x\":{}," SIGNATURE "}}",
        "{\"x\":{}," SIGNATURE "} x",
        "{\"x\":{} " SIGNATURE "}",
        "{\"x\" {}," SIGNATURE "}",
        "{\"x\":[]," SIGNATURE "}",
        "{\"x\":\"{}\"," SIGNATURE "}",
        "{\"x\":1," SIGNATURE "}",
        "{\"x\":{]," SIGNATURE "}",
        "{\"x\":{\"a\":}," SIGNATURE "}",
        "{\"x\":{\"a\":1,\"a\":2}," SIGNATURE "}",
        "{\"x\":{\"a\":{\"b\":1,\"b\":1}}," SIGNATURE "}",
        "{\"x\":{\"a\":1,\"\\u0061\":2}," SIGNATURE "}",
        "{\"x\":{\"a\":\"\\u0000\"}," SIGNATURE "}",
        "{\"x\":{\"a\":\"," SIGNATURE "}",
        "{\"\\u0078\":{}," SIGNATURE "}",
        "{\"X\":{}," SIGNATURE "}",
        "{\"x\":{},\"signature\":\"\"}",
        "{\"x\":{},\"signature\":\"" SIG "\"}",
        "{\"x\":{},\"signature\":\"" SIG SIG "0\"}",
        "{\"x\":{},\"signature\":\"" SIG SIG "00\"}",
        "{\"x\":{},\"signature\":\"g0112233445566778899aabbccddeeff" SIG
        "00112233445566778899aabbccddeeff\"}",
        "{\"x\":{},\"signature\":1}",
        "\xEF\xBB\xBF{\"x\":{}," SIGNATURE "}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_document d = { 0 };

        if (parse(rows[i], &d) != -AVOW_E_FORMAT)
            fail_msg("not refused: %s", rows[i]);
        assert_null(d.body);
    }
}

static void every_truncation_is_refused(void **state)
{
    static const char text[] = "{\"x\":{\"a\":[{\"b\":\"c\"}]}," SIGNATURE "}";
    struct avow_document d = { 0 };

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++)
        assert_int_equal(avow_document_parse(AVOW_BYTES(text, n), "x", &d, NULL), -AVOW_E_FORMAT);
}

static void the_size_is_bounded(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_DOCUMENT_MAX + 1);
    avow_auto(avow_document_done) struct avow_document d = { 0 };

    (void)state;
    avow_buf_put_str(&b, "{\"x\":{}," SIGNATURE "}");
    while (b.len < AVOW_DOCUMENT_MAX)
        avow_buf_put_str(&b, " ");
    assert_int_equal(avow_document_parse(avow_buf_view(&b), "x", &d, NULL), 0);
    avow_buf_put_str(&b, " ");
    assert_int_equal(avow_document_parse(avow_buf_view(&b), "x", &d, NULL), -AVOW_E_LIMIT);
}

static void dates_are_strict(void **state)
{
    static const struct {
        const char *text;
        int64_t t; /* -1: refused */
    } rows[] = {
        { "1970-01-01T00:00:00Z", 0 },          { "2026-03-16T22:34:05Z", 1773700445 },
        { "2000-02-29T12:00:00Z", 951825600 },  { "2024-02-29T23:59:59Z", 1709251199 },
        { "2100-03-01T00:00:00Z", 4107542400 }, { "9999-12-31T23:59:59Z", 253402300799 },
        { "1969-12-31T23:59:59Z", -1 },         { "2100-02-29T00:00:00Z", -1 },
        { "2023-02-29T00:00:00Z", -1 },         { "2026-00-16T22:34:05Z", -1 },
        { "2026-13-16T22:34:05Z", -1 },         { "2026-03-00T22:34:05Z", -1 },
        { "2026-04-31T22:34:05Z", -1 },         { "2026-03-16T24:00:00Z", -1 },
        { "2026-03-16T22:60:05Z", -1 },         { "2026-03-16T22:34:60Z", -1 },
        { "2026-03-16T22:34:05", -1 },          { "2026-03-16T22:34:05z", -1 },
        { "2026-03-16 22:34:05Z", -1 },         { "2026-03-16T22:34:05+00:00", -1 },
        { "2026-03-16T22:34:05.0Z", -1 },       { " 2026-03-16T22:34:05Z", -1 },
        { "2026-3-16T22:34:05Z", -1 },          { "+026-03-16T22:34:05Z", -1 },
        { "2026-03-16T22:34: 5Z", -1 },         { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t t = -1;
        int rc = avow_document_date(rows[i].text, &t, NULL);

        assert_int_equal(rc, rows[i].t < 0 ? -AVOW_E_FORMAT : 0);
        assert_int_equal(t, rows[i].t);
    }
}

/* Against the C library, day by day. */
static void dates_agree_with_the_library(void **state)
{
    (void)state;
    for (int64_t t = 12345; t < 253402300800; t += 86400 * 17 + 3661) {
        char text[32];
        int64_t again = -1;

        made_date(t, text);
        assert_int_equal(avow_document_date(text, &again, NULL), 0);
        assert_int_equal(again, t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_signed_bytes_are_as_received),
        cmocka_unit_test(other_envelopes_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(the_size_is_bounded),
        cmocka_unit_test(dates_are_strict),
        cmocka_unit_test(dates_agree_with_the_library),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
