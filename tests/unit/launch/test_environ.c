#include "job.h"

#include "launch/environ.h"

static void test_set_get(void **state)
{
    avow_auto(avow_environ_done) struct avow_environ e = { 0 };

    (void)state;
    assert_null(avow_environ_get(&e, "A"));
    assert_int_equal(avow_environ_set(&e, "A", "%d", 1), 0);
    assert_int_equal(avow_environ_set(&e, "AB", "%s", "x=y"), 0);
    assert_int_equal(avow_environ_set(&e, "A", "%s", ""), 0);
    assert_string_equal(avow_environ_get(&e, "A"), "");
    assert_string_equal(avow_environ_get(&e, "AB"), "x=y");
    assert_non_null(e.list[1]);
    assert_null(e.list[2]);
}

/* The job's own words, then defaults, then pins over both; every name once. */
static void test_order(void **state)
{
    struct avow_launch_config *c = NULL;
    avow_auto(avow_environ_done) struct avow_environ e = { 0 };
    struct avow_rank_fds fds = { .pmi = 7, .job = 8, .fabric = 9 };

    (void)state;
    assert_int_equal(test_config_more(",\"preload\":\"/lib/f.so\"", &c, NULL), 0);
    assert_int_equal(avow_environ_base(c, &e), 0);
    assert_string_equal(avow_environ_get(&e, "PMI_RANK"), "9");
    assert_string_equal(avow_environ_get(&e, "HOME"), "/job/output");
    assert_null(avow_environ_get(&e, "LD_PRELOAD"));
    assert_int_equal(avow_environ_set(&e, "OMPI_MCA_ess", "%s", "singleton"), 0);
    assert_int_equal(avow_environ_pin(c, 3, &fds, &e), 0);
    assert_string_equal(avow_environ_get(&e, "A"), "1");
    assert_string_equal(avow_environ_get(&e, "PMI_RANK"), "3");
    assert_string_equal(avow_environ_get(&e, "PMI_SIZE"), "5");
    assert_string_equal(avow_environ_get(&e, "PMI_FD"), "7");
    assert_string_equal(avow_environ_get(&e, "AVOW_JOB_FD"), "8");
    assert_string_equal(avow_environ_get(&e, "AVOW_FABRIC_FD"), "9");
    assert_string_equal(avow_environ_get(&e, "AVOW_FABRIC_SELF"), "10.89.0.2");
    assert_string_equal(avow_environ_get(&e, "AVOW_NODE"), "b");
    assert_string_equal(avow_environ_get(&e, "AVOW_INPUT"), "/job/input");
    assert_string_equal(avow_environ_get(&e, "LD_PRELOAD"), "/lib/f.so");
    assert_string_equal(avow_environ_get(&e, "OMPI_MCA_ess"), "pmi");
    assert_string_equal(avow_environ_get(&e, "OMPI_MCA_schizo"), "^orte");
    assert_string_equal(avow_environ_get(&e, "OMPI_MCA_orte_precondition_transports"),
                        "0f3c2f4e11114222-8333444455556666");
    for (size_t i = 0; e.list[i]; i++)
        for (size_t k = i + 1; e.list[k]; k++)
            assert_false(strncmp(e.list[i], e.list[k], strcspn(e.list[i], "=") + 1) == 0);
    avow_launch_config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_set_get),
                                        cmocka_unit_test(test_order) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
