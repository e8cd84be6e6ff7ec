#include "../test.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "avow/job.h"
#include "codec/json.h"
#include "sdk/wire.h"

#define CHILD_TIMEOUT_S 20 /* a rank that blocks is killed, and the test fails */
#define DATAGRAMS_MAX 64

/* The library keeps the state of a process: each case is a process of its own. */
struct run {
    int status; /* of waitpid */
    size_t n;
    char *got[DATAGRAMS_MAX];
};

static void drain(int fd, struct run *r)
{
    char text[AVOW_JOB_DATAGRAM_MAX + 1];
    ssize_t len = 0;

    while (r->n < DATAGRAMS_MAX && (len = recv(fd, text, sizeof text - 1, MSG_DONTWAIT)) > 0) {
        text[len] = 0;
        r->got[r->n++] = strdup(text);
    }
}

/* Run @rank as a rank: exit status 0 if it returned 0. The datagrams are read when it has ended. */
static struct run run_rank(int (*rank)(int host))
{
    struct run r = { .status = -1 };
    int fds[2];
    pid_t pid = 0;

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
    fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char number[16];

        alarm(CHILD_TIMEOUT_S);
        snprintf(number, sizeof number, "%d", fds[1]);
        setenv(AVOW_JOB_ENV_FD, number, 1);
        _exit(rank(fds[0]));
    }
    close(fds[1]);
    assert_int_equal(waitpid(pid, &r.status, 0), pid);
    drain(fds[0], &r);
    close(fds[0]);
    return r;
}

static void run_done(struct run *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->got[i]);
}

static json_t *parsed(const struct run *r, size_t i)
{
    json_t *doc = NULL;

    assert_true(i < r->n);
    assert_int_equal(avow_json_parse(avow_bytes_str(r->got[i]), &doc, NULL), 0);
    return doc;
}

static int rank_usual(int host)
{
    const struct avow_job_metric m[] = { { "loss", 0.25 }, { "rate", 1e-300 } };

    (void)host;
    if (!avow_job_active())
        return 1;
    avow_job_sync_begin(7);
    avow_job_sync_end(m, 2);
    avow_job_progress(7, 300);
    return 0;
}

static void test_usual(void **state)
{
    struct run r = run_rank(rank_usual);
    avow_autojson json_t *end = NULL;

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(r.n, 3);
    assert_string_equal(r.got[0], "{\"t\":\"begin\",\"i\":7}");
    end = parsed(&r, 1);
    assert_string_equal(json_string_value(json_object_get(end, "t")), "end");
    assert_int_equal(json_integer_value(json_object_get(end, "i")), 7);
    assert_true(json_integer_value(json_object_get(end, "ns")) >= 0);
    assert_true(json_real_value(json_object_get(json_object_get(end, "m"), "loss")) == 0.25);
    assert_true(json_real_value(json_object_get(json_object_get(end, "m"), "rate")) == 1e-300);
    assert_string_equal(r.got[2], "{\"t\":\"progress\",\"i\":7,\"n\":300}");
    run_done(&r);
}

static int rank_odd_metrics(int host)
{
    struct avow_job_metric m[20] = { { "nan", NAN },
                                     { "inf", -INFINITY },
                                     { "Upper", 1 },
                                     { "quote\"", 1 },
                                     { "", 1 },
                                     { NULL, 1 },
                                     { "a_name_of_32_bytes_is_too_long__", 1 },
                                     { "a_name_of_31_bytes_is_just_fine", 1 },
                                     { "twice", 1 },
                                     { "twice", 2 },
                                     { "whole", 3 } };

    (void)host;
    for (size_t i = 11; i < 20; i++)
        m[i] = (struct avow_job_metric){ "late", (double)i };
    avow_job_sync_end(m, 2); /* none is open: says nothing */
    avow_job_sync_begin(0);
    avow_job_sync_end(m, 20);
    avow_job_sync_begin(1);
    avow_job_sync_end(NULL, 0);
    return 0;
}

static void test_odd_metrics(void **state)
{
    struct run r = run_rank(rank_odd_metrics);
    avow_autojson json_t *end = NULL, *bare = NULL;
    json_t *m = NULL;

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(r.n, 4);
    end = parsed(&r, 1);
    m = json_object_get(end, "m");
    assert_int_equal(json_object_size(m), 4);
    assert_int_equal(json_number_value(json_object_get(m, "a_name_of_31_bytes_is_just_fine")), 1);
    assert_int_equal(json_number_value(json_object_get(m, "twice")), 1);
    assert_int_equal(json_number_value(json_object_get(m, "whole")), 3);
    assert_int_equal(json_number_value(json_object_get(m, "late")), 11);
    bare = parsed(&r, 3);
    assert_null(json_object_get(bare, "m"));
    run_done(&r);
}

/* The host reads nothing until its buffer is full, then reads: the loss is counted and told. */
static int rank_flood(int host)
{
    char text[AVOW_JOB_DATAGRAM_MAX];
    uint64_t sent = 0, seen = 0;

    for (; sent < 100000; sent++)
        avow_job_progress(sent, 0);
    while (recv(host, text, sizeof text, MSG_DONTWAIT) > 0)
        seen++;
    if (seen == 0 || seen >= sent)
        return 1;
    avow_job_progress(sent - seen, 1); /* what was lost, for the test to compare */
    return 0;
}

static void test_flood(void **state)
{
    struct run r = run_rank(rank_flood);
    avow_autojson json_t *lost = NULL, *last = NULL;

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(r.n, 2);
    lost = parsed(&r, 0);
    last = parsed(&r, 1);
    assert_string_equal(json_string_value(json_object_get(lost, "t")), "dropped");
    assert_int_equal(json_integer_value(json_object_get(lost, "n")),
                     json_integer_value(json_object_get(last, "i")));
    run_done(&r);
}

static int rank_host_gone(int host)
{
    shutdown(host, SHUT_RDWR);
    avow_job_sync_begin(1);
    avow_job_sync_end(NULL, 0);
    errno = 4711;
    avow_job_progress(1, 2);
    return errno == 4711 ? 0 : 1;
}

static void test_host_gone(void **state)
{
    struct run r = run_rank(rank_host_gone);

    (void)state;
    assert_int_equal(r.status, 0); /* no SIGPIPE either, and errno is left alone */
    assert_int_equal(r.n, 0);
    run_done(&r);
}

static int rank_without(int host)
{
    (void)host;
    unsetenv(AVOW_JOB_ENV_FD);
    unsetenv(AVOW_JOB_ENV_NODE);
    unsetenv(AVOW_JOB_ENV_INPUT);
    unsetenv(AVOW_JOB_ENV_OUTPUT);
    avow_job_sync_begin(1);
    avow_job_sync_end(NULL, 0);
    avow_job_progress(1, 2);
    if (avow_job_active() || strcmp(avow_job_node(), "local") != 0 ||
        strcmp(avow_job_input(), ".") != 0 || strcmp(avow_job_output(), ".") != 0)
        return 1;
    setenv(AVOW_JOB_ENV_NODE, "hospital-a", 1);
    setenv(AVOW_JOB_ENV_INPUT, "/in", 1);
    setenv(AVOW_JOB_ENV_OUTPUT, "/out", 1);
    return strcmp(avow_job_node(), "hospital-a") != 0 || strcmp(avow_job_input(), "/in") != 0 ||
           strcmp(avow_job_output(), "/out") != 0;
}

static void test_without_avow(void **state)
{
    struct run r = run_rank(rank_without);

    (void)state;
    assert_int_equal(r.status, 0);
    assert_int_equal(r.n, 0);
    run_done(&r);
}

/* A number that is not the launch host's socket must never be written to. */
static int rank_wrong_fd(const char *value)
{
    setenv(AVOW_JOB_ENV_FD, value, 1);
    avow_job_progress(1, 2);
    return avow_job_active();
}

static int rank_file(int host)
{
    char number[16];
    FILE *f = tmpfile();

    (void)host;
    if (!f)
        return 1;
    snprintf(number, sizeof number, "%d", fileno(f));
    return rank_wrong_fd(number) || fseek(f, 0, SEEK_END) != 0 || ftell(f) != 0;
}

static int rank_stream(int host)
{
    char number[16];
    struct pollfd p = { .events = POLLIN };
    int fds[2];

    (void)host;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return 1;
    snprintf(number, sizeof number, "%d", fds[1]);
    p.fd = fds[0];
    return rank_wrong_fd(number) || poll(&p, 1, 0) != 0;
}

static int rank_text(int host)
{
    (void)host;
    return rank_wrong_fd("3x");
}

static int rank_huge(int host)
{
    (void)host;
    return rank_wrong_fd("99999999999999999999");
}

static int rank_negative(int host)
{
    (void)host;
    return rank_wrong_fd("-1");
}

static void test_wrong_descriptors(void **state)
{
    int (*const ranks[])(int) = { rank_file, rank_stream, rank_text, rank_huge, rank_negative };

    (void)state;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        struct run r = run_rank(ranks[i]);

        assert_int_equal(r.status, 0);
        run_done(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_usual),        cmocka_unit_test(test_odd_metrics),
        cmocka_unit_test(test_flood),        cmocka_unit_test(test_host_gone),
        cmocka_unit_test(test_without_avow), cmocka_unit_test(test_wrong_descriptors),
    };

    return cmocka_run_group_tests_name("sdk/job", tests, NULL, NULL);
}
