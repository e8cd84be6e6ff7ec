#include "policy/verdict.h"

#include "../test.h"

static void zero_verdict_refuses(void **state)
{
    struct avow_verdict v = { 0 };

    (void)state;
    assert_false(avow_verdict_accepts(&v));
    avow_verdict_conclude(&v); /* no reason at all */
    assert_false(avow_verdict_accepts(&v));
    avow_verdict_add(&v, "a", true, "fine");
    assert_false(avow_verdict_accepts(&v)); /* not concluded */
    avow_verdict_conclude(&v);
    assert_true(avow_verdict_accepts(&v));
}

static void failed_reasons_come_first_in_order(void **state)
{
    struct avow_verdict v = { 0 };

    (void)state;
    avow_verdict_add(&v, "a", true, "1");
    avow_verdict_add(&v, "b", false, "2");
    avow_verdict_add(&v, "c", true, "3");
    avow_verdict_add(&v, "d", false, "4");
    avow_verdict_conclude(&v);
    assert_false(avow_verdict_accepts(&v));
    assert_string_equal(v.reasons[0].code, "b");
    assert_string_equal(v.reasons[1].code, "d");
    assert_string_equal(v.reasons[2].code, "a");
    assert_string_equal(v.reasons[3].code, "c");
}

static void overflow_of_reasons_refuses(void **state)
{
    struct avow_verdict v = { 0 };

    (void)state;
    for (int i = 0; i < AVOW_REASONS_MAX; i++)
        avow_verdict_add(&v, "a", true, "fine");
    assert_false(avow_verdict_add(&v, "a", true, "one too many"));
    avow_verdict_conclude(&v);
    assert_false(avow_verdict_accepts(&v));
    assert_string_equal(avow_verdict_why(&v)->code, "limit");
}

static void words_of_others_are_made_printable(void **state)
{
    struct avow_verdict v = { 0 };

    (void)state;
    avow_verdict_add(&v, "a", true, "\x1b[31mred\xff\n");
    assert_string_equal(v.reasons[0].text, "?[31mred??");
}

static void sources_are_kept(void **state)
{
    struct avow_verdict v = { 0 };

    (void)state;
    avow_verdict_add(&v, "a", true, "a check");
    avow_verdict_from(&v, "%s.%s", "snp", "vmpl\n");
    avow_verdict_add(&v, "b", true, "a rule");
    avow_verdict_missing(&v, "c", "another");
    avow_verdict_from(&v, "%s", "");
    avow_verdict_add(&v, "d", true, "a check");
    assert_string_equal(v.reasons[0].source, "");
    assert_string_equal(v.reasons[1].source, "snp.vmpl?");
    assert_string_equal(v.reasons[2].source, "snp.vmpl?");
    assert_string_equal(v.reasons[3].source, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_verdict_refuses),
        cmocka_unit_test(sources_are_kept),
        cmocka_unit_test(failed_reasons_come_first_in_order),
        cmocka_unit_test(overflow_of_reasons_refuses),
        cmocka_unit_test(words_of_others_are_made_printable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
