#include "../test.h"

#include "cli/table.h"

static const char *const heads[] = { "NODE", "WHY", ">MS", NULL };

static struct avow_table *sample(void)
{
    struct avow_table *t = avow_table_new(heads);

    avow_table_cell(t, AVOW_PAINT_NONE, "a");
    avow_table_cell(t, AVOW_PAINT_BAD, "%s", "something \033[2Jwas not right at all, and long");
    avow_table_cell(t, AVOW_PAINT_NONE, "%.1f", 1.25);
    avow_table_cell(t, AVOW_PAINT_NONE, "hospital-\xc3\xa9");
    avow_table_cell(t, AVOW_PAINT_GOOD, "ok");
    avow_table_cell(t, AVOW_PAINT_NONE, "%d", 100);
    return t;
}

static void test_plain(void **state)
{
    struct avow_table *t = sample();
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);

    (void)state;
    assert_int_equal(avow_table_render(t, 2, 0, false, &out), 0);
    assert_string_equal(avow_buf_cstr(&out),
                        "  NODE        WHY                                            MS\n"
                        "  a           something ?[2Jwas not right at all, and long  1.2\n"
                        "  hospital-\xc3\xa9  ok                                            100\n");
    avow_table_free(t);
}

static void test_narrow(void **state)
{
    struct avow_table *t = sample();
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);

    (void)state;
    assert_int_equal(avow_table_render(t, 0, 40, false, &out), 0);
    assert_non_null(strstr(avow_buf_cstr(&out), "a           something ?[2Jwas no...  1.2\n"));
    avow_table_free(t);
}

static void test_color(void **state)
{
    struct avow_table *t = sample();
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);

    (void)state;
    assert_int_equal(avow_table_render(t, 0, 0, true, &out), 0);
    assert_non_null(strstr(avow_buf_cstr(&out), "\033[32mok\033[0m"));
    avow_table_free(t);
}

static void test_no_rows(void **state)
{
    struct avow_table *t = avow_table_new(heads);
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);

    (void)state;
    assert_int_equal(avow_table_render(t, 0, 0, false, &out), 0);
    assert_string_equal(avow_buf_cstr(&out), "NODE  WHY  MS\n");
    avow_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_color),
        cmocka_unit_test(test_no_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
