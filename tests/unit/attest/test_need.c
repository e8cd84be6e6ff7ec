/* What evidence calls for, by the names under which vendors hand it out. */
#include "attest/need.h"

#include "../snp_vectors.h"

static void need_of(enum avow_tee tee, const char *class, const char *dir, const char *file,
                    const char *leaf, struct avow_need *need)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = tee };
    size_t n = 0, n_leaf = 0;
    avow_autofree uint8_t *data = test_vector(class, dir, file, &n);
    avow_autofree uint8_t *cert = leaf ? test_vector(class, dir, leaf, &n_leaf) : NULL;

    assert_non_null(data);
    test_put(&b, avow_tee_is_azure(tee) ? AVOW_PART_HCL : AVOW_PART_EVIDENCE, data, n);
    if (leaf)
        test_put(&b, AVOW_PART_CERT, cert, n_leaf);
    assert_int_equal(avow_need_of(&b, need, NULL), 0);
}

static void snp(void **state)
{
    struct avow_need n;

    (void)state;
    if (!test_vectors())
        skip();
    need_of(AVOW_TEE_SNP, "snp", "milan-v3-vcek-oak-40a277", "report.bin", NULL, &n);
    assert_int_equal(n.hardware, AVOW_TEE_SNP);
    assert_int_equal(n.n_products, 1);
    assert_string_equal(n.products[0], "Milan");
    assert_int_equal(n.hwid_len, 64);
    assert_false(n.vlek || n.masked || n.has_leaf);
    need_of(AVOW_TEE_SNP, "snp", "turin-v5-vcek-mstee-az-85da70", "report.bin", NULL, &n);
    assert_string_equal(n.products[0], "Turin");
    assert_int_equal(n.hwid_len, 8);
    need_of(AVOW_TEE_SNP, "snp", "milan-v2-vcek-automata-597d1f", "report.bin", NULL, &n);
    assert_int_equal(n.n_products, 2); /* version 2 does not say */
    need_of(AVOW_TEE_SNP, "snp", "milan-v2-vcek-automata-597d1f", "report.bin", "vcek.der", &n);
    assert_int_equal(n.n_products, 1); /* but its certificate does */
    assert_string_equal(n.products[0], "Milan");
    assert_true(n.has_leaf);
    need_of(AVOW_TEE_SNP, "snp", "milan-v3-vlek-coco-decdab", "report.bin", NULL, &n);
    assert_true(n.vlek && !n.has_leaf && n.hwid_len == 0);
    need_of(AVOW_TEE_AZ_SNP, "azure-snp", "coco-v2", "hcl_report.bin", NULL, &n);
    assert_int_equal(n.hardware, AVOW_TEE_SNP);
    assert_string_equal(n.products[0], "Milan");
}

static void tdx(void **state)
{
    struct avow_need n;

    (void)state;
    if (!test_vectors())
        skip();
    need_of(AVOW_TEE_TDX, "tdx", "coco-v5-90c06f", "quote.bin", NULL, &n);
    assert_int_equal(n.hardware, AVOW_TEE_TDX);
    assert_true(n.has_fmspc && !n.processor);
    assert_memory_equal(n.fmspc, "\x90\xc0\x6f\0\0\0", 6);
}

static void nothing(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_SNP };
    struct avow_need n = { .vlek = true };

    (void)state;
    assert_int_equal(avow_need_of(&b, &n, NULL), 0);
    assert_int_equal(n.hardware, AVOW_TEE_NONE);
    test_put(&b, AVOW_PART_EVIDENCE, "x", 1);
    assert_int_equal(avow_need_of(&b, &n, NULL), 0);
    assert_int_equal(n.hardware, AVOW_TEE_NONE);
    b.tee = AVOW_TEE_TDX;
    assert_int_equal(avow_need_of(&b, &n, NULL), 0);
    assert_int_equal(n.hardware, AVOW_TEE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(snp),
        cmocka_unit_test(tdx),
        cmocka_unit_test(nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
