#include "attest/gather.h"

#include "../snp_vectors.h"
#include "codec/text.h"
#include "verify/snp.h"

static const char good_dir[] = "milan-v3-vcek-oak-40a277";

static void snp_files_become_a_bundle(void **state)
{
    size_t n[3] = { 0 };
    avow_autofree uint8_t *report = NULL;
    avow_autofree uint8_t *leaf = NULL;
    avow_autofree uint8_t *chain = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_bytes files[4];
    struct avow_error err = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    report = test_vector("snp", good_dir, "report.bin", &n[0]);
    leaf = test_vector("snp", good_dir, "vcek.der", &n[1]);
    chain = test_vector("snp", good_dir, "chain.pem", &n[2]);
    assert_true(report && leaf && chain);
    files[0] = AVOW_BYTES(chain, n[2]);
    files[1] = AVOW_BYTES(report, n[0]);
    files[2] = AVOW_BYTES(leaf, n[1]);
    files[3] = files[2]; /* twice counts once */
    if (avow_gather(files, 4, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.tee, AVOW_TEE_SNP);
    assert_int_equal(b.n_certs, 3);
    assert_int_equal(b.statement.len, 0);
    assert_true(avow_bytes_equal(b.evidence, files[1]));
    assert_true(avow_bytes_equal(b.certs[2], files[2]));
    avow_bundle_done(&b);
    files[3] = files[1];
    assert_int_equal(avow_gather(files, 4, &b, &err), -AVOW_E_EXISTS);
    assert_non_null(strstr(err.text, "file 4"));
    files[1] = files[0];
    assert_int_equal(avow_gather(files, 3, &b, NULL), -AVOW_E_MISSING);
}

/* outblob and auxblob, as configfs-tsm gives them */
static void a_report_with_its_table_is_enough(void **state)
{
    static const char dir[] = "veraison-tsm-report-genoa-v3";
    size_t n[2] = { 0 };
    avow_autofree uint8_t *report = NULL;
    avow_autofree uint8_t *table = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_anchors anchors;
    struct avow_claims claims;
    struct avow_bytes files[2];
    struct avow_error err = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    report = test_vector("snp-ext", dir, "outblob.bin", &n[0]);
    table = test_vector("snp-ext", dir, "auxblob_certtable.bin", &n[1]);
    assert_true(report && table);
    files[0] = AVOW_BYTES(report, n[0]);
    files[1] = AVOW_BYTES(table, n[1]);
    if (avow_gather(files, 2, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.n_certs, 3);
    avow_anchors_builtin(&anchors);
    assert_int_equal(avow_snp_verify(&b, &anchors, 1760000000, &claims, &err), 0);
    assert_true(claims.authentic);
}

static void what_is_nothing_is_named(void **state)
{
    uint8_t report[AVOW_SNP_REPORT_LEN] = { 3 };
    struct avow_bytes files[2] = { AVOW_BYTES_OF(report) };
    static const char *const bad[] = {
        "",   "hello",    "{",           "{}",
        "[]", "\x30\x82", "-----BEGIN ", "-----BEGIN CERTIFICATE-----\nAAAA\n"
    };
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    assert_int_equal(avow_gather(files, 1, &b, NULL), 0);
    avow_bundle_done(&b);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct avow_error err = { 0 };

        files[1] = avow_bytes_str(bad[i]);
        if (avow_gather(files, 2, &b, &err) >= 0)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(err.text, "file 2"));
    }
    assert_int_equal(avow_gather(files, 0, &b, NULL), -AVOW_E_MISSING);
    assert_int_equal(avow_gather(files, AVOW_GATHER_FILES_MAX + 1, &b, NULL), -AVOW_E_LIMIT);
}

static void crls_come_as_der_or_pem(void **state)
{
    uint8_t report[AVOW_SNP_REPORT_LEN] = { 3 };
    static const char begin[] = "-----BEGIN X509 CRL-----\n", end[] = "-----END X509 CRL-----\n";
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(1u << 20);
    avow_autofree uint8_t *der = NULL;
    char path[8192];
    struct avow_bytes files[3];
    struct avow_error err = { 0 };
    size_t n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    snprintf(path, sizeof path, "%s/intel-crl/root_2026-02-26_2027-02-26_c114be.crl",
             test_vectors());
    der = test_read_file(path, &n);
    assert_non_null(der);
    for (int twice = 0; twice < 2; twice++) {
        avow_auto(avow_buf_done) struct avow_buf b64 = AVOW_BUF(1u << 20);

        avow_b64_put(&b64, AVOW_BYTES(der, n));
        avow_buf_put_str(&pem, begin);
        for (size_t at = 0; at < b64.len; at += 64) {
            avow_buf_put_bytes(&pem,
                               AVOW_BYTES(b64.data + at, b64.len - at < 64 ? b64.len - at : 64));
            avow_buf_put_str(&pem, "\r\n");
        }
        avow_buf_put_str(&pem, end);
    }
    files[0] = avow_buf_view(&pem);
    files[1] = AVOW_BYTES_OF(report);
    files[2] = AVOW_BYTES(der, n);
    if (avow_gather(files, 3, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.n_crls, 1);
    assert_true(avow_bytes_equal(b.crls[0], AVOW_BYTES(der, n)));
    assert_int_equal(b.n_certs, 0);
}

static void a_bundle_is_taken_as_it_is(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_SNP };
    avow_auto(avow_bundle_done) struct avow_bundle back = { 0 };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_bytes file;
    struct avow_error err = { 0 };

    (void)state;
    test_put(&b, AVOW_PART_EVIDENCE, "e", 1);
    test_put(&b, AVOW_PART_STATEMENT, "{}", 2);
    test_put(&b, AVOW_PART_CERT, "c", 1);
    test_put(&b, AVOW_PART_CRL, "r", 1);
    assert_int_equal(avow_bundle_emit(&b, &text, NULL), 0);
    file = avow_buf_view(&text);
    if (avow_gather(&file, 1, &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(avow_bytes_equal(back.statement, avow_bytes_str("{}")));
    assert_int_equal(back.n_certs, 1);
    assert_int_equal(back.n_crls, 1);
}

static void tdx_files_become_a_bundle(void **state)
{
    static const char quote_json[] = "{\"tcbInfo\":{},\"signature\":\"\"}";
    static const char qe_json[] = "\n {\"enclaveIdentity\":{},\"signature\":\"\"}";
    uint8_t quote[64] = { 4, 0, 2, 0, 0x81 };
    struct avow_bytes files[] = { avow_bytes_str(qe_json), AVOW_BYTES_OF(quote),
                                  avow_bytes_str(quote_json) };
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    if (avow_gather(files, 3, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.tee, AVOW_TEE_TDX);
    assert_true(avow_bytes_equal(b.tcb_info, avow_bytes_str(quote_json)));
    assert_true(avow_bytes_equal(b.qe_identity, avow_bytes_str(qe_json)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snp_files_become_a_bundle),
        cmocka_unit_test(a_report_with_its_table_is_enough),
        cmocka_unit_test(what_is_nothing_is_named),
        cmocka_unit_test(crls_come_as_der_or_pem),
        cmocka_unit_test(a_bundle_is_taken_as_it_is),
        cmocka_unit_test(tdx_files_become_a_bundle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
