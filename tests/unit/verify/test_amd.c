#include "verify/amd.h"

#include "../snp_vectors.h"
#include "verify/anchors.h"
#include "verify/snp.h"

static const char *const lines[] = { "Milan", "Genoa", "Turin" };
static const char *const files[] = { "milan", "genoa", "turin" };

static void are_those_that_the_kds_serves(void **state)
{
    static const char *const roles[][2] = { { "SEV-", "ask" },
                                            { "SEV-VLEK-", "asvk" },
                                            { "ARK-", "ark" } };

    (void)state;
    if (!test_vectors())
        skip();
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++) {
            const struct avow_amd_endorsement *e = NULL;
            avow_autofree uint8_t *der = NULL;
            char cn[64], path[4096];
            size_t n = 0;

            snprintf(cn, sizeof cn, "%s%s", roles[k][0], lines[i]);
            snprintf(path, sizeof path, "%s/amd-roots/%s_%s.der", test_vectors(), files[i],
                     roles[k][1]);
            der = test_read_file(path, &n);
            e = avow_amd_endorsement(cn);
            assert_true(der && e);
            assert_true(avow_bytes_equal(e->der, AVOW_BYTES(der, n)));
        }
}

static void end_in_their_anchors(void **state)
{
    struct avow_anchors anchors;

    (void)state;
    avow_anchors_builtin(&anchors);
    for (size_t i = 0; i < 3; i++) {
        avow_auto(avow_cleanup_cert) struct avow_cert *ark = NULL;
        avow_auto(avow_cleanup_cert) struct avow_cert *ask = NULL;
        const struct avow_anchor *anchor = NULL;
        char cn[64];
        uint8_t spki[32];

        snprintf(cn, sizeof cn, "ARK-%s", lines[i]);
        assert_int_equal(avow_cert_parse(avow_amd_endorsement(cn)->der, &ark, NULL), 0);
        snprintf(cn, sizeof cn, "SEV-VLEK-%s", lines[i]);
        assert_int_equal(avow_cert_parse(avow_amd_endorsement(cn)->der, &ask, NULL), 0);
        assert_int_equal(avow_cert_signed_by(ask, ark, NULL), 0);
        avow_cert_spki_sha256(ark, spki);
        anchor = avow_anchors_find(&anchors, AVOW_TEE_SNP, spki);
        assert_non_null(anchor);
        assert_string_equal(anchor->product, lines[i]);
    }
    assert_null(avow_amd_endorsement("ARK-Naples"));
    assert_null(avow_amd_endorsement(""));
}

static void a_leaf_is_enough(void **state)
{
    static const char *const dirs[] = { "milan-v3-vcek-oak-40a277", "genoa-v5-vcek-cdai-7ea4da",
                                        "turin-v5-vcek-mstee-az-85da70",
                                        "milan-v3-vlek-coco-decdab" };
    struct avow_anchors anchors;
    struct avow_claims claims;
    struct avow_error err = { 0 };

    (void)state;
    if (!test_vectors())
        skip();
    avow_anchors_builtin(&anchors);
    for (size_t i = 0; i < 4; i++) {
        avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
        int64_t now = 0;

        test_snp_bundle("snp", dirs[i], NULL, &b, &now);
        b.n_certs = 1;
        assert_int_equal(avow_snp_verify(&b, &anchors, now, &claims, &err), 0);
        assert_true(claims.authentic);
        assert_false(claims.revocation_checked);
    }
    assert_string_equal(claims.snp.csp_id, "CN=cc-us-east-2.amazonaws.com");
    assert_int_equal(claims.snp.cpuid_family, 0x19);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(are_those_that_the_kds_serves),
        cmocka_unit_test(end_in_their_anchors),
        cmocka_unit_test(a_leaf_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
