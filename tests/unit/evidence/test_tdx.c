#include "evidence/tdx.h"

#include "../tdx_vectors.h"

/* A quote with nothing right in it but its layout. */
static void put_quote(struct avow_buf *q, uint16_t version, uint16_t type, uint32_t size,
                      size_t auth_len, size_t cert_len)
{
    static const uint8_t vendor[] = AVOW_TDX_QE_VENDOR_INTEL;
    size_t qe_len = AVOW_SGX_REPORT_LEN + 64 + 2 + auth_len + 2 + 4 + cert_len;

    avow_buf_reset(q);
    avow_buf_put_u16le(q, version);
    avow_buf_put_u16le(q, AVOW_TDX_KEY_TYPE_P256);
    avow_buf_put_u32le(q, AVOW_TDX_TEE_TYPE_TDX);
    avow_buf_put_zero(q, 4);
    avow_buf_put(q, vendor, sizeof vendor);
    avow_buf_put_zero(q, 20);
    if (version == 5) {
        avow_buf_put_u16le(q, type);
        avow_buf_put_u32le(q, size);
    }
    for (uint32_t i = 0; i < size; i++)
        avow_buf_put_u8(q, (uint8_t)(i % 251));
    avow_buf_put_u32le(q, (uint32_t)(64 + 64 + 6 + qe_len));
    avow_buf_put_zero(q, 64 + 64);
    avow_buf_put_u16le(q, AVOW_TDX_CERT_TYPE_QE_REPORT);
    avow_buf_put_u32le(q, (uint32_t)qe_len);
    avow_buf_put_zero(q, AVOW_SGX_REPORT_LEN + 64);
    avow_buf_put_u16le(q, (uint16_t)auth_len);
    avow_buf_put_zero(q, auth_len);
    avow_buf_put_u16le(q, AVOW_TDX_CERT_TYPE_PEM_CHAIN);
    avow_buf_put_u32le(q, (uint32_t)cert_len);
    avow_buf_put_zero(q, cert_len);
    assert_int_equal(avow_buf_ok(q, NULL), 0);
}

static int parse(const struct avow_buf *b)
{
    struct avow_tdx_quote q;

    return avow_tdx_quote_parse(avow_buf_view(b), &q, NULL);
}

static void each_version_and_body_is_read(void **state)
{
    static const struct {
        uint16_t version, type;
        uint32_t size;
        bool has_15;
    } rows[] = {
        { 4, AVOW_TDX_BODY_10, 584, false },
        { 5, AVOW_TDX_BODY_10, 584, false },
        { 5, AVOW_TDX_BODY_15, 648, true },
        { 5, AVOW_TDX_BODY_15_EXT, 885, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_TDX_QUOTE_MAX + 1);
        struct avow_tdx_quote q;
        struct avow_error err = { 0 };
        size_t start = rows[i].version == 4 ? 0x30 : 0x36;

        put_quote(&b, rows[i].version, rows[i].type, rows[i].size, 32, 100);
        avow_buf_put_zero(&b, 70);
        assert_int_equal(avow_tdx_quote_parse(avow_buf_view(&b), &q, &err), 0);
        assert_int_equal(q.version, rows[i].version);
        assert_int_equal(q.body_type, rows[i].type);
        assert_int_equal(q.signed_part.len, start + rows[i].size);
        assert_ptr_equal(q.body.tee_tcb_svn, b.data + start);
        assert_int_equal(q.body.report_data[0], AVOW_TDX_OFF_REPORTDATA % 251);
        assert_int_equal(q.body.rtmr[3][47], (AVOW_TDX_OFF_REPORTDATA - 1) % 251);
        assert_int_equal(q.body.mrtd[0], AVOW_TDX_OFF_MRTD % 251);
        assert_int_equal(q.body.mrservicetd != NULL, rows[i].has_15);
        if (rows[i].has_15)
            assert_int_equal(q.body.mrservicetd[47], (AVOW_TDX_BODY_15_LEN - 1) % 251);
        assert_int_equal(q.qe_auth.len, 32);
        assert_int_equal(q.cert_data.len, 100);
        assert_int_equal(q.padding.len, 70);
    }
}

static void every_truncation_is_refused(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    struct avow_tdx_quote q;

    (void)state;
    for (uint16_t version = 4; version <= 5; version++) {
        put_quote(&b, version, AVOW_TDX_BODY_10, 584, 32, 60);
        for (size_t n = 0; n < b.len; n++) {
            avow_autofree uint8_t *exact = malloc(n ? n : 1);

            assert_non_null(exact);
            memcpy(exact, b.data, n);
            assert_int_equal(avow_tdx_quote_parse(AVOW_BYTES(exact, n), &q, NULL),
                             -AVOW_E_TRUNCATED);
        }
        assert_int_equal(parse(&b), 0);
    }
}

static void put_u32(struct avow_buf *b, size_t at, uint32_t v)
{
    for (size_t i = 0; i < 4; i++)
        b->data[at + i] = (uint8_t)(v >> 8 * i);
}

/* Every inner length: 0, one less, one more, the greatest; all are refused. */
static void inner_sizes_fill_the_outer(void **state)
{
    const size_t data = 0x30 + 584;        /* u32 length of the signature data */
    const size_t qe = data + 4 + 128 + 2;  /* u32 size of the QE data */
    const size_t auth = qe + 4 + 384 + 64; /* u16 length */
    const size_t cert = auth + 2 + 32 + 2; /* u32 size */
    const size_t at[] = { data, qe, cert };
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_TDX_QUOTE_MAX);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint32_t right = 0;

        put_quote(&b, 4, AVOW_TDX_BODY_10, 584, 32, 60);
        for (size_t k = 4; k-- > 0;)
            right = right << 8 | b.data[at[i] + k];
        const uint32_t wrong[] = { 0, 1, right - 1, right + 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF };
        for (size_t j = 0; j < sizeof wrong / sizeof wrong[0]; j++) {
            put_u32(&b, at[i], wrong[j]);
            assert_true(parse(&b) < 0);
            put_u32(&b, at[i], right);
        }
        assert_int_equal(parse(&b), 0);
    }
    b.data[auth] ^= 1;
    assert_true(parse(&b) < 0);
    b.data[auth] ^= 1;
    b.data[auth + 1] = 0xFF;
    assert_int_equal(parse(&b), -AVOW_E_TRUNCATED);
}

static void what_is_not_served_is_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        int code;
    } rows[] = {
        { AVOW_TDX_OFF_VERSION, 3, AVOW_E_VERSION },
        { AVOW_TDX_OFF_VERSION, 6, AVOW_E_VERSION },
        { AVOW_TDX_OFF_VERSION + 1, 4, AVOW_E_VERSION },
        { AVOW_TDX_OFF_KEY_TYPE, 3, AVOW_E_UNSUPPORTED },
        { AVOW_TDX_OFF_TEE_TYPE, 0, AVOW_E_FORMAT },
        { AVOW_TDX_OFF_TEE_TYPE + 3, 1, AVOW_E_FORMAT },
        { AVOW_TDX_OFF_QE_VENDOR, 0, AVOW_E_FORMAT },
        { AVOW_TDX_OFF_QE_VENDOR + 15, 0, AVOW_E_FORMAT },
        { 0x30 + 584 + 4 + 128, 5, AVOW_E_UNSUPPORTED },
        { 0x30 + 584 + 4 + 134 + 448 + 2 + 32, 4, AVOW_E_UNSUPPORTED },
    };
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_TDX_QUOTE_MAX + 1);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_quote(&b, 4, AVOW_TDX_BODY_10, 584, 32, 60);
        b.data[rows[i].at] = rows[i].value;
        assert_int_equal(parse(&b), -rows[i].code);
    }
    put_quote(&b, 5, AVOW_TDX_BODY_SGX, 384, 32, 60);
    assert_int_equal(parse(&b), -AVOW_E_UNSUPPORTED);
    put_quote(&b, 5, AVOW_TDX_BODY_15, 584, 32, 60);
    assert_int_equal(parse(&b), -AVOW_E_FORMAT);
    put_quote(&b, 5, AVOW_TDX_BODY_10, 648, 32, 60);
    assert_int_equal(parse(&b), -AVOW_E_FORMAT);
    put_quote(&b, 4, AVOW_TDX_BODY_10, 584, 32, 60);
    avow_buf_put_zero(&b, AVOW_TDX_QUOTE_MAX + 1 - b.len);
    assert_int_equal(parse(&b), -AVOW_E_LIMIT);
}

static void every_real_quote_is_read(void **state)
{
    char names[TEST_DIRS][128];
    size_t n = 0, parsed = 0;

    (void)state;
    if (!test_vectors())
        skip();
    n = tdx_dirs("tdx", names);
    for (size_t i = 0; i < n; i++) {
        struct avow_tdx_quote q;
        struct avow_error err = { 0 };
        size_t len = 0;
        avow_autofree uint8_t *data = tdx_file("tdx", names[i], "quote.bin", &len);

        if (!data)
            continue;
        if (avow_tdx_quote_parse(AVOW_BYTES(data, len), &q, &err) < 0)
            fail_msg("%s: %s", names[i], err.text);
        assert_non_null(strstr(names[i], q.version == 5 ? "-v5" : "-"));
        parsed++;
    }
    assert_true(parsed >= 27);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_version_and_body_is_read),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(inner_sizes_fill_the_outer),
        cmocka_unit_test(what_is_not_served_is_refused),
        cmocka_unit_test(every_real_quote_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
