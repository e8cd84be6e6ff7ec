#include "vectors.h"

#include "codec/text.h"
#include "evidence/snp.h"

static int tdx(const char *body, struct avow_maa_request *r, struct avow_error *err)
{
    return avow_maa_request_parse(AVOW_MAA_TDXVM, avow_bytes_str(body), r, err);
}

static void microsofts_request_is_read(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };

    (void)state;
    maa_snp_request(&r);
    assert_int_equal(r.bundle.tee, AVOW_TEE_SNP);
    assert_int_equal(r.bundle.evidence.len, AVOW_SNP_REPORT_LEN);
    assert_int_equal(r.bundle.n_certs, 3);
    assert_false(r.runtime.present);
    assert_false(r.init.present);
    assert_null(r.nonce);
    assert_null(r.draft);
}

static void a_tdx_request_is_read(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf body = maa_vector(TDX_REQUEST);

    (void)state;
    maa_parse(AVOW_MAA_TDXVM, avow_buf_view(&body), &r);
    assert_int_equal(r.bundle.tee, AVOW_TEE_TDX);
    assert_int_equal(r.bundle.evidence.len, 5006);
    assert_true(r.runtime.present && r.runtime.json);
    assert_non_null(json_object_get(r.runtime.value, "vm-configuration"));
    assert_string_equal(r.nonce, "golden-nonce-2");
}

/* "Pz8/Pg==" is the standard alphabet's, padded, of ??? and more: every way to write it is read. */
static void both_alphabets_are_read(void **state)
{
    static const char *const same[] = { "Pj8+Pw==", "Pj8+Pw", "Pj8-Pw==", "Pj8-Pw" };

    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
        char body[256];

        snprintf(body, sizeof body,
                 "{\"quote\":\"%s\",\"runtimeData\":{\"data\":\"%s\",\"dataType\":\"Binary\"},"
                 "\"unknown\":null}",
                 same[i], same[i]);
        assert_int_equal(tdx(body, &r, NULL), 0);
        assert_memory_equal(r.bundle.evidence.data, ">?>?", 4);
        assert_memory_equal(r.runtime.bytes.data, ">?>?", 4);
        assert_true(r.runtime.present);
        assert_false(r.runtime.json);
        assert_null(r.runtime.value);
    }
}

static void a_nonce_is_text_or_number(void **state)
{
    static const struct {
        const char *json, *text;
    } rows[] = { { "\"abc\"", "abc" },
                 { "1234567890123", "1234567890123" },
                 { "-1", "-1" },
                 { "null", NULL },
                 { "\"\"", "" } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
        char body[128];

        snprintf(body, sizeof body, "{\"quote\":\"AAAA\",\"nonce\":%s}", rows[i].json);
        assert_int_equal(tdx(body, &r, NULL), 0);
        if (rows[i].text)
            assert_string_equal(r.nonce, rows[i].text);
        else
            assert_null(r.nonce);
    }
}

/* {"a":1} with white space: hashed as sent. */
static void json_data_is_kept_as_sent(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };

    (void)state;
    assert_int_equal(tdx("{\"quote\":\"AAAA\",\"initTimeData\":{\"data\":\"eyAiYSI6MSB9\","
                         "\"dataType\":\"JSON\"}}",
                         &r, NULL),
                     0);
    assert_true(r.init.present && r.init.json);
    assert_string_equal(avow_buf_cstr(&r.init.bytes), "{ \"a\":1 }");
    assert_int_equal(json_integer_value(json_object_get(r.init.value, "a")), 1);
}

static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *body, *names;
    } rows[] = {
        { "[]", "object" },
        { "{}", "quote" },
        { "{\"quote\":1}", "quote" },
        { "{\"quote\":\"A A\"}", "quote" },
        { "{\"quote\":\"AAAA\",\"quote\":\"AAAA\"}", "duplicate" },
        { "{\"quote\":\"AAAA\",\"nonce\":1.5}", "nonce" },
        { "{\"quote\":\"AAAA\",\"nonce\":{}}", "nonce" },
        { "{\"quote\":\"AAAA\",\"runtimeData\":\"x\"}", "runtimeData" },
        { "{\"quote\":\"AAAA\",\"runtimeData\":{\"data\":\"AAAA\"}}", "runtimeData" },
        { "{\"quote\":\"AAAA\",\"runtimeData\":{\"data\":\"AAAA\",\"dataType\":\"text\"}}",
          "dataType" },
        { "{\"quote\":\"AAAA\",\"runtimeData\":{\"data\":\"AAAA\",\"dataType\":\"JSON\"}}",
          "runtimeData" },
        /* [] and {"a":1,"a":2} */
        { "{\"quote\":\"AAAA\",\"initTimeData\":{\"data\":\"W10\",\"dataType\":\"JSON\"}}",
          "initTimeData" },
        { "{\"quote\":\"AAAA\",\"initTimeData\":{\"data\":\"eyJhIjoxLCJhIjoyfQ\",\"dataType\":"
          "\"JSON\"}}",
          "duplicate" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct avow_maa_request r;
        struct avow_error err = { 0 };

        assert_int_equal(tdx(rows[i].body, &r, &err), -AVOW_E_FORMAT);
        if (!strstr(err.text, rows[i].names))
            fail_msg("%s: %s", rows[i].body, err.text);
        assert_null(r.bundle.evidence.data);
        assert_int_equal(r.type, AVOW_MAA_NONE);
    }
}

static void snp_wants_a_report_and_its_chain(void **state)
{
    static const struct {
        const char *inner, *names;
    } rows[] = {
        { "{}", "SnpReport" },
        { "{\"SnpReport\":\"AAAA\",\"VcekCertChain\":\"AAAA\"}", "1184" },
        { "not JSON", "report" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(4096);
        struct avow_maa_request r;
        struct avow_error err = { 0 };

        avow_buf_put_str(&body, "{\"report\":\"");
        avow_b64url_put(&body, avow_bytes_str(rows[i].inner));
        avow_buf_put_str(&body, "\"}");
        assert_int_equal(avow_maa_request_parse(AVOW_MAA_SEVSNPVM, avow_buf_view(&body), &r, &err),
                         -AVOW_E_FORMAT);
        assert_non_null(strstr(err.text, rows[i].names));
    }
}

static void there_are_limits(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(2 * AVOW_MAA_REQUEST_MAX);
    struct avow_maa_request r;

    (void)state;
    avow_buf_put_str(&body, "{\"quote\":\"AAAA\",\"nonce\":\"");
    for (size_t i = 0; i <= AVOW_MAA_NONCE_MAX; i++)
        avow_buf_put_str(&body, "n");
    avow_buf_put_str(&body, "\"}");
    assert_int_equal(avow_maa_request_parse(AVOW_MAA_TDXVM, avow_buf_view(&body), &r, NULL),
                     -AVOW_E_LIMIT);
    while (body.len <= AVOW_MAA_REQUEST_MAX)
        avow_buf_put_str(&body, "                ");
    assert_int_equal(avow_maa_request_parse(AVOW_MAA_TDXVM, avow_buf_view(&body), &r, NULL),
                     -AVOW_E_LIMIT);
    avow_buf_reset(&body);
    avow_buf_put_str(&body,
                     "{\"quote\":\"AAAA\",\"runtimeData\":{\"dataType\":\"Binary\",\"data\":\"");
    for (size_t i = 0; i <= AVOW_MAA_DATA_MAX; i += 3)
        avow_buf_put_str(&body, "AAAA");
    avow_buf_put_str(&body, "\"}}");
    assert_int_equal(avow_maa_request_parse(AVOW_MAA_TDXVM, avow_buf_view(&body), &r, NULL),
                     -AVOW_E_LIMIT);
    assert_int_equal(avow_maa_request_parse(AVOW_MAA_AZUREVM, avow_bytes_str("{}"), &r, NULL),
                     -AVOW_E_INVAL);
}

static void a_draft_policy_is_kept_for_snp(void **state)
{
    avow_auto(avow_maa_request_done) struct avow_maa_request r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf body = maa_vector(SNP_REQUEST);
    avow_autojson json_t *doc = NULL;
    avow_autofree char *text = NULL;

    (void)state;
    assert_int_equal(avow_json_parse(avow_buf_view(&body), &doc, NULL), 0);
    json_object_set_new(doc, "draftPolicyForAttestation", json_string("eyJ9.e30."));
    text = json_dumps(doc, 0);
    maa_parse(AVOW_MAA_SEVSNPVM, avow_bytes_str(text), &r);
    assert_string_equal(r.draft, "eyJ9.e30.");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(microsofts_request_is_read),
        cmocka_unit_test(a_tdx_request_is_read),
        cmocka_unit_test(both_alphabets_are_read),
        cmocka_unit_test(a_nonce_is_text_or_number),
        cmocka_unit_test(json_data_is_kept_as_sent),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(snp_wants_a_report_and_its_chain),
        cmocka_unit_test(there_are_limits),
        cmocka_unit_test(a_draft_policy_is_kept_for_snp),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
