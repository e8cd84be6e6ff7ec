#include "../test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "launch/spawn.h"

static struct avow_launch_node node = { .name = (char[]){ "n0" }, .ranks = 1 };

static struct avow_launch_config config(char **argv)
{
    static char *env[] = { NULL };
    static char workdir[] = "/", input[] = "/input", preload[] = "";
    struct avow_launch_config c = { .job = "0f3c2f4e-1111-4222-8333-444455556666",
                                    .n_nodes = 1,
                                    .nodes = &node,
                                    .n_ranks = 1,
                                    .program = argv[0],
                                    .argv = argv,
                                    .env = env,
                                    .workdir = workdir,
                                    .input = input,
                                    .preload = preload,
                                    .net_text = "10.89.0.0/16" };

    c.vaddr.s_addr = htonl(0x0a590001);
    return c;
}

/* Run to its end; what it wrote to stdout is in @out. */
static int run(char **argv, char *out, size_t max, int *exec_errno)
{
    struct avow_launch_config c = config(argv);
    avow_auto(avow_environ_done) struct avow_environ env = { 0 };
    struct avow_spawned s;
    int fabric[2], status = 0;
    size_t n = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fabric), 0);
    assert_int_equal(avow_environ_base(&c, &env), 0);
    assert_int_equal(avow_spawn(&c, 0, fabric[1], &env, &s, NULL), 0);
    *exec_errno = s.exec_errno;
    for (;;) {
        struct pollfd p = { .fd = s.out[0], .events = POLLIN };
        ssize_t k = 0;

        assert_int_equal(poll(&p, 1, 10000), 1);
        k = read(s.out[0], out + n, max - 1 - n);
        if (k <= 0)
            break;
        n += (size_t)k;
    }
    out[n] = '\0';
    assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
    for (int i = 0; i < 2; i++)
        close(s.out[i]);
    close(s.pmi);
    close(s.job);
    /* the rank held the only other end */
    assert_int_equal(recv(fabric[0], &n, sizeof n, MSG_DONTWAIT), 0);
    close(fabric[0]);
    return status;
}

static void test_run(void **state)
{
    char sh[] = "/bin/sh", minus_c[] = "-c",
         script[] = "echo $PMI_RANK $AVOW_NODE; pwd; read x || echo no input; "
                    /* by the shell alone: a pipeline's ends would be seen now and then */
                    "i=0 n=0; while [ $i -lt 64 ]; do [ -h /proc/$$/fd/$i ] && n=$((n + 1)); "
                    "i=$((i + 1)); done; echo $n; kill -0 -$$ && echo leader; exit 3";
    char *argv[] = { sh, minus_c, script, NULL };
    char out[1024];
    int exec_errno = 0, status = run(argv, out, sizeof out, &exec_errno);

    (void)state;
    assert_int_equal(exec_errno, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 3);
    /* stdin, stdout, stderr, PMI, job, fabric */
    assert_string_equal(out, "0 n0\n/\nno input\n6\nleader\n");
}

static void test_not_a_program(void **state)
{
    char path[] = "/nonexistent/program";
    char *argv[] = { path, NULL };
    char out[64];
    int exec_errno = 0, status = run(argv, out, sizeof out, &exec_errno);

    (void)state;
    assert_int_equal(exec_errno, 2);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 127);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_run),
                                        cmocka_unit_test(test_not_a_program) };

    close_range(3, ~0u, 0); /* whatever the caller left open */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
