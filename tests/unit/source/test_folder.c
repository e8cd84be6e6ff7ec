#include "folders.h"

static char dir[TEST_PATH];

static int set_up(void **state)
{
    (void)state;
    test_folder(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_remove(dir);
    return 0;
}

static void test_round_trip(void **state)
{
    struct avow_buf got = AVOW_BUF(100);
    struct stat st;
    int fd = test_open(dir);

    (void)state;
    assert_false(folder_has(fd, "x"));
    assert_int_equal(folder_write(fd, "x", 0644, avow_bytes_str("first"), NULL), 0);
    assert_int_equal(folder_write(fd, "x", 0600, avow_bytes_str("secret"), NULL), 0);
    assert_true(folder_has(fd, "x"));
    assert_int_equal(folder_read(fd, "x", &got, NULL), 0);
    assert_string_equal(avow_buf_cstr(&got), "secret");
    assert_int_equal(fstatat(fd, "x", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600); /* of the last write, not of the first */
    assert_false(folder_has(fd, ".x.new"));
    avow_buf_done(&got);
    close(fd);
}

static void test_bounds(void **state)
{
    struct avow_buf small = AVOW_BUF(5), none = AVOW_BUF(5);
    int fd = test_open(dir);

    (void)state;
    assert_int_equal(folder_write(fd, "x", 0644, avow_bytes_str("12345"), NULL), 0);
    assert_int_equal(folder_write(fd, "y", 0644, avow_bytes_str("123456"), NULL), 0);
    assert_int_equal(folder_read(fd, "x", &small, NULL), 0);
    assert_int_equal(folder_read(fd, "y", &none, NULL), -AVOW_E_LIMIT);
    avow_buf_done(&small);
    avow_buf_done(&none);
    close(fd);
}

/* Not a file, a link out of the folder, a pipe that nobody writes: refused, none of them waited
 * for. */
static void test_not_files(void **state)
{
    struct avow_buf got = AVOW_BUF(4096);
    int fd = test_open(dir);

    (void)state;
    assert_int_equal(folder_read(fd, "absent", &got, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(mkdirat(fd, "folder", 0700), 0);
    assert_int_equal(folder_read(fd, "folder", &got, NULL), -AVOW_E_FORMAT);
    assert_int_equal(symlinkat("/etc/passwd", fd, "link"), 0);
    assert_int_equal(folder_read(fd, "link", &got, NULL), -AVOW_E_SYSTEM);
    assert_int_equal(mkfifoat(fd, "pipe", 0600), 0);
    assert_int_equal(folder_read(fd, "pipe", &got, NULL), -AVOW_E_FORMAT);
    assert_int_equal(got.len, 0);
    avow_buf_done(&got);
    close(fd);
}

static void test_make(void **state)
{
    char inner[TEST_PATH + 16];
    struct stat st;
    int fd = -1;

    (void)state;
    snprintf(inner, sizeof inner, "%s/a", dir);
    assert_int_equal(folder_open(inner, &fd, NULL), -AVOW_E_NOTFOUND);
    assert_int_equal(folder_make(inner, &fd, NULL), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    close(fd);
    assert_int_equal(folder_make(inner, &fd, NULL), 0);
    close(fd);
    snprintf(inner, sizeof inner, "%s/b/c", dir);
    assert_int_equal(folder_make(inner, &fd, NULL), -AVOW_E_SYSTEM);
}

static void test_copy(void **state)
{
    struct avow_buf got = AVOW_BUF(100);
    char other[TEST_PATH];
    int from = test_open(dir), to = -1;

    (void)state;
    test_folder(other);
    to = test_open(other);
    assert_int_equal(folder_write(from, "x", 0600, avow_bytes_str("data"), NULL), 0);
    assert_int_equal(folder_copy(from, to, "x", 3, NULL), -AVOW_E_LIMIT);
    assert_false(folder_has(to, "x"));
    assert_int_equal(folder_copy(from, to, "x", 4, NULL), 0);
    assert_int_equal(folder_read(to, "x", &got, NULL), 0);
    assert_string_equal(avow_buf_cstr(&got), "data");
    avow_buf_done(&got);
    close(from);
    close(to);
    test_remove(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bounds, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_make, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_copy, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("source/folder", tests, NULL, NULL);
}
