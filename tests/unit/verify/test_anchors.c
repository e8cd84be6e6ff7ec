#include "verify/anchors.h"

#include "../test.h"
#include "crypto/certmake.h"
#include "crypto/x509.h"

#define NOW 1700000000

static void builtin_anchors_are_the_vendors(void **state)
{
    static const struct {
        const char *file, *product;
        enum avow_tee tee;
    } roots[] = {
        { "amd-roots/milan_ark.der", "Milan", AVOW_TEE_SNP },
        { "amd-roots/genoa_ark.der", "Genoa", AVOW_TEE_SNP },
        { "amd-roots/turin_ark.der", "Turin", AVOW_TEE_SNP },
        { "intel-roots/intel_sgx_root_ca.der", "", AVOW_TEE_TDX },
    };
    struct avow_anchors a;

    (void)state;
    if (!test_vectors())
        skip();
    avow_anchors_builtin(&a);
    assert_int_equal(a.n, sizeof roots / sizeof roots[0]);
    for (size_t i = 0; i < a.n; i++) {
        avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
        avow_autofree uint8_t *der = NULL;
        const struct avow_anchor *found = NULL;
        char path[4096];
        uint8_t spki[32];
        size_t n = 0;

        snprintf(path, sizeof path, "%s/%s", test_vectors(), roots[i].file);
        der = test_read_file(path, &n);
        assert_non_null(der);
        assert_int_equal(avow_cert_parse(AVOW_BYTES(der, n), &c, NULL), 0);
        avow_cert_spki_sha256(c, spki);
        found = avow_anchors_find(&a, roots[i].tee, spki);
        assert_non_null(found);
        assert_string_equal(found->product, roots[i].product);
        assert_false(found->simulated);
        assert_non_null(strstr(found->name, avow_cert_subject_cn(c)));
        assert_null(avow_anchors_find(
            &a, roots[i].tee == AVOW_TEE_SNP ? AVOW_TEE_TDX : AVOW_TEE_SNP, spki));
    }
}

static void make_root(const char *cn, struct avow_buf *pem)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    const struct avow_name_part name = { "CN", cn };
    const struct avow_cert_spec spec = { .subject = &name,
                                         .n_subject = 1,
                                         .from = NOW,
                                         .until = NOW + 1,
                                         .basic_constraints = true,
                                         .ca = true,
                                         .pathlen = -1,
                                         .key_usage = AVOW_KU_CERT_SIGN };

    assert_int_equal(avow_signer_new(AVOW_SIGNER_P256, &key, NULL), 0);
    assert_int_equal(avow_cert_make(&spec, key, AVOW_BYTES("", 0), key, &der, NULL), 0);
    assert_int_equal(avow_cert_to_pem(avow_buf_view(&der), pem, NULL), 0);
}

static void simulated_roots_say_so(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(1u << 16);
    struct avow_anchors a;
    struct avow_error err = { 0 };
    size_t before = 0;

    (void)state;
    avow_anchors_builtin(&a);
    before = a.n;
    make_root("SIMULATED ARK-Genoa", &pem);
    make_root("SIMULATED Intel SGX Root CA", &pem);
    assert_int_equal(avow_anchors_add_simulated(&a, avow_buf_view(&pem), &err), 0);
    assert_int_equal(a.n, before + 2);
    assert_true(a.list[before].simulated && a.list[before + 1].simulated);
    assert_int_equal(a.list[before].tee, AVOW_TEE_SNP);
    assert_string_equal(a.list[before].product, "Genoa");
    assert_string_equal(a.list[before].name, "SIMULATED ARK-Genoa");
    assert_int_equal(a.list[before + 1].tee, AVOW_TEE_TDX);
    /* once more adds nothing */
    assert_int_equal(avow_anchors_add_simulated(&a, avow_buf_view(&pem), &err), 0);
    assert_int_equal(a.n, before + 2);
}

static void other_names_are_refused_altogether(void **state)
{
    static const char *const names[] = {
        "ARK-Genoa",
        "SIMULATED ARK-",
        "SIMULATED SEV-Genoa",
        "Intel SGX Root CA",
        "simulated ARK-Genoa",
        "SIMULATED Intel SGX Root CA 2",
        "SIMULATED ARK-of-a-very-long-product",
    };
    struct avow_anchors a;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(1u << 16);

        avow_anchors_builtin(&a);
        make_root("SIMULATED ARK-Genoa", &pem);
        make_root(names[i], &pem);
        assert_int_equal(avow_anchors_add_simulated(&a, avow_buf_view(&pem), NULL), -AVOW_E_FORMAT);
        assert_int_equal(a.n, 4); /* not even the good one */
    }
    assert_int_equal(avow_anchors_add_simulated(&a, avow_bytes_str("nothing"), NULL),
                     -AVOW_E_FORMAT);
}

static void too_many_are_refused(void **state)
{
    struct avow_anchors a;
    int rc = 0;

    (void)state;
    avow_anchors_builtin(&a);
    for (size_t i = a.n; i <= AVOW_ANCHORS_MAX && rc == 0; i++) {
        avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(1u << 16);

        make_root("SIMULATED ARK-Genoa", &pem);
        rc = avow_anchors_add_simulated(&a, avow_buf_view(&pem), NULL);
    }
    assert_int_equal(rc, -AVOW_E_LIMIT);
    assert_int_equal(a.n, AVOW_ANCHORS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin_anchors_are_the_vendors),
        cmocka_unit_test(simulated_roots_say_so),
        cmocka_unit_test(other_names_are_refused_altogether),
        cmocka_unit_test(too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
