#include "../test.h"

#include "cli/progress.h"

static void event(struct avow_progress *p, const char *node, const char *type, json_t *take)
{
    avow_progress_event(p, node, type, take);
    json_decref(take);
}

static void test_line(void **state)
{
    struct avow_cli cli = { .quiet = true };
    struct avow_progress p;
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1024);

    (void)state;
    avow_progress_init(&p, &cli);
    p.began_ms = 1000;
    event(&p, "a", "state", json_pack("{s:s}", "state", "RUNNING"));
    event(&p, "b", "state", json_pack("{s:s}", "state", "SYNCING"));
    event(&p, "a", "progress",
          json_pack("{s:i, s:i, s:{s:f}, s:i}", "iteration", 50, "total", 200, "metrics", "loss",
                    0.125, "sync_ns", 410000));
    event(&p, "b", "progress", json_pack("{s:i, s:i}", "iteration", 1, "total", 200));
    avow_progress_line(&p, 200, 3500, &out);
    assert_string_equal(avow_buf_cstr(&out),
                        "SYNCING   50/200 [=======>                      ]  25%  loss 0.125  sync "
                        "0.41 ms  2.5 s  a:RUNNING  b:SYNCING");
    avow_buf_reset(&out);
    avow_progress_line(&p, 40, 3500, &out);
    assert_int_equal(out.len, 39);
    event(&p, "b", "state", json_pack("{s:s}", "state", "FAILED"));
    avow_buf_reset(&out);
    avow_progress_line(&p, 200, 3500, &out);
    assert_int_equal(strncmp(avow_buf_cstr(&out), "FAILED ", 7), 0);
    avow_progress_done(&p);
}

/* Whatever a node sends, it is data: wrong types and missing members do no harm. */
static void test_odd_events(void **state)
{
    static const char *const types[] = { "retry",  "state", "progress", "output",    "rank",
                                         "upload", "note",  "lost",     "unheard-of" };
    static const char *const docs[] = {
        "{}", "{\"state\":7,\"text\":[],\"rank\":\"x\"}",
        "{\"total\":-1,\"iteration\":5,\"metrics\":{\"x\":\"y\"}}"
    };
    struct avow_cli cli = { .quiet = true, .json = true };
    struct avow_progress p;
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1024);

    (void)state;
    avow_progress_init(&p, &cli);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        for (size_t k = 0; k < sizeof docs / sizeof docs[0]; k++)
            event(&p, "n", types[i], json_loads(docs[k], 0, NULL));
    avow_progress_line(&p, 80, 0, &out);
    assert_true(out.len > 0);
    avow_progress_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_odd_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
