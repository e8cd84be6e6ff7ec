#include "attest/gather.h"

#include "../snp_vectors.h"
#include "codec/text.h"
#include "evidence/tdx.h"
#include "verify/snp.h"
#include "verify/verify.h"

#define NOW 1760000000
#define PCR_BYTES (24 * 32)

static const char good_dir[] = "milan-v3-vcek-oak-40a277";

static void snp_files_become_a_bundle(void **state)
{
    size_t n[3] = { 0 };
    avow_autofree uint8_t *report = NULL;
    avow_autofree uint8_t *leaf = NULL;
    avow_autofree uint8_t *chain = NULL;
    avow_autofree uint8_t *other = NULL;
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
    if (avow_gather(files, 4, NOW, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.tee, AVOW_TEE_SNP);
    assert_int_equal(b.n_certs, 3);
    assert_int_equal(b.statement.len, 0);
    assert_true(avow_bytes_equal(b.evidence, files[1]));
    assert_true(avow_bytes_equal(b.certs[0], files[2]));
    avow_bundle_done(&b);
    other = malloc(n[0]);
    assert_non_null(other);
    memcpy(other, report, n[0]);
    other[AVOW_SNP_OFF_REPORT_DATA] ^= 1;
    files[3] = AVOW_BYTES(other, n[0]);
    assert_int_equal(avow_gather(files, 4, NOW, &b, &err), -AVOW_E_EXISTS);
    assert_non_null(strstr(err.text, "file 4"));
    files[1] = files[0];
    assert_int_equal(avow_gather(files, 3, NOW, &b, NULL), -AVOW_E_MISSING);
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
    if (avow_gather(files, 2, NOW, &b, &err) < 0)
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
        "",   "hello",    "{",           "null",
        "[]", "\x30\x82", "-----BEGIN ", "-----BEGIN CERTIFICATE-----\nAAAA\n"
    };
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    assert_int_equal(avow_gather(files, 1, NOW, &b, NULL), 0);
    avow_bundle_done(&b);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct avow_error err = { 0 };

        files[1] = avow_bytes_str(bad[i]);
        if (avow_gather(files, 2, NOW, &b, &err) >= 0)
            fail_msg("accepted: %s", bad[i]);
        assert_non_null(strstr(err.text, "file 2"));
    }
    assert_int_equal(avow_gather(files, 0, NOW, &b, NULL), -AVOW_E_MISSING);
    assert_int_equal(avow_gather(files, AVOW_GATHER_FILES_MAX + 1, NOW, &b, NULL), -AVOW_E_LIMIT);
}

static void crls_come_as_der_or_pem(void **state)
{
    uint8_t report[AVOW_SNP_REPORT_LEN] = { 3 };
    static const char begin[] = "-----BEGIN X509 CRL-----\n", end[] = "-----END X509 CRL-----\n";
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(1u << 20);
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
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
    assert_int_equal(avow_pool_new(&pool, &err), 0);
    for (size_t i = 0; i < 3; i++)
        if (avow_gather_file(pool, &b, files[i], &err) < 0)
            fail_msg("%s", err.text);
    assert_int_equal(avow_pool_count(pool), 1); /* thrice the same */
    assert_int_equal(avow_pool_item(pool, 0)->kind, AVOW_ITEM_CRL);
    assert_true(avow_bytes_equal(avow_pool_item(pool, 0)->data, AVOW_BYTES(der, n)));
    assert_int_equal(b.n_crls, 0); /* nobody's evidence needs it */
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
    if (avow_gather(&file, 1, NOW, &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(avow_bytes_equal(back.statement, avow_bytes_str("{}")));
    assert_int_equal(back.n_certs, 1);
    assert_int_equal(back.n_crls, 1);
}

#define TDX_FILES 7

/* Also collateral of another platform and of other times in the same pool. */
static void tdx_files_become_a_bundle(void **state)
{
    static const char *const names[TDX_FILES][2] = {
        { "coco-v4-gnr-00a06d08", "tcb_info.json" },
        { "fraunhofer-v4-c0806f-2026-03", "qe_identity.json" },
        { "cdai-v4-azure-90c06f", "tcb_signing_chain.pem" },
        { "cdai-v4-azure-90c06f", "pck_crl.der" },
        { "cdai-v4-azure-90c06f", "root_ca_crl.der" },
        { "cdai-v4-azure-90c06f", "tcb_info.json" },
        { "cdai-v4-azure-90c06f", "qe_identity.json" },
    };
    const int64_t now = 1774995607; /* 2026-03-31: inside the window of cdai's */
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    uint8_t *data[TDX_FILES + 1] = { NULL };
    struct avow_bytes files[TDX_FILES + 1];
    struct avow_anchors anchors;
    struct avow_claims claims;
    struct avow_error err = { 0 };
    size_t n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < TDX_FILES; i++) {
        data[i] = test_vector("tdx", names[i][0], names[i][1], &n);
        assert_non_null(data[i]);
        files[i] = AVOW_BYTES(data[i], n);
    }
    data[TDX_FILES] = test_vector("tdx", "cdai-v4-azure-90c06f", "quote.bin", &n);
    assert_non_null(data[TDX_FILES]);
    files[TDX_FILES] = AVOW_BYTES(data[TDX_FILES], n);
    if (avow_gather(files, TDX_FILES + 1, now, &b, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(b.tee, AVOW_TEE_TDX);
    assert_true(avow_bytes_equal(b.tcb_info, files[5]));
    avow_anchors_builtin(&anchors);
    assert_int_equal(avow_verify(&b, &anchors, now, NULL, &claims, &err), 0);
    for (uint32_t i = 0; i < claims.n_checks; i++)
        if (claims.checks[i].state != AVOW_CHECK_PASSED)
            print_error("%s: %s\n", claims.checks[i].code, claims.checks[i].text);
    assert_true(claims.authentic);
    assert_int_equal(claims.tdx.tcb_status, AVOW_TCB_UP_TO_DATE);
    for (size_t i = 0; i <= TDX_FILES; i++)
        free(data[i]);
}

/* What is evidence but malformed goes on to the verifier, which refuses it and says why. */
static void malformed_evidence_is_evidence(void **state)
{
    uint8_t report[AVOW_SNP_REPORT_LEN + 33] = { 3 };
    uint8_t quote[48] = { 3, 0, 2, 0 };

    (void)state;
    report[AVOW_SNP_OFF_POLICY + 2] = 2;
    report[AVOW_SNP_OFF_SIGNATURE_ALGO] = 1;
    assert_true(avow_gather_is_evidence(AVOW_BYTES(report, AVOW_SNP_REPORT_LEN)));
    assert_true(avow_gather_is_evidence(AVOW_BYTES(report, AVOW_SNP_REPORT_LEN - 1)));
    assert_true(avow_gather_is_evidence(AVOW_BYTES(report, AVOW_SNP_REPORT_LEN + 1)));
    assert_true(avow_gather_is_evidence(AVOW_BYTES(report, 64)));
    assert_true(avow_gather_is_evidence(AVOW_BYTES_OF(quote)));
    assert_false(avow_gather_is_evidence(avow_bytes_str("{\"keys\":[]}")));
    assert_false(avow_gather_is_evidence(avow_bytes_str("hello")));
    memmove(report + 32, report, AVOW_SNP_REPORT_LEN);
    memset(report, 0, 32);
    report[4] = 0xA0;
    report[5] = 0x04;
    assert_true(avow_gather_is_evidence(AVOW_BYTES(report, AVOW_SNP_REPORT_LEN + 32)));
}

static void gather_ok(struct avow_pool *pool, struct avow_bundle *b, struct avow_bytes f)
{
    struct avow_error err = { 0 };

    if (avow_gather_file(pool, b, f, &err) < 0)
        fail_msg("%s", err.text);
}

/* What belongs to evidence but proves nothing is no error, and no evidence. */
static void what_proves_nothing_is_passed_over(void **state)
{
    static const char pem[] = "-----BEGIN PUBLIC KEY-----\nMAA=\n-----END PUBLIC KEY-----\n";
    static const uint8_t der[] = { 0x30, 0x81, 0x06, 0x30, 0x03, 0x06, 0x01, 0x2A, 0x03 };
    uint8_t tdreport[1024] = { 0x81 };
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    assert_int_equal(avow_pool_new(&pool, NULL), 0);
    gather_ok(pool, &b, AVOW_BYTES_OF(tdreport));
    tdreport[2] = 1; /* of a TD 1.5 */
    gather_ok(pool, &b, AVOW_BYTES_OF(tdreport));
    gather_ok(pool, &b, avow_bytes_str(pem));
    gather_ok(pool, &b, AVOW_BYTES_OF(der));
    assert_int_equal(b.tee, AVOW_TEE_NONE);
    assert_int_equal(avow_pool_count(pool), 0);
    tdreport[5] = 1;
    assert_true(avow_gather_file(pool, &b, AVOW_BYTES_OF(tdreport), NULL) < 0);
}

static void what_is_around_a_file_is_taken_off(void **state)
{
    uint8_t quote[2 * AVOW_TDX_HEADER_LEN] = { 4, 0, 2, 0, 0x81 };
    uint8_t sized[4 + sizeof quote] = { sizeof quote };
    uint8_t sized_be[4 + sizeof quote] = { 0, 0, 0, sizeof quote };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(65536);
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    memcpy(sized + 4, quote, sizeof quote);
    memcpy(sized_be + 4, quote, sizeof quote);
    avow_buf_put_str(&text, "\xEF\xBB\xBF\"0x");
    avow_hex_put(&text, AVOW_BYTES_OF(quote));
    avow_buf_put_str(&text, "\"\r\n");
    assert_true(avow_gather_is_evidence(avow_buf_view(&text)));
    assert_true(avow_gather_is_evidence(AVOW_BYTES_OF(sized)));
    assert_true(avow_gather_is_evidence(AVOW_BYTES_OF(sized_be)));
    sized[0]++;
    assert_false(avow_gather_is_evidence(AVOW_BYTES_OF(sized)));
    assert_int_equal(avow_pool_new(&pool, NULL), 0);
    assert_true(avow_gather_file(pool, &b, AVOW_BYTES("\x1F\x8B\x08", 3), &err) < 0);
    assert_non_null(strstr(err.text, "gzip"));
    avow_error_clear(&err);
    assert_true(avow_gather_file(pool, &b, AVOW_BYTES(NULL, 0), &err) < 0);
    assert_non_null(strstr(err.text, "empty"));
}

/* One piece in each of the ways in which PCR values come. */
static void pcrs_come_as_text_or_bincode(void **state)
{
    static const char text[] = "sha256:\n  3 : 0x"
                               "0300000000000000000000000000000000000000000000000000000000000000\n";
    uint8_t quote[8 + 256 + 8 + 6 + 8 + PCR_BYTES] = { 0, 1 };
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    assert_int_equal(avow_pool_new(&pool, NULL), 0);
    gather_ok(pool, &b, avow_bytes_str(text));
    assert_int_equal(b.pcr_mask, 1u << 3);
    assert_int_equal(b.pcr[3][0], 3);
    quote[8 + 256] = 6;
    quote[8 + 256 + 8 + 6] = 24;
    quote[8 + 256 + 8 + 6 + 8] = 9;
    gather_ok(pool, &b, AVOW_BYTES_OF(quote));
    assert_int_equal(b.pcr_mask, 0xFFFFFF);
    assert_int_equal(b.pcr[0][0], 9);
    assert_int_equal(b.tpm_signature.len, 256);
    assert_int_equal(b.tpm_quote.len, 6);
}

/* Documents that a verifier must refuse reach it, where the pool serves one. */
static void unsigned_documents_go_to_the_verifier(void **state)
{
    static const char *const bare[] = { "{\"fmspc\":\"00\",\"tcbLevels\":[]}",
                                        "{\"isvprodid\":2,\"tcbLevels\":[]}" };
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    assert_int_equal(avow_pool_new(&pool, NULL), 0);
    assert_true(avow_gather_file(pool, &b, avow_bytes_str(bare[0]), NULL) < 0);
    avow_pool_keep_broken(pool);
    gather_ok(pool, &b, avow_bytes_str(bare[0]));
    gather_ok(pool, &b, avow_bytes_str(bare[1]));
    assert_int_equal(avow_pool_item(pool, 0)->kind, AVOW_ITEM_TCB_INFO);
    assert_int_equal(avow_pool_item(pool, 1)->kind, AVOW_ITEM_QE_IDENTITY);
    assert_int_equal(b.runtime_data.len, 0);
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
        cmocka_unit_test(malformed_evidence_is_evidence),
        cmocka_unit_test(what_proves_nothing_is_passed_over),
        cmocka_unit_test(what_is_around_a_file_is_taken_off),
        cmocka_unit_test(pcrs_come_as_text_or_bincode),
        cmocka_unit_test(unsigned_documents_go_to_the_verifier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
