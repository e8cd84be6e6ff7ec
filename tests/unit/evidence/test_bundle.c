#include "evidence/bundle.h"

#include "../test.h"

static void put(struct avow_bundle *b, enum avow_bundle_part part, const char *text)
{
    struct avow_error err = { 0 };

    if (avow_bundle_put(b, part, avow_bytes_str(text), &err) < 0)
        fail_msg("%s", err.text);
}

static void fill(struct avow_bundle *b)
{
    *b = (struct avow_bundle){ .tee = AVOW_TEE_TDX };
    put(b, AVOW_PART_EVIDENCE, "evidence");
    put(b, AVOW_PART_CERT, "certificate 1");
    put(b, AVOW_PART_STATEMENT, "{\"a\":\"\\\"\"}");
    put(b, AVOW_PART_CRL, "crl");
    put(b, AVOW_PART_CERT, "certificate 2");
    put(b, AVOW_PART_TCB_INFO, "{ \"tcbInfo\" :\n{}}");
    put(b, AVOW_PART_QE_IDENTITY, "{\"enclaveIdentity\":1.50}");
}

static void assert_filled(const struct avow_bundle *b)
{
    assert_int_equal(b->tee, AVOW_TEE_TDX);
    assert_true(avow_bytes_equal(b->evidence, avow_bytes_str("evidence")));
    assert_true(avow_bytes_equal(b->statement, avow_bytes_str("{\"a\":\"\\\"\"}")));
    assert_int_equal(b->n_certs, 2);
    assert_true(avow_bytes_equal(b->certs[0], avow_bytes_str("certificate 1")));
    assert_true(avow_bytes_equal(b->certs[1], avow_bytes_str("certificate 2")));
    assert_int_equal(b->n_crls, 1);
    assert_true(avow_bytes_equal(b->crls[0], avow_bytes_str("crl")));
    assert_true(avow_bytes_equal(b->tcb_info, avow_bytes_str("{ \"tcbInfo\" :\n{}}")));
    assert_true(avow_bytes_equal(b->qe_identity, avow_bytes_str("{\"enclaveIdentity\":1.50}")));
}

static void parts_survive_text_byte_by_byte(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_auto(avow_bundle_done) struct avow_bundle back = { 0 };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);
    avow_auto(avow_buf_done) struct avow_buf again = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_error err = { 0 };

    (void)state;
    fill(&b);
    assert_filled(&b);
    assert_int_equal(avow_bundle_emit(&b, &text, &err), 0);
    if (avow_bundle_parse(avow_buf_view(&text), &back, &err) < 0)
        fail_msg("%s", err.text);
    assert_filled(&back);
    assert_int_equal(avow_bundle_emit(&back, &again, &err), 0);
    assert_true(avow_bytes_equal(avow_buf_view(&text), avow_buf_view(&again)));
}

/* Views follow when the store moves. */
static void views_stay_right_while_it_grows(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_SNP };
    uint8_t *big = calloc(1, 20000);

    (void)state;
    assert_non_null(big);
    put(&b, AVOW_PART_EVIDENCE, "evidence");
    for (size_t i = 0; i < AVOW_BUNDLE_CERTS_MAX; i++) {
        memset(big, (int)i, 20000);
        assert_int_equal(avow_bundle_put(&b, AVOW_PART_CERT, AVOW_BYTES(big, 20000), NULL), 0);
    }
    for (size_t i = 0; i < AVOW_BUNDLE_CERTS_MAX; i++)
        assert_int_equal(b.certs[i].data[19999], i);
    assert_true(avow_bytes_equal(b.evidence, avow_bytes_str("evidence")));
    free(big);
}

static void limits_hold(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_SNP };
    uint8_t *big = calloc(1, AVOW_BUNDLE_MAX + 1);

    (void)state;
    assert_non_null(big);
    for (size_t i = 0; i < AVOW_BUNDLE_CERTS_MAX; i++)
        put(&b, AVOW_PART_CERT, "c");
    for (size_t i = 0; i < AVOW_BUNDLE_CRLS_MAX; i++)
        put(&b, AVOW_PART_CRL, "c");
    assert_int_equal(avow_bundle_put(&b, AVOW_PART_CERT, avow_bytes_str("c"), NULL), -AVOW_E_LIMIT);
    assert_int_equal(avow_bundle_put(&b, AVOW_PART_CRL, avow_bytes_str("c"), NULL), -AVOW_E_LIMIT);
    assert_int_equal(
        avow_bundle_put(&b, AVOW_PART_STATEMENT, AVOW_BYTES(big, AVOW_STATEMENT_MAX + 1), NULL),
        -AVOW_E_LIMIT);
    assert_int_equal(
        avow_bundle_put(&b, AVOW_PART_EVIDENCE, AVOW_BYTES(big, AVOW_BUNDLE_MAX + 1), NULL),
        -AVOW_E_LIMIT);
    avow_bundle_done(&b);
    assert_int_equal(avow_bundle_parse(AVOW_BYTES(big, AVOW_BUNDLE_MAX + 1), &b, NULL),
                     -AVOW_E_LIMIT);
    free(big);
}

#define HEAD "{\"type\":\"avow/bundle/1\",\"tee\":\"snp\",\"evidence\":\"AAAA\""
#define AZURE "{\"type\":\"avow/bundle/1\",\"tee\":\"az-snp\","
#define PCR "0102030405060708090a0b0c0d0e0f100102030405060708090a0b0c0d0e0f10"
#define LISTS ",\"certs\":[],\"crls\":[]"

static void bad_texts_are_refused(void **state)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        { HEAD LISTS "}", 0 },
        { HEAD LISTS ",\"statement\":\"{}\"}", 0 },
        { HEAD LISTS ",\"statement\":\"{ }\"}", -AVOW_E_FORMAT }, /* not canonical */
        { HEAD LISTS ",\"statement\":\"\"}", -AVOW_E_FORMAT },
        { HEAD LISTS ",\"statement\":{}}", -AVOW_E_FORMAT },
        { HEAD LISTS ",\"statement\":\"{\\\"a\\\":1,\\\"a\\\":1}\"}", -AVOW_E_FORMAT },
        { HEAD LISTS ",\"more\":1}", -AVOW_E_FORMAT },
        { HEAD LISTS ",\"tee\":\"snp\"}", -AVOW_E_FORMAT }, /* twice */
        { HEAD ",\"certs\":[]}", -AVOW_E_FORMAT },
        { HEAD ",\"crls\":[]}", -AVOW_E_FORMAT },
        { HEAD ",\"certs\":[\"\"],\"crls\":[]}", -AVOW_E_FORMAT },
        { HEAD ",\"certs\":[1],\"crls\":[]}", -AVOW_E_FORMAT },
        { HEAD ",\"certs\":[\"AAA\"],\"crls\":[]}", -AVOW_E_FORMAT },
        { HEAD ",\"certs\":[\"AAAA\\n\"],\"crls\":[]}", -AVOW_E_FORMAT },
        { HEAD ",\"certs\":[],\"crls\":[\"AA==\",\"AA==\",\"AA==\",\"AA==\",\"AA==\",\"AA==\","
               "\"AA==\",\"AA==\",\"AA==\"]}",
          -AVOW_E_LIMIT },
        { HEAD LISTS ",\"runtime-data\":\"AAAA\",\"event-log\":\"AAAA\"}", 0 },
        { HEAD LISTS ",\"hcl-report\":\"AAAA\"}", -AVOW_E_FORMAT }, /* a bare machine has none */
        { HEAD LISTS ",\"pcrs\":{}}", -AVOW_E_FORMAT },
        { AZURE "\"hcl-report\":\"AAAA\"" LISTS "}", 0 },
        { AZURE "\"hcl-report\":\"AAAA\",\"pcrs\":{\"23\":\"" PCR "\"}" LISTS "}", 0 },
        { AZURE "\"hcl-report\":\"AAAA\",\"pcrs\":{\"24\":\"" PCR "\"}" LISTS "}", -AVOW_E_LIMIT },
        { AZURE "\"hcl-report\":\"AAAA\",\"pcrs\":{\"01\":\"" PCR "\"}" LISTS "}", -AVOW_E_FORMAT },
        { AZURE "\"hcl-report\":\"AAAA\",\"pcrs\":{\"\":\"" PCR "\"}" LISTS "}", -AVOW_E_FORMAT },
        { AZURE "\"hcl-report\":\"AAAA\",\"pcrs\":{\"1\":\"00\"}" LISTS "}", -AVOW_E_FORMAT },
        { "{\"type\":\"avow/bundle/1\",\"tee\":\"snp\"" LISTS "}", -AVOW_E_FORMAT },
        { "{\"type\":\"avow/bundle/1\",\"tee\":\"none\",\"evidence\":\"AAAA\"" LISTS "}",
          -AVOW_E_FORMAT },
        { "{\"type\":\"avow/bundle/2\",\"tee\":\"snp\",\"evidence\":\"AAAA\"" LISTS "}",
          -AVOW_E_VERSION },
        { "[]", -AVOW_E_FORMAT },
        { "", -AVOW_E_FORMAT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
        struct avow_error err = { 0 };
        int rc = avow_bundle_parse(avow_bytes_str(rows[i].text), &b, &err);

        if (rc != rows[i].code)
            fail_msg("%s: %d: %s", rows[i].text, rc, err.text);
    }
}

static void truncated_texts_are_refused(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_auto(avow_bundle_done) struct avow_bundle back = { 0 };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);

    (void)state;
    fill(&b);
    assert_int_equal(avow_bundle_emit(&b, &text, NULL), 0);
    for (size_t n = 0; n < text.len; n++)
        assert_true(avow_bundle_parse(AVOW_BYTES(text.data, n), &back, NULL) < 0);
}

static void what_is_no_text_is_not_written(void **state)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { .tee = AVOW_TEE_TDX };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_BUNDLE_MAX);

    (void)state;
    assert_int_equal(avow_bundle_emit(&b, &text, NULL), -AVOW_E_INVAL); /* no evidence */
    put(&b, AVOW_PART_EVIDENCE, "e");
    put(&b, AVOW_PART_TCB_INFO, "\xff");
    assert_int_equal(avow_bundle_emit(&b, &text, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_bundle_put(&b, AVOW_PART_TCB_INFO, AVOW_BYTES("a\0b", 3), NULL), 0);
    assert_int_equal(avow_bundle_emit(&b, &text, NULL), -AVOW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_survive_text_byte_by_byte),
        cmocka_unit_test(views_stay_right_while_it_grows),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(truncated_texts_are_refused),
        cmocka_unit_test(what_is_no_text_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
