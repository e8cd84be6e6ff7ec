#include "../test.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "service/state.h"

static char top[] = "/tmp/avow-test-state-XXXXXX";
static char dir[64];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(dir, sizeof dir, "%s/state", top);
    return 0;
}

static int tear_down(void **state)
{
    char lock[80];

    (void)state;
    snprintf(lock, sizeof lock, "%s/lock", dir);
    (void)unlink(lock);
    (void)rmdir(dir);
    return rmdir(top);
}

/* The holder is asked for by another process: the kernel tells none of one's own locks. */
static int as_another(int (*what)(pid_t holder), pid_t holder)
{
    int status = -1;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(what(holder));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int finds(pid_t holder)
{
    pid_t found = 0;

    return avow_state_holder(dir, &found, NULL) == 0 && found == holder ? 0 : 1;
}

static int cannot_take(pid_t holder)
{
    struct avow_error err = { 0 };
    char number[32];
    int lock = -1;

    snprintf(number, sizeof number, "process %d", (int)holder);
    return avow_state_take(dir, &lock, &err) == -AVOW_E_BUSY && strstr(err.text, number) ? 0 : 1;
}

static void one_holds_it(void **state)
{
    struct avow_error err = { 0 };
    struct stat st = { 0 };
    pid_t pid = 0;
    int lock = -1;

    (void)state;
    assert_int_equal(avow_state_holder(dir, &pid, &err), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_state_take(dir, &lock, &err), 0);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(as_another(finds, getpid()), 0);
    assert_int_equal(as_another(cannot_take, getpid()), 0);
    close(lock);
    avow_error_clear(&err);
    assert_int_equal(avow_state_holder(dir, &pid, &err), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_state_take(dir, &lock, &err), 0);
    close(lock);
}

static void impossible_folders_are_explained(void **state)
{
    static const struct {
        const char *dir;
        int code;
        const char *text;
    } rows[] = {
        { "/proc/x", AVOW_E_SYSTEM, "cannot be made: No such file" },
        { "/nonexistent/x/y", AVOW_E_SYSTEM, "cannot be made: No such file" },
        { "/dev/null", AVOW_E_FORMAT, "is no folder" },
        { "/dev/null/x", AVOW_E_SYSTEM, "cannot be made: Not a directory" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct avow_error err = { 0 };
        int lock = -1;

        assert_int_equal(avow_state_take(rows[i].dir, &lock, &err), -rows[i].code);
        assert_non_null(strstr(err.text, rows[i].dir));
        assert_non_null(strstr(err.text, "--state"));
        assert_non_null(strstr(err.text, rows[i].text));
        assert_int_equal(lock, -1);
    }
}

static void folders_of_others_are_refused(void **state)
{
    struct avow_error err = { 0 };
    int lock = -1;

    (void)state;
    assert_int_equal(mkdir(dir, 0700) == 0 || errno == EEXIST, 1);
    assert_int_equal(chmod(dir, 0770), 0);
    assert_int_equal(avow_state_take(dir, &lock, &err), -AVOW_E_UNTRUSTED);
    assert_non_null(strstr(err.text, "chmod 0700"));
    assert_int_equal(chmod(dir, 0700), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_holds_it),
        cmocka_unit_test(impossible_folders_are_explained),
        cmocka_unit_test(folders_of_others_are_refused),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
