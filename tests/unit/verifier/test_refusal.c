/* What a service says when it gives no token. */
#include "verifier/refusal.h"

#include "../test.h"

static char code[REFUSAL_CODE_MAX + 1], message[REFUSAL_MESSAGE_MAX + 1];

static bool read_body(long status, const char *body)
{
    struct avow_http_reply r = { .status = status, .body = AVOW_BUF(4096) };
    bool version = false;

    assert_int_equal(avow_buf_put_str(&r.body, body), 0);
    refusal_read(&r, code, message);
    version = refusal_is_version(&r);
    avow_buf_done(&r.body);
    return version;
}

static void texts(void **state)
{
    (void)state;
    assert_false(read_body(
        400, "{\"error\":{\"code\":\"PolicyEvaluationError\",\"message\":\"a\\u001bb\"}}"));
    assert_string_equal(code, "PolicyEvaluationError");
    assert_null(strchr(message, 27)); /* nothing that a terminal acts on */
    assert_non_null(strstr(refusal_explain(code), "own policy denies"));
    assert_string_equal(refusal_explain("Nothing"), "");
    read_body(400, "not json");
    assert_true(!*code && !*message);
    read_body(400, "{\"error\":\"x\"}");
    assert_true(!*code && !*message);
    read_body(400, "{\"error\":{\"code\":7,\"message\":[]}}");
    assert_true(!*code && !*message);
}

static void versions(void **state)
{
    (void)state;
    assert_true(read_body(400, "{\"error\":{\"code\":\"UnsupportedApiVersionValue\"}}"));
    assert_true(read_body(404, "{\"error\":{\"code\":\"X\",\"message\":\"which api-version?\"}}"));
    assert_false(read_body(500, "{\"error\":{\"code\":\"UnsupportedApiVersionValue\"}}"));
    assert_false(read_body(400, "{\"error\":{\"code\":\"InvalidParameter\"}}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(texts), cmocka_unit_test(versions) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
