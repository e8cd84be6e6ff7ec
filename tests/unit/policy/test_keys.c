#include "policy/keys.h"

#include "../test.h"

struct rules {
    bool flag;
    uint32_t number;
};

static const struct policy_key table[] = {
    { "flag", keys_bool, offsetof(struct rules, flag), 0, "false" },
    { "number", keys_u32, offsetof(struct rules, number), 0, "0" },
    { NULL, NULL, 0, 0, NULL },
};
static const struct policy_key others[] = {
    { "other", keys_bool, 0, 0, "false" },
    { NULL, NULL, 0, 0, NULL },
};

static json_t *parse(const char *text)
{
    json_t *j = NULL;

    assert_int_equal(avow_json_parse(avow_bytes_str(text), &j, NULL), 0);
    return j;
}

static void what_was_written_is_known(void **state)
{
    avow_autojson json_t *doc = parse("{\"number\":7}");
    struct section s = { 0 };
    struct rules r = { 0 };
    struct avow_verdict v = { 0 };
    const json_t *at = NULL;

    (void)state;
    assert_int_equal(keys_read(doc, "part", table, &s, &r, &at, NULL), 0);
    assert_true(s.present && !r.flag);
    assert_int_equal(r.number, 7);
    keys_from(&s, "number", &v);
    assert_string_equal(v.source, "part.number");
    keys_from(&s, "flag", &v);
    assert_string_equal(v.source, "default: part.flag");
    s.name[0] = 0;
    keys_from(&s, "number", &v);
    assert_string_equal(v.source, "number");
}

static void mistakes_are_placed(void **state)
{
    avow_autojson json_t *doc = parse("{\"number\":\"7\"}");
    avow_autojson json_t *boolean = parse("{\"number\":true}");
    struct section s = { 0 };
    struct rules r = { 0 };
    const json_t *at = NULL;

    (void)state;
    assert_int_equal(keys_read(doc, "part", table, &s, &r, &at, NULL), -AVOW_E_FORMAT);
    assert_ptr_equal(at, json_object_get(doc, "number"));
    assert_int_equal(keys_read(boolean, "part", table, &s, &r, &at, NULL), -AVOW_E_FORMAT);
    assert_ptr_equal(at, boolean); /* true is shared: it stands nowhere */
}

static void unknown_keys_are_refused(void **state)
{
    avow_autojson json_t *good = parse("{\"number\":1,\"other\":true}");
    avow_autojson json_t *typo = parse("{\"nunber\":1}");
    avow_autojson json_t *far = parse("{\"something\":1}");
    struct avow_error err = { 0 };
    const json_t *at = NULL;

    (void)state;
    assert_int_equal(keys_only(good, table, others, &at, NULL), 0);
    assert_int_equal(keys_only(good, table, NULL, &at, NULL), -AVOW_E_FORMAT);
    assert_int_equal(keys_only(typo, table, others, &at, &err), -AVOW_E_FORMAT);
    assert_non_null(strstr(err.text, "did you mean \"number\"?"));
    assert_ptr_equal(at, json_object_get(typo, "nunber"));
    err = (struct avow_error){ 0 };
    assert_int_equal(keys_only(far, table, others, &at, &err), -AVOW_E_FORMAT);
    assert_null(strstr(err.text, "did you mean"));
}

static void lists_of_strings(void **state)
{
    avow_autojson json_t *doc = parse("{\"a\":[\"x\",\"yy\"],\"b\":[],\"c\":[1]}");
    avow_autojson json_t *out = NULL;
    avow_autojson json_t *empty = NULL;

    (void)state;
    assert_int_equal(keys_strings(doc, "none", 2, 2, false, &out, NULL), 0);
    assert_null(out);
    assert_int_equal(keys_strings(doc, "a", 2, 1, false, &out, NULL), -AVOW_E_FORMAT);
    assert_int_equal(keys_strings(doc, "c", 2, 2, false, &out, NULL), -AVOW_E_FORMAT);
    assert_int_equal(keys_strings(doc, "b", 2, 2, false, &out, NULL), -AVOW_E_FORMAT);
    assert_true(keys_strings(doc, "a", 1, 2, false, &out, NULL) < 0);
    assert_null(out);
    assert_int_equal(keys_strings(doc, "b", 2, 2, true, &empty, NULL), 0);
    assert_int_equal(keys_strings(doc, "a", 2, 2, false, &out, NULL), 0);
    assert_int_equal(json_array_size(out), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_known),
        cmocka_unit_test(mistakes_are_placed),
        cmocka_unit_test(unknown_keys_are_refused),
        cmocka_unit_test(lists_of_strings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
