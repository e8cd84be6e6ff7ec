#include "../test.h"

#include "service/audit.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static int parse(const char *text, struct avow_audit_head *out)
{
    return avow_audit_head_parse(avow_bytes_str(text), out, NULL);
}

static void pairs_are_read(void **state)
{
    static const char *const good[] = { "12:" HASH, "12:" HASH "\n",
                                        "12:" HASH " 2026-01-01T00:00:00Z\n" };
    static const char *const bad[] = {
        "",
        "12",
        "12:",
        ":" HASH,
        "0:" HASH,
        "-1:" HASH,
        " 12:" HASH,
        "12:" HASH "0",
        "12 " HASH,
        "x:" HASH,
        "1234567890123456789:" HASH,
        "12:" HASH ":",
        "12:x0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    };
    struct avow_audit_head h;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(parse(good[i], &h), 0);
        assert_int_equal(h.id, 12);
        assert_int_equal(h.time, 0);
        assert_int_equal(h.hash[0], 0x00);
        assert_int_equal(h.hash[31], 0xff);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(parse(bad[i], &h), -AVOW_E_FORMAT);
}

static void json_goes_both_ways(void **state)
{
    const struct avow_audit_head head = { .id = 7, .time = 1700000000, .hash = { 1, 2, 3 } };
    avow_autojson json_t *j = avow_audit_head_json(&head);
    avow_autofree char *text = json_dumps(j, 0);
    struct avow_audit_head again = { 0 };

    (void)state;
    assert_non_null(text);
    assert_int_equal(parse(text, &again), 0);
    assert_memory_equal(&head, &again, sizeof head);
    assert_true(parse("{\"id\":0,\"time\":0,\"hash\":\"" HASH "\"}", &again) < 0);
    assert_true(parse("{\"id\":1,\"time\":0,\"hash\":\"00\"}", &again) < 0);
    assert_true(parse("{\"id\":1,\"hash\":\"" HASH "\"", &again) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(pairs_are_read),
                                        cmocka_unit_test(json_goes_both_ways) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
