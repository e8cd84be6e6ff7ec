/* The program as people call it. Its path is in AVOW_SIM. */
#include "folders.h"

#include <sys/wait.h>

#define ARGS_MAX 16
#define TIMEOUT_S 60

static char dir[TEST_PATH], vendor[TEST_PATH + 8];

/* Run with these arguments (the last one NULL); its output to @out. Returns the exit code. */
static int run(struct avow_buf *out, ...)
{
    const char *argv[ARGS_MAX] = { getenv("AVOW_SIM") };
    char chunk[512];
    va_list ap;
    int fds[2], status = 0;
    pid_t pid = 0;
    ssize_t n = 0;

    va_start(ap, out);
    for (size_t i = 1; i + 1 < ARGS_MAX && (argv[i] = va_arg(ap, const char *)) != NULL; i++)
        continue;
    va_end(ap);
    assert_non_null(argv[0]);
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(TIMEOUT_S);
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    while ((n = read(fds[0], chunk, sizeof chunk)) > 0)
        avow_buf_put(out, chunk, (size_t)n);
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Expect an exit code and words in the output. */
#define EXPECT(code, words, ...)                                                              \
    do {                                                                                      \
        struct avow_buf expect_out_ = AVOW_BUF(65536);                                        \
        int expect_rc_ = run(&expect_out_, __VA_ARGS__, NULL);                                \
        if (expect_rc_ != (code) || !strstr(avow_buf_cstr(&expect_out_), (words)))            \
            fail_msg("exit %d (expected %d), output without \"%s\":\n%s", expect_rc_, (code), \
                     (words), avow_buf_cstr(&expect_out_));                                   \
        avow_buf_done(&expect_out_);                                                          \
    } while (0)

static int set_up(void **state)
{
    (void)state;
    test_folder(dir);
    snprintf(vendor, sizeof vendor, "%s/vendor", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_remove(dir);
    return 0;
}

static void test_whole_way(void **state)
{
    char machine[TEST_PATH + 8], other[TEST_PATH + 8];
    struct sim_device d;
    struct avow_source *s = NULL;
    int fd = -1;

    (void)state;
    snprintf(machine, sizeof machine, "%s/a", dir);
    snprintf(other, sizeof other, "%s/b", dir);
    EXPECT(0, "SIMULATED", "vendor", vendor);
    EXPECT(1, "already", "vendor", vendor);
    EXPECT(0, "-----BEGIN CERTIFICATE-----", "roots", vendor);
    EXPECT(1, "does not exist", "roots", dir);
    EXPECT(0, "SIMULATED", "vm", "--vendor", vendor, "--tee", "snp", machine);
    EXPECT(1, "already", "vm", "--vendor", vendor, "--tee", "snp", machine);
    EXPECT(1, "not the folder of a simulated vendor", "vm", "--vendor", dir, "--tee", "snp", other);
    EXPECT(0, "SIMULATED", "vm", "--vendor", vendor, "--tee", "tdx", "--image", "x", "--debug",
           "--old-tcb", "--expired", other);
    assert_int_equal(avow_source_open(AVOW_SOURCE_SIM_SNP, machine, &s, NULL), 0);
    avow_source_free(s);
    fd = test_open(other);
    assert_int_equal(sim_device_read(fd, &d, NULL), 0);
    assert_true(d.debug && d.old_tcb);
    assert_string_equal(d.image, "x");
    close(fd);
}

static void test_measurement(void **state)
{
    (void)state;
    EXPECT(0, "1887b7127e685ebc", "measurement");
    EXPECT(0, "1887b7127e685ebc", "measurement", "--image", "avow-node-1");
    EXPECT(0, "1887b7127e685ebc", "measurement", "--image=avow-node-1");
    EXPECT(1, "image", "measurement", "--image", "");
}

static void test_usage(void **state)
{
    (void)state;
    EXPECT(0, "examples:", "--help");
    EXPECT(0, "avow-sim ", "--version");
    EXPECT(2, "--help", "nonsense");
    EXPECT(2, "--help", "vendor");
    EXPECT(2, "--help", "vendor", "a", "b");
    EXPECT(2, "--help", "vm", "--tee", "snp", "a");
    EXPECT(2, "sgx", "vm", "--vendor", "v", "--tee", "sgx", "a");
    EXPECT(2, "--help", "vm", "--vendor", "v", "--tee", "snp");
    EXPECT(2, "--help", "vm", "--vendor", "v", "--tee", "snp", "--surprise", "a");
    EXPECT(2, "--help", "measurement", "surprise");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_way),
        cmocka_unit_test(test_measurement),
        cmocka_unit_test(test_usage),
    };

    return cmocka_run_group_tests_name("source/avow_sim", tests, set_up, tear_down);
}
