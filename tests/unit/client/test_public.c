#include "../test.h"

#include <avow/client.h>
#include <unistd.h>

#include "base/err.h"

static void test_nothing_opened(void **state)
{
    struct avow_owner *c = NULL;

    (void)state;
    assert_int_equal(avow_owner_open(&c, "/nonexistent/job.yaml", NULL), -AVOW_E_NOTFOUND);
    assert_non_null(c);
    assert_string_equal(avow_owner_error_code(c), "notfound");
    assert_string_equal(avow_owner_error(c), "/nonexistent/job.yaml: there is no such file");
    assert_string_not_equal(avow_owner_error_hint(c), "");
    assert_int_equal(avow_verify_server_attestation(c), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_submit_job(c), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_monitor_job(c, NULL, NULL), -AVOW_E_NOTFOUND);
    assert_null(avow_owner_report(c));
    assert_string_equal(avow_owner_job(c), "");
    avow_owner_stop(c);
    avow_owner_close(c);
    avow_owner_close(NULL);
}

/* The steps in their order only: what is not attested gets nothing. */
static void test_order(void **state)
{
    static const char job[] = "name: j\nprogram: {path: /bin/true}\n"
                              "policy: {version: 1, snp: {measurements: any}}\n"
                              "nodes:\n"
                              "  - {name: a, tee: snp, address: '127.0.0.1:1', node-address: "
                              "'127.0.0.1:2'}\n"
                              "  - {name: b, tee: snp, address: '127.0.0.1:3', node-address: "
                              "'127.0.0.1:4'}\n";
    char dir[] = "/tmp/avow-test-public-XXXXXX";
    char path[64];
    char identity[64];
    struct avow_owner *c = NULL;
    avow_autofree char *report = NULL;
    FILE *f = NULL;

    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/job.yaml", dir);
    (void)snprintf(identity, sizeof identity, "%s/client.pem", dir);
    assert_int_equal(setenv("AVOW_IDENTITY", identity, 1), 0);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(job, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(avow_owner_open(&c, path, NULL), 0);
    assert_int_equal(avow_submit_job(c), -AVOW_E_STATE);
    assert_string_equal(avow_owner_error(c), "node a was not accepted");
    assert_int_equal(avow_monitor_job(c, NULL, NULL), -AVOW_E_STATE);
    assert_int_equal(avow_fetch_results(c, dir), -AVOW_E_STATE);
    assert_int_equal(avow_cancel_job(c, "x"), -AVOW_E_STATE);
    report = avow_owner_report(c);
    assert_non_null(strstr(report, "\"attestation\":\"not-tried\""));
    avow_owner_close(c);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(identity), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_opened),
        cmocka_unit_test(test_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
