#include "daemon/shell_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "../test.h"

struct world {
    struct event_base *base;
    struct avow_shell *shell;
    char log[64];
    char how[64]; /* it ended; "" before */
    bool broken;
};

static void on_frame(void *ctx, uint8_t type, struct avow_bytes payload)
{
    struct world *w = ctx;

    assert_int_equal(type, AVOW_SHELL_LOG);
    snprintf(w->log, sizeof w->log, "%.*s", (int)payload.len, (const char *)payload.data);
}

static void on_broken(void *ctx, const char *text)
{
    struct world *w = ctx;

    (void)text;
    w->broken = true;
}

static void on_ended(void *ctx, const char *how)
{
    struct world *w = ctx;

    snprintf(w->how, sizeof w->how, "%s", how);
    avow_shell_free(w->shell);
    w->shell = NULL;
    event_base_loopbreak(w->base);
}

static int start(struct world *w, const char *path, const char *mode, const int *fds, size_t n,
                 struct avow_error *err)
{
    char config[64];
    struct avow_shell_start how = {
        .path = path,
        .fds = fds,
        .n_fds = n,
        .frame = on_frame,
        .broken = on_broken,
        .ended = on_ended,
        .ctx = w,
    };

    *w = (struct world){ .base = event_base_new() };
    snprintf(config, sizeof config, "{\"args\":[\"%s\"]}", mode);
    how.base = w->base;
    how.config = avow_bytes_str(config);
    return avow_shell_start(&how, &w->shell, err);
}

static void run_until_end(struct world *w)
{
    const struct timeval limit = { .tv_sec = 20 };

    event_base_loopexit(w->base, &limit);
    event_base_dispatch(w->base);
    assert_int_not_equal(w->how[0], 0);
    event_base_free(w->base);
}

/* More descriptors than the kernel passes at once. */
static void passes_all_descriptors(void **state)
{
    enum { N = 600 };
    struct rlimit old;
    struct rlimit more = { 4096, 4096 };
    int fds[N];
    struct world w;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    more.rlim_max = old.rlim_max;
    if (old.rlim_max < more.rlim_cur)
        skip();
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &more), 0);
    for (int i = 0; i < N; i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (start(&w, FAKE_SHELL, "count", fds, N, &err) < 0)
        fail_msg("%s", err.text);
    run_until_end(&w);
    assert_string_equal(w.log, "600");
    assert_string_equal(w.how, "exited with status 0");
    assert_false(w.broken);
    for (int i = 0; i < N; i++)
        close(fds[i]);
    setrlimit(RLIMIT_NOFILE, &old);
}

static void a_program_that_is_not_there(void **state)
{
    struct world w;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(start(&w, "/nowhere/avow-shell", "ok", NULL, 0, &err), -AVOW_E_SYSTEM);
    assert_non_null(strstr(err.text, "/nowhere/avow-shell"));
    event_base_free(w.base);
}

static void killed_when_told(void **state)
{
    struct world w;

    (void)state;
    assert_int_equal(start(&w, FAKE_SHELL, "deaf", NULL, 0, NULL), 0);
    avow_shell_kill(w.shell);
    run_until_end(&w);
    assert_string_equal(w.how, "was killed by signal 9");
}

static void what_it_leaves_behind_goes_too(void **state)
{
    struct world w;
    pid_t child = 0;
    bool alive = true;

    (void)state;
    assert_int_equal(start(&w, FAKE_SHELL, "leave-child", NULL, 0, NULL), 0);
    run_until_end(&w);
    assert_string_equal(w.how, "exited with status 3");
    child = (pid_t)strtol(w.log, NULL, 10);
    assert_true(child > 1);
    for (int i = 0; i < 500 && alive; i++) {
        const struct timespec tick = { .tv_nsec = 10000000 };
        char path[64];
        char text[256] = "";
        FILE *f = NULL;

        /* nobody may have reaped it yet in this container: a zombie is as good as gone */
        snprintf(path, sizeof path, "/proc/%d/stat", (int)child);
        f = fopen(path, "r");
        alive = f && fgets(text, sizeof text, f) && !strstr(text, ") Z ");
        if (f)
            fclose(f);
        if (alive)
            nanosleep(&tick, NULL);
    }
    assert_false(alive);
}

static void the_queue_is_bounded(void **state)
{
    static uint8_t blob[1 << 20];
    struct world w;
    unsigned taken = 0;

    (void)state;
    assert_int_equal(start(&w, FAKE_SHELL, "deaf", NULL, 0, NULL), 0);
    assert_int_equal(avow_shell_send(w.shell, AVOW_SHELL_PEER_IN,
                                     AVOW_BYTES(blob, AVOW_SHELL_FRAME_MAX), AVOW_BYTES(NULL, 0)),
                     -AVOW_E_LIMIT);
    while (taken < 100 && avow_shell_send(w.shell, AVOW_SHELL_PEER_IN, AVOW_BYTES_OF(blob),
                                          AVOW_BYTES(NULL, 0)) == 0)
        taken++;
    assert_in_range(taken, 60, 65);
    avow_shell_free(w.shell); /* kills and reaps, without a call */
    assert_string_equal(w.how, "");
    event_base_free(w.base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_all_descriptors), cmocka_unit_test(a_program_that_is_not_there),
        cmocka_unit_test(killed_when_told),       cmocka_unit_test(what_it_leaves_behind_goes_too),
        cmocka_unit_test(the_queue_is_bounded),
    };

    signal(SIGPIPE, SIG_IGN); /* as avowd does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
