#include "maa/rules_jmes.h"

#include "rules_test.h"

static const char doc[] =
    "{\"a\":{\"b\":{\"c\":7}},\"n\":null,\"s\":\"text\",\"t\":true,\"f\":1.0,\"odd name\":1,"
    "\"l\":[0,1,2,3],\"ll\":[[1,2],[3,[4]],5],"
    "\"o\":{\"x\":{\"v\":1},\"y\":{\"v\":2},\"z\":{\"w\":3}},"
    "\"Events\":["
    "{\"Kind\":\"TAG\",\"Pcr\":12,\"Seq\":3,\"Data\":{\"T\":"
    "{\"CI\":true,\"Mods\":[{\"P\":\"A\"},{\"P\":\"B\"}]}}},"
    "{\"Kind\":\"TAG\",\"Pcr\":13,\"Seq\":5,\"Data\":{\"T\":{\"CI\":false}}},"
    "{\"Kind\":\"SEP\",\"Pcr\":12,\"Seq\":9},"
    "{\"Kind\":\"VAR\",\"Pcr\":7,\"Data\":{\"Name\":\"SecureBoot\",\"Value\":\"AQ\"}}]}";

static int find(const char *query, json_t **out, struct avow_error *err)
{
    avow_autojson json_t *d = json_of(doc);
    avow_autojson json_t *q = json_string(query);
    struct rules_work w = { .left = 1u << 20, .at = { 3, 4 } };

    return rules_jmes(q, d, &w, out, err);
}

static void queries(void **state)
{
    static const struct {
        const char *query, *found;
    } rows[] = {
        { "a", "{\"b\":{\"c\":7}}" },
        { "a.b.c", "7" },
        { "a.x.c", "null" },
        { "s.x", "null" },
        { "n", "null" },
        { " a . b\t", "{\"c\":7}" },
        { "\"odd name\"", "1" },
        { "\"\\u0061\".b.c", "7" },
        { "@.a.b.c", "7" },
        { "l[0]", "0" },
        { "l[-1]", "3" },
        { "l[4]", "null" },
        { "l[-5]", "null" },
        { "s[0]", "null" },
        { "l[*]", "[0,1,2,3]" },
        { "ll[*][0]", "[1,3]" },
        { "ll[]", "[1,2,3,[4],5]" },
        { "ll[][]", "[1,2,3,4,5]" },
        { "s[]", "null" },
        { "s[*]", "null" },
        { "l.*", "null" },
        { "o.*.v", "[1,2]" },
        { "o.*.v | [0]", "1" },
        { "o.*", "[{\"v\":1},{\"v\":2},{\"w\":3}]" },
        { "Events[*].Pcr", "[12,13,12,7]" },
        { "Events[*].Data.T.CI", "[true,false]" },
        { "Events[].Seq", "[3,5,9]" },
        { "Events[?Kind == 'TAG'].Pcr", "[12,13]" },
        { "Events[? Kind == 'TAG' && (Pcr == `12` || Pcr == `13`)].Data.T",
          "[{\"CI\":true,\"Mods\":"
          "[{\"P\":\"A\"},{\"P\":"
          "\"B\"}]},{\"CI\":false"
          "}]" },
        { "Events[?Kind == 'TAG'].Data.T.Mods[].P", "[\"A\",\"B\"]" },
        { "Events[?Kind == 'TAG'].Seq | @[0]", "3" },
        { "Events[?Kind == 'NONE'] | @[0].Seq", "null" },
        { "Events[?Seq < `9`].Seq", "[3,5]" },
        { "Events[?Seq >= `5` && Data.T].Seq", "[5]" },
        { "Events[?!Seq].Kind", "[\"VAR\"]" },
        { "Events[?!(Kind == 'TAG')].Kind", "[\"SEP\",\"VAR\"]" },
        { "Events[?Data.Name == 'SecureBoot'] | length(@) == `1` && @[0].Data.Value == 'AQ'",
          "true" },
        { "Events[?Data.Name == 'SecureBoot'] | length("
          "@) == `1` && @[0] | @.{k:Kind, v:Data.Value}",
          "{\"k\":\"VAR\",\"v\":\"AQ\"}" },
        { "[a.b.c, s, `1`, 'raw']", "[7,\"text\",1,\"raw\"]" },
        { "{x: s, \"y z\": a.b}", "{\"x\":\"text\",\"y z\":{\"c\":7}}" },
        { "a.[b, x]", "[{\"c\":7},null]" },
        { "n.[a]", "null" },
        { "n.{a:a}", "null" },
        { "[*.v, s]", "[[],\"text\"]" },
        { "`\"\\`\"`", "\"`\"" },
        { "'it\\'s'", "\"it's\"" },
        { "'a\\\\b\\c'", "\"a\\\\b\\\\c\"" },
        { "`null`", "null" },
        { "`[1, {\"a\": 2}]`", "[1,{\"a\":2}]" },
        { "f == `1`", "true" },
        { "f == `1.5`", "false" },
        { "s == `1`", "false" },
        { "a == `{\"b\":{\"c\":7}}`", "true" },
        { "a != `{\"b\":{\"c\":8}}`", "true" },
        { "l == `[0,1,2,3]`", "true" },
        { "l == `[0,1,2]`", "false" },
        { "n == `null`", "true" },
        { "x != `null`", "false" },
        { "a.b.c > `6`", "true" },
        { "a.b.c <= `6.5`", "false" },
        { "f < `1.5`", "true" },
        { "s < `1`", "null" },
        { "!s", "false" },
        { "!a.b.x", "true" },
        { "!x == `true`", "true" },
        { "x || s", "\"text\"" },
        { "s && t", "true" },
        { "x && s", "null" },
        { "x || n || s && t", "true" },
        { "(x || s) | length(@)", "4" },
        { "length(l)", "4" },
        { "length(a)", "1" },
        { "length('\xc3\xa9\xc3\xa9')", "2" },
        { "contains(s, 'ex')", "true" },
        { "contains(l, `2`)", "true" },
        { "contains(l, `9`)", "false" },
        { "contains(s, `2`)", "false" },
        { "starts_with(s, 'te')", "true" },
        { "starts_with(s, 'text and more')", "false" },
        { "starts_with(s, '')", "true" },
        { "ends_with(s, 'xt')", "true" },
        { "ends_with(s, 'a text')", "false" },
        { "equals_ignore_case(s, 'TeXT')", "true" },
        { "equals_ignore_case(s, 'TeX')", "false" },
        { "equals_ignore_case(x, 'TeXT')", "false" },
        { "not_null(x, n, s)", "\"text\"" },
        { "not_null(x)", "null" },
        { "type(a)", "\"object\"" },
        { "[type(l),type(s),type(f),type(t),type(n)]",
          "[\"array\",\"string\",\"number\",\"boolean\",\"null\"]" },
        { "to_string(l)", "\"[0,1,2,3]\"" },
        { "to_string(s)", "\"text\"" },
        { "to_array(s)", "[\"text\"]" },
        { "to_array(l)", "[0,1,2,3]" },
        { "keys(a)", "[\"b\"]" },
        { "values(a)", "[{\"c\":7}]" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *found = NULL;
        struct avow_error err = { 0 };

        if (find(rows[i].query, &found, &err) < 0)
            fail_msg("%s: %s", rows[i].query, err.text);
        check_json(rows[i].query, found, rows[i].found);
    }
}

static void mistakes(void **state)
{
    static const struct {
        const char *query, *says;
    } rows[] = {
        { "", "an empty query" },
        { "  ", "an empty query" },
        { ".a", "a value is missing" },
        { "a.", "a name, *, [ or { is missing after the dot" },
        { "a..b", "missing after the dot" },
        { "a.1", "missing after the dot" },
        { "a b", "more than one query" },
        { "a[", "an index or * is missing" },
        { "a[x]", "an index or * is missing" },
        { "a[0", "a ] after an index" },
        { "a[0:1]", "slices are not known" },
        { "a[*]b", "more than one query" },
        { "a[*](b)", "a dot or bracket is missing after a projection" },
        { "a[?b", "a ] that closes a filter" },
        { "a[?]", "a value is missing" },
        { "[a, ]", "a value is missing" },
        { "[a", "a bracket that closes" },
        { "{a}", "a colon in { }" },
        { "{1:a}", "a name is missing in { }" },
        { "{a:b", "a } that closes" },
        { "(a", "a ) that closes" },
        { "a ||", "a value is missing" },
        { "a == ", "a value is missing" },
        { "a = b", "means nothing there" },
        { "a & b", "means nothing there" },
        { "`1", "a ` without its second" },
        { "'a", "a ' without its second" },
        { "'a\\", "a ' without its second" },
        { "\"a", "a \" without its second" },
        { "\"\\x\"", "a literal that is not JSON" },
        { "`{`", "a literal that is not JSON" },
        { "`raw`", "a literal that is not JSON" },
        { "l[99999999999999999999]", "an index of more than 64 bits" },
        { "sort_by(l, &a)", "no function \"sort_by\" here" },
        { "\"length\"(l)", "an operator is missing" },
        { "length()", "length() does not take 0 arguments" },
        { "length(l, l)", "length() does not take 2 arguments" },
        { "length(l", "a bracket that closes" },
        { "length(n)", "JMESPath length() takes a string, an array or an object" },
        { "contains(n, n)", "JMESPath contains() takes" },
        { "starts_with(l, s)", "JMESPath starts_with() takes two strings" },
        { "ends_with(s, n)", "two strings" },
        { "keys(l)", "keys() takes an object" },
        { "values(l)", "values() takes an object" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *found = NULL;
        struct avow_error err = { 0 };
        int rc = find(rows[i].query, &found, &err);

        if (rc >= 0 || !strstr(err.text, rows[i].says) ||
            strncmp(err.text, "policy line 3 column 4: JMESPath ", 33) != 0)
            fail_msg("%s gives %d: %s\n not %s", rows[i].query, rc, err.text, rows[i].says);
        assert_null(found);
    }
}

/* @open @n times, @middle, @close @n times. */
static int find_nested(const char *open, const char *middle, const char *close, size_t n)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(1u << 20);
    avow_autojson json_t *found = NULL;

    for (size_t i = 0; i < n; i++)
        (void)avow_buf_put_str(&b, open);
    (void)avow_buf_put_str(&b, middle);
    for (size_t i = 0; i < n; i++)
        (void)avow_buf_put_str(&b, close);
    return find(avow_buf_cstr(&b), &found, NULL);
}

static void nesting_is_bounded(void **state)
{
    static const struct {
        const char *open, *middle, *close;
    } rows[] = {
        { "(", "a", ")" },  { "[", "a", "]" },         { "!", "a", "" },   { "{a:", "a", "}" },
        { "", "a", ".a" },  { "", "a", "[0]" },        { "", "a", "[]" },  { "", "a", "|a" },
        { "", "a", "||a" }, { "not_null(", "a", ")" }, { "[?", "a", "]" }, { "", "a", "[?a]" },
        { "", "a", "[*]" }, { "a.[", "a", "]" },       { "", "a", ".*" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(find_nested(rows[i].open, rows[i].middle, rows[i].close, 8), 0);
        assert_int_equal(find_nested(rows[i].open, rows[i].middle, rows[i].close, 70),
                         -AVOW_E_LIMIT);
        assert_int_equal(find_nested(rows[i].open, rows[i].middle, rows[i].close, 20000),
                         -AVOW_E_LIMIT);
    }
}

static void work_is_bounded(void **state)
{
    static const char *const rows[] = { "ll[][]",       "ll == `[[1,2],[3,[4]],5]`",
                                        "[s,s,s,s]",    "contains(s,'x')",
                                        "to_string(l)", "keys(o)" };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *d = json_of(doc);
        avow_autojson json_t *q = json_string(rows[i]);
        bool passed = false;

        for (uint64_t left = 0; left < 2000 && !passed; left++) {
            avow_autojson json_t *found = NULL;
            struct rules_work w = { .left = left };
            int rc = rules_jmes(q, d, &w, &found, NULL);

            assert_true(rc == 0 || rc == -AVOW_E_LIMIT);
            passed = rc == 0;
            assert_true(!passed || left > strlen(rows[i]));
        }
        assert_true(passed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(work_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
