#include "evidence/hcl.h"

#include "../test.h"
#include "base/cleanup.h"

/* An HCL report whose data header is of @version, over @claims. */
static void make(struct avow_buf *out, uint32_t version, uint32_t data_version, const char *claims)
{
    uint32_t n = (uint32_t)strlen(claims);
    uint32_t head = data_version >= 2 ? 24 : 20;

    avow_buf_put_str(out, "HCLA");
    avow_buf_put_u32le(out, version);
    avow_buf_put_u32le(out, 0x20 + 1184 + n);
    avow_buf_put_u32le(out, AVOW_HCL_AK_CERT);
    avow_buf_put_zero(out, 16);
    avow_buf_put_zero(out, 1184);
    avow_buf_put_u32le(out, head + n);
    avow_buf_put_u32le(out, data_version);
    avow_buf_put_u32le(out, AVOW_HCL_TDX);
    avow_buf_put_u32le(out, AVOW_HCL_SHA384);
    avow_buf_put_u32le(out, n);
    if (data_version >= 2)
        avow_buf_put_u32le(out, 0xFFFFFFFF);
    avow_buf_put_str(out, claims);
    avow_buf_put_zero(out, 100);
}

static void versions(void **state)
{
    (void)state;
    for (uint32_t version = 0; version < 4; version++)
        for (uint32_t data = 0; data < 4; data++) {
            avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_HCL_MAX);
            struct avow_hcl h = { 0 };
            int rc = 0;

            make(&b, version, data, "{\"keys\":[]}");
            rc = avow_hcl_parse(avow_buf_view(&b), &h, NULL);
            if (version < 1 || version > 2 || data < 1) {
                assert_int_equal(rc, -AVOW_E_VERSION);
                continue;
            }
            assert_int_equal(rc, 0);
            assert_true(avow_bytes_equal(h.claims, avow_bytes_str("{\"keys\":[]}")));
            assert_int_equal(h.report_type, AVOW_HCL_TDX);
            assert_int_equal(h.hash_type, AVOW_HCL_SHA384);
            assert_int_equal(h.report.len, 1184);
        }
}

static void cuts_and_lies(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_HCL_MAX);
    struct avow_hcl h = { 0 };
    const size_t end = 0x4D4 + 2;

    (void)state;
    make(&b, 2, 1, "{}");
    for (size_t n = 0; n < end; n++)
        assert_true(avow_hcl_parse(AVOW_BYTES(b.data, n), &h, NULL) < 0);
    assert_int_equal(avow_hcl_parse(AVOW_BYTES(b.data, end), &h, NULL), 0);
    b.data[0x4D0] = 3; /* one byte more than the data header's size has */
    assert_int_equal(avow_hcl_parse(avow_buf_view(&b), &h, NULL), -AVOW_E_FORMAT);
    b.data[0x4D3] = 0x7F;
    assert_int_equal(avow_hcl_parse(avow_buf_view(&b), &h, NULL), -AVOW_E_LIMIT);
    b.data[0] = 'h';
    assert_int_equal(avow_hcl_parse(avow_buf_view(&b), &h, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_hcl_parse(AVOW_BYTES(b.data, AVOW_HCL_MAX + 1), &h, NULL), -AVOW_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test(cuts_and_lies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
