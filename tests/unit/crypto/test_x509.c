#include "crypto/x509.h"

#include "../test.h"
#include "codec/text.h"
#include "crypto/certmake.h"

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

/* ---- made here ---- */

#define NOW 1700000000

/* What parsing says to a self-signed certificate with these names and extensions. */
static int parse_made(const struct avow_name_part *names, size_t n_names,
                      const struct avow_cert_ext *exts, size_t n_exts, struct avow_cert **out)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    const struct avow_cert_spec spec = { .subject = names,
                                         .n_subject = n_names,
                                         .from = NOW,
                                         .until = NOW + 86400,
                                         .basic_constraints = true,
                                         .ca = true,
                                         .pathlen = -1,
                                         .key_usage = AVOW_KU_CRL_SIGN,
                                         .exts = exts,
                                         .n_exts = n_exts };

    assert_int_equal(avow_signer_new(AVOW_SIGNER_P256, &key, NULL), 0);
    assert_int_equal(avow_cert_make(&spec, key, AVOW_BYTES("", 0), key, &der, NULL), 0);
    return avow_cert_parse(avow_buf_view(&der), out, NULL);
}

static void names_that_say_two_things_are_refused(void **state)
{
    static const struct avow_name_part two[] = { { "CN", "a" }, { "CN", "b" } };
    static const struct avow_name_part none[] = { { "O", "a" } };
    static const struct avow_name_part one[] = { { "O", "a" }, { "CN", "K\xc3\xb6ln" } };
    char text[100];
    struct avow_name_part big = { "CN", text };
    struct avow_cert *c = NULL;

    (void)state;
    assert_int_equal(parse_made(two, 2, NULL, 0, &c), -AVOW_E_FORMAT);
    assert_int_equal(parse_made(none, 1, NULL, 0, &c), 0);
    assert_string_equal(avow_cert_subject_cn(c), "");
    avow_cert_free(c);
    assert_int_equal(parse_made(one, 2, NULL, 0, &c), 0);
    assert_string_equal(avow_cert_subject_cn(c), "K\xc3\xb6ln");
    assert_string_equal(avow_cert_issuer_cn(c), "K\xc3\xb6ln");
    avow_cert_free(c);
    memset(text, 'a', sizeof text);
    text[64] = 0; /* the most that X.520 allows */
    assert_int_equal(parse_made(&big, 1, NULL, 0, &c), 0);
    assert_string_equal(avow_cert_subject_cn(c), text);
    avow_cert_free(c);
}

static void extensions_are_found_once(void **state)
{
    static const struct avow_name_part name = { "CN", "a" };
    const struct avow_cert_ext twice[] = { { "1.2.3.4", false, AVOW_BYTES("\x05\x00", 2) },
                                           { "1.2.3.5", false, AVOW_BYTES("x", 1) },
                                           { "1.2.3.5", false, AVOW_BYTES("y", 1) } };
    const struct avow_cert_ext critical = { "1.2.3.4", true, AVOW_BYTES("\x05\x00", 2) };
    struct avow_cert *c = NULL;
    struct avow_bytes v = { 0 };
    int64_t from = 0, until = 0;

    (void)state;
    assert_int_equal(parse_made(&name, 1, twice, 3, &c), 0);
    assert_int_equal(avow_cert_extension(c, "1.2.3.4", &v), 0);
    assert_true(avow_bytes_equal(v, AVOW_BYTES("\x05\x00", 2)));
    assert_int_equal(avow_cert_extension(c, "1.2.3.5", &v), -AVOW_E_FORMAT);
    assert_int_equal(avow_cert_extension(c, "1.2.3", &v), -AVOW_E_NOTFOUND);
    assert_int_equal(avow_cert_extension(c, "no oid", &v), -AVOW_E_NOTFOUND);
    avow_cert_validity(c, &from, &until);
    assert_int_equal(from, NOW);
    assert_int_equal(until, NOW + 86400);
    assert_false(avow_cert_may(c, AVOW_USE_SIGN_CERTS));
    assert_true(avow_cert_may(c, AVOW_USE_SIGN_CRLS));
    avow_cert_free(c);
    assert_int_equal(parse_made(&name, 1, &critical, 1, &c), -AVOW_E_FORMAT);
}

/* Orders of the groups: FIPS 186-4, D.1.2.3 and D.1.2.4 */
static const char order256[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
static const char order384[] = "ffffffffffffffffffffffffffffffffffffffffffffffff"
                               "c7634d81f4372ddf581a0db248b0a77aecec196accc52973";

static void ecdsa_wants_r_and_s_in_range(void **state)
{
    static const struct {
        enum avow_curve curve;
        enum avow_signer_kind kind;
        const char *order;
        size_t half;
    } rows[] = { { AVOW_P256, AVOW_SIGNER_P256, order256, 32 },
                 { AVOW_P384, AVOW_SIGNER_P384, order384, 48 } };
    struct avow_bytes msg = avow_bytes_str("message");

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL;
        size_t half = rows[i].half;
        uint8_t xy[96], good[96], sig[96];
        struct avow_bytes point = AVOW_BYTES(xy, 2 * half), s = AVOW_BYTES(sig, 2 * half);

        assert_int_equal(avow_signer_new(rows[i].kind, &key, NULL), 0);
        assert_int_equal(avow_signer_xy(key, rows[i].curve, xy, NULL), 0);
        assert_int_equal(avow_signer_ecdsa(key, rows[i].curve, msg, good, NULL), 0);
        memcpy(sig, good, sizeof sig);
        assert_int_equal(avow_ecdsa_verify(rows[i].curve, point, msg, s, NULL), 0);
        assert_int_equal(
            avow_ecdsa_verify(rows[i].curve, point, avow_bytes_str("massage"), s, NULL),
            -AVOW_E_SIGNATURE);
        for (size_t part = 0; part < 2; part++) {
            memset(sig + part * half, 0, half);
            assert_int_equal(avow_ecdsa_verify(rows[i].curve, point, msg, s, NULL),
                             -AVOW_E_SIGNATURE);
            assert_int_equal(avow_unhex(rows[i].order, sig + part * half, half), 0);
            assert_int_equal(avow_ecdsa_verify(rows[i].curve, point, msg, s, NULL),
                             -AVOW_E_SIGNATURE);
            memset(sig + part * half, 0xFF, half);
            assert_int_equal(avow_ecdsa_verify(rows[i].curve, point, msg, s, NULL),
                             -AVOW_E_SIGNATURE);
            memcpy(sig, good, sizeof sig);
        }
        s.len--;
        assert_int_equal(avow_ecdsa_verify(rows[i].curve, point, msg, s, NULL), -AVOW_E_SIGNATURE);
        s.len++;
        xy[2 * half - 1] ^= 1; /* off the curve */
        assert_int_equal(avow_ecdsa_verify(rows[i].curve, point, msg, s, NULL), -AVOW_E_FORMAT);
        memset(xy, 0, sizeof xy);
        assert_int_equal(avow_ecdsa_verify(rows[i].curve, point, msg, s, NULL), -AVOW_E_FORMAT);
        point.len--;
        assert_int_equal(avow_ecdsa_verify(rows[i].curve, point, msg, s, NULL), -AVOW_E_FORMAT);
    }
}

/* AMD's keys are RSA, Intel's roots are on P-256. */
static void keys_of_another_kind_are_refused(void **state)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *rsa = NULL;
    avow_auto(avow_cleanup_cert) struct avow_cert *p256 = NULL;
    const uint8_t sig[96] = { 1 };

    (void)state;
    if (!test_vectors())
        skip();
    rsa = load_cert("amd-roots/milan_ark.der");
    p256 = load_cert("intel-roots/intel_sgx_root_ca.der");
    assert_int_equal(
        avow_cert_ecdsa_verify(rsa, AVOW_P384, avow_bytes_str("m"), AVOW_BYTES_OF(sig), NULL),
        -AVOW_E_FORMAT);
    assert_int_equal(
        avow_cert_ecdsa_verify(p256, AVOW_P384, avow_bytes_str("m"), AVOW_BYTES_OF(sig), NULL),
        -AVOW_E_FORMAT);
    assert_int_equal(
        avow_cert_ecdsa_verify(p256, AVOW_P256, avow_bytes_str("m"), AVOW_BYTES(sig, 64), NULL),
        -AVOW_E_SIGNATURE);
}

static void crls_are_read_and_verified(void **state)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *root = NULL;
    avow_auto(avow_cleanup_cert) struct avow_cert *ark = NULL;
    avow_auto(avow_cleanup_crl) struct avow_crl *crl = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CRL_DER_MAX);
    avow_autofree uint8_t *data = NULL;
    struct avow_crl *other = NULL;
    char path[PATH_MAX_TEST];
    int64_t from = 0, until = 0;
    size_t n = 0;

    (void)state;
    if (!test_vectors())
        skip();
    root = load_cert("intel-roots/intel_sgx_root_ca.der");
    ark = load_cert("amd-roots/milan_ark.der");
    snprintf(path, sizeof path, "%s/intel-crl/root_2026-02-26_2027-02-26_c114be.crl",
             test_vectors());
    data = test_read_file(path, &n);
    assert_non_null(data);
    assert_int_equal(avow_crl_parse(AVOW_BYTES(data, n), &crl, NULL), 0);
    assert_string_equal(avow_crl_issuer_cn(crl), "Intel SGX Root CA");
    assert_int_equal(avow_crl_signed_by(crl, root, NULL), 0);
    assert_int_equal(avow_crl_signed_by(crl, ark, NULL), -AVOW_E_SIGNATURE);
    assert_false(avow_crl_revokes(crl, root));
    assert_false(avow_crl_revokes(crl, ark));
    avow_crl_validity(crl, &from, &until);
    assert_in_range(from, 1772064000, 1772150399);  /* 2026-02-26 */
    assert_in_range(until, 1803600000, 1803686399); /* 2027-02-26 */
    assert_int_equal(avow_crl_der(crl, &der, NULL), 0);
    assert_true(avow_bytes_equal(avow_buf_view(&der), AVOW_BYTES(data, n)));
    for (size_t len = 0; len < n; len++)
        assert_true(avow_crl_parse(AVOW_BYTES(data, len), &other, NULL) < 0);
    for (size_t i = 0; i < n; i++) {
        data[i] ^= 4;
        if (avow_crl_parse(AVOW_BYTES(data, n), &other, NULL) == 0) {
            if (avow_crl_signed_by(other, root, NULL) == 0)
                fail_msg("bit of byte %zu does not matter", i);
            avow_crl_free(other);
        }
        data[i] ^= 4;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amd_chains_verify),
        cmocka_unit_test(other_line_is_no_issuer),
        cmocka_unit_test(intel_chain_verifies),
        cmocka_unit_test(damaged_certificates_are_refused),
        cmocka_unit_test(names_that_say_two_things_are_refused),
        cmocka_unit_test(extensions_are_found_once),
        cmocka_unit_test(ecdsa_wants_r_and_s_in_range),
        cmocka_unit_test(keys_of_another_kind_are_refused),
        cmocka_unit_test(crls_are_read_and_verified),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
