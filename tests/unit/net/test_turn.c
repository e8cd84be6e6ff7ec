/* One at a time among processes, no sooner than allowed, and nobody waits for the dead. */
#include "net/turn.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include "../test.h"

static char dir[] = "/tmp/avow-turn-XXXXXX";
#define HOST "kdsintf.amd.com:443"

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    char path[128];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/" HOST ".turn", dir);
    (void)unlink(path);
    return rmdir(dir);
}

static void names(void **state)
{
    struct avow_turn t;

    (void)state;
    assert_int_equal(avow_turn_take(dir, "../x", 0, 0, &t, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_turn_take(dir, "a/b", 0, 0, &t, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_turn_take(dir, "", 0, 0, &t, NULL), -AVOW_E_FORMAT);
    assert_int_equal(t.fd, -1);
    assert_int_equal(avow_turn_pause_ms(&t), 0);
    avow_turn_done(&t);
}

static void one_at_a_time(void **state)
{
    struct avow_turn a, b;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_turn_take(dir, HOST, 0, 0, &a, &err), 0);
    assert_int_equal(avow_turn_take(dir, HOST, 20, 0, &b, &err), -AVOW_E_TIMEOUT);
    assert_non_null(strstr(err.text, HOST));
    assert_int_equal(avow_turn_pause_ms(&a), 0);
    assert_int_equal(avow_turn_sent(&a, 60000, &err), 0);
    avow_turn_done(&a);
    assert_int_equal(avow_turn_take(dir, HOST, 0, 0, &b, &err), 0);
    assert_in_range(avow_turn_pause_ms(&b), 30000, 60000);
    assert_int_equal(avow_turn_sent(&b, 0, &err), 0);
    assert_int_equal(avow_turn_pause_ms(&b), 0);
    avow_turn_done(&b);
}

/* A child has the turn until it is told to give it back, or is killed. */
static pid_t child_with_turn(int *told)
{
    int ready[2], go[2];
    char c = 0;
    pid_t pid = 0;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid = fork();
    if (pid == 0) {
        struct avow_turn t;

        close(go[1]);
        if (avow_turn_take(dir, HOST, 0, 0, &t, NULL) < 0 || write(ready[1], "x", 1) != 1)
            _exit(1);
        (void)!read(go[0], &c, 1);
        avow_turn_done(&t);
        _exit(0);
    }
    close(ready[1]);
    close(go[0]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    *told = go[1];
    return pid;
}

static void waits_for_another_process(void **state)
{
    struct avow_turn t;
    int told = -1;
    int status = 0;
    pid_t pid = child_with_turn(&told);

    (void)state;
    assert_int_equal(avow_turn_take(dir, HOST, 10, 0, &t, NULL), -AVOW_E_TIMEOUT);
    close(told);
    assert_int_equal(avow_turn_take(dir, HOST, 30000, 0, &t, NULL), 0);
    avow_turn_done(&t);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pid = child_with_turn(&told);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(avow_turn_take(dir, HOST, 30000, 0, &t, NULL), 0);
    avow_turn_done(&t);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(told);
}

static void stops(void **state)
{
    struct avow_turn a, b;
    avow_autoclose int stop = eventfd(1, EFD_CLOEXEC);

    (void)state;
    assert_int_equal(avow_turn_take(dir, HOST, 0, 0, &a, NULL), 0);
    assert_int_equal(avow_turn_take(dir, HOST, 60000, stop, &b, NULL), -AVOW_E_CANCELLED);
    avow_turn_done(&a);
    assert_int_equal(avow_pause(60000, stop, NULL), -AVOW_E_CANCELLED);
    assert_int_equal(avow_pause(1, 0, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(one_at_a_time),
        cmocka_unit_test(waits_for_another_process),
        cmocka_unit_test(stops),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
