#include "../test.h"

#include "cli/options.h"

static bool json, quiet;
static const char *policy;
static const char *output;
static struct avow_list with;

static const struct avow_option first[] = {
    { "json", 0, NULL, "", &json, NULL },
    { "quiet", 'q', NULL, "", &quiet, NULL },
    { NULL, 0, NULL, NULL, NULL, NULL },
};
static const struct avow_option second[] = {
    { "policy", 0, "FILE", "", NULL, &policy },
    { "output", 'o', "DIR", "", NULL, &output },
    { "with", 0, "FILE...", "", NULL, NULL, &with },
    { NULL, 0, NULL, NULL, NULL, NULL },
};

static int parse(const char *const *argv, struct avow_args *rest, struct avow_error *err)
{
    const struct avow_option *tables[] = { first, second, NULL };
    char *copy[16];
    int n = 0;

    json = quiet = false;
    policy = output = NULL;
    with.n = 0;
    for (; argv[n]; n++)
        copy[n] = (char *)(uintptr_t)argv[n];
    return avow_options_parse(tables, n, copy, rest, err);
}

static void test_forms(void **state)
{
    const char *const argv[] = { "a", "--json", "--policy", "p",       "-o",
                                 "d", "-",      "--",       "--quiet", NULL };
    const char *const eq[] = { "--policy=x=y", "-q", NULL };
    static struct avow_args rest;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(parse(argv, &rest, &err), 0);
    assert_true(json && !quiet);
    assert_string_equal(policy, "p");
    assert_string_equal(output, "d");
    assert_int_equal(rest.n, 3);
    assert_string_equal(rest.list[1], "-");
    assert_string_equal(rest.list[2], "--quiet");
    assert_int_equal(parse(eq, &rest, &err), 0);
    assert_string_equal(policy, "x=y");
    assert_true(quiet);
}

static void test_errors(void **state)
{
    static const struct {
        const char *argv[3];
        const char *text;
    } rows[] = {
        { { "--polcy", "x" }, "unknown option --polcy (did you mean --policy?)" },
        { { "--frobnicate" }, "unknown option --frobnicate" },
        { { "-z" }, "unknown option -z" },
        { { "-qq" }, "unknown option -qq" },
        { { "--policy" }, "option --policy needs a value: FILE" },
        { { "--json=1" }, "option --json takes no value" },
    };
    static struct avow_args rest;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_error err = { 0 };

        assert_int_equal(parse(rows[i].argv, &rest, &err), -AVOW_E_FORMAT);
        assert_string_equal(err.text, rows[i].text);
    }
}

static void test_lists(void **state)
{
    const char *const argv[] = {
        "e", "--with", "a", "-", "c", "--json", "f", "--with=b", "g", NULL
    };
    const char *const none[] = { "--with", "--json", NULL };
    const char *const stop[] = { "--with", "a", "--", "b", NULL };
    static struct avow_args rest;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(parse(argv, &rest, &err), 0);
    assert_int_equal(with.n, 4);
    assert_string_equal(with.v[1], "-");
    assert_string_equal(with.v[3], "b");
    assert_int_equal(rest.n, 3);
    assert_string_equal(rest.list[1], "f");
    assert_string_equal(rest.list[2], "g");
    assert_int_equal(parse(stop, &rest, &err), 0);
    assert_int_equal(with.n, 1);
    assert_int_equal(rest.n, 1);
    assert_int_equal(parse(none, &rest, &err), -AVOW_E_FORMAT);
    assert_string_equal(err.text, "option --with needs a value: FILE...");
}

static void test_nearest(void **state)
{
    static const char *const words[] = { "attest", "run", "status", NULL };

    (void)state;
    assert_string_equal(avow_nearest("atest", words), "attest");
    assert_string_equal(avow_nearest("rnu", words), "run");
    assert_null(avow_nearest("frobnicate", words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_nearest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
