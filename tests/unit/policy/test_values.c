#include "policy/values.h"

#include "../test.h"

#define OLD "0101010101010101010101010101010101010101010101010101010101010101"
#define NEW "0202020202020202020202020202020202020202020202020202020202020202"
#define T0 1767225600 /* 2026-01-01T00:00:00Z */
#define DAY 86400

static int parse(const char *list, struct value_set *out)
{
    avow_autojson json_t *j = NULL;
    char text[1024];

    memset(out, 0, sizeof *out);
    snprintf(text, sizeof text, "{\"k\":%s}", list);
    assert_int_equal(avow_json_parse(avow_bytes_str(text), &j, NULL), 0);
    return values_read(j, "k", 32, true, out, NULL);
}

static bool allows(const struct value_set *set, uint8_t fill, int64_t now, const char *says)
{
    struct avow_verdict v = { 0 };
    uint8_t value[32];

    memset(value, fill, sizeof value);
    values_appraise(set, "host-data", "HOST_DATA", AVOW_BYTES_OF(value), now, &v);
    assert_int_equal(v.n_reasons, 1);
    if (says)
        assert_non_null(strstr(v.reasons[0].text, says));
    return v.reasons[0].passed;
}

static void windows_overlap(void **state)
{
    static struct value_set set;

    (void)state;
    assert_int_equal(parse("[{\"value\":\"" OLD "\",\"until\":\"2026-01-31\",\"note\":\"image 1\"},"
                           "{\"value\":\"" NEW "\",\"from\":\"2026-01-15T12:00:00Z\"}]",
                           &set),
                     0);
    assert_true(allows(&set, 1, T0, NULL));
    assert_true(allows(&set, 1, T0 + 31 * DAY - 1, NULL)); /* the last second of the day */
    assert_false(allows(&set, 1, T0 + 31 * DAY, "until 2026-01-31T23:59:59Z"));
    assert_false(allows(&set, 2, T0 + 14 * DAY + DAY / 2 - 1, "from 2026-01-15T12:00:00Z"));
    assert_true(allows(&set, 2, T0 + 14 * DAY + DAY / 2, NULL));
    assert_true(allows(&set, 2, INT64_MAX, NULL));
    assert_false(allows(&set, 3, T0, "is not among the 2 allowed"));
}

static void plain_values_have_no_end(void **state)
{
    static struct value_set set;

    (void)state;
    assert_int_equal(parse("[\"" OLD "\"]", &set), 0);
    assert_true(allows(&set, 1, INT64_MIN, NULL));
    assert_true(allows(&set, 1, INT64_MAX, NULL));
    assert_int_equal(parse("\"any\"", &set), 0);
    assert_true(allows(&set, 9, 0, "any is allowed"));
}

static void mistakes_are_refused(void **state)
{
    static const char *const rows[] = {
        "[]",
        "[1]",
        "[\"00\"]",
        "[{}]",
        "[{\"value\":\"00\"}]",
        "[{\"value\":\"" OLD "\",\"form\":\"2026-01-01\"}]",
        "[{\"value\":\"" OLD "\",\"from\":\"yesterday\"}]",
        "[{\"value\":\"" OLD "\",\"from\":\"2026-02-30\"}]",
        "[{\"value\":\"" OLD "\",\"from\":\"2026-02-02\",\"until\":\"2026-02-01\"}]",
    };
    static struct value_set set;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (parse(rows[i], &set) != -AVOW_E_FORMAT)
            fail_msg("%s", rows[i]);
}

/* Of several windows of one value, every open one is named; of a shut one, that it was known. */
static void windows_are_named(void **state)
{
    static struct value_set set;

    (void)state;
    assert_int_equal(parse("[{\"value\":\"" OLD "\",\"until\":\"2026-01-31\"},"
                           "\"" NEW "\","
                           "{\"value\":\"" OLD
                           "\",\"from\":\"2026-01-20\",\"until\":\"2026-03-01\"},"
                           "{\"value\":\"" OLD "\",\"from\":\"2027-01-01\"}]",
                           &set),
                     0);
    assert_true(allows(&set, 1, T0,
                       "HOST_DATA 0101010101010101.. is allowed: value 1 of 4 until "
                       "2026-01-31T23:59:59Z"));
    assert_true(allows(&set, 1, T0 + 20 * DAY,
                       "value 1 of 4 until 2026-01-31T23:59:59Z, value 3 of 4 from "
                       "2026-01-20T00:00:00Z until 2026-03-01T23:59:59Z"));
    assert_false(
        allows(&set, 1, T0 + 100 * DAY, "is not allowed on 2026-04-11T00:00:00Z: value 1"));
    assert_false(allows(&set, 1, T0 + 100 * DAY, " and 1 more alone"));
    assert_true(allows(&set, 2, T0, "is allowed: value 2 of 4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_named),
        cmocka_unit_test(windows_overlap),
        cmocka_unit_test(plain_values_have_no_end),
        cmocka_unit_test(mistakes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
