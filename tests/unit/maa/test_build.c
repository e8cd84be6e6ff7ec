#include "vectors.h"

#include "../snp_vectors.h"
#include "evidence/hcl.h"

static void built_requests_are_read_again(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_auto(avow_maa_request_done) struct avow_maa_request again = { 0 };
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    const struct avow_bytes runtime = avow_bytes_str("{\"b\":1,\"a\":2}");
    enum avow_maa_type type = AVOW_MAA_NONE;
    struct avow_bytes first = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    maa_snp_request(&r);
    /* any order in a bundle: the leaf last */
    first = r.bundle.certs[0];
    r.bundle.certs[0] = r.bundle.certs[2];
    r.bundle.certs[2] = first;
    if (avow_maa_request_build(&r.bundle, runtime, true, "n-1", &type, &body, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(type, AVOW_MAA_SEVSNPVM);
    maa_parse(type, avow_buf_view(&body), &again);
    assert_true(avow_bytes_equal(again.bundle.evidence, r.bundle.evidence));
    assert_int_equal(again.bundle.n_certs, 3);
    assert_true(avow_bytes_equal(again.bundle.certs[0], first));
    assert_true(avow_bytes_equal(again.bundle.certs[2], r.bundle.certs[0]));
    assert_true(avow_bytes_equal(avow_buf_view(&again.runtime.bytes), runtime));
    assert_true(again.runtime.json);
    assert_string_equal(again.nonce, "n-1");
    assert_null(memchr(body.data, '=', body.len)); /* unpadded */
}

static void an_azure_machine_sends_its_own_claims(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_AZ_TDX };
    avow_auto(avow_maa_request_done) struct avow_maa_request sent = { 0 };
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf hcl = maa_vector("azure-tdx/cdai-live/hcl_report.bin");
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    enum avow_maa_type type = AVOW_MAA_NONE;

    (void)state;
    maa_tdx_request(&r); /* the same machine's, wrapped by someone else */
    test_put(&b, AVOW_PART_HCL, hcl.data, hcl.len);
    assert_int_equal(
        avow_maa_request_build(&b, AVOW_BYTES(NULL, 0), false, NULL, &type, &body, NULL),
        -AVOW_E_MISSING); /* a TDREPORT is no quote */
    test_put(&b, AVOW_PART_EVIDENCE, r.bundle.evidence.data, r.bundle.evidence.len);
    assert_int_equal(
        avow_maa_request_build(&b, AVOW_BYTES(NULL, 0), false, NULL, &type, &body, NULL), 0);
    assert_int_equal(type, AVOW_MAA_TDXVM);
    maa_parse(type, avow_buf_view(&body), &sent);
    assert_true(avow_bytes_equal(sent.bundle.evidence, r.bundle.evidence));
    assert_true(
        avow_bytes_equal(avow_buf_view(&sent.runtime.bytes), avow_buf_view(&r.runtime.bytes)));
    assert_true(sent.runtime.json);
    assert_null(sent.nonce);
}

static void what_is_missing_is_said(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    const struct avow_bundle empty = { .tee = AVOW_TEE_TDX };
    const struct avow_bytes none = { 0 };
    enum avow_maa_type type = AVOW_MAA_NONE;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_maa_request_build(&empty, none, false, NULL, &type, &body, NULL),
                     -AVOW_E_MISSING);
    maa_snp_request(&r);
    r.bundle.n_certs = 2; /* without the root, or without the leaf's issuer */
    assert_int_equal(avow_maa_request_build(&r.bundle, none, false, NULL, &type, &body, &err),
                     -AVOW_E_MISSING);
    assert_non_null(strstr(err.text, "ARK"));
    r.bundle.n_certs = 0;
    memset(&err, 0, sizeof err);
    assert_int_equal(avow_maa_request_build(&r.bundle, none, false, NULL, &type, &body, &err),
                     -AVOW_E_MISSING);
    assert_non_null(strstr(err.text, "VCEK"));
    assert_int_equal(body.len, 0);
}

static void runtime_data_must_be_what_it_says(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    enum avow_maa_type type = AVOW_MAA_NONE;

    (void)state;
    maa_snp_request(&r);
    assert_int_equal(
        avow_maa_request_build(&r.bundle, avow_bytes_str("[1]"), true, NULL, &type, &body, NULL),
        -AVOW_E_FORMAT);
    assert_int_equal(
        avow_maa_request_build(&r.bundle, avow_bytes_str("\1\2"), true, NULL, &type, &body, NULL),
        -AVOW_E_FORMAT);
    assert_int_equal(
        avow_maa_request_build(&r.bundle, avow_bytes_str("\1\2"), false, NULL, &type, &body, NULL),
        0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_requests_are_read_again),
        cmocka_unit_test(an_azure_machine_sends_its_own_claims),
        cmocka_unit_test(what_is_missing_is_said),
        cmocka_unit_test(runtime_data_must_be_what_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
