#include "obs/metrics.h"

#include "../test.h"

static void the_text(void **state)
{
    struct avow_metrics *m = avow_metrics_new();
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1 << 20);

    (void)state;
    avow_metrics_count(m, "jobs", "Jobs by final state.", "state=COMPLETED", 1);
    avow_metrics_set(m, "jobs_active", "Jobs not ended.", NULL, 2);
    avow_metrics_count(m, "jobs", "Jobs by final state.", "state=FA\"I\\L\nED", 2);
    avow_metrics_count(m, "jobs", "Jobs by final state.", "state=COMPLETED", 1);
    avow_metrics_observe(m, "sync", "Sync points.", NULL, 0.002);
    avow_metrics_observe(m, "sync", "Sync points.", NULL, 0.0001);
    avow_metrics_observe(m, "sync", "Sync points.", NULL, 1000);
    assert_int_equal(avow_metrics_text(m, &out), 0);
    assert_string_equal(avow_buf_cstr(&out),
                        "# TYPE avow_jobs counter\n"
                        "# HELP avow_jobs Jobs by final state.\n"
                        "avow_jobs_total{state=\"COMPLETED\"} 2\n"
                        "avow_jobs_total{state=\"FA\\\"I\\\\L\\nED\"} 2\n"
                        "# TYPE avow_jobs_active gauge\n"
                        "# HELP avow_jobs_active Jobs not ended.\n"
                        "avow_jobs_active 2\n"
                        "# TYPE avow_sync_seconds histogram\n"
                        "# UNIT avow_sync_seconds seconds\n"
                        "# HELP avow_sync_seconds Sync points.\n"
                        "avow_sync_seconds_bucket{le=\"0.0001\"} 1\n"
                        "avow_sync_seconds_bucket{le=\"0.0003\"} 1\n"
                        "avow_sync_seconds_bucket{le=\"0.001\"} 1\n"
                        "avow_sync_seconds_bucket{le=\"0.003\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"0.01\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"0.03\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"0.1\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"0.3\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"1.0\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"3.0\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"10.0\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"30.0\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"100.0\"} 2\n"
                        "avow_sync_seconds_bucket{le=\"+Inf\"} 3\n"
                        "avow_sync_seconds_count 3\n"
                        "avow_sync_seconds_sum 1000.0021\n"
                        "# TYPE avow_metrics_dropped counter\n"
                        "# HELP avow_metrics_dropped Updates of series that were not kept.\n"
                        "avow_metrics_dropped_total 0\n"
                        "# EOF\n");
    avow_metrics_free(m);
}

static void bounded(void **state)
{
    struct avow_metrics *m = avow_metrics_new();
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1 << 20);

    (void)state;
    for (int i = 0; i < 600; i++) {
        char label[32];

        snprintf(label, sizeof label, "i=%d", i);
        avow_metrics_count(m, "c", "h", label, 1);
    }
    avow_metrics_set(m, "c", "h", NULL, 1); /* another kind under the same name */
    assert_int_equal(avow_metrics_text(m, &out), 0);
    assert_non_null(strstr(avow_buf_cstr(&out), "i=\"511\""));
    assert_null(strstr(avow_buf_cstr(&out), "i=\"512\""));
    assert_non_null(strstr(avow_buf_cstr(&out), "avow_metrics_dropped_total 89\n# EOF\n"));
    avow_metrics_free(m);
}

static void labelled_histogram(void **state)
{
    struct avow_metrics *m = avow_metrics_new();
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1 << 20);

    (void)state;
    avow_metrics_observe(m, "d", "h", "state=X", 0.5);
    avow_metrics_observe(m, "d", "h", "state=X", -1);
    assert_int_equal(avow_metrics_text(m, &out), 0);
    assert_non_null(strstr(avow_buf_cstr(&out), "_bucket{state=\"X\",le=\"+Inf\"} 1\n"));
    assert_non_null(strstr(avow_buf_cstr(&out), "avow_d_seconds_sum{state=\"X\"} 0.5\n"));
    avow_metrics_free(m);
}

/* What others count is taken over as it is, again and again. */
static void taken_over(void **state)
{
    struct avow_metrics *m = avow_metrics_new();
    struct avow_histogram h = { 0 };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1 << 20);

    (void)state;
    avow_histogram_add(&h, 0.02);
    avow_histogram_add(&h, 1000);
    avow_histogram_add(&h, -1);
    avow_metrics_histogram(m, "d", "h", NULL, &h);
    avow_metrics_histogram(m, "d", "h", NULL, &h);
    avow_metrics_total(m, "c", "h", "code=X", 7);
    avow_metrics_total(m, "c", "h", "code=X", 9);
    assert_int_equal(avow_metrics_text(m, &out), 0);
    assert_non_null(strstr(avow_buf_cstr(&out), "avow_c_total{code=\"X\"} 9\n"));
    assert_non_null(strstr(avow_buf_cstr(&out), "avow_d_seconds_bucket{le=\"0.01\"} 0\n"));
    assert_non_null(strstr(avow_buf_cstr(&out), "avow_d_seconds_bucket{le=\"0.03\"} 1\n"));
    assert_non_null(strstr(avow_buf_cstr(&out), "avow_d_seconds_bucket{le=\"+Inf\"} 2\n"));
    assert_non_null(strstr(avow_buf_cstr(&out), "avow_d_seconds_sum 1000.02\n"));
    avow_metrics_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text),
        cmocka_unit_test(bounded),
        cmocka_unit_test(labelled_histogram),
        cmocka_unit_test(taken_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
