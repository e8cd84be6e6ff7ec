#include "vectors.h"

#include "crypto/hash.h"

static struct avow_claims c;

static void microsofts_request_is_genuine(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };

    (void)state;
    maa_snp_request(&r);
    maa_verified(&r, SNP_NOW, &c);
    assert_string_equal(maa_failed(&c), "");
    assert_true(c.authentic);
    assert_false(c.runtime_bound);
    maa_verified(&r, 2600000000, &c); /* after the certificate's end */
    assert_false(c.authentic);
    assert_string_equal(maa_failed(&c), "expired");
}

static void runtime_data_is_bound(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };

    (void)state;
    maa_tdx_request(&r);
    maa_verified(&r, TDX_NOW, &c);
    assert_string_equal(maa_failed(&c), "");
    assert_true(c.authentic && c.runtime_bound);
    assert_memory_equal(c.runtime_sha256, c.report_data, 32);
    r.runtime.bytes.data[0] ^= 1;
    maa_verified(&r, TDX_NOW, &c);
    assert_string_equal(maa_failed(&c), "runtime-data");
    assert_false(c.authentic || c.runtime_bound);
}

/* The captured report's HOST_DATA is the digest of nothing that is known: other data is refused. */
static void init_data_must_be_host_data(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request snp = { 0 };
    avow_auto(avow_maa_request_done) struct avow_maa_request tdx = { 0 };

    (void)state;
    maa_snp_request(&snp);
    snp.init.present = true;
    maa_verified(&snp, SNP_NOW, &c);
    assert_string_equal(maa_failed(&c), "init-data");
    assert_false(c.authentic);
    maa_tdx_request(&tdx);
    tdx.init.present = true;
    maa_verified(&tdx, TDX_NOW, &c);
    assert_string_equal(maa_failed(&c), "init-data");
}

static void what_cannot_be_read_is_no_error(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_maa_request_parse(AVOW_MAA_TDXVM,
                                            avow_bytes_str("{\"quote\":\"AAAA\",\"runtimeData\":"
                                                           "{\"data\":\"\",\"dataType\":"
                                                           "\"Binary\"}}"),
                                            &r, &err),
                     0);
    maa_verified(&r, TDX_NOW, &c);
    assert_string_equal(maa_failed(&c), "malformed");
    assert_false(c.authentic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(microsofts_request_is_genuine),
        cmocka_unit_test(runtime_data_is_bound),
        cmocka_unit_test(init_data_must_be_host_data),
        cmocka_unit_test(what_cannot_be_read_is_no_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
