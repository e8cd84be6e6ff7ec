#include "../test.h"

#include <errno.h>
#include <sys/stat.h>

#include "serve/file.h"

static char dir[] = "/tmp/avow-test-file-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/f", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static void assert_holds(enum avow_file_owner owner, const char *text)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(64);

    assert_int_equal(avow_file_read(path, owner, &b, NULL), 0);
    assert_string_equal(avow_buf_cstr(&b), text);
}

static void written_and_replaced(void **state)
{
    struct stat st = { 0 };

    (void)state;
    assert_int_equal(avow_file_write(path, 0600, avow_bytes_str("one"), NULL), 0);
    assert_holds(AVOW_FILE_SECRET, "one");
    assert_int_equal(avow_file_write(path, 0600, avow_bytes_str("two"), NULL), 0);
    assert_holds(AVOW_FILE_OURS, "two");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static void others_could(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(64);

    (void)state;
    assert_int_equal(avow_file_write(path, 0644, avow_bytes_str("x"), NULL), 0);
    assert_int_equal(avow_file_read(path, AVOW_FILE_SECRET, &b, NULL), -AVOW_E_UNTRUSTED);
    assert_holds(AVOW_FILE_OURS, "x");
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(avow_file_read(path, AVOW_FILE_OURS, &b, NULL), -AVOW_E_UNTRUSTED);
    assert_int_equal(b.len, 0);
    assert_holds(AVOW_FILE_ANYBODYS, "x");
}

static void failures(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(2);
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_file_read("/nonexistent/x", AVOW_FILE_OURS, &b, &err), -AVOW_E_SYSTEM);
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(avow_file_write("/nonexistent/x", 0600, avow_bytes_str("x"), NULL),
                     -AVOW_E_SYSTEM);
    assert_int_equal(avow_file_write(path, 0600, avow_bytes_str("xyz"), NULL), 0);
    assert_int_equal(avow_file_read(path, AVOW_FILE_SECRET, &b, NULL), -AVOW_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_and_replaced),
        cmocka_unit_test(others_could),
        cmocka_unit_test(failures),
    };

    return cmocka_run_group_tests_name("file", tests, set_up, tear_down);
}
