#include "job/machine.h"

#include "../test.h"

#define ALL_STATES(s)                                                 \
    for (enum avow_job_state s = AVOW_JOB_NONE; s <= AVOW_JOB_FAILED; \
         s = (enum avow_job_state)(s + 1))
#define ALL_EVENTS(e)                                                          \
    for (enum avow_job_event_type e = AVOW_JOB_CREATED; e <= AVOW_JOB_DELETED; \
         e = (enum avow_job_event_type)(e + 1))

static int run(const enum avow_job_event_type *events, size_t n, enum avow_job_state *s)
{
    *s = AVOW_JOB_NONE;
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(avow_job_next(*s, events[i], s));
    return 0;
}

static void the_usual_life(void **state)
{
    static const enum avow_job_event_type good[] = {
        AVOW_JOB_CREATED,  AVOW_JOB_STARTED, AVOW_JOB_GO,   AVOW_JOB_SYNC_BEGIN,
        AVOW_JOB_SYNC_END, AVOW_JOB_RANK,    AVOW_JOB_DONE, AVOW_JOB_DELETED,
    };
    enum avow_job_state s;

    (void)state;
    assert_int_equal(run(good, sizeof good / sizeof good[0], &s), 0);
    assert_int_equal(s, AVOW_JOB_COMPLETED);
}

static void what_is_not_in_the_table_is_refused(void **state)
{
    size_t n = 0;
    size_t rows = 0;
    const struct avow_job_transition *t = avow_job_transitions(&n);

    (void)state;
    ALL_STATES(s)
    {
        ALL_EVENTS(e)
        {
            enum avow_job_state next = AVOW_JOB_SYNCING;
            bool listed = false;

            for (size_t i = 0; i < n; i++)
                listed |= t[i].from == s && t[i].event == e;
            rows += listed;
            assert_int_equal(avow_job_next(s, e, &next), listed ? 0 : -AVOW_E_STATE);
            if (!listed)
                assert_int_equal(next, AVOW_JOB_SYNCING);
        }
    }
    assert_int_equal(rows, n); /* no pair is listed twice */
}

static void an_end_is_an_end_and_every_life_can_fail(void **state)
{
    (void)state;
    ALL_STATES(s)
    {
        enum avow_job_state next = s;

        ALL_EVENTS(e)
        {
            if (avow_job_ended(s) && avow_job_next(s, e, &next) == 0)
                assert_int_equal(next, s);
        }
        if (s != AVOW_JOB_NONE && !avow_job_ended(s)) {
            assert_int_equal(avow_job_next(s, AVOW_JOB_FAIL, &next), 0);
            assert_int_equal(next, AVOW_JOB_FAILED);
        }
    }
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(avow_job_state_name(AVOW_JOB_STARTING), "PENDING");
    assert_string_equal(avow_job_state_name(AVOW_JOB_SYNCING), "SYNCING");
    ALL_EVENTS(e)
    {
        assert_int_equal(avow_job_event_from_name(avow_job_event_name(e)), e);
    }
    assert_int_equal(avow_job_event_from_name("Done"), -1);
}

/* docs/job-states.md has exactly the rows of the table, in its order. */
static void the_document_is_true(void **state)
{
    const char *root = getenv("AVOW_SOURCE");
    char path[4096];
    size_t len = 0;
    size_t n = 0;
    const struct avow_job_transition *t = avow_job_transitions(&n);
    avow_autofree char *text = NULL;
    const char *at = NULL;

    (void)state;
    assert_non_null(root);
    snprintf(path, sizeof path, "%s/docs/job-states.md", root);
    text = (char *)test_read_file(path, &len);
    assert_non_null(text);
    at = strstr(text, "| from | event | to |");
    assert_non_null(at);
    for (size_t i = 0; i < n; i++) {
        static const char *const full[] = { "(none)",  "PENDING",   "STARTING", "RUNNING",
                                            "SYNCING", "COMPLETED", "FAILED" };
        char row[128];

        snprintf(row, sizeof row, "\n| %s | %s | %s |", full[t[i].from],
                 avow_job_event_name(t[i].event), full[t[i].to]);
        at = strstr(at, row);
        if (!at)
            fail_msg("docs/job-states.md lacks, at its place: %s", row);
        at++;
    }
    assert_null(strstr(at, "\n| PENDING |"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_usual_life),
        cmocka_unit_test(what_is_not_in_the_table_is_refused),
        cmocka_unit_test(an_end_is_an_end_and_every_life_can_fail),
        cmocka_unit_test(names),
        cmocka_unit_test(the_document_is_true),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
