#include "../test.h"

#include "codec/text.h"
#include "crypto/certmake.h"
#include "crypto/jws.h"
#include "service/policies.h"

static char top[] = "/tmp/avow-test-policies-XXXXXX";
static char dir[64];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(dir, sizeof dir, "%s/policies", top);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)rmdir(dir);
    return rmdir(top);
}

static struct avow_service_policy *read_policy(const char *given)
{
    struct avow_service_policy *p = NULL;
    struct avow_error err = { 0 };

    if (avow_service_policy_read(avow_bytes_str(given), &p, &err) < 0)
        fail_msg("%s", err.text);
    return p;
}

/* Hashes of real tokens: MAA's default policy, and one that its documents show. */
static void hashes(void **state)
{
    static const struct {
        const char *text, *hash;
    } known[] = {
        { AVOW_POLICY_DEFAULT, "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco" },
        { "version= 1.0;\n\nauthorizationrules\n{\n    => permit();\n};",
          "LTPRQQju-FejAwdYihF8YV_c2XWebG9joKvrHKc3bxs" },
        { "version= 1.0;\n\nauthorizationrules\n{\n    => permit();\n};\n\nissuancerules\n{\n};",
          "B56nbp5slhw66peoRYkpdq1WykMkEworvdol08hnMXE" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        avow_auto(avow_cleanup_service_policy) struct avow_service_policy *p =
            read_policy(known[i].text);
        avow_auto(avow_cleanup_service_policy) struct avow_service_policy *again = NULL;

        assert_string_equal(p->hash, known[i].hash);
        assert_null(p->signer);
        again = read_policy(avow_buf_cstr(&p->jws));
        assert_string_equal(again->hash, known[i].hash);
        assert_string_equal(avow_buf_cstr(&again->text), known[i].text);
    }
}

static void sign(const struct avow_signer *key, struct avow_bytes cert, const char *payload,
                 struct avow_buf *out)
{
    avow_auto(avow_buf_done) struct avow_buf b64 = AVOW_BUF(1 << 16);
    avow_autojson json_t *header = NULL;

    avow_b64_put(&b64, cert);
    header = json_pack("{s:[s]}", "x5c", avow_buf_cstr(&b64));
    assert_int_equal(avow_jws_sign(header, avow_bytes_str(payload), key, out, NULL), 0);
}

static void sign_policy(const struct avow_signer *key, struct avow_bytes cert, struct avow_buf *out)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(1 << 16);
    char payload[256];

    avow_b64url_put(&text, avow_bytes_str(AVOW_POLICY_DEFAULT));
    snprintf(payload, sizeof payload, "{\"AttestationPolicy\":\"%s\"}", avow_buf_cstr(&text));
    sign(key, cert, payload, out);
}

static void make_cert(const struct avow_signer *key, struct avow_buf *der)
{
    const struct avow_name_part name = { "CN", "signer" };
    const struct avow_cert_spec spec = {
        .subject = &name, .n_subject = 1, .from = 1700000000, .until = 1800000000
    };

    assert_int_equal(avow_cert_make(&spec, key, AVOW_BYTES(NULL, 0), key, der, NULL), 0);
}

static void signed_ones(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL, *other = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf good = AVOW_BUF(1 << 16);
    avow_auto(avow_buf_done) struct avow_buf bad = AVOW_BUF(1 << 16);
    avow_auto(avow_cleanup_service_policy) struct avow_service_policy *p = NULL;

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &key, NULL), 0);
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &other, NULL), 0);
    make_cert(key, &der);
    sign_policy(key, avow_buf_view(&der), &good);
    sign_policy(other, avow_buf_view(&der), &bad);
    p = read_policy(avow_buf_cstr(&good));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(p->signer, "jwk"), "kty")), "RSA");
    avow_service_policy_unref(avow_steal(&p));
    assert_int_equal(avow_service_policy_read(avow_buf_view(&bad), &p, NULL), -AVOW_E_SIGNATURE);
}

/* Text need not begin with "version", as Microsoft's own examples do not; its hash is of all of it.
 */
static void bare_ones(void **state)
{
    static const char *const texts[] = { " \r\n" AVOW_POLICY_DEFAULT,
                                         "// comment\n" AVOW_POLICY_DEFAULT,
                                         "Version= 1.0;authorizationrules{=> permit();};" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        avow_auto(avow_cleanup_service_policy) struct avow_service_policy *p =
            read_policy(texts[i]);
        char hash[AVOW_MAA_POLICY_HASH_TEXT];

        assert_int_equal(avow_maa_policy_hash(avow_bytes_str(texts[i]), hash, NULL), 0);
        assert_string_equal(p->hash, hash);
    }
}

/* Where signers are named: theirs alone, and of a removal too. */
static void only_by_signers(void **state)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *key = NULL, *other = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf other_der = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf good = AVOW_BUF(1 << 16), foreign = AVOW_BUF(1 << 16);
    avow_auto(avow_buf_done) struct avow_buf removal = AVOW_BUF(1 << 16),
                                             theirs = AVOW_BUF(1 << 16);
    avow_auto(avow_cleanup_service_policy) struct avow_service_policy *p = NULL, *q = NULL;
    avow_auto(avow_cleanup_service_policy) struct avow_service_policy *bare =
        read_policy(AVOW_POLICY_DEFAULT);
    avow_auto(avow_cleanup_cert) struct avow_cert *cert = NULL;
    avow_autofree struct avow_clients *signers = calloc(1, sizeof *signers);
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &key, NULL), 0);
    assert_int_equal(avow_signer_new(AVOW_SIGNER_RSA2048, &other, NULL), 0);
    make_cert(key, &der);
    make_cert(other, &other_der);
    sign_policy(key, avow_buf_view(&der), &good);
    sign_policy(other, avow_buf_view(&other_der), &foreign);
    sign(key, avow_buf_view(&der), "", &removal);
    sign(other, avow_buf_view(&other_der), "", &theirs);
    assert_int_equal(avow_cert_parse(avow_buf_view(&der), &cert, NULL), 0);
    avow_cert_spki_sha256(cert, signers->spki[0]);
    signers->n = 1;
    p = read_policy(avow_buf_cstr(&good));
    q = read_policy(avow_buf_cstr(&foreign));
    assert_int_equal(avow_service_policy_signed(p, signers, NULL), 0);
    assert_int_equal(avow_service_policy_signed(q, signers, &err), -AVOW_E_UNTRUSTED);
    assert_non_null(strstr(err.text, "none of the 1 policy-signers"));
    assert_int_equal(avow_service_policy_signed(bare, signers, NULL), -AVOW_E_UNTRUSTED);
    assert_int_equal(avow_service_policy_signed(q, NULL, NULL), 0);
    assert_int_equal(avow_service_policy_signed(bare, NULL, NULL), 0);
    assert_int_equal(avow_service_policy_removal(avow_buf_view(&removal), signers, NULL), 0);
    assert_int_equal(avow_service_policy_removal(avow_buf_view(&theirs), signers, NULL),
                     -AVOW_E_UNTRUSTED);
    assert_int_equal(avow_service_policy_removal(AVOW_BYTES(NULL, 0), signers, NULL),
                     -AVOW_E_UNTRUSTED);
    assert_int_equal(
        avow_service_policy_removal(avow_bytes_str("eyJhbGciOiJub25lIn0.."), signers, NULL),
        -AVOW_E_UNTRUSTED);
    assert_int_equal(avow_service_policy_removal(avow_buf_view(&good), signers, NULL),
                     -AVOW_E_FORMAT); /* a signed policy is no wish to remove one */
    assert_int_equal(avow_service_policy_removal(AVOW_BYTES(NULL, 0), NULL, NULL), 0);
}

static void mistakes(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "version= 1.0;authorizationrules{=> allow();};",
        "version= 9.0;",
        "eyJhbGciOiJub25lIn0.e30.", /* no AttestationPolicy */
        "eyJhbGciOiJIUzI1NiJ9.e30.AAAA",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        avow_auto(avow_cleanup_service_policy) struct avow_service_policy *p = NULL;
        struct avow_error err = { 0 };

        assert_true(avow_service_policy_read(avow_bytes_str(bad[i]), &p, &err) < 0);
        assert_null(p);
        assert_true(err.text[0]);
    }
}

static void kept(void **state)
{
    avow_auto(avow_cleanup_policies) struct avow_policies *all = NULL;
    avow_auto(avow_cleanup_service_policy) struct avow_service_policy *p =
        read_policy("version=1.1;authorizationrules{=> deny();};");
    avow_autofree struct avow_clients *signers = calloc(1, sizeof *signers);
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_policies_open(dir, &all, NULL), 0);
    assert_int_equal(avow_policies_set(all, AVOW_MAA_TDXVM, p, NULL), 0);
    assert_int_equal(avow_policies_signed(all, NULL, NULL), 0);
    assert_int_equal(avow_policies_signed(all, signers, &err), -AVOW_E_UNTRUSTED);
    assert_non_null(strstr(err.text, "TdxVm.jws is not signed"));
    avow_policies_free(avow_steal(&all));
    assert_int_equal(avow_policies_open(dir, &all, NULL), 0);
    assert_string_equal(avow_policies_get(all, AVOW_MAA_TDXVM)->hash, p->hash);
    assert_string_not_equal(avow_policies_get(all, AVOW_MAA_SEVSNPVM)->hash, p->hash);
    assert_int_equal(avow_policies_set(all, AVOW_MAA_TDXVM, NULL, NULL), 0);
    assert_int_equal(avow_policies_signed(all, signers, NULL), 0); /* the default is nobody's */
    assert_string_equal(avow_policies_get(all, AVOW_MAA_TDXVM)->hash,
                        avow_policies_get(all, AVOW_MAA_SEVSNPVM)->hash);
    assert_int_equal(avow_policies_set(all, AVOW_MAA_TDXVM, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes),    cmocka_unit_test(signed_ones),
        cmocka_unit_test(bare_ones), cmocka_unit_test(only_by_signers),
        cmocka_unit_test(mistakes),  cmocka_unit_test(kept)
    };

    return cmocka_run_group_tests_name("policies", tests, set_up, tear_down);
}
