#include "verify/claims.h"

#include "../test.h"

static void nothing_is_not_passed(void **state)
{
    struct avow_claims c = { 0 };

    (void)state;
    assert_false(avow_claims_all_passed(&c));
    assert_true(avow_claims_check(&c, "a", true, "%d", 1));
    assert_true(avow_claims_all_passed(&c));
    assert_false(avow_claims_check(&c, "b", false, "%d", 2));
    assert_false(avow_claims_all_passed(&c));
    assert_string_equal(c.checks[1].code, "b");
    assert_string_equal(c.checks[1].text, "2");
    c.checks[1].state = AVOW_CHECK_NOT_RUN;
    assert_false(avow_claims_all_passed(&c));
}

static void overflow_is_a_failed_check(void **state)
{
    struct avow_claims c = { 0 };

    (void)state;
    for (int i = 0; i < AVOW_CHECKS_MAX; i++)
        assert_true(avow_claims_check(&c, "a", true, "fine"));
    assert_true(avow_claims_all_passed(&c));
    assert_false(avow_claims_check(&c, "a", true, "one too many"));
    assert_false(avow_claims_all_passed(&c));
    assert_string_equal(c.checks[AVOW_CHECKS_MAX - 1].code, "limit");
    c.n_checks = AVOW_CHECKS_MAX + 1;
    assert_false(avow_claims_all_passed(&c));
}

static void texts_are_cut_and_printable(void **state)
{
    struct avow_claims c = { 0 };
    char text[1000];

    (void)state;
    memset(text, '\n', sizeof text);
    text[sizeof text - 1] = 0;
    avow_claims_check(&c, "a code that is longer than fits into a check", true, "%s", text);
    assert_int_equal(strlen(c.checks[0].text), sizeof c.checks[0].text - 1);
    assert_int_equal(c.checks[0].text[0], '?');
    assert_int_equal(strlen(c.checks[0].code), sizeof c.checks[0].code - 1);
}

static void statuses_round_trip(void **state)
{
    (void)state;
    for (int s = AVOW_TCB_UNKNOWN; s <= AVOW_TCB_NOT_SUPPORTED; s++)
        assert_int_equal(avow_tcb_status_from_name(avow_tcb_status_name((enum avow_tcb_status)s)),
                         s);
    assert_string_equal(avow_tcb_status_name((enum avow_tcb_status)99), "Unknown");
    assert_int_equal(avow_tcb_status_from_name("uptodate"), AVOW_TCB_UNKNOWN);
    assert_int_equal(avow_tcb_status_from_name(NULL), AVOW_TCB_UNKNOWN);
}

static void times_are_dates(void **state)
{
    static const struct {
        int64_t t;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { 951782399, "2000-02-28T23:59:59Z" },
        { 951782400, "2000-02-29T00:00:00Z" },
        { 1765324800, "2025-12-10T00:00:00Z" },
        { 4107542400, "2100-03-01T00:00:00Z" },
        { 253402300799, "9999-12-31T23:59:59Z" },
        { 253402300800, "after 9999" },
        { INT64_MAX, "after 9999" },
        { -1, "before 1970" },
        { INT64_MIN, "before 1970" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[AVOW_TIME_TEXT];

        avow_claims_time(rows[i].t, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_not_passed),
        cmocka_unit_test(overflow_is_a_failed_check),
        cmocka_unit_test(texts_are_cut_and_printable),
        cmocka_unit_test(statuses_round_trip),
        cmocka_unit_test(times_are_dates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
