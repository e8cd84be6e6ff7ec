#include "codec/json.h"

#include "../test.h"

static json_t *parse(const char *text)
{
    json_t *v = NULL;
    struct avow_error err = { 0 };

    if (avow_json_parse(avow_bytes_str(text), &v, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return v;
}

static void bad_documents_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "{}x",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,}",
        "[1,]",
        "nul",
        "\"a\"",
        "1",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":\"\\u0000\"}",
        "{} {}",
        "\xef\xbb\xbf{}",
        "{\"a\":\"\xff\"}",
        "{\"x\":{\"a\":1,\"a\":1}}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *v = NULL;
        struct avow_error err = { 0 };

        if (avow_json_parse(avow_bytes_str(bad[i]), &v, &err) != -AVOW_E_FORMAT)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.text[0]);
    }
}

static void depth_is_bounded(void **state)
{
    char text[200];
    json_t *v = NULL;

    (void)state;
    for (int depth = 1; depth < 90; depth++) {
        int rc = 0;

        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = 0;
        rc = avow_json_parse(avow_bytes_str(text), &v, NULL);
        if (depth <= 32)
            assert_int_equal(rc, 0);
        if (depth > 40)
            assert_int_equal(rc, -AVOW_E_LIMIT);
        if (rc == 0)
            json_decref(v);
    }
}

static void canonical_form_is_one(void **state)
{
    static const char *const rows[][2] = {
        { " { } ", "{}" },
        { "{\"b\":1,\"a\":[true, false, -5 ,\"x\"]}", "{\"a\":[true,false,-5,\"x\"],\"b\":1}" },
        { "{\"B\":1,\"a\":2,\"A\":3}", "{\"A\":3,\"B\":1,\"a\":2}" },
        { "{\"a\":\"\\u0041\\/\"}", "{\"a\":\"A/\"}" },
        { "{\"a\\n\":\"\\\"\\\\\"}", "{\"a\\n\":\"\\\"\\\\\"}" },
        { "{\"a\":9223372036854775807}", "{\"a\":9223372036854775807}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *v = parse(rows[i][0]);
        avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1000);
        bool same = strcmp(rows[i][0], rows[i][1]) == 0;

        assert_int_equal(avow_json_canonical(v, &out, NULL), 0);
        assert_string_equal(avow_buf_cstr(&out), rows[i][1]);
        assert_int_equal(avow_json_check_canonical(avow_bytes_str(rows[i][1]), NULL), 0);
        assert_int_equal(avow_json_check_canonical(avow_bytes_str(rows[i][0]), NULL),
                         same ? 0 : -AVOW_E_FORMAT);
    }
}

static void reals_and_null_have_no_canonical_form(void **state)
{
    static const char *const bad[] = { "{\"a\":1.5}", "{\"a\":1e2}", "{\"a\":null}", "[[null]]" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        avow_autojson json_t *v = parse(bad[i]);
        avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1000);

        assert_int_equal(avow_json_canonical(v, &out, NULL), -AVOW_E_FORMAT);
    }
    {
        avow_autojson json_t *v = parse("{\"a\":\"0123456789\"}");
        avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(10);
        struct avow_error err = { 0 };

        assert_int_equal(avow_json_canonical(v, &out, &err), -AVOW_E_LIMIT);
        assert_int_equal(err.code, AVOW_E_LIMIT);
    }
}

static void members_are_typed(void **state)
{
    static const char *const known[] = { "s", "i", "b", "o", "l", "h", NULL };
    static const char *const less[] = { "s", NULL };
    avow_autojson json_t *v =
        parse("{\"s\":\"x\",\"i\":5,\"b\":true,\"o\":{},\"l\":[1,2],\"h\":\"0aFF\"}");
    const char *s = "before";
    int64_t i = -1;
    bool b = false;
    json_t *o = NULL;
    uint8_t h[2];
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(avow_json_opt_str(v, "none", &s, NULL), 0);
    assert_string_equal(s, "before");
    assert_int_equal(avow_json_get_str(v, "s", &s, NULL), 0);
    assert_string_equal(s, "x");
    assert_int_equal(avow_json_get_str(v, "i", &s, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_json_get_str(v, "none", &s, &err), -AVOW_E_FORMAT);
    assert_non_null(strstr(err.text, "none"));
    assert_int_equal(avow_json_get_int(v, "i", 5, 5, &i, NULL), 0);
    assert_int_equal(i, 5);
    assert_int_equal(avow_json_get_int(v, "i", 6, 9, &i, NULL), -AVOW_E_LIMIT);
    assert_int_equal(avow_json_get_int(v, "s", 0, 9, &i, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_json_opt_int(v, "none", 0, 9, &i, NULL), 0);
    assert_int_equal(i, 5);
    assert_int_equal(avow_json_opt_bool(v, "b", &b, NULL), 0);
    assert_true(b);
    assert_int_equal(avow_json_opt_bool(v, "i", &b, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_json_get_obj(v, "o", &o, NULL), 0);
    assert_int_equal(avow_json_get_obj(v, "l", &o, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_json_get_array(v, "l", 2, &o, NULL), 0);
    assert_int_equal(avow_json_get_array(v, "l", 1, &o, NULL), -AVOW_E_LIMIT);
    assert_int_equal(avow_json_get_array(v, "o", 1, &o, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_json_get_hex(v, "h", h, 2, NULL), 0);
    assert_int_equal(h[1], 0xFF);
    assert_int_equal(avow_json_get_hex(v, "h", h, 1, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_json_only(v, known, NULL), 0);
    assert_int_equal(avow_json_only(v, less, NULL), -AVOW_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_documents_are_refused),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(canonical_form_is_one),
        cmocka_unit_test(reals_and_null_have_no_canonical_form),
        cmocka_unit_test(members_are_typed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
