#include "cli/bar.h"

#include "../test.h"

static const char *line(uint64_t done, uint64_t total, double s, const char *note, int columns)
{
    static char text[512];
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(sizeof text);

    avow_bar_line("verify", done, total, s, note, columns, &out);
    snprintf(text, sizeof text, "%s", avow_buf_cstr(&out));
    return text;
}

static void lines(void **state)
{
    (void)state;
    assert_string_equal(line(0, 10, 0, "", 60), "verify [....................]   0% 0/10");
    assert_string_equal(line(5, 10, 1, "1 refused", 80),
                        "verify [#############.............]  50% 5/10, 5/s, 1 s left, 1 refused");
    assert_string_equal(line(10, 10, 2, "", 60), "verify [####################] 100% 10/10, 5/s");
    assert_string_equal(line(0, 0, 1, "", 60), "verify [....................]   0% 0/0");
}

static void lines_fit_the_terminal(void **state)
{
    (void)state;
    for (int columns = 40; columns < 200; columns++)
        assert_true(strlen(line(123456, 9999999, 3, "a note of some length, or more", columns)) <
                    (size_t)columns);
}

static void nothing_where_there_is_no_terminal(void **state)
{
    const struct avow_cli cli = { .no_progress = true };
    struct avow_bar b;

    (void)state;
    avow_bar_init(&b, &cli, "verify");
    avow_bar_draw(&b, 1, 2, "");
    assert_false(b.live || b.drawn);
    avow_bar_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(lines_fit_the_terminal),
        cmocka_unit_test(nothing_where_there_is_no_terminal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
