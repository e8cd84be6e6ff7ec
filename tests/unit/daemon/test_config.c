#include "../test.h"

#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/config.h"
#include "serve/address.h"

#define HEX "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

static char dir[] = "/tmp/avow-config-XXXXXX";

static const char *write_file(const char *name, const char *text)
{
    static char path[128];
    FILE *f = NULL;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, 0644), 0);
    return path;
}

/* shell and preload are given: what stands beside the test is not the point */
#define TAIL "\nshell: /bin/sh\npreload: /bin/sh\n"

static void defaults_and_values(void **state)
{
    avow_auto(avow_config_done) struct avow_config c = { 0 };
    struct avow_error err = { 0 };
    int rc = 0;

    (void)state;
    rc = avow_config_load(write_file("a.yaml", "name: node-a\ntee: {kind: sim-snp, dir: /x}" TAIL),
                          &c, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_string_equal(c.name, "node-a");
    assert_string_equal(c.listen, AVOW_CONFIG_LISTEN);
    assert_string_equal(c.listen_nodes, AVOW_CONFIG_LISTEN_NODES);
    assert_string_equal(c.state_dir, AVOW_CONFIG_STATE_DIR);
    assert_string_equal(c.authorized_clients, AVOW_CONFIG_CLIENTS);
    assert_string_equal(c.tee.kind, "sim-snp");
    assert_null(c.policy);
    assert_null(c.listen_metrics);
    assert_int_equal(c.attestation_period_ms, AVOW_CONFIG_PERIOD_MS);
    assert_int_equal(c.quote_rate, AVOW_CONFIG_QUOTE_RATE);
    avow_config_done(&c);
    rc = avow_config_load(write_file("b.yaml",
                                     "name: b\nlisten: \"[::1]:0\"\nlisten-nodes: 127.0.0.1:9\n"
                                     "listen-metrics: 127.0.0.1:0\nstate-dir: /s\n"
                                     "tee: {kind: sim-tdx, dir: /x}\nauthorized-clients: /c\n"
                                     "policy: /p\nsimulated-roots: /r\ncollateral: /c.db\n"
                                     "attestation-period: 10m\nquote-rate: 3\njobs-max: 2\n"
                                     "files-max: 1MiB" TAIL),
                          &c, &err);
    if (rc < 0)
        fail_msg("%s", err.text);
    assert_string_equal(c.listen, "[::1]:0");
    assert_string_equal(c.policy, "/p");
    assert_string_equal(c.collateral, "/c.db");
    assert_int_equal(c.attestation_period_ms, 600000);
    assert_int_equal(c.quote_rate, 3);
    assert_int_equal(c.jobs_max, 2);
    assert_int_equal(c.files_max, 1 << 20);
    assert_string_equal(c.shell, "/bin/sh");
}

/* The example that is installed holds every key there is, as a comment at least, and is right. */
static void example_is_right(void **state)
{
    avow_auto(avow_config_done) struct avow_config c = { 0 };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(1 << 16);
    struct avow_error err = { 0 };
    const char *source = getenv("AVOW_SOURCE");
    avow_autofree char *example = NULL;
    char path[4096];
    size_t n = 0;

    (void)state;
    snprintf(path, sizeof path, "%s/packaging/avowd.yaml", source ? source : ".");
    example = (char *)test_read_file(path, &n);
    assert_non_null(example);
    avow_buf_put(&text, example, n);
    avow_buf_put_str(&text, TAIL);
    if (avow_config_load(write_file("a.yaml", avow_buf_cstr(&text)), &c, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(c.listen, AVOW_CONFIG_LISTEN);
    assert_int_equal(c.files_max, AVOW_CONFIG_FILES_MAX);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *said;
    } rows[] = {
        { "tee: {kind: sim-snp, dir: /x}" TAIL, "name" },
        { "name: a\n" TAIL, "tee" },
        { "name: A_b\ntee: {kind: sim-snp, dir: /x}" TAIL, "A_b" },
        { "name: a\ntee: {kind: sim-snp}" TAIL, "dir" },
        { "name: a\ntee: {kind: sim-snp, dir: /x}\nlissten: 1.2.3.4:5" TAIL, "lissten" },
        { "name: a\ntee: {kind: sim-snp, dir: /x}\nlisten: nowhere" TAIL, "nowhere" },
        { "name: a\ntee: {kind: sim-snp, dir: /x}\nquote-rate: 0" TAIL, "quote-rate" },
        { "name: a\ntee: {kind: sim-snp, dir: /x}\nquote-rate: fast" TAIL, "quote-rate" },
        { "name: a\ntee: {kind: sim-snp, dir: /x}\njob-user: root" TAIL, "root" },
        { "name: a\ntee: {kind: sim-snp, dir: /x}\njob-user: no-such-user-here" TAIL,
          "no-such-user-here" },
        { "name: a\ntee: {kind: sgx}" TAIL, "configfs-tsm" },
        { "name: a\ntee: {kind: auto, privilege-level: 4}" TAIL, "privilege-level" },
        { "name: a\ntee: {kind: az-vtpm, qgs: x}" TAIL, "\"qgs\" is of no use to az-vtpm" },
        { "name: a\ntee: {kind: auto, dir: /x}" TAIL, "\"dir\" is of no use to auto" },
        { "name: a\ntee: {kind: tdx-qgs, event-log: false}" TAIL, "event-log" },
        { "name: [", "1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_config c = { 0 };
        struct avow_error err = { 0 };

        if (avow_config_load(write_file("bad.yaml", rows[i].text), &c, &err) >= 0)
            fail_msg("row %zu was taken", i);
        if (!strstr(err.text, rows[i].said))
            fail_msg("row %zu: \"%s\" does not say \"%s\"", i, err.text, rows[i].said);
        assert_null(c.name);
    }
}

static void addresses(void **state)
{
    static const char *const bad[] = {
        "", ":1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:1:", "[::1:80"
    };
    struct sockaddr_storage addr;
    socklen_t len = 0;
    char host[256];

    (void)state;
    assert_int_equal(avow_address_parse("127.0.0.1:7440", &addr, &len, host, NULL), 0);
    assert_string_equal(host, "127.0.0.1");
    assert_int_equal(addr.ss_family, AF_INET);
    assert_int_equal(ntohs(((struct sockaddr_in *)&addr)->sin_port), 7440);
    assert_int_equal(avow_address_parse("[::1]:0", &addr, &len, host, NULL), 0);
    assert_string_equal(host, "[::1]");
    assert_int_equal(addr.ss_family, AF_INET6);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(avow_address_parse(bad[i], &addr, &len, host, NULL), -AVOW_E_FORMAT);
}

static void clients_are_read(void **state)
{
    static struct avow_clients c;
    uint8_t spki[32];
    static const char *const good =
        "# the owner\n\nsha256:" HEX " ada@desk\nsha256:"
        "1111111111111111111111111111111111111111111111111111111111111111\r\n"
        "sha256:"
        "2222222222222222222222222222222222222222222222222222222222222222";
    static const char *const bad[] = { "sha256:" HEX "0\n",
                                       "sha1:" HEX "\n",
                                       HEX "\n",
                                       "sha256:zz112233445566778899aabbccddeeff00112233445566778899"
                                       "aabbccddeeff\n",
                                       "sha256:00\n",
                                       " sha256:" HEX "\n" };

    (void)state;
    assert_int_equal(avow_clients_parse(avow_bytes_str(good), "f", &c, NULL), 0);
    assert_int_equal(c.n, 3);
    memset(spki, 0x11, 32);
    assert_true(avow_clients_has(&c, spki));
    memset(spki, 0x33, 32);
    assert_false(avow_clients_has(&c, spki));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct avow_error err = { 0 };

        assert_int_equal(avow_clients_parse(avow_bytes_str(bad[i]), "f", &c, &err), -AVOW_E_FORMAT);
        assert_non_null(strstr(err.text, "f:1"));
    }
}

static void clients_file_must_not_be_writable_by_others(void **state)
{
    static struct avow_clients c;
    const char *path = write_file("clients", "sha256:" HEX " x\n");

    (void)state;
    assert_int_equal(avow_clients_load(path, &c, NULL), 0);
    assert_int_equal(chmod(path, 0666), 0);
    assert_int_equal(avow_clients_load(path, &c, NULL), -AVOW_E_UNTRUSTED);
    assert_int_equal(avow_clients_load("/nonexistent/x", &c, NULL), -AVOW_E_SYSTEM);
}

static void policy_and_anchors(void **state)
{
    struct avow_policy *p = NULL;
    struct avow_anchors anchors;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_config_policy(NULL, &p, NULL), 0);
    assert_null(p);
    assert_int_equal(avow_config_policy(write_file("p.yaml", "version: 1\nallow-simulated: true\n"
                                                             "snp: {measurements: any}\n"),
                                        &p, &err),
                     0);
    assert_non_null(p);
    avow_policy_free(p);
    assert_int_equal(avow_config_policy(write_file("p.yaml", "version: 2\n"), &p, &err) < 0, 1);
    assert_non_null(strstr(err.text, "p.yaml"));
    assert_int_equal(avow_config_anchors(NULL, &anchors, NULL), 0);
    assert_true(anchors.n > 0);
    assert_true(avow_config_anchors(write_file("roots.pem", "nonsense"), &anchors, NULL) < 0);
}

static int remove_dir(void **state)
{
    char command[64];

    (void)state;
    static const char *const names[] = { "a.yaml",  "b.yaml", "bad.yaml", "c.yaml",
                                         "clients", "p.yaml", "roots.pem" };

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(command, sizeof command, "%s/%s", dir, names[i]);
        unlink(command);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_and_values),
        cmocka_unit_test(example_is_right),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(addresses),
        cmocka_unit_test(clients_are_read),
        cmocka_unit_test(clients_file_must_not_be_writable_by_others),
        cmocka_unit_test(policy_and_anchors),
    };

    if (!mkdtemp(dir))
        return 1;
    return cmocka_run_group_tests(tests, NULL, remove_dir);
}
