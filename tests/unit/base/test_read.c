/* Files are read whole, or not at all where they are too long. */
#include "base/read.h"

#include <errno.h>

#include "../test.h"

static FILE *file_of(const char *text, size_t n)
{
    FILE *f = tmpfile();

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    rewind(f);
    return f;
}

static void whole(void **state)
{
    static char text[70000];
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(sizeof text + 1);
    FILE *f = NULL;

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 'y';
    avow_buf_put_str(&out, "a");
    f = file_of(text, sizeof text);
    assert_int_equal(avow_read_all(f, "t", &out, NULL), 0);
    fclose(f);
    assert_int_equal(out.len, 1 + sizeof text);
    assert_memory_equal(out.data + 1, text, sizeof text);
    f = file_of(text, 0);
    assert_int_equal(avow_read_all(f, "t", &out, NULL), 0);
    fclose(f);
    assert_int_equal(out.len, 1 + sizeof text);
}

static void too_long(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4);
    struct avow_error err = { 0 };
    FILE *f = file_of("12345", 5);

    (void)state;
    assert_int_equal(avow_read_all(f, "some/file", &out, &err), -AVOW_E_LIMIT);
    assert_string_equal(err.text, "some/file: more than 4 bytes");
    fclose(f);
}

static void cannot_be_read(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);
    struct avow_error err = { 0 };
    FILE *f = fopen("/", "re");

    (void)state;
    assert_non_null(f);
    assert_int_equal(avow_read_all(f, "/", &out, &err), -AVOW_E_SYSTEM);
    assert_int_equal(err.sys, EISDIR);
    fclose(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(whole), cmocka_unit_test(too_long),
                                        cmocka_unit_test(cannot_be_read) };

    return cmocka_run_group_tests_name("base/read", tests, NULL, NULL);
}
