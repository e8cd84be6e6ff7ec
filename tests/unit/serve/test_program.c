#include "../test.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "serve/log.h"
#include "serve/program.h"

static struct avow_program program(void)
{
    return (struct avow_program){
        .name = "test", .version = "1.2", .usage = "usage: test\n", .ready_fd = -1
    };
}

static void options_are_taken(void **state)
{
    struct avow_program p = program();

    (void)state;
    assert_int_equal(avow_program_option(&p, 'c', "a.yaml"), -1);
    assert_string_equal(p.config, "a.yaml");
    assert_int_equal(avow_program_option(&p, 'C', NULL), -1);
    assert_true(p.check);
    assert_int_equal(avow_program_option(&p, 'r', "7"), -1);
    assert_int_equal(p.ready_fd, 7);
    assert_int_equal(avow_program_option(&p, 'V', NULL), 0);
    assert_int_equal(avow_program_option(&p, 'h', NULL), 0);
    assert_int_equal(avow_program_option(&p, '?', NULL), AVOW_EXIT_USAGE);
}

static void bad_descriptors_are_refused(void **state)
{
    static const char *const bad[] = { "", "x", "1x", "-1", "65537", "99999999999999999999" };
    struct avow_program p = program();

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(avow_program_option(&p, 'r', bad[i]), AVOW_EXIT_USAGE);
    assert_int_equal(p.ready_fd, -1);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    int *count = arg;

    assert_int_equal(number, SIGUSR2);
    (void)what;
    (*count)++;
    (void)raise(SIGTERM); /* which ends the loop */
}

/* What systemd would hear. */
static int notify_socket(char dir[], size_t size)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)snprintf(dir, size, "/tmp/avow-test-program-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s/notify", dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", a.sun_path, 1), 0);
    return fd;
}

static void assert_heard(int fd, const char *text)
{
    char heard[64] = "";
    ssize_t n = recv(fd, heard, sizeof heard - 1, MSG_DONTWAIT);

    assert_int_equal(n, strlen(text));
    assert_string_equal(heard, text);
}

static void it_is_ready_serves_and_ends(void **state)
{
    struct avow_program p = program();
    struct avow_error err = { 0 };
    char dir[64];
    char name[128];
    char line[16] = "";
    int ready[2];
    int count = 0;
    int systemd = notify_socket(dir, sizeof dir);

    (void)state;
    avow_log_start("test", NULL);
    assert_int_equal(pipe(ready), 0);
    p.ready_fd = ready[1];
    assert_int_equal(avow_program_open(&p, &err), 0);
    assert_int_equal(avow_program_on(&p, SIGUSR2, on_signal, &count, &err), 0);
    assert_int_equal(raise(SIGUSR2), 0); /* it waits for the loop */
    assert_int_equal(avow_program_run(&p, avow_bytes_str("{}\n"), &err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(read(ready[0], line, sizeof line), 3);
    assert_string_equal(line, "{}\n");
    assert_int_equal(read(ready[0], line, sizeof line), 0); /* it is closed */
    assert_heard(systemd, "READY=1");
    assert_heard(systemd, "STOPPING=1");
    avow_program_close(&p);
    assert_null(p.base);
    close(ready[0]);
    close(systemd);
    (void)snprintf(name, sizeof name, "%s/notify", dir);
    (void)unlink(name);
    (void)rmdir(dir);
}

static void nobody_to_tell_is_an_error(void **state)
{
    struct avow_program p = program();
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    p.ready_fd = 1000; /* not open */
    assert_int_equal(avow_program_open(&p, &err), 0);
    assert_int_equal(avow_program_run(&p, avow_bytes_str("{}\n"), &err), -AVOW_E_SYSTEM);
    assert_non_null(strstr(err.text, "--ready-fd 1000"));
    avow_program_close(&p);
}

static void hints_follow_the_system(void **state)
{
    struct avow_error err = { 0 };

    (void)state;
    errno = EACCES;
    AVOW_FAIL_SYS(&err, "x");
    assert_non_null(strstr(avow_program_hint(&err), "owner and mode"));
    avow_error_clear(&err);
    errno = EADDRINUSE;
    AVOW_FAIL_SYS(&err, "x");
    assert_non_null(strstr(avow_program_hint(&err), "another address"));
    avow_error_clear(&err);
    errno = EIO;
    AVOW_FAIL_SYS(&err, "x");
    assert_string_equal(avow_program_hint(&err), avow_err_hint(AVOW_E_SYSTEM));
    avow_error_clear(&err);
    AVOW_FAIL(&err, BUSY, "x");
    assert_string_equal(avow_program_hint(&err), avow_err_hint(AVOW_E_BUSY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_taken),
        cmocka_unit_test(bad_descriptors_are_refused),
        cmocka_unit_test(it_is_ready_serves_and_ends),
        cmocka_unit_test(hints_follow_the_system),
        cmocka_unit_test(nobody_to_tell_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
