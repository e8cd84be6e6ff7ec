#include "job/record.h"

#include "../test.h"

#define UUID "0f8fad5b-d9cb-469f-a165-70867728950e"
#define OWNER "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define CREATED                                                                    \
    "{\"name\":\"h\",\"formation\":\"" UUID "\",\"node\":\"a\",\"owner\":\"" OWNER \
    "\",\"simulated\":true,\"first_rank\":2,\"ranks\":2,\"verdicts\":{\"a\":{}}}"

static int apply(struct avow_job_record *r, enum avow_job_event_type type, uint64_t seq,
                 const char *text, struct avow_error *err)
{
    avow_autojson json_t *data = json_loads(text, JSON_DECODE_ANY, NULL);
    struct avow_job_event e = {
        .job = UUID, .type = type, .seq = seq, .t = (int64_t)seq * 10, .data = data
    };

    assert_non_null(data);
    return avow_job_record_apply(r, &e, err);
}

static void a_life_in_events(void **state)
{
    avow_auto(avow_job_record_done) struct avow_job_record r = { 0 };
    avow_autojson json_t *v = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(apply(&r, AVOW_JOB_CREATED, 1, CREATED, &err), 0);
    assert_int_equal(apply(&r, AVOW_JOB_STARTED, 2, "{}", &err), 0);
    assert_int_equal(r.started, 0);
    assert_int_equal(apply(&r, AVOW_JOB_GO, 3, "{}", &err), 0);
    assert_int_equal(r.started, 30);
    assert_int_equal(r.ranks[1].state, AVOW_RANK_RUNNING);
    assert_int_equal(apply(&r, AVOW_JOB_PROGRESS, 7,
                           "{\"iteration\":5,\"total\":9,\"metrics\":{\"loss\":0.5}}", &err),
                     0);
    assert_int_equal(apply(&r, AVOW_JOB_RANK, 8, "{\"rank\":3,\"exit\":7}", &err), 0);
    assert_int_equal(apply(&r, AVOW_JOB_FAIL, 9,
                           "{\"reason\":{\"code\":\"rank\",\"message\":\"rank 3 exited 7\","
                           "\"node\":\"a\",\"rank\":3},\"sync\":{\"count\":1}}",
                           &err),
                     0);
    assert_int_equal(r.state, AVOW_JOB_FAILED);
    assert_int_equal(apply(&r, AVOW_JOB_RESULTS, 10,
                           "{\"files\":[{\"name\":\"m\",\"size\":1,\"sha256\":\"" OWNER "\"}]}",
                           &err),
                     0);
    assert_int_equal(apply(&r, AVOW_JOB_DELETED, 11, "{}", &err), 0);
    v = avow_job_record_json(&r);
    assert_string_equal(json_string_value(json_object_get(v, "state")), "FAILED");
    assert_int_equal(json_integer_value(json_object_get(v, "iteration")), 5);
    assert_int_equal(json_integer_value(json_object_get(v, "ended")), 90);
    assert_string_equal(json_string_value(json_object_get(json_object_get(v, "reason"), "code")),
                        "rank");
    assert_int_equal(json_array_size(json_object_get(v, "ranks")), 2);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(v, "ranks"), 1), "state")),
        "exited");
    assert_true(json_is_true(json_object_get(v, "simulated")));
    assert_int_equal(json_array_size(r.files), 1);
}

static void a_refused_event_changes_nothing(void **state)
{
    static const struct {
        enum avow_job_event_type type;
        uint64_t seq;
        const char *data;
        int code;
    } rows[] = {
        { AVOW_JOB_CREATED, 9, CREATED, AVOW_E_STATE },
        { AVOW_JOB_DONE, 9, "{\"files\":[]}", AVOW_E_STATE },
        { AVOW_JOB_NOTE, 3, "{}", AVOW_E_STATE },
        { AVOW_JOB_NOTE, 2, "{}", AVOW_E_STATE },
        { AVOW_JOB_NOTE, 9, "[]", AVOW_E_FORMAT },
        { AVOW_JOB_PROGRESS, 9, "{\"iteration\":\"x\"}", AVOW_E_FORMAT },
        { AVOW_JOB_PROGRESS, 9, "{\"iteration\":-1}", AVOW_E_LIMIT },
        { AVOW_JOB_PROGRESS, 9, "{\"iteration\":7,\"metrics\":3}", AVOW_E_FORMAT },
        { AVOW_JOB_RANK, 9, "{\"rank\":1,\"exit\":0}", AVOW_E_LIMIT },
        { AVOW_JOB_RANK, 9, "{\"rank\":4,\"exit\":0}", AVOW_E_LIMIT },
        { AVOW_JOB_RANK, 9, "{\"rank\":2,\"exit\":256}", AVOW_E_LIMIT },
        { AVOW_JOB_FAIL, 9, "{}", AVOW_E_FORMAT },
        { AVOW_JOB_FAIL, 9, "{\"reason\":{\"code\":\"nonsense\",\"message\":\"\"}}",
          AVOW_E_FORMAT },
        { AVOW_JOB_FAIL, 9, "{\"reason\":{\"code\":\"rank\",\"message\":\"\",\"node\":\"../x\"}}",
          AVOW_E_FORMAT },
        { (enum avow_job_event_type)77, 9, "{}", AVOW_E_STATE },
    };
    avow_auto(avow_job_record_done) struct avow_job_record r = { 0 };

    (void)state;
    assert_int_equal(apply(&r, AVOW_JOB_CREATED, 1, CREATED, NULL), 0);
    assert_int_equal(apply(&r, AVOW_JOB_STARTED, 2, "{}", NULL), 0);
    assert_int_equal(apply(&r, AVOW_JOB_GO, 3, "{}", NULL), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_error err = { 0 };

        if (rows[i].type == AVOW_JOB_DONE)
            continue;
        assert_int_equal(apply(&r, rows[i].type, rows[i].seq, rows[i].data, &err), -rows[i].code);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(r.seq, 3);
        assert_int_equal(r.state, AVOW_JOB_RUNNING);
        assert_int_equal(r.iteration, 0);
    }
    assert_int_equal(apply(&r, AVOW_JOB_DONE, 4,
                           "{\"files\":[{\"name\":\"/etc\",\"size\":1,\"sha256\":\"" OWNER "\"}]}",
                           NULL),
                     -AVOW_E_FORMAT);
    assert_int_equal(apply(&r, AVOW_JOB_DONE, 4, "{\"files\":[]}", NULL), 0);
    assert_int_equal(
        apply(&r, AVOW_JOB_FAIL, 5, "{\"reason\":{\"code\":\"rank\",\"message\":\"\"}}", NULL),
        -AVOW_E_STATE);
}

static void a_refused_creation_leaves_nothing(void **state)
{
    avow_auto(avow_job_record_done) struct avow_job_record r = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(apply(&r, AVOW_JOB_CREATED, 1,
                           "{\"name\":\"h\",\"formation\":\"" UUID "\",\"node\":\"a\",\"owner\":"
                           "\"" OWNER "\",\"first_rank\":2,\"ranks\":2}",
                           &err),
                     -AVOW_E_FORMAT);
    assert_non_null(strstr(err.text, "verdicts"));
    assert_int_equal(r.job[0], 0);
    assert_null(r.ranks);
}

static void shown_events(void **state)
{
    avow_autojson json_t *in = json_pack("{s:{s:s,s:s}}", "reason", "code", "rank", "message", "m");
    avow_autojson json_t *out = NULL;
    struct avow_job_event e = { .job = UUID, .type = AVOW_JOB_FAIL, .seq = 1, .t = 5, .data = in };

    (void)state;
    assert_string_equal(avow_job_event_public(&e, &out), "state");
    assert_string_equal(json_string_value(json_object_get(out, "state")), "FAILED");
    assert_int_equal(json_integer_value(json_object_get(out, "t")), 5);
    assert_non_null(json_object_get(out, "reason"));
    json_decref(out);
    out = NULL;
    e.type = AVOW_JOB_RESULTS;
    assert_null(avow_job_event_public(&e, &out));
    e.type = AVOW_JOB_STARTED;
    assert_null(avow_job_event_public(&e, &out));
    e.type = AVOW_JOB_NOTE;
    assert_string_equal(avow_job_event_public(&e, &out), "note");
    assert_null(json_object_get(in, "t")); /* the event itself is untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_life_in_events),
        cmocka_unit_test(a_refused_event_changes_nothing),
        cmocka_unit_test(a_refused_creation_leaves_nothing),
        cmocka_unit_test(shown_events),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
