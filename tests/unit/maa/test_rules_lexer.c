#include "rules_test.h"

static void tokens_have_places(void **state)
{
    static const struct {
        enum rules_token_kind kind;
        unsigned line, column;
    } want[] = {
        { RULES_NAME, 1, 1 },      { RULES_MARK, 1, 3 },     { RULES_MARK, 1, 4 },
        { RULES_NAME, 1, 5 },      { RULES_OPERATOR, 1, 9 }, { RULES_STRING, 1, 12 },
        { RULES_MARK, 1, 17 },     { RULES_AND, 3, 2 },      { RULES_ARROW, 3, 5 },
        { RULES_NUMBER, 4, 1 },    { RULES_OPERATOR, 4, 4 }, { RULES_OPERATOR, 4, 7 },
        { RULES_OPERATOR, 4, 10 }, { RULES_END, 4, 12 },
    };
    struct rules_lexer l = { .text = avow_bytes_str("c1:[type== \"a\\\"\"] // comment => [\n"
                                                    "\t// another\n && =>\r\n-12>= != <="),
                             .at = { 1, 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        struct rules_token t = { 0 };

        assert_int_equal(rules_lex(&l, &t, NULL), 0);
        assert_int_equal(t.kind, want[i].kind);
        assert_int_equal(t.at.line, want[i].line);
        assert_int_equal(t.at.column, want[i].column);
    }
}

static void texts_end(void **state)
{
    struct rules_lexer l = { .text = avow_bytes_str("a // and no more"), .at = { 1, 1 } };
    struct rules_token t = { 0 };

    (void)state;
    assert_int_equal(rules_lex(&l, &t, NULL), 0);
    assert_int_equal(t.kind, RULES_NAME);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rules_lex(&l, &t, NULL), 0);
        assert_int_equal(t.kind, RULES_END);
    }
    assert_int_equal(t.at.column, 17);
}

static void signs_are_read_longest_first(void **state)
{
    static const struct {
        const char *text;
        enum rules_token_kind kind;
        enum rules_operator op;
    } rows[] = {
        { "==", RULES_OPERATOR, RULES_EQUAL },  { "!=", RULES_OPERATOR, RULES_UNEQUAL },
        { "<", RULES_OPERATOR, RULES_LESS },    { "<=", RULES_OPERATOR, RULES_LESS_EQUAL },
        { ">", RULES_OPERATOR, RULES_GREATER }, { ">=", RULES_OPERATOR, RULES_GREATER_EQUAL },
        { "=>", RULES_ARROW, RULES_EQUAL },     { "&&", RULES_AND, RULES_EQUAL },
        { "!", RULES_MARK, RULES_EQUAL },       { "=", RULES_MARK, RULES_EQUAL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rules_lexer l = { .text = avow_bytes_str(rows[i].text), .at = { 1, 1 } };
        struct rules_token t = { 0 };

        assert_int_equal(rules_lex(&l, &t, NULL), 0);
        assert_int_equal(t.kind, rows[i].kind);
        assert_int_equal(t.op, rows[i].op);
        assert_int_equal(t.text.len, strlen(rows[i].text));
    }
}

static void integers_are_of_64_bits(void **state)
{
    static const struct refusal bad[] = {
        { V10 "authorizationrules{[value==9223372036854775808]=>permit();};", AVOW_E_LIMIT,
          "line 1 column 40: an integer of more than 64 bits" },
        { V10 "authorizationrules{[value==-9223372036854775809]=>permit();};", AVOW_E_LIMIT,
          "64 bits" },
        { V10 "authorizationrules{[value==11111111111111111111111111]=>permit();};", AVOW_E_LIMIT,
          "64 bits" },
        { V10 "authorizationrules{[value==0xFF]=>permit();};", AVOW_E_FORMAT, "decimal" },
    };

    (void)state;
    check_refusals(bad, sizeof bad / sizeof bad[0]);
    assert_true(holds_over("[value==9223372036854775807]", "{\"a\":9223372036854775807}"));
    assert_true(holds_over("[value==-9223372036854775808]", "{\"a\":-9223372036854775808}"));
}

static void strings_are_unescaped(void **state)
{
    (void)state;
    assert_true(holds_over("[value==\"a\\\"b\\\\c\"]", "{\"a\":\"a\\\"b\\\\c\"}"));
    assert_true(holds_over("[value==\"\\\\\"]", "{\"a\":\"\\\\\"}"));
    assert_true(holds_over("[value==\"\"]", "{\"a\":\"\"}"));
    assert_true(holds_over("[value==\"t\xc3\xa9\xc3\xa9\"]", "{\"a\":\"t\xc3\xa9\xc3\xa9\"}"));
    assert_true(holds_over("[value==\"// no comment\"]", "{\"a\":\"// no comment\"}"));
}

static void mistakes_have_places(void **state)
{
    static const struct refusal rows[] = {
        { "version=1.0;\nauthorizationrules{[type==\"a]=>permit();};\n", AVOW_E_FORMAT,
          "policy line 2 column 27: a string that does not end on its line" },
        { V10 "authorizationrules{[type==\"a\\", AVOW_E_FORMAT, "does not end" },
        { V10 "authorizationrules{[type==\"a\\\"", AVOW_E_FORMAT, "does not end" },
        { V10 "authorizationrules{[type==\"a\\n\"]=>permit();};", AVOW_E_FORMAT, "backslash" },
        { V10 "authorizationrules{[type==\"a\x01\"]=>permit();};", AVOW_E_FORMAT,
          "control character 1" },
        { V10 "authorizationrules{[type==\"\xff\"]=>permit();};", AVOW_E_FORMAT, "not UTF-8" },
        { V10 "authorizationrules{[type==\xe2\x80\x9d"
              "a\xe2\x80\x9d]=>permit();};",
          AVOW_E_FORMAT,
          "line 1 column 39: a character outside of ASCII; quotation marks are the plain \"" },
        { "\xef\xbb\xbf" V10 PERMIT, AVOW_E_FORMAT, "outside of ASCII" },
        { V10 "authorizationrules{[type==\"a\"] || [type==\"b\"] =>permit();};", AVOW_E_FORMAT,
          "write a rule for each" },
        { V10 "authorizationrules{[type==\"a\"] & =>permit();};", AVOW_E_FORMAT,
          "'&' means nothing here" },
        { V10 "authorizationrules{[type=~\"a\"]=>permit();};", AVOW_E_FORMAT, "'~' means nothing" },
        { V10 "/* no */" PERMIT, AVOW_E_FORMAT, "'/' means nothing" },
        { V10 "\x02", AVOW_E_FORMAT, "control character 2" },
    };
    struct avow_maa_policy *p = NULL;
    struct avow_error err = { 0 };

    (void)state;
    check_refusals(rows, sizeof rows / sizeof rows[0]);
    assert_int_equal(avow_maa_policy_parse(AVOW_BYTES("version\0=1.0;", 13), &p, &err),
                     -AVOW_E_FORMAT);
    assert_string_equal(err.text, "policy line 1 column 8: control character 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_have_places),           cmocka_unit_test(texts_end),
        cmocka_unit_test(signs_are_read_longest_first), cmocka_unit_test(integers_are_of_64_bits),
        cmocka_unit_test(strings_are_unescaped),        cmocka_unit_test(mistakes_have_places),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
