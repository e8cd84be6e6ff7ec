#include "rules_test.h"

#define I(rule) V12 PERMIT "issuancerules{" rule "};"

/* The cases of claim-rule-functions, in other words: what a function makes of incoming claims. */
static void functions(void **state)
{
    static const struct {
        const char *rules, *claims, *issued;
    } rows[] = {
        /* JmesPath: a string comes without quotation marks, anything else as JSON */
        { "=>issue(type=\"r\",value=JmesPath(\"{\\\"foo\\\": \\\"bar\\\"}\",\"foo\"));", "{}",
          "{\"r\":\"bar\"}" },
        { "d:[type==\"doc\"]&&q:[type==\"query\"]=>issue"
          "(type=\"r\",value=JmesPath(d.value,q.value));",
          "{\"doc\":\"{\\\"v\\\":[5,6,7]}\",\"query\":\"v[2]\"}", "{\"r\":\"7\"}" },
        { "d:[type==\"doc\"]=>issue(type=\"r\",value=JmesPath(d.value,\"none\"));",
          "{\"doc\":{\"v\":1}}", "{\"r\":\"null\"}" },
        { "d:[type==\"doc\"]=>issue(type=\"r\",value=JmesPath(d.value,\"v\"));",
          "{\"doc\":{\"v\":{\"b\":[1,2],\"a\":true}}}",
          "{\"r\":\"{\\\"a\\\":true,\\\"b\\\":[1,2]}\"}" },
        /* JsonToClaimValue */
        { "c:[type==\"j\"]=>issue(type=\"r\",value=JsonToClaimValue(c.value));", "{\"j\":\"100\"}",
          "{\"r\":100}" },
        { "c:[type==\"j\"]=>issue(type=\"r\",value=JsonToClaimValue(c.value));", "{\"j\":\"true\"}",
          "{\"r\":true}" },
        { "c:[type==\"j\"]=>issue(type=\"r\",value=JsonToClaimValue(c.value));",
          "{\"j\":\"\\\"abc\\\"\"}", "{\"r\":\"abc\"}" },
        { "c:[type==\"j\"]=>issue(type=\"r\",value=JsonToClaimValue(c.value));", "{\"j\":\"abc\"}",
          "{\"r\":\"abc\"}" },
        { "c:[type==\"j\"]=>issue(type=\"r\",value=JsonToClaimValue(c.value));",
          "{\"j\":\"[0, \\\"abc\\\", true, null]\"}", "{\"r\":[0,\"abc\",true]}" },
        { "c:[type==\"j\"]=>issue(type=\"r\",value=JsonToClaimValue(c.value));", "{\"j\":\"null\"}",
          "{}" },
        { "c:[type==\"j\"]=>issue(type=\"r\",value=JsonToClaimValue(c.value));", "{\"j\":\"[]\"}",
          "{}" },
        /* a string that JmesPath found stays one, whatever it looks like; a claim carries that on
         */
        { "d:[type==\"doc\"]=>issue(type=\"r\",value=JsonToClaimValue(JmesPath(d.value,\"v\")));",
          "{\"doc\":{\"v\":\"true\"}}", "{\"r\":\"true\"}" },
        { "d:[type==\"doc\"]=>add(type=\"found\",value=JmesPath(d.value,\"v\"));"
          "f:[type==\"found\"]=>issue(type=\"r\",value=JsonToClaimValue(f.value));",
          "{\"doc\":{\"v\":\"12\"}}", "{\"r\":\"12\"}" },
        { "d:[type==\"doc\"]=>issue(type=\"r\",value=Jme"
          "sPath(JmesPath(d.value,\"v\"),\"@ == '12'\"));",
          "{\"doc\":{\"v\":\"12\"}}", "{\"r\":\"true\"}" },
        /* IsSubsetOf */
        { "a:[type==\"a\"]&&b:[type==\"b\"]=>issue(type=\"r\",value=IsSubsetOf(a.value,b.value));",
          "{\"a\":[\"x\",5],\"b\":[true,\"x\",5]}", "{\"r\":true}" },
        { "a:[type==\"a\"]&&b:[type==\"b\"]=>issue(type=\"r\",value=IsSubsetOf(b.value,a.value));",
          "{\"a\":[\"x\",5],\"b\":[true,\"x\",5]}", "{\"r\":false}" },
        { "=>issue(type=\"r\",value=IsSubsetOf(JsonToClaimValue(\"[]\"),1));", "{}",
          "{\"r\":true}" },
        /* AppendString */
        { "a:[type==\"a\"]&&b:[type==\"b\"]=>issue(type"
          "=\"r\",value=AppendString(a.value,b.value));",
          "{\"a\":\"abc\",\"b\":\"xyz\"}", "{\"r\":\"abcxyz\"}" },
        { "=>issue(type=\"r\",value=AppendString(\"\",\"\"));", "{}", "{\"r\":\"\"}" },
        /* NegateBool */
        { "c:[type==\"a\"]=>issue(type=\"r\",value=NegateBool(c.value));", "{\"a\":true}",
          "{\"r\":false}" },
        { "=>issue(type=\"r\",value=NegateBool(false));", "{}", "{\"r\":true}" },
        /* ContainsOnlyValue */
        { "c:[type==\"a\"]=>issue(type=\"r\",value=ContainsOnlyValue(c.value,100));",
          "{\"a\":[100,101]}", "{\"r\":false}" },
        { "c:[type==\"a\"]=>issue(type=\"r\",value=ContainsOnlyValue(c.value,100));",
          "{\"a\":[100,100]}", "{\"r\":true}" },
        { "=>issue(type=\"r\",value=ContainsOnlyValue(JsonToClaimValue(\"[]\"),1));", "{}",
          "{\"r\":false}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[2048];

        snprintf(text, sizeof text, I("%s"), rows[i].rules);
        check_issued(text, rows[i].claims, rows[i].issued);
    }
}

static void what_functions_do_not_take(void **state)
{
    static const struct {
        const char *value, *says;
    } rows[] = {
        { "JmesPath(1,\"a\")", "needs a string and was given a value of type Integer" },
        { "JmesPath(\"{}\",true)", "type Boolean" },
        { "JmesPath(\"{\",\"a\")", "text that is not JSON" },
        { "JmesPath(\"\",\"a\")", "text that is not JSON" },
        { "JmesPath(\"{\\\"a\\\":1,\\\"a\\\":2}\",\"a\")", "not JSON" },
        { "JmesPath(\"{}\",\"\")", "an empty query" },
        { "JmesPath(\"{}\",\"a..b\")", "JMESPath query, at byte" },
        { "JsonToClaimValue(1)", "needs a string" },
        { "JsonToClaimValue(\"{}\")", "an object" },
        { "JsonToClaimValue(\"[[1]]\")", "array in it" },
        { "JsonToClaimValue(\"1.5\")", "a fraction" },
        { "AppendString(\"a\",1)", "needs a string" },
        { "AppendString(\"a\",JsonToClaimValue(\"[\\\"a\\\",\\\"b\\\"]\"))", "given 2" },
        { "AppendString(\"a\",JsonToClaimValue(\"null\"))", "given 0" },
        { "NegateBool(\"true\")", "NegateBool() was given a value of type String" },
        { "NegateBool(JsonToClaimValue(\"[true,false]\"))", "needs one value and was given 2" },
        { "ContainsOnlyValue(1,JsonToClaimValue(\"[1,2]\"))", "needs one value and was given 2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];

        snprintf(text, sizeof text, I("\n =>issue(type=\"r\",value=%s);"), rows[i].value);
        check_failure(text, NULL, AVOW_E_FORMAT, rows[i].says);
        check_failure(text, NULL, AVOW_E_FORMAT, "policy line 2 column ");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions),
        cmocka_unit_test(what_functions_do_not_take),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
