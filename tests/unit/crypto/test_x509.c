#include "crypto/x509.h"

#include "../test.h"

#define PATH_MAX_TEST 4096

static struct avow_cert *load_cert(const char *rel)
{
    char path[PATH_MAX_TEST];
    avow_autofree uint8_t *data = NULL;
    struct avow_cert *c = NULL;
    struct avow_error err = { 0 };
    size_t n = 0;

    snprintf(path, sizeof path, "%s/%s", test_vectors(), rel);
    data = test_read_file(path, &n);
    assert_non_null(data);
    if (avow_cert_parse(AVOW_BYTES(data, n), &c, &err) < 0)
        fail_msg("%s: %s", rel, err.text);
    return c;
}

static void amd_chains_verify(void **state)
{
    static const char *const lines[] = { "milan", "genoa", "turin" };
    static const char *const kinds[] = { "ask", "asvk", "ark" };

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < 3; i++) {
        char rel[64];
        avow_auto(avow_cleanup_cert) struct avow_cert *ark = NULL;

        snprintf(rel, sizeof rel, "amd-roots/%s_ark.der", lines[i]);
        ark = load_cert(rel);
        assert_true(avow_cert_is_ca(ark));
        assert_true(avow_cert_self_issued(ark));
        assert_true(avow_cert_may(ark, AVOW_USE_SIGN_CERTS));
        assert_true(avow_cert_may(ark, AVOW_USE_SIGN_CRLS));
        for (size_t k = 0; k < 3; k++) {
            avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
            struct avow_error err = { 0 };

            snprintf(rel, sizeof rel, "amd-roots/%s_%s.der", lines[i], kinds[k]);
            c = load_cert(rel);
            if (avow_cert_signed_by(c, ark, &err) < 0)
                fail_msg("%s: %s", rel, err.text);
            assert_true(avow_cert_may(c, AVOW_USE_SIGN_CERTS));
        }
    }
}

static void other_line_is_no_issuer(void **state)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *ark = NULL;
    avow_auto(avow_cleanup_cert) struct avow_cert *ask = NULL;
    struct avow_error err = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    ark = load_cert("amd-roots/milan_ark.der");
    ask = load_cert("amd-roots/genoa_ask.der");
    assert_int_equal(avow_cert_signed_by(ask, ark, &err), -AVOW_E_SIGNATURE);
    assert_int_equal(err.code, AVOW_E_SIGNATURE);
}

static void intel_chain_verifies(void **state)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *root = NULL;
    char path[PATH_MAX_TEST];
    avow_autofree uint8_t *pem = NULL;
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(AVOW_CERT_DER_MAX);
    struct avow_bytes ders[4];
    struct avow_error err = { 0 };
    size_t len = 0, n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    root = load_cert("intel-roots/intel_sgx_root_ca.der");
    snprintf(path, sizeof path, "%s/intel-roots/intel_sgx_pck_platform_ca.pem", test_vectors());
    pem = test_read_file(path, &len);
    assert_non_null(pem);
    assert_int_equal(avow_pem_to_der(AVOW_BYTES(pem, len), &store, ders, 4, &n, &err), 0);
    assert_int_equal(n, 1);
    {
        avow_auto(avow_cleanup_cert) struct avow_cert *ca = NULL;

        assert_int_equal(avow_cert_parse(ders[0], &ca, &err), 0);
        assert_int_equal(avow_cert_signed_by(ca, root, &err), 0);
        assert_string_equal(avow_cert_subject_cn(ca), "Intel SGX PCK Platform CA");
    }
}

static void damaged_certificates_are_refused(void **state)
{
    char path[PATH_MAX_TEST];
    avow_autofree uint8_t *data = NULL;
    avow_autofree uint8_t *more = NULL;
    avow_auto(avow_cleanup_cert) struct avow_cert *ark = NULL;
    struct avow_cert *c = NULL;
    size_t n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    ark = load_cert("amd-roots/milan_ark.der");
    snprintf(path, sizeof path, "%s/amd-roots/milan_ask.der", test_vectors());
    data = test_read_file(path, &n);
    assert_non_null(data);
    for (size_t len = 0; len < n; len += len < 64 ? 1 : 37)
        assert_true(avow_cert_parse(AVOW_BYTES(data, len), &c, NULL) < 0);
    more = calloc(1, n + 1);
    assert_non_null(more);
    memcpy(more, data, n);
    assert_int_equal(avow_cert_parse(AVOW_BYTES(more, n + 1), &c, NULL), -AVOW_E_TRAILING);
    for (size_t i = 0; i < n; i += 11) {
        more[i] ^= 1;
        if (avow_cert_parse(AVOW_BYTES(more, n), &c, NULL) == 0) {
            if (avow_cert_signed_by(c, ark, NULL) == 0)
                fail_msg("bit 0 of byte %zu does not matter", i);
            avow_cert_free(c);
            c = NULL;
        }
        more[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amd_chains_verify),
        cmocka_unit_test(other_line_is_no_issuer),
        cmocka_unit_test(intel_chain_verifies),
        cmocka_unit_test(damaged_certificates_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
