#include "../test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "client/plan.h"

static char dir[] = "/tmp/avow-test-plan-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    FILE *f = NULL;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    put("train", "program");
    put("a.csv", "1,2\n");
    put("policy.yaml", "version: 1\nallow-simulated: true\nsnp: {measurements: any}\n");
    put("cluster.yaml", "a: {address: \"h1:7440\", node-address: \"h1:7441\"}\n"
                        "b: {address: \"[::1]:7440\", node-address: \"[::1]:7441\"}\n");
    return 0;
}

static int tear_down(void **state)
{
    static const char *const names[] = { "train", "a.csv", "policy.yaml", "cluster.yaml",
                                         "job.yaml" };
    char path[256];

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

static int load(const char *text, const char *cluster, struct avow_plan **out,
                struct avow_error *err)
{
    char path[256];

    put("job.yaml", text);
    (void)snprintf(path, sizeof path, "%s/job.yaml", dir);
    return avow_plan_load(path, cluster, out, err);
}

static const char good[] = "name: hospitals\n"
                           "program:\n"
                           "  path: train\n"
                           "  args: [--iterations, 300]\n"
                           "env: {OMP_NUM_THREADS: 1}\n"
                           "policy: policy.yaml\n"
                           "time-limit: 10m\n"
                           "cluster: cluster.yaml\n"
                           "nodes:\n"
                           "  - name: b\n"
                           "    tee: tdx\n"
                           "    ranks: 2\n"
                           "  - name: a\n"
                           "    tee: snp\n"
                           "    inputs:\n"
                           "      data/a.csv: a.csv\n";

static void test_good(void **state)
{
    avow_auto(avow_cleanup_plan) struct avow_plan *p = NULL;
    avow_auto(avow_buf_done) struct avow_buf manifest = AVOW_BUF(AVOW_MANIFEST_MAX);
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(load(good, NULL, &p, &err), 0);
    assert_string_equal(p->name, "hospitals");
    assert_int_equal(p->n_nodes, 2);
    assert_string_equal(p->nodes[0].name, "a"); /* sorted, as in manifest and roster */
    assert_string_equal(p->nodes[0].address, "h1:7440");
    assert_string_equal(p->nodes[1].node_address, "[::1]:7441");
    assert_int_equal(p->nodes[1].ranks, 2);
    assert_int_equal(p->nodes[0].ranks, 1);
    assert_int_equal(p->time_limit_ms, 600000);
    assert_string_equal(p->output, "./results/hospitals");
    assert_string_equal(
        avow_buf_cstr(&p->policy_text),
        "{\"allow-simulated\":true,\"snp\":{\"measurements\":\"any\"},\"version\":1}");
    assert_int_equal(avow_plan_manifest(p, "00000000-0000-4000-8000-000000000001", &manifest, &err),
                     0);
    assert_string_equal(
        avow_buf_cstr(&manifest),
        "{\"env\":{\"OMP_NUM_THREADS\":\"1\"},\"job\":\"00000000-0000-4000-8000-000000000001\","
        "\"name\":\"hospitals\",\"nodes\":[{\"inputs\":[{\"name\":\"data/a.csv\",\"sha256\":"
        "\"52186c933993da4082b3cdc7c40bb4bf735b391ff54a2ef78c037dda6c38a680\",\"size\":4}],"
        "\"name\":\"a\",\"ranks\":1,\"tee\":\"snp\"},{\"inputs\":[],\"name\":\"b\",\"ranks\":2,"
        "\"tee\":\"tdx\"}],\"outputs_max\":1073741824,\"program\":{\"args\":[\"--iterations\","
        "\"300\"],\"name\":\"train\",\"sha256\":"
        "\"1310ca2c8932dbd118668bd97442558a3e1f546b5e15c69699dfbd6024f548d8\",\"size\":7},"
        "\"time_limit_ms\":600000,\"type\":\"avow/manifest/1\"}");
}

/* The good file with one piece exchanged. */
static void with(const char *from, const char *to, char out[2048])
{
    const char *at = strstr(good, from);

    assert_non_null(at);
    (void)snprintf(out, 2048, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
}

static void test_errors(void **state)
{
    static const struct {
        const char *from, *to;
        int code;
        const char *text; /* after the folder and the file's name */
    } rows[] = {
        { "path: train", "path: trainn", AVOW_E_NOTFOUND, ":3:9: program: there is no file " },
        { "path: train", "path: .", AVOW_E_FORMAT, ":3:9: program: " },
        { "a.csv: a.csv", "a.csv: b.csv", AVOW_E_NOTFOUND,
          ":16:19: data/a.csv: there is no file " },
        { "data/a.csv", "../a.csv", AVOW_E_FORMAT, ":16:17: inputs: \"../a.csv\" is not a name" },
        { "ranks: 2", "ranks: 0", AVOW_E_LIMIT, ":12:12: ranks: 0 is outside 1..1024" },
        { "ranks: 2", "rank: 2", AVOW_E_FORMAT,
          ":12:5: unknown key \"rank\" (did you mean \"ranks\"?)" },
        { "tee: tdx", "tee: sgx", AVOW_E_FORMAT,
          ":11:10: tee: \"sgx\" is none of snp, tdx, az-snp, az-tdx" },
        { "name: b", "name: a", AVOW_E_EXISTS, ":13:11: name: two nodes are called a" },
        { "name: b", "name: c", AVOW_E_MISSING, ":10:5: key \"address\" of node c is missing" },
        { "name: b", "name: B", AVOW_E_FORMAT, ":10:11: name: \"B\" is not a node's name" },
        { "name: b", "name: client", AVOW_E_FORMAT, ":10:11: name: \"client\" is what" },
        { "name: hospitals", "name: a b", AVOW_E_FORMAT, ":1:7: name: only " },
        { "OMP_NUM_THREADS", "LD_PRELOAD", AVOW_E_FORMAT,
          ":5:19: env: a job may not set \"LD_PRELOAD\"" },
        { "policy: policy.yaml", "policy: {version: 1, nonsense: 2}", AVOW_E_FORMAT,
          ":6:32: policy: top: unknown key" },
        { "policy: policy.yaml", "policy: gone.yaml", AVOW_E_NOTFOUND,
          ":6:9: policy: there is no file " },
        { "time-limit: 10m", "time-limit: 10", AVOW_E_FORMAT, ":7:13: time-limit: \"10\" is not" },
        { "cluster: cluster.yaml", "cluster: none.yaml", AVOW_E_NOTFOUND,
          ":8:10: cluster: there is no file " },
        { "    ranks: 2\n", "    ranks: 2\n    address: nowhere\n", AVOW_E_FORMAT,
          ":13:14: address: \"nowhere\" is not host:port" },
        { "    ranks: 2\n", "    ranks: 2\n    address: h1:7440\n", AVOW_E_EXISTS,
          ":14:5: address: nodes b and a have the same, h1:7440" },
    };
    char text[2048];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_auto(avow_cleanup_plan) struct avow_plan *p = NULL;
        struct avow_error err = { 0 };
        char prefix[300];

        with(rows[i].from, rows[i].to, text);
        assert_int_equal(load(text, NULL, &p, &err), -rows[i].code);
        assert_null(p);
        (void)snprintf(prefix, sizeof prefix, "%s/job.yaml%s", dir, rows[i].text);
        if (strncmp(err.text, prefix, strlen(prefix)) != 0)
            fail_msg("\"%s\" does not begin with \"%s\"", err.text, prefix);
    }
}

static void test_address(void **state)
{
    static const char *const bad[] = { "",       "host",        ":1",       "host:",
                                       "host:0", "host:65536",  "host:1x",  "::1:7440",
                                       "[::1]",  "user@host:1", "host/x:1", "a b:1" };
    char host[32];
    uint16_t port = 0;

    (void)state;
    assert_true(avow_address_split("[fe80::1]:7440", host, sizeof host, &port));
    assert_string_equal(host, "fe80::1");
    assert_int_equal(port, 7440);
    assert_true(avow_address_split("node1.example.org:65535", host, sizeof host, &port));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(avow_address_split(bad[i], host, sizeof host, &port));
    assert_false(avow_address_split("a-name-that-is-too-long-for-the-array:1", host, 16, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_address),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
