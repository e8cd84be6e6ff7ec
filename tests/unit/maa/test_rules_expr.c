#include "rules_test.h"

#define I(rule) V12 PERMIT "issuancerules{" rule "};"

static void mistakes(void **state)
{
    static const struct refusal bad[] = {
        { V10 PERMIT "issuancerules{=>issue(type=\"a\",value=NegateBool(true));};", AVOW_E_FORMAT,
          "functions need version=1.2" },
        { "version=1.1;" PERMIT
          "issuancerules{[value==NegateBool(true)]=>add(type=\"a\",value=1);};",
          AVOW_E_FORMAT, "functions need version=1.2" },
        { I("=>issue(type=\"a\",value=ToLower(\"A\"));"), AVOW_E_FORMAT,
          "no function \"ToLower\"" },
        { I("=>issue(type=\"a\",value=negatebool(true));"), AVOW_E_FORMAT, "no function" },
        { I("=>issue(type=\"a\",value=NegateBool());"), AVOW_E_FORMAT, "a value is needed" },
        { I("=>issue(type=\"a\",value=NegateBool(true,false));"), AVOW_E_FORMAT,
          "NegateBool() takes 1 argument" },
        { I("=>issue(type=\"a\",value=AppendString(\"a\"));"), AVOW_E_FORMAT,
          "\",\" is needed between the arguments" },
        { I("=>issue(type=\"a\",value=AppendString(\"a\",\"b\",\"c\"));"), AVOW_E_FORMAT,
          "takes 2 arguments" },
        { I("=>issue(type=\"a\",value=c.value);"), AVOW_E_FORMAT,
          "no condition before this one is called \"c\"" },
        { I("c:[value==c.value]=>add(type=\"a\",value=1);"), AVOW_E_FORMAT, "is called \"c\"" },
        { I("[value==d.value]&&d:[value==1]=>add(type=\"a\",value=1);"), AVOW_E_FORMAT,
          "is called \"d\"" },
        { I("c:[value==1]=>issue(type=\"a\",value=c);"), AVOW_E_FORMAT,
          "\".\" is needed after an identifier" },
        { I("c:[value==1]=>issue(type=\"a\",value=c.name);"), AVOW_E_FORMAT, "not \"name\"" },
        { I("=>issue(type=\"a\",value=[1]);"), AVOW_E_FORMAT, "a value is needed" },
        { I("=>issue(type=\"a\",value=True);"), AVOW_E_FORMAT, "is called \"True\"" },
    };

    (void)state;
    check_refusals(bad, sizeof bad / sizeof bad[0]);
}

static void literals_and_references(void **state)
{
    (void)state;
    check_issued(I("=>issue(type=\"s\",value=\"x\");=>issue(type=\"i\",value=-7);"
                   "=>issue(type=\"t\",value=true);=>issue(type=\"f\",value=false);"),
                 NULL, "{\"s\":\"x\",\"i\":-7,\"t\":true,\"f\":false}");
    check_issued(I("c:[type==\"n\"]=>issue(type=\"v\",value=c.value);"
                   "c:[type==\"n\"]=>issue(type=\"t\",value=c.type);"
                   "c:[type==\"n\"]=>issue(type=\"vt\",value=c.valueType);"
                   "c:[type==\"n\"]=>issue(type=\"is\",value=c.issuer);"
                   "c:[type==\"n\"]=>issue(type=c.type,value=1);"),
                 "{\"n\":42}",
                 "{\"v\":42,\"t\":\"n\",\"vt\":\"Integer\",\"is\":\"AttestationService\",\"n\":1}");
}

static void nested(char *out, size_t room, unsigned depth)
{
    size_t n =
        (size_t)snprintf(out, room, "%s", V12 PERMIT "issuancerules{=>issue(type=\"a\",value=");

    for (unsigned i = 0; i < depth; i++)
        n += (size_t)snprintf(out + n, room - n, "NegateBool(");
    n += (size_t)snprintf(out + n, room - n, "true");
    for (unsigned i = 0; i < depth; i++)
        n += (size_t)snprintf(out + n, room - n, ")");
    snprintf(out + n, room - n, ");};");
}

static void nesting_is_bounded(void **state)
{
    static char text[100000];
    struct refusal deep = { text, AVOW_E_LIMIT, "calls nested deeper than 16" };

    (void)state;
    nested(text, sizeof text, AVOW_MAA_POLICY_NESTING_MAX);
    check_issued(text, NULL, "{\"a\":true}");
    nested(text, sizeof text, AVOW_MAA_POLICY_NESTING_MAX + 1);
    check_refusals(&deep, 1);
    nested(text, sizeof text, 8000);
    check_refusals(&deep, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes),
        cmocka_unit_test(literals_and_references),
        cmocka_unit_test(nesting_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
