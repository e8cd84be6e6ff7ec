#include "attest/pool.h"

#include "../snp_vectors.h"
#include "collateral/document.h"
#include "evidence/snp.h"

static void put_file(struct avow_pool *p, enum avow_item_kind kind, const char *dir,
                     const char *file)
{
    size_t n = 0;
    avow_autofree uint8_t *data = test_vector("snp", dir, file, &n);
    struct avow_error err = { 0 };

    assert_non_null(data);
    if (avow_pool_put(p, kind, AVOW_BYTES(data, n), &err) < 0)
        fail_msg("%s", err.text);
}

static void items_are_read(void **state)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *p = NULL;
    const struct avow_item *milan = NULL, *turin = NULL, *vlek = NULL;

    (void)state;
    if (!test_vectors())
        skip();
    assert_int_equal(avow_pool_new(&p, NULL), 0);
    put_file(p, AVOW_ITEM_CERT, "milan-v3-vcek-oak-40a277", "vcek.der");
    put_file(p, AVOW_ITEM_CERT, "turin-v5-vcek-mstee-az-85da70", "vcek.der");
    put_file(p, AVOW_ITEM_CERT, "milan-v3-vlek-coco-decdab", "vlek.der");
    put_file(p, AVOW_ITEM_CERT, "milan-v3-vcek-oak-40a277", "vcek.der"); /* again */
    assert_int_equal(avow_pool_count(p), 3);
    milan = avow_pool_item(p, 0);
    turin = avow_pool_item(p, 1);
    vlek = avow_pool_item(p, 2);
    assert_string_equal(milan->subject, "SEV-VCEK");
    assert_string_equal(milan->issuer, "SEV-Milan");
    assert_int_equal(milan->hwid_len, 64);
    assert_int_equal(milan->tcb[AVOW_SNP_TCB_MICROCODE], 219);
    assert_int_equal(milan->tcb[AVOW_SNP_TCB_SNP], 24);
    assert_int_equal(turin->hwid_len, 8);
    assert_int_equal(turin->tcb[AVOW_SNP_TURIN_TCB_FMC], 1);
    assert_int_equal(turin->tcb[AVOW_SNP_TURIN_TCB_SNP], 4);
    assert_int_equal(vlek->hwid_len, 0);
    assert_true(vlek->has_tcb && vlek->from < vlek->until);
    assert_int_equal(avow_pool_put(p, AVOW_ITEM_CERT, avow_bytes_str("no"), NULL), -AVOW_E_FORMAT);
    assert_true(avow_pool_put(p, AVOW_ITEM_TCB_INFO, avow_bytes_str("{}"), NULL) < 0);
}

/* Every machine's endorsements in one pool: each report gets its own. */
static void a_report_gets_its_own_leaf(void **state)
{
    static const char *const dirs[] = { "milan-v3-vcek-oak-40a277", "genoa-v5-vcek-cdai-7ea4da",
                                        "milan-v3-vcek-dstack-a20e02",
                                        "turin-v5-vcek-mstee-az-85da70",
                                        "milan-v2-vcek-automata-597d1f" };
    avow_auto(avow_cleanup_pool) struct avow_pool *p = NULL;
    const size_t n_dirs = sizeof dirs / sizeof dirs[0];

    (void)state;
    if (!test_vectors())
        skip();
    assert_int_equal(avow_pool_new(&p, NULL), 0);
    for (size_t i = 0; i < n_dirs; i++)
        put_file(p, AVOW_ITEM_CERT, dirs[i], "vcek.der");
    for (size_t i = 0; i < n_dirs; i++) {
        avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_SNP };
        size_t n = 0, n_leaf = 0;
        avow_autofree uint8_t *report = test_vector("snp", dirs[i], "report.bin", &n);
        avow_autofree uint8_t *leaf = test_vector("snp", dirs[i], "vcek.der", &n_leaf);

        test_put(&b, AVOW_PART_EVIDENCE, report, n);
        assert_int_equal(avow_pool_complete(p, 1760000000, &b, NULL), 0);
        assert_int_equal(b.n_certs, 1);
        assert_true(avow_bytes_equal(b.certs[0], AVOW_BYTES(leaf, n_leaf)));
        assert_int_equal(avow_pool_complete(p, 1760000000, &b, NULL), 0); /* has it */
        assert_int_equal(b.n_certs, 1);
    }
}

static void what_cannot_be_read_gets_nothing(void **state)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *p = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle snp = { .tee = AVOW_TEE_SNP };
    avow_auto(avow_bundle_done) struct avow_bundle tdx = { .tee = AVOW_TEE_AZ_TDX };

    (void)state;
    if (!test_vectors())
        skip();
    assert_int_equal(avow_pool_new(&p, NULL), 0);
    put_file(p, AVOW_ITEM_CERT, "milan-v3-vcek-oak-40a277", "vcek.der");
    test_put(&snp, AVOW_PART_EVIDENCE, "x", 1);
    assert_int_equal(avow_pool_complete(p, 0, &snp, NULL), 0);
    assert_int_equal(snp.n_certs, 0);
    assert_int_equal(avow_pool_complete(p, 0, &tdx, NULL), 0);
    assert_int_equal(tdx.n_certs, 0);
}

/* For a verification: an unreadable document is kept, for the verifier to refuse, and gives way to
 * any that can be read. */
static void broken_documents_are_the_last_resort(void **state)
{
    static const uint8_t large[AVOW_DOCUMENT_MAX + 1];
    static const char broken[] = "{\"tcbInfo\":{},\"signature\":\"\"}";
    avow_auto(avow_cleanup_pool) struct avow_pool *p = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_TDX };
    size_t n = 0, n_info = 0;
    avow_autofree uint8_t *quote = test_vector("tdx", "cdai-v4-azure-90c06f", "quote.bin", &n);
    avow_autofree uint8_t *info =
        test_vector("tdx", "cdai-v4-azure-90c06f", "tcb_info.json", &n_info);
    struct avow_error err = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    assert_int_equal(avow_pool_new(&p, NULL), 0);
    assert_true(avow_pool_put(p, AVOW_ITEM_TCB_INFO, avow_bytes_str(broken), NULL) < 0);
    avow_pool_keep_broken(p);
    assert_int_equal(avow_pool_put(p, AVOW_ITEM_TCB_INFO, avow_bytes_str(broken), &err), 0);
    assert_int_equal(err.code, 0);
    assert_true(avow_pool_item(p, 0)->broken);
    assert_true(avow_pool_put(p, AVOW_ITEM_CERT, avow_bytes_str("no"), NULL) < 0);
    assert_int_equal(avow_pool_put(p, AVOW_ITEM_TCB_INFO, AVOW_BYTES_OF(large), NULL),
                     -AVOW_E_LIMIT);
    test_put(&b, AVOW_PART_EVIDENCE, quote, n);
    assert_int_equal(avow_pool_complete(p, 0, &b, NULL), 0);
    assert_true(avow_bytes_equal(b.tcb_info, avow_bytes_str(broken)));
    b.tcb_info = AVOW_BYTES(NULL, 0);
    assert_int_equal(avow_pool_put(p, AVOW_ITEM_TCB_INFO, AVOW_BYTES(info, n_info), NULL), 0);
    assert_int_equal(avow_pool_complete(p, 0, &b, NULL), 0); /* expired, but readable */
    assert_true(avow_bytes_equal(b.tcb_info, AVOW_BYTES(info, n_info)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_are_read),
        cmocka_unit_test(a_report_gets_its_own_leaf),
        cmocka_unit_test(what_cannot_be_read_gets_nothing),
        cmocka_unit_test(broken_documents_are_the_last_resort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
