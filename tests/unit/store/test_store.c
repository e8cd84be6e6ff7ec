/* What is put is found again by what it is for, and nothing else is. */
#include "store_maker.h"

#include "verify/verify.h"

#define MILAN "milan-v3-vcek-oak-40a277"
#define GENOA "genoa-v5-vcek-cdai-7ea4da"
#define TURIN "turin-v5-vcek-mstee-az-85da70"
#define VLEK "milan-v3-vlek-coco-decdab"
#define TDX "coco-v5-90c06f"

static void each_report_gets_its_own_leaf(void **state)
{
    static const char *const dirs[] = { MILAN, GENOA, TURIN };
    struct made m = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    for (size_t i = 0; i < 3; i++)
        made_put(&m, AVOW_ITEM_CERT, "snp", dirs[i], "vcek.der");
    made_put(&m, AVOW_ITEM_CERT, "snp", VLEK, "vlek.der");
    for (size_t i = 0; i < 3; i++) {
        avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
        avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
        struct avow_need need = { 0 };
        size_t n = 0;
        avow_autofree uint8_t *leaf = test_vector("snp", dirs[i], "vcek.der", &n);

        made_evidence(&b, AVOW_TEE_SNP, "snp", dirs[i], "report.bin");
        assert_int_equal(avow_need_of(&b, &need, NULL), 0);
        assert_int_equal(avow_pool_new(&pool, NULL), 0);
        assert_int_equal(avow_store_fill(m.store, &need, pool, NULL), 0);
        assert_int_equal(avow_pool_count(pool), 1);
        assert_true(avow_bytes_equal(avow_pool_item(pool, 0)->data, AVOW_BYTES(leaf, n)));
        assert_int_equal(avow_store_complete(m.store, NOW, &b, NULL), 0);
        assert_int_equal(b.n_certs, 1);
    }
    made_done(&m);
}

static void a_vlek_is_found_by_its_tcb(void **state)
{
    struct made m = { 0 };
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    made_put(&m, AVOW_ITEM_CERT, "snp", VLEK, "vlek.der");
    made_evidence(&b, AVOW_TEE_SNP, "snp", VLEK, "report.bin");
    assert_int_equal(avow_store_complete(m.store, NOW, &b, NULL), 0);
    assert_int_equal(b.n_certs, 1);
    made_done(&m);
}

static void a_quote_gets_what_intel_says_of_its_platform(void **state)
{
    struct made m = { 0 };
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_auto(avow_bundle_done) struct avow_bundle other = { 0 };
    struct avow_store_key key = { .kind = AVOW_ITEM_TCB_INFO };
    const uint8_t fmspc[6] = { 0x90, 0xc0, 0x6f };
    int64_t until = 0;

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    made_put(&m, AVOW_ITEM_TCB_INFO, "tdx", TDX, "tcb_info.json");
    made_put(&m, AVOW_ITEM_QE_IDENTITY, "tdx", TDX, "qe_identity.json");
    made_put(&m, AVOW_ITEM_CRL, "tdx", TDX, "pck_crl.der");
    made_put(&m, AVOW_ITEM_CRL, "tdx", TDX, "root_ca_crl.der");
    made_evidence(&b, AVOW_TEE_TDX, "tdx", TDX, "quote.bin");
    assert_int_equal(avow_store_complete(m.store, NOW, &b, NULL), 0);
    assert_true(b.tcb_info.len && b.qe_identity.len);
    assert_int_equal(b.n_crls, 2);
    made_evidence(&other, AVOW_TEE_TDX, "tdx", "coco-v4-debug-50806f", "quote.bin");
    assert_int_equal(avow_store_complete(m.store, NOW, &other, NULL), 0);
    assert_int_equal(other.tcb_info.len, 0); /* of another platform */
    key.fmspc = AVOW_BYTES_OF(fmspc);
    assert_int_equal(avow_store_until(m.store, &key, 1774995607, &until, NULL), 0);
    assert_true(until > 1774995607);
    assert_int_equal(avow_store_until(m.store, &key, NOW, &until, NULL), 0);
    assert_int_equal(until, 0); /* issued later */
    made_done(&m);
}

static int count_row(void *ctx, const struct avow_store_row *row)
{
    size_t *n = ctx;

    assert_string_equal(row->source, "vcek.der");
    assert_int_equal(row->added, NOW);
    (*n)++;
    return 0;
}

static void once_is_enough_and_expired_goes(void **state)
{
    struct made m = { 0 };
    size_t rows = 0;
    uint64_t n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    made_put(&m, AVOW_ITEM_CERT, "snp", MILAN, "vcek.der");
    made_put(&m, AVOW_ITEM_CERT, "snp", MILAN, "vcek.der");
    assert_int_equal(avow_store_each(m.store, count_row, &rows, NULL), 0);
    assert_int_equal(rows, 1);
    assert_int_equal(avow_store_prune(m.store, NOW, &n, NULL), 0);
    assert_int_equal(n, 0);
    assert_int_equal(avow_store_prune(m.store, NOW + 20ll * 366 * 86400, &n, NULL), 0);
    assert_int_equal(n, 1);
    made_done(&m);
}

static void what_is_no_store_is_refused(void **state)
{
    struct made m = { 0 };
    struct avow_store *s = NULL;
    struct avow_error err = { 0 };
    char other[128];
    FILE *f = NULL;

    (void)state;
    made_new(&m);
    (void)snprintf(other, sizeof other, "%s/none.db", m.dir);
    assert_int_equal(avow_store_open(other, AVOW_STORE_READ, &s, &err), -AVOW_E_NOTFOUND);
    (void)snprintf(other, sizeof other, "%s/text.db", m.dir);
    f = fopen(other, "w");
    assert_non_null(f);
    for (int i = 0; i < 100; i++)
        (void)fputs("this is no database at all, of anybody\n", f);
    fclose(f);
    err = (struct avow_error){ 0 };
    assert_int_equal(avow_store_open(other, AVOW_STORE_WRITE, &s, &err), -AVOW_E_FORMAT);
    assert_non_null(strstr(err.text, "text.db"));
    made_done(&m);
}

/* Another process, and a reader of what a writer made. */
static void two_at_once(void **state)
{
    struct made m = { 0 };
    struct avow_store *reader = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    assert_int_equal(avow_store_open(m.path, AVOW_STORE_READ, &reader, NULL), 0);
    made_put(&m, AVOW_ITEM_CERT, "snp", MILAN, "vcek.der");
    made_evidence(&b, AVOW_TEE_SNP, "snp", MILAN, "report.bin");
    assert_int_equal(avow_store_complete(reader, NOW, &b, NULL), 0);
    assert_int_equal(b.n_certs, 1);
    avow_store_close(reader);
    made_done(&m);
}

/* A store that somebody changed gives nothing that a verifier would take. */
static void what_is_found_is_judged(void **state)
{
    struct made m = { 0 };
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_anchors anchors;
    struct avow_claims claims;

    (void)state;
    if (!test_vectors())
        skip();
    made_new(&m);
    made_put(&m, AVOW_ITEM_CERT, "snp", MILAN, "vcek.der");
    made_evidence(&b, AVOW_TEE_SNP, "snp", MILAN, "report.bin");
    assert_int_equal(avow_store_complete(m.store, NOW, &b, NULL), 0);
    avow_anchors_builtin(&anchors);
    assert_int_equal(avow_verify(&b, &anchors, NOW, NULL, &claims, NULL), 0);
    assert_true(claims.authentic); /* chain built in */
    made_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_report_gets_its_own_leaf),
        cmocka_unit_test(a_vlek_is_found_by_its_tcb),
        cmocka_unit_test(a_quote_gets_what_intel_says_of_its_platform),
        cmocka_unit_test(once_is_enough_and_expired_goes),
        cmocka_unit_test(what_is_no_store_is_refused),
        cmocka_unit_test(two_at_once),
        cmocka_unit_test(what_is_found_is_judged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
