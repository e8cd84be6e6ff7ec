#include "base/err.h"

#include <ctype.h>
#include <errno.h>

#include "../test.h"

static int forwards(int rc)
{
    AVOW_TRY(rc);
    return 7;
}

static void codes_have_names_texts_and_hints(void **state)
{
    static const int numbers[] = {
#define X(name, number, text, hint) number,
#include "base/err.def"
#undef X
    };

    (void)state;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        const char *name = avow_err_name(-numbers[i]);

        assert_int_equal(numbers[i], (int)i + 1); /* append only, no gaps */
        assert_int_equal(avow_err_from_name(name), numbers[i]);
        for (const char *p = name; *p; p++)
            assert_true(islower((unsigned char)*p));
        assert_true(strlen(avow_err_text(numbers[i])) > 3);
        assert_true(strlen(avow_err_hint(numbers[i])) > 3);
    }
    assert_string_equal(avow_err_name(-AVOW_E_NAMESPACE), "namespace");
    assert_string_equal(avow_err_name(0), "ok");
    assert_string_equal(avow_err_name(9999), "unknown");
    assert_int_equal(avow_err_from_name("unknown"), 0);
    assert_int_equal(avow_err_from_name(NULL), 0);
    assert_string_equal(avow_err_hint(9999), "");
}

static void first_failure_is_kept(void **state)
{
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(AVOW_FAIL(&err, FORMAT, "row %d", 3), -AVOW_E_FORMAT);
    assert_int_equal(AVOW_FAIL(&err, LIMIT, "later"), -AVOW_E_LIMIT);
    assert_int_equal(err.code, AVOW_E_FORMAT);
    assert_string_equal(err.text, "row 3");
    assert_non_null(strstr(err.file, "test_err.c"));
    assert_int_equal(avow_error_prefix(&err, "file %s", "x"), -AVOW_E_FORMAT);
    assert_string_equal(err.text, "file x: row 3");
    avow_error_clear(&err);
    assert_int_equal(err.code, 0);
    assert_int_equal(AVOW_FAIL(NULL, MISSING, "nobody listens"), -AVOW_E_MISSING);
    assert_int_equal(AVOW_FAIL_CODE(&err, -AVOW_E_BUSY, "either sign"), -AVOW_E_BUSY);
    assert_int_equal(err.code, AVOW_E_BUSY);
}

static void errno_is_told(void **state)
{
    struct avow_error err = { 0 };

    (void)state;
    errno = ENOENT;
    assert_int_equal(AVOW_FAIL_SYS(&err, "open %s", "/x"), -AVOW_E_SYSTEM);
    assert_int_equal(err.sys, ENOENT);
    assert_string_equal(err.text, "open /x: No such file or directory");
}

static void long_texts_are_cut_and_terminated(void **state)
{
    struct avow_error err = { 0 };
    char text[2 * AVOW_ERROR_TEXT_MAX];

    (void)state;
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 0;
    errno = EIO;
    (void)AVOW_FAIL_SYS(&err, "%s", text);
    assert_int_equal(strlen(err.text), AVOW_ERROR_TEXT_MAX - 1);
    (void)avow_error_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), AVOW_ERROR_TEXT_MAX - 1);
}

static void try_forwards_failures_only(void **state)
{
    (void)state;
    assert_int_equal(forwards(-AVOW_E_TIMEOUT), -AVOW_E_TIMEOUT);
    assert_int_equal(forwards(0), 7);
    assert_int_equal(forwards(1), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes_have_names_texts_and_hints),
        cmocka_unit_test(first_failure_is_kept),
        cmocka_unit_test(errno_is_told),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
        cmocka_unit_test(try_forwards_failures_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
