#include "devices.h"

static void test_patience(void **state)
{
    struct patience p = patience_for(50);
    struct patience over = patience_for(1);
    int tries = 0;

    (void)state;
    assert_in_range(patience_left(&p), 1, 50);
    while (patience_again(&p))
        tries++;
    assert_in_range(tries, 2, 10); /* 1, 2, 4, 8, 16 ms */
    assert_true(patience_left(&p) <= 50 - 1);
    (void)usleep(2000);
    assert_int_equal(patience_left(&over), 0);
    assert_false(patience_again(&over));
    over = patience_for(0);
    assert_in_range(patience_left(&over), GUEST_WAIT_MS - 1000, GUEST_WAIT_MS);
}

static void test_echo(void **state)
{
    uint8_t report[1184] = { 0 };
    uint8_t asked[64] = { 1 };
    struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(
        guest_put_snp(AVOW_BYTES_OF(report), AVOW_BYTES(NULL, 0), asked, "/dev/x", &b, &err),
        -AVOW_E_PROTOCOL);
    assert_non_null(strstr(err.text, "/dev/x: the report is over other report data"));
    assert_int_equal(b.evidence.len, 0);
    report[0x50] = 1;
    assert_int_equal(
        guest_put_snp(AVOW_BYTES_OF(report), AVOW_BYTES(NULL, 0), asked, "/dev/x", &b, NULL), 0);
    assert_true(avow_bytes_equal(b.evidence, AVOW_BYTES_OF(report)));
    avow_bundle_done(&b);
}

/* A certificate that is no PEM and no DER passes: the verifier judges; a CRL that is none fails. */
static void test_tables(void **state)
{
    uint8_t report[1184] = { 0 };
    uint8_t asked[64] = { 0 };
    struct avow_bytes certs[3] = { avow_bytes_str("vcek"), avow_bytes_str("-----BEGIN CERT"),
                                   avow_bytes_str("ark") };
    struct avow_buf table = AVOW_BUF(GUEST_BLOB_MAX);
    struct avow_bundle b = { 0 };

    (void)state;
    test_table(certs, &table);
    assert_int_equal(
        guest_put_snp(AVOW_BYTES_OF(report), avow_buf_view(&table), asked, "d", &b, NULL),
        -AVOW_E_FORMAT);
    avow_bundle_done(&b);
    avow_buf_reset(&table);
    certs[1] = avow_bytes_str("ask");
    test_table(certs, &table);
    assert_int_equal(
        guest_put_snp(AVOW_BYTES_OF(report), avow_buf_view(&table), asked, "d", &b, NULL), 0);
    assert_int_equal(b.n_certs, 3);
    assert_true(avow_bytes_equal(b.certs[1], avow_bytes_str("ask")));
    avow_bundle_done(&b);
    avow_buf_done(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_tables),
    };

    return cmocka_run_group_tests_name("source/guest", tests, NULL, NULL);
}
