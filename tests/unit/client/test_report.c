#include "../test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "client/report.h"

static const char manifest[] =
    "{\"nodes\":[{\"inputs\":[{\"name\":\"x\",\"sha256\":\"ab\",\"size\":1}],\"name\":\"a\","
    "\"ranks\":2}],"
    "\"program\":{\"name\":\"train\",\"sha256\":\"cd\",\"size\":5}}";

static const json_t *at(const json_t *o, const char *a, const char *b)
{
    o = json_object_get(o, a);
    return b ? json_object_get(o, b) : o;
}

static void test_report(void **state)
{
    char address[] = "h:1";
    struct avow_node nodes[2] = { { .name = "a", .address = address },
                                  { .name = "b", .address = address } };
    struct avow_client c = {
        .n = 2, .nodes = nodes, .job = "j", .phases = { .attest_ms = 1.23456 }
    };
    avow_autojson json_t *r = NULL;
    const json_t *list = NULL;

    (void)state;
    c.manifest = AVOW_BUF(4096);
    assert_int_equal(avow_buf_put_str(&c.manifest, manifest), 0);
    c.pairs = json_array();
    c.links = json_array();
    nodes[0].state = AVOW_NODE_EVALUATED;
    nodes[0].verdict.simulated = true;
    nodes[0].verdict.tee = AVOW_TEE_SNP;
    (void)avow_verdict_add(&nodes[0].verdict, "test", true, "fine");
    avow_verdict_conclude(&nodes[0].verdict);
    nodes[0].sync = json_pack("{s:i, s:i, s:i, s:i, s:i}", "count", 3, "min_ns", 1000, "median_ns",
                              500000, "p99_ns", 2000000, "max_ns", 3000000);
    nodes[1].sync = json_pack("{s:i, s:i}", "count", 3, "median_ns", 400000);
    nodes[1].state = AVOW_NODE_UNREACHED;
    nodes[1].error.code = AVOW_E_NETWORK;
    r = avow_report(&c, "FAILED", NULL);
    list = at(r, "nodes", NULL);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(at(json_array_get(list, 0), "attestation", NULL)),
                        "accepted");
    assert_string_equal(json_string_value(at(json_array_get(list, 0), "verdict", "decision")),
                        "accepted");
    assert_int_equal(json_integer_value(at(json_array_get(list, 0), "ranks", NULL)), 2);
    assert_string_equal(json_string_value(at(json_array_get(list, 1), "attestation", NULL)),
                        "unreached");
    assert_null(at(json_array_get(list, 1), "verdict", NULL));
    assert_string_equal(json_string_value(at(json_array_get(list, 1), "error", "code")), "network");
    assert_true(json_is_true(at(r, "simulated", NULL)));
    assert_string_equal(json_string_value(at(r, "digests", "program")), "cd");
    assert_true(json_real_value(at(r, "sync", "median_ms")) == 0.5);
    assert_true(json_real_value(at(r, "phases_ms", "attest")) == 1.235);
    for (size_t i = 0; i < 2; i++)
        json_decref(nodes[i].sync);
    json_decref(c.pairs);
    json_decref(c.links);
    avow_buf_done(&c.manifest);
}

/* A verdict that was never reached is not an acceptance. */
static void test_zero_node(void **state)
{
    char address[] = "h:1";
    struct avow_node n = { .name = "a", .address = address, .state = AVOW_NODE_EVALUATED };
    avow_autojson json_t *r = avow_report_node(&n);

    (void)state;
    assert_string_equal(json_string_value(json_object_get(r, "attestation")), "refused");
}

static void test_write(void **state)
{
    char dir[] = "/tmp/avow-test-report-XXXXXX";
    char deep[64];
    avow_autojson json_t *r = json_pack("{s:s}", "type", "avow/report/1");
    avow_autofree char *path = NULL;
    struct avow_error err = { 0 };
    avow_autojson json_t *back = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(deep, sizeof deep, "%s/x", dir);
    assert_int_equal(avow_report_write(r, deep, &path, &err), 0);
    back = json_load_file(path, 0, NULL);
    assert_true(json_equal(r, back));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(deep), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_zero_node),
        cmocka_unit_test(test_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
