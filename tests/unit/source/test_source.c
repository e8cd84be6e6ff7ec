#include "crypto/hash.h"
#include "folders.h"

/* A source of which everything can be seen. */
struct fake {
    uint8_t report_data[64];
    int collected, freed;
    int rc;
};

static int fake_collect(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                        struct avow_error *err)
{
    struct fake *f = self;

    f->collected++;
    memcpy(f->report_data, report_data, 64);
    if (f->rc < 0)
        return AVOW_FAIL_CODE(err, f->rc, "the device does not answer");
    return avow_bundle_put(out, AVOW_PART_EVIDENCE, avow_bytes_str("evidence"), err);
}

static void fake_free(void *self)
{
    ((struct fake *)self)->freed++;
}

static const struct avow_source_ops ops = {
    .name = "fake", .tee = AVOW_TEE_TDX, .collect = fake_collect, .free = fake_free
};

static void test_bundle(void **state)
{
    struct fake f = { 0 };
    struct avow_source *s = avow_source_new(&ops, &f);
    struct avow_bytes statement = avow_bytes_str("{\"a\":1}");
    struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_bundle b = { 0 };
    uint8_t expected[64] = { 0 };

    (void)state;
    assert_non_null(s);
    assert_ptr_equal(avow_source_ops(s), &ops);
    assert_int_equal(avow_source_bundle(s, statement, &text, NULL), 0);
    assert_int_equal(avow_sha256(statement, expected), 0);
    assert_memory_equal(f.report_data, expected, 64); /* digest, then 32 zero bytes */
    assert_int_equal(avow_bundle_parse(avow_buf_view(&text), &b, NULL), 0);
    assert_int_equal(b.tee, AVOW_TEE_TDX);
    assert_true(avow_bytes_equal(b.statement, statement));
    assert_true(avow_bytes_equal(b.evidence, avow_bytes_str("evidence")));
    avow_bundle_done(&b);
    avow_buf_done(&text);
    avow_source_free(s);
    assert_int_equal(f.freed, 1);
}

static int add_cert(void *ctx, struct avow_bundle *b, struct avow_error *err)
{
    int *n = ctx;

    if (++*n > 1)
        return AVOW_FAIL(err, BUSY, "the store is held");
    return avow_bundle_put(b, AVOW_PART_CERT, avow_bytes_str("a certificate"), err);
}

static void test_endorse(void **state)
{
    struct fake f = { 0 };
    struct avow_source *s = avow_source_new(&ops, &f);
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    int n = 0;

    (void)state;
    avow_source_endorse(s, add_cert, &n);
    assert_int_equal(avow_source_bundle(s, avow_bytes_str("{}"), &text, NULL), 0);
    assert_int_equal(avow_bundle_parse(avow_buf_view(&text), &b, NULL), 0);
    assert_int_equal(b.n_certs, 1);
    assert_true(avow_bytes_equal(b.certs[0], avow_bytes_str("a certificate")));
    assert_int_equal(avow_source_bundle(s, avow_bytes_str("{}"), &text, NULL), -AVOW_E_BUSY);
    avow_source_free(s);
}

static void test_limits(void **state)
{
    static uint8_t large[AVOW_STATEMENT_MAX + 1];
    struct fake f = { 0 };
    struct avow_source *s = avow_source_new(&ops, &f);
    struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);

    (void)state;
    assert_int_equal(avow_source_bundle(s, AVOW_BYTES_OF(large), &text, NULL), -AVOW_E_LIMIT);
    assert_int_equal(avow_source_bundle(s, AVOW_BYTES(NULL, 0), &text, NULL), -AVOW_E_LIMIT);
    assert_int_equal(f.collected, 0);
    assert_int_equal(text.len, 0);
    avow_buf_done(&text);
    avow_source_free(s);
}

static void test_device_fails(void **state)
{
    struct fake f = { .rc = -AVOW_E_TIMEOUT };
    struct avow_source *s = avow_source_new(&ops, &f);
    struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_source_bundle(s, avow_bytes_str("{}"), &text, &err), -AVOW_E_TIMEOUT);
    assert_string_equal(err.text, "the device does not answer");
    assert_int_equal(text.len, 0);
    avow_buf_done(&text);
    avow_source_free(s);
}

static void test_open_errors(void **state)
{
    struct avow_source *s = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_source_open("no-such", "/tmp", &s, &err), -AVOW_E_UNSUPPORTED);
    assert_non_null(strstr(err.text, "no-such"));
    assert_int_equal(avow_source_open(AVOW_SOURCE_SIM_SNP, "/nowhere/at/all", &s, NULL),
                     -AVOW_E_NOTFOUND);
    assert_null(s);
    avow_source_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bundle),      cmocka_unit_test(test_endorse),
        cmocka_unit_test(test_limits),      cmocka_unit_test(test_device_fails),
        cmocka_unit_test(test_open_errors),
    };

    return cmocka_run_group_tests_name("source/source", tests, NULL, NULL);
}
