#include "job.h"

static void test_all_members(void **state)
{
    struct avow_launch_config *c = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(test_config_more(",\"preload\":\"/lib/x.so\",\"time_limit_ms\":5,"
                                      "\"require_namespace\":false,\"allow_non_mpi\":true,"
                                      "\"pmi1_stall_ms\":0,\"file_max\":1099511627776",
                                      &c, &err),
                     0);
    assert_string_equal(c->job, TEST_JOB);
    assert_int_equal(c->node, 1);
    assert_int_equal(c->n_nodes, 3);
    assert_int_equal(c->n_ranks, 5);
    assert_int_equal(c->nodes[2].first, 4);
    assert_string_equal(avow_launch_self(c)->name, "b");
    assert_string_equal(c->argv[0], "/bin/prog");
    assert_string_equal(c->argv[1], "x");
    assert_string_equal(c->argv[2], "");
    assert_null(c->argv[3]);
    assert_string_equal(c->env[0], "A=1");
    assert_string_equal(c->input, "/job/input");
    assert_string_equal(c->net_text, "10.89.0.0/16");
    assert_int_equal(ntohl(c->vaddr.s_addr), 0x0a590002);
    assert_int_equal(c->uid, -1);
    assert_int_equal(c->gid, 5);
    assert_int_equal(c->time_limit_ms, 5);
    assert_int_equal(c->pmi1_stall_ms, 0);
    assert_int_equal(c->file_max, 1099511627776);
    assert_false(c->require_namespace);
    assert_true(c->allow_non_mpi);
    avow_launch_config_free(c);
}

static void test_defaults(void **state)
{
    struct avow_launch_config *c = test_config();

    (void)state;
    assert_true(c->require_namespace);
    assert_false(c->allow_non_mpi);
    assert_int_equal(c->time_limit_ms, 0);
    assert_int_equal(c->file_max, 0);
    assert_int_equal(c->pmi1_stall_ms, AVOW_LAUNCH_STALL_DEFAULT_MS);
    assert_string_equal(c->preload, "");
    avow_launch_config_free(c);
}

static void test_node_of(void **state)
{
    static const uint32_t nodes[] = { 0, 0, 1, 1, 2 };
    struct avow_launch_config *c = test_config();

    (void)state;
    for (uint32_t r = 0; r < 5; r++)
        assert_int_equal(avow_launch_node_of(c, r), nodes[r]);
    avow_launch_config_free(c);
}

/* Replace @from by @to in the good text: refused, and the text names @named. */
static const struct {
    const char *from, *to, *named;
} bad[] = {
    { "0f3c", "0F3C", "job" },
    { "0f3c2f4e-1111", "0f3c2f4e11111", "job" },
    { "\"node\":1", "\"node\":3", "node" },
    { "\"node\":1", "\"node\":0", "name" },
    { "\"node\":1", "\"node\":\"1\"", "node" },
    { "\"name\":\"c\"", "\"name\":\"a\"", "twice" },
    { "\"name\":\"c\"", "\"name\":\"a,b\"", "node name" },
    { "\"name\":\"c\"", "\"name\":\"\"", "node name" },
    { "\"ranks\":1", "\"ranks\":0", "ranks" },
    { "\"ranks\":1", "\"ranks\":1025", "ranks" },
    { "\"ranks\":1", "\"ranks\":1,\"x\":1", "x" },
    { "/bin/prog", "bin/prog", "program" },
    { "/bin/prog", "/bin/../prog", "program" },
    { "/bin/prog", "/bin//prog", "program" },
    { "/bin/prog", "/bin/./prog", "program" },
    { "/bin/prog", "/", "program" },
    { "/job/output", "/output", "workdir" },
    { "/job/output", "/job/output/", "workdir" },
    { "[\"x\",\"\"]", "[\"x\",1]", "args" },
    { "[\"x\",\"\"]", "{}", "args" },
    { "\"A\":\"1\"", "\"A\":1", "env" },
    { "\"A\":\"1\"", "\"A=B\":\"1\"", "env" },
    { "\"A\":\"1\"", "\"\":\"1\"", "env" },
    { "\"A\":\"1\"", "\"A\":\"1\",\"A\":\"2\"", "A" },
    { "10.89.0.2", "10.90.0.2", "10.90.0.2" },
    { "10.89.0.2", "fe80::1", "vaddr" },
    { "10.89.0.0/16", "10.89.0.0", "net" },
    { "10.89.0.0/16", "10.89.0.1/16", "10.89.0.1/16" },
    { "10.89.0.0/16", "10.89.0.0/33", "net" },
    { "10.89.0.0/16", "10.89.0.0/-1", "net" },
    { "10.89.0.0/16", "0.0.0.0/0", "net" },
    { "10.89.0.0/16", "10.89.0.0/16x", "net" },
    { "\"uid\":-1", "\"uid\":-2", "uid" },
    { "\"gid\":5", "\"gid\":5,\"more\":1", "more" },
    { "\"gid\":5", "\"gid\":5,\"preload\":\"x.so\"", "preload" },
    { "\"gid\":5", "\"gid\":5,\"preload\":\"/a b.so\"", "preload" },
    { "\"gid\":5", "\"gid\":5,\"preload\":\"/a:b.so\"", "preload" },
    { "\"gid\":5", "\"gid\":5,\"time_limit_ms\":-1", "time_limit_ms" },
    { "\"gid\":5", "\"gid\":5,\"require_namespace\":1", "require_namespace" },
};

static void test_refused(void **state)
{
    char good[4096], text[8192];

    (void)state;
    snprintf(good, sizeof good, TEST_CONFIG, "");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct avow_launch_config *c = NULL;
        struct avow_error err = { 0 };
        const char *at = strstr(good, bad[i].from);

        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, bad[i].to,
                 at + strlen(bad[i].from));
        if (avow_launch_config_parse(avow_bytes_str(text), &c, &err) >= 0)
            fail_msg("accepted: %s instead of %s", bad[i].to, bad[i].from);
        assert_null(c);
        if (!strstr(err.text, bad[i].named))
            fail_msg("\"%s\" does not name %s", err.text, bad[i].named);
    }
}

/* Every member that is needed is missed; no prefix of the text is accepted. */
static void test_cut(void **state)
{
    char good[4096];
    struct avow_launch_config *c = NULL;

    (void)state;
    snprintf(good, sizeof good, TEST_CONFIG, "");
    for (size_t n = 0; n < strlen(good); n++)
        assert_true(avow_launch_config_parse(AVOW_BYTES(good, n), &c, NULL) < 0);
    assert_true(avow_launch_config_parse(avow_bytes_str("[]"), &c, NULL) < 0);
    assert_true(avow_launch_config_parse(avow_bytes_str("{}"), &c, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_members), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_node_of),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
