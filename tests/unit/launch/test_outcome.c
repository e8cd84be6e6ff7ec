#include "../test.h"

#include <signal.h>

#include "launch/outcome.h"

static const struct avow_rank_job job = { .n_ranks = 2, .node = "n0", .program = "/p" };
static const struct avow_rank_job alone = { .n_ranks = 1, .node = "n0", .program = "/p" };
static const struct avow_rank_job plain = {
    .n_ranks = 2, .allow_non_mpi = true, .node = "n0", .program = "/p"
};

/* Wait statuses are made as the kernel does: exit n is n << 8, signal s is s. */
static const struct {
    struct avow_rank_end end;
    const struct avow_rank_job *job;
    int exit; /* 0: ended well */
    const char *code, *text;
} rows[] = {
    { { .rank = 1, .connected = true, .finalized = true }, &job, 0, "", "" },
    { { .rank = 1 }, &alone, 0, "", "" },
    { { .rank = 1 }, &plain, 0, "", "" },
    { { .rank = 1 }, &job, 1, "singleton", "do not see each other" },
    { { .rank = 1, .connected = true }, &job, 1, "rank", "without calling MPI_Finalize" },
    { { .rank = 1, .connected = true }, &alone, 1, "rank", "without calling MPI_Finalize" },
    { { .rank = 1, .status = 7 << 8, .connected = true, .finalized = true },
      &job,
      7,
      "rank",
      "status 7" },
    { { .rank = 1, .status = 7 << 8 }, &job, 7, "rank", "status 7" },
    { { .rank = 1, .status = SIGKILL }, &job, 137, "rank", "signal 9" },
    { { .rank = 1, .status = SIGSEGV | 0x80 }, &job, 139, "rank", "signal 11" },
    { { .rank = 1, .aborted = true, .abort_code = 42, .status = 1 << 8 },
      &job,
      42,
      "rank",
      "MPI_Abort(42)" },
    { { .rank = 1, .aborted = true, .abort_code = 0 }, &job, 1, "rank", "MPI_Abort(0)" },
    { { .rank = 1, .aborted = true, .abort_code = 256 }, &job, 1, "rank", "MPI_Abort(256)" },
    { { .rank = 1, .aborted = true, .abort_code = -1 }, &job, 255, "rank", "MPI_Abort(-1)" },
    { { .rank = 1, .exec_errno = 2, .status = 127 << 8 },
      &job,
      127,
      "rank",
      "cannot execute /p: No such file" },
};

static void test_judge(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_outcome o;

        avow_rank_judge(&rows[i].end, rows[i].job, avow_bytes_str("boom\n"), &o);
        assert_int_equal(o.ok, rows[i].exit == 0);
        assert_int_equal(o.exit, rows[i].exit);
        assert_string_equal(o.code, rows[i].code);
        if (!strstr(o.text, rows[i].text))
            fail_msg("row %zu: \"%s\" lacks \"%s\"", i, o.text, rows[i].text);
        assert_int_equal(o.rank, o.ok ? -1 : 1);
        if (!o.ok && !rows[i].end.exec_errno)
            assert_non_null(strstr(o.text, "its last output: \"boom\""));
    }
}

static const struct {
    const char *in, *out;
} texts[] = {
    { "", "" },
    { " \n\t ", "" },
    { "a\nb\n", "a | b" },
    { "a\tb", "a b" },
    { "a\x1b[1mb", "a?[1mb" },
    { "caf\xc3\xa9", "caf\xc3\xa9" },
    { "\xff\xfe", "??" },
    { "\xc3", "?" },
    { "\xc0\x80", "??" },
    { "\xe0\x80\x80x", "???x" },
    { "\xed\xa0\x80", "???" },
    { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
    { "\xf4\x90\x80\x80", "????" },
    { "a\rb", "a?b" },
};

static void test_clean(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char out[64];

        avow_text_clean(avow_bytes_str(texts[i].in), out, sizeof out);
        assert_string_equal(out, texts[i].out);
    }
}

/* No room: never over the end, never half a character. */
static void test_clean_cut(void **state)
{
    (void)state;
    for (size_t max = 1; max < 12; max++) {
        char out[16];

        memset(out, 'X', sizeof out);
        avow_text_clean(avow_bytes_str("ab\ncd\xc3\xa9\xf0\x9f\x98\x80"), out, max);
        assert_true(strlen(out) < max);
        assert_int_equal(out[max], 'X');
        for (const char *p = out; *p; p++)
            if ((uint8_t)*p >= 0xc0)
                assert_true(strlen(p) >= ((uint8_t)*p >= 0xf0 ? 4u : 2u));
    }
}

static void test_zero_is_failure(void **state)
{
    struct avow_outcome o = { 0 };
    char text[4 * AVOW_OUTCOME_TEXT_MAX];

    (void)state;
    assert_false(o.ok);
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    avow_outcome_fail(&o, "a code longer than there is room for", 3, 4, "%s", text);
    assert_int_equal(strlen(o.code), AVOW_OUTCOME_CODE_MAX - 1);
    assert_int_equal(strlen(o.text), AVOW_OUTCOME_TEXT_MAX - 1);
    assert_false(o.ok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judge),
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_clean_cut),
        cmocka_unit_test(test_zero_is_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
