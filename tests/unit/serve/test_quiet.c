#include "../test.h"

#include <event2/event.h>
#include <sys/mman.h>
#include <unistd.h>

#include "serve/quiet.h"

#define FLOOD 1000

static struct event_base *base;
static char said[64 << 10];
static int said_fd = -1, stderr_fd = -1;

/* What goes to stderr from here on is kept. */
static void listen_to_stderr(void)
{
    stderr_fd = dup(STDERR_FILENO);
    said_fd = memfd_create("said", MFD_CLOEXEC);
    assert_true(stderr_fd >= 0 && said_fd >= 0);
    assert_int_equal(dup2(said_fd, STDERR_FILENO), STDERR_FILENO);
}

static size_t lines_of(const char *text)
{
    size_t n = 0;

    for (const char *at = said; (at = strstr(at, text)); at++)
        n++;
    return n;
}

static void give_stderr_back(void)
{
    ssize_t n = 0;

    assert_int_equal(dup2(stderr_fd, STDERR_FILENO), STDERR_FILENO);
    close(stderr_fd);
    n = pread(said_fd, said, sizeof said - 1, 0);
    close(said_fd);
    assert_true(n >= 0);
    said[n] = '\0';
}

static void a_flood_becomes_a_count(void **state)
{
    struct avow_quiet q;
    char count[64];
    size_t lines = 0;

    (void)state;
    listen_to_stderr();
    avow_quiet_init(&q, base, AVOW_LOG_INFO, "stranger");
    for (int i = 0; i < FLOOD; i++)
        avow_quiet_log(&q, "number=%d", i);
    /* the loop ends with the timer that tells the count, there being no other event */
    event_base_dispatch(base);
    avow_quiet_done(&q);
    give_stderr_back();
    lines = lines_of("event=stranger number=");
    /* one bucket, and what a slow machine's clock adds to it meanwhile */
    assert_in_range(lines, AVOW_QUIET_LINES, FLOOD - 1);
    snprintf(count, sizeof count, "event=stranger left-out=%zu ", FLOOD - lines);
    assert_int_equal(lines_of(count), 1);
    assert_int_equal(lines_of("left-out"), 1);
    assert_non_null(strstr(said, "number=0\n"));
}

static void nothing_is_said_of_nothing(void **state)
{
    struct avow_quiet q;

    (void)state;
    listen_to_stderr();
    avow_quiet_init(&q, base, AVOW_LOG_INFO, "stranger");
    avow_quiet_log(&q, "text=\"%s\"", "100%s");
    event_base_loop(base, EVLOOP_NONBLOCK);
    avow_quiet_done(&q);
    give_stderr_back();
    assert_int_equal(lines_of("event="), 1);
    assert_non_null(strstr(said, "text=\"100%s\"\n"));
}

static void what_was_not_told_is_told_at_the_end(void **state)
{
    struct avow_quiet q;
    struct avow_quiet none = { 0 };

    (void)state;
    listen_to_stderr();
    avow_quiet_init(&q, base, AVOW_LOG_INFO, "stranger");
    for (int i = 0; i < FLOOD; i++)
        avow_quiet_log(&q, "number=%d", i);
    avow_quiet_done(&q);
    avow_quiet_done(&none);
    give_stderr_back();
    assert_int_equal(lines_of("left-out"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_becomes_a_count),
        cmocka_unit_test(nothing_is_said_of_nothing),
        cmocka_unit_test(what_was_not_told_is_told_at_the_end),
    };
    int rc = 0;

    base = event_base_new();
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    event_base_free(base);
    return rc;
}
