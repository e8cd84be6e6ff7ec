#include "attest/envelope.h"

#include "../test.h"

#define DEEP "{\"evidence\":"

static char seen[1024];

static int note(void *ctx, enum avow_envelope_part part, struct avow_bytes data,
                struct avow_error *err)
{
    size_t n = strlen(seen);

    (void)ctx;
    (void)err;
    snprintf(seen + n, sizeof seen - n, "%d:%zu:%.*s;", part, data.len,
             data.len > 40 ? 4 : (int)data.len, (const char *)data.data);
    return 0;
}

static int open_text(const char *text)
{
    avow_autojson json_t *doc = NULL;

    seen[0] = 0;
    assert_int_equal(avow_json_parse(avow_bytes_str(text), &doc, NULL), 0);
    return avow_envelope_open(avow_bytes_str(text), doc, note, NULL, NULL);
}

static void parts_come_out(void **state)
{
    static const struct {
        const char *text, *parts;
    } rows[] = {
        { "{\"auxblob\":\"\",\"outblob\":\"aGVsbG8\",\"provider\":\"sev_guest\\n\"}",
          "0:5:hello;" },
        { "{\"Provider\":\"x\",\"OutBlob\":\"aGVsbG8=\",\"AuxBlob\":null}", "0:5:hello;" },
        { "{\"hcl_report\":[104,105],\"vcek\":\"-----BEGIN X\"}", "0:2:hi;0:12:-----BEGIN X;" },
        { "{\"platform\":\"az-snp\",\"evidence\":{\"hcl_report\":\"aGk=\"}}", "0:2:hi;" },
        { "{\"quote\":\"aGk\",\"runtimeData\":{\"data\":\"e30\",\"dataType\":\"JSON\"}}",
          "0:2:hi;1:2:{};" },
        { "{\"vcekCert\":\"-----BEGIN A\",\"tcbm\":\"00\",\"certificateChain\":\"-----BEGIN B\"}",
          "0:12:-----BEGIN A;0:12:-----BEGIN B;" },
        { "{\"tcb_info_issuer_chain\":\"-----BEGIN C\",\"tcb_info\":\"{ }\","
          "\"tcb_info_signature\":\"00\"}",
          "0:12:-----BEGIN C;0:32:{\"tcbInfo\":{ },\"signature\":\"00\"};" },
        { "{\"quote\":\"0x6869\"}", "0:2:hi;" },
        { "{\"cmw\":\"eyJfX2Ntd2NfdCI6InQiLCJhIjpbIngveSIsImFHayJdfQ\"}", "0:2:hi;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(open_text(rows[i].text), 1);
        assert_string_equal(seen, rows[i].parts);
    }
    assert_int_equal(open_text("{\"keys\":[]}"), 0);
    assert_int_equal(open_text("[1]"), 0);
}

static void a_tpm_quote_by_itself_is_opened(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(65536);

    (void)state;
    avow_buf_put_str(&text, "{\"signature\":\"6869\",\"message\":\"6161\",\"pcrs\":[");
    for (int i = 0; i < 24; i++)
        avow_buf_putf(&text, "%s\"%064d\"", i ? "," : "", i);
    avow_buf_put_str(&text, "]}");
    assert_int_equal(open_text(avow_buf_cstr(&text)), 1);
    assert_string_equal(seen, "2:2:aa;3:2:hi;4:768:;");
}

static void malformed_ones_are_refused(void **state)
{
    static const char *const rows[] = {
        "{\"outblob\":\"a!\"}",
        "{\"outblob\":12}",
        "{\"outblob\":\"abcde\"}", /* base64url that lost a character */
        "{\"hcl_report\":[256]}",
        "{\"hcl_report\":[-1]}",
        "{\"tpm_quote\":{\"message\":\"00\",\"signature\":\"00\",\"pcrs\":[\"00\"]}}",
        "{\"tcb_info_issuer_chain\":\"-----BEGIN C\",\"tcb_info\":\"{}\"}",
        "{\"cmw\":\"e30=e30=\"}",
        "{\"quote\":\"0xaGk=\"}",
        "{\"signature\":\"00\",\"message\":\"00\",\"pcrs\":[]}", /* a TPM quote by itself */
        DEEP DEEP DEEP DEEP DEEP "{\"outblob\":\"00\"}}}}}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (open_text(rows[i]) >= 0)
            fail_msg("%s: %s", rows[i], seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_come_out),
        cmocka_unit_test(a_tpm_quote_by_itself_is_opened),
        cmocka_unit_test(malformed_ones_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
