#include "job/names.h"

#include "../test.h"

static void file_names(void **state)
{
    static const char *const good[] = { "a", "a/b", "A.b-c_9/x", "...", "a/.b", "..a/b.." };
    static const char *const bad[] = { "",         ".",    "..",   "/a",     "a/",  "a//b",
                                       "a/./b",    "a/..", "../a", "a b",    "a\n", "a\\b",
                                       "\xc3\xa4", "a:b",  "~",    "a/../b", "*",   "a%2e" };
    char longest[AVOW_JOB_FILE_NAME_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(avow_job_file_name_ok(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(avow_job_file_name_ok(bad[i]));
    memset(longest, 'x', sizeof longest);
    longest[AVOW_JOB_FILE_NAME_MAX] = 0;
    assert_true(avow_job_file_name_ok(longest));
    longest[AVOW_JOB_FILE_NAME_MAX] = 'x';
    longest[AVOW_JOB_FILE_NAME_MAX + 1] = 0;
    assert_false(avow_job_file_name_ok(longest));
    assert_true(avow_job_file_name_ok("1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g"));
    assert_false(avow_job_file_name_ok("1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h"));
}

static void node_and_job_names(void **state)
{
    (void)state;
    assert_true(avow_job_node_name_ok("hospital-a"));
    assert_true(avow_job_node_name_ok("0"));
    assert_false(avow_job_node_name_ok(""));
    assert_false(avow_job_node_name_ok("-a"));
    assert_false(avow_job_node_name_ok("a-"));
    assert_false(avow_job_node_name_ok("A"));
    assert_false(avow_job_node_name_ok("a.b"));
    assert_false(
        avow_job_node_name_ok("0123456789012345678901234567890123456789012345678901234567890123"));
    assert_true(avow_job_name_ok("Two.hospitals_1"));
    assert_false(avow_job_name_ok("a/b"));
    assert_false(avow_job_name_ok(".."));
    assert_false(avow_job_name_ok(""));
}

static void env_names(void **state)
{
    (void)state;
    assert_true(avow_job_env_name_ok("OMP_NUM_THREADS"));
    assert_true(avow_job_env_name_ok("_x1"));
    assert_true(avow_job_env_name_ok("LD_LIBRARY_PATH"));
    assert_false(avow_job_env_name_ok("1x"));
    assert_false(avow_job_env_name_ok(""));
    assert_false(avow_job_env_name_ok("A=B"));
    assert_false(avow_job_env_name_ok("AVOW_JOB_FD"));
    assert_false(avow_job_env_name_ok("PMIX_RANK"));
    assert_false(avow_job_env_name_ok("PMI_FD"));
    assert_false(avow_job_env_name_ok("LD_PRELOAD"));
    assert_false(avow_job_env_name_ok("LD_AUDIT"));
}

static void uuids(void **state)
{
    static const char text[] = "0f8fad5b-d9cb-469f-a165-70867728950e";
    uint8_t b[16];
    char again[AVOW_JOB_UUID_LEN + 1];

    (void)state;
    assert_true(avow_job_uuid_ok(text));
    avow_job_uuid_bytes(text, b);
    assert_int_equal(b[0], 0x0f);
    assert_int_equal(b[15], 0x0e);
    avow_job_uuid_text(b, again);
    assert_string_equal(again, text);
    for (size_t i = 0; i < AVOW_JOB_UUID_LEN; i++) {
        char bad[AVOW_JOB_UUID_LEN + 2];

        memcpy(bad, text, sizeof text);
        bad[i] = 'G';
        assert_false(avow_job_uuid_ok(bad));
        bad[i] = 0;
        assert_false(avow_job_uuid_ok(bad));
    }
    assert_false(avow_job_uuid_ok("0f8fad5b-d9cb-469f-a165-70867728950e0"));
    assert_false(avow_job_uuid_ok("0F8FAD5B-d9cb-469f-a165-70867728950e"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_names),
        cmocka_unit_test(node_and_job_names),
        cmocka_unit_test(env_names),
        cmocka_unit_test(uuids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
