#include "../test.h"

#include "serve/route.h"

static void paths_match_patterns(void **state)
{
    static const struct {
        const char *pattern, *path;
        const char *job, *name; /* NULL: no such parameter */
        bool match;
    } rows[] = {
        { "/v1/jobs", "/v1/jobs", NULL, NULL, true },
        { "/v1/jobs", "/v1/jobs/", NULL, NULL, false },
        { "/v1/jobs", "/v1", NULL, NULL, false },
        { "/v1/jobs", "/v1/job", NULL, NULL, false },
        { "/v1/jobs", "v1/jobs", NULL, NULL, false },
        { "/v1/jobs", "", NULL, NULL, false },
        { "/v1/jobs/{job}", "/v1/jobs/x", "x", NULL, true },
        { "/v1/jobs/{job}", "/v1/jobs/", NULL, NULL, false },
        { "/v1/jobs/{job}", "/v1/jobs/x/y", NULL, NULL, false },
        { "/v1/jobs/{job}", "/v1/jobs/a%20b", "a b", NULL, true },
        { "/v1/jobs/{job}", "/v1/jobs/a%2Fb", NULL, NULL, false },
        { "/v1/jobs/{job}", "/v1/jobs/a%00", NULL, NULL, false },
        { "/v1/jobs/{job}", "/v1/jobs/a%0a", NULL, NULL, false },
        { "/v1/jobs/{job}", "/v1/jobs/a%", NULL, NULL, false },
        { "/v1/jobs/{job}", "/v1/jobs/a%4", NULL, NULL, false },
        { "/v1/jobs/{job}", "/v1/jobs/a%zz", NULL, NULL, false },
        { "/v1/jobs/{job}/start", "/v1/jobs/x/start", "x", NULL, true },
        { "/v1/jobs/{job}/results/{name...}", "/v1/jobs/x/results/a/b.txt", "x", "a/b.txt", true },
        { "/v1/jobs/{job}/results/{name...}", "/v1/jobs/x/results/../b", "x", "../b", true },
        { "/v1/jobs/{job}/results/{name...}", "/v1/jobs/x/results/", NULL, NULL, false },
        { "/v1/jobs/{job}/results/{name...}", "/v1/jobs/x/results", NULL, NULL, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_route_params p = { 0 };

        if (avow_route_match(rows[i].pattern, rows[i].path, &p) != rows[i].match)
            fail_msg("%s against %s", rows[i].path, rows[i].pattern);
        if (!rows[i].match)
            continue;
        if (rows[i].job)
            assert_string_equal(avow_route_value(&p, "job"), rows[i].job);
        if (rows[i].name)
            assert_string_equal(avow_route_value(&p, "name"), rows[i].name);
        assert_null(avow_route_value(&p, "other"));
        assert_null(avow_route_value(&p, "jo"));
    }
}

static void long_values_do_not_match(void **state)
{
    char path[AVOW_ROUTE_VALUE_MAX + 8] = "/";
    struct avow_route_params p = { 0 };

    (void)state;
    memset(path + 1, 'a', AVOW_ROUTE_VALUE_MAX);
    assert_true(avow_route_match("/{name}", path, &p));
    path[AVOW_ROUTE_VALUE_MAX + 1] = 'a';
    assert_false(avow_route_match("/{name}", path, &p));
}

static void tables_tell_method_from_path(void **state)
{
    struct avow_routes *r = calloc(1, sizeof *r);
    struct avow_route_params p = { 0 };
    char allow[AVOW_ROUTE_ALLOW];

    (void)state;
    assert_non_null(r);
    assert_int_equal(avow_routes_find(r, "GET", "/a", &p), AVOW_ROUTE_NONE);
    assert_int_equal(avow_routes_add(r, "GET", "/a"), 0);
    assert_int_equal(avow_routes_add(r, "PUT", "/a/{name}"), 1);
    assert_int_equal(avow_routes_add(r, "GET", "/a/{name}"), 2);
    assert_int_equal(avow_routes_find(r, "GET", "/a", &p), 0);
    assert_int_equal(avow_routes_find(r, "GET", "/a/b", &p), 2);
    assert_string_equal(avow_route_value(&p, "name"), "b");
    assert_int_equal(avow_routes_find(r, "PUT", "/a/c", &p), 1);
    assert_string_equal(avow_route_value(&p, "name"), "c");
    assert_int_equal(avow_routes_find(r, "POST", "/a/b", &p), AVOW_ROUTE_OTHER_METHOD);
    assert_int_equal(avow_routes_find(r, "GET", "/b", &p), AVOW_ROUTE_NONE);
    assert_int_equal(avow_routes_find(r, "GET", NULL, &p), AVOW_ROUTE_NONE);
    avow_routes_allow(r, "/a/b", allow);
    assert_string_equal(allow, "PUT, GET, HEAD");
    avow_routes_allow(r, "/b", allow);
    assert_string_equal(allow, "");
    avow_routes_allow(r, NULL, allow);
    assert_string_equal(allow, "");
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_match_patterns),
        cmocka_unit_test(long_values_do_not_match),
        cmocka_unit_test(tables_tell_method_from_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
