#include "rules_test.h"

#define A(rule) V12 "authorizationrules{" rule "};"
#define I(rule) V12 PERMIT "issuancerules{" rule "};"

static void conditions(void **state)
{
    static const struct refusal bad[] = {
        { A("[type==\"a\"]"), AVOW_E_FORMAT, "&& or => is needed after a condition, not \"}\"" },
        { A("[type==\"a\"] [type==\"b\"]=>permit();"), AVOW_E_FORMAT, "&& or => is needed" },
        { A("[type==\"a\"]&&=>permit();"), AVOW_E_FORMAT, "\"[\" is needed to open a condition" },
        { A("type==\"a\"=>permit();"), AVOW_E_FORMAT, "\":\" is needed after a condition's" },
        { A("[]=>permit();"), AVOW_E_FORMAT, "type, value, valueType and issuer, not \"]\"" },
        { A("[type==\"a\",]=>permit();"), AVOW_E_FORMAT, "valueType and issuer" },
        { A("[claim==\"a\"]=>permit();"), AVOW_E_FORMAT, "column 33: a claim has type" },
        { A("[Type==\"a\"]=>permit();"), AVOW_E_FORMAT, "not \"Type\"" },
        { A("[type \"a\"]=>permit();"), AVOW_E_FORMAT, "== != < <= > >= is needed, not a string" },
        { A("[type==]=>permit();"), AVOW_E_FORMAT, "a value is needed" },
        { A("[type==\"a\"=>permit();"), AVOW_E_FORMAT, "\"]\" is needed to close" },
        { A("c:[value==1]&&c:[value==2]=>permit();"), AVOW_E_FORMAT, "two conditions of a rule" },
        { A("c:![value==1]=>permit();"), AVOW_E_FORMAT, "\"[\" is needed" },
        { A("!c:[value==1]=>permit();"), AVOW_E_FORMAT, "\"[\" is needed" },
        { V10 "authorizationrules{![value==1]=>permit();};", AVOW_E_FORMAT,
          "line 1 column 32: ! before a condition needs version=1.2" },
    };

    (void)state;
    check_refusals(bad, sizeof bad / sizeof bad[0]);
}

/* What could never hold is said at once. */
static void literals_of_conditions(void **state)
{
    static const struct refusal bad[] = {
        { A("[value<\"a\"]=>permit();"), AVOW_E_FORMAT, "compare integer values" },
        { A("[value>=true]=>permit();"), AVOW_E_FORMAT, "compare integer values" },
        { A("[type<=\"a\"]=>permit();"), AVOW_E_FORMAT, "compare integer values" },
        { A("[issuer>1]=>permit();"), AVOW_E_FORMAT, "compare integer values" },
        { A("[type==1]=>permit();"), AVOW_E_FORMAT, "\"type\" of a claim is a string" },
        { A("[valueType==true]=>permit();"), AVOW_E_FORMAT, "\"valueType\" of a claim" },
        { A("[issuer==\"attestationservice\"]=>permit();"), AVOW_E_FORMAT,
          "an issuer is one of AttestationService, AttestationPolicy and CustomClaim" },
        { A("[valueType==\"Int\"]=>permit();"), AVOW_E_FORMAT,
          "a valueType is one of String, Integer and Boolean" },
    };

    (void)state;
    check_refusals(bad, sizeof bad / sizeof bad[0]);
}

static void actions_have_their_sections(void **state)
{
    static const struct refusal bad[] = {
        { A("=>issue(type=\"a\",value=1);"), AVOW_E_FORMAT,
          "issue() has no place here: this section has permit(), deny() and add()" },
        { A("=>issueproperty(type=\"a\",value=1);"), AVOW_E_FORMAT, "has no place here" },
        { I("=>permit();"), AVOW_E_FORMAT, "this section has add(), issue() and issueproperty()" },
        { I("=>deny();"), AVOW_E_FORMAT, "deny() has no place here" },
        { V12 "configurationrules{=>add(type=\"a\",value=1);};" PERMIT, AVOW_E_FORMAT,
          "this section has issueproperty()" },
        { V12 "configurationrules{=>issue(type=\"a\",value=1);};" PERMIT, AVOW_E_FORMAT,
          "has no place here" },
        { V12 "configurationrules{=>permit();};" PERMIT, AVOW_E_FORMAT, "has no place here" },
        { A("=>allow();"), AVOW_E_FORMAT, "is needed after =>, not \"allow\"" },
        { A("=>;"), AVOW_E_FORMAT, "is needed after =>" },
    };

    (void)state;
    check_refusals(bad, sizeof bad / sizeof bad[0]);
}

static void arguments_of_actions(void **state)
{
    static const struct refusal bad[] = {
        { A("=>permit;"), AVOW_E_FORMAT, "\"(\" is needed after an action's name" },
        { A("=>permit(1);"), AVOW_E_FORMAT, "permit() and deny() take nothing" },
        { A("=>deny(type=\"a\");"), AVOW_E_FORMAT, "take nothing" },
        { I("=>issue();"), AVOW_E_FORMAT, "issue() takes type and value, or claim=ID" },
        { I("=>issue(type=\"a\");"), AVOW_E_FORMAT, "takes type and value" },
        { I("=>add(value=1);"), AVOW_E_FORMAT, "add() takes type and value" },
        { I("=>issue(\"a\",value=1);"), AVOW_E_FORMAT, "not a string" },
        { I("=>issue(type==\"a\",value=1);"), AVOW_E_FORMAT, "\"=\" is needed after a property" },
        { I("=>issue(type=\"a\" value=1);"), AVOW_E_FORMAT, "\",\" is needed between" },
        { I("=>issue(type=\"a\",type=\"b\",value=1);"), AVOW_E_FORMAT, "\"type\" is one too many" },
        { I("=>issue(type=\"a\",value=1,value=1);"), AVOW_E_FORMAT, "\"value\" is one too many" },
        { I("c:[value==1]=>issue(claim=c,type=\"a\");"), AVOW_E_FORMAT,
          "\"type\" is one too many" },
        { I("c:[value==1]=>issue(type=\"a\",claim=c);"), AVOW_E_FORMAT,
          "\"claim\" is one too many" },
        { I("=>issue(type=\"\",value=1);"), AVOW_E_FORMAT, "is a string, and not empty" },
        { I("=>issue(type=1,value=1);"), AVOW_E_FORMAT, "is a string, and not empty" },
        { I("=>issue(type=\"a\",value=1,issuer=\"AttestationService\");"), AVOW_E_FORMAT,
          "a policy cannot name an issuer" },
        { I("=>issue(type=\"a\",value=1,valueType=\"String\");"), AVOW_E_FORMAT,
          "not that of the value, which is Integer" },
        { I("=>issue(claim=c);"), AVOW_E_FORMAT, "no condition before this one is called \"c\"" },
        { I("![value==1]=>issue(claim=c);"), AVOW_E_FORMAT, "is called \"c\"" },
        { I("c:[value==1]=>issue(claim=\"c\");"), AVOW_E_FORMAT, "after \"claim=\", not a string" },
        { I("c:[value==1]=>issue(claim=c;"), AVOW_E_FORMAT, "\",\" is needed between" },
    };
    static const char *const good[] = {
        I("=>issue(value=1,type=\"a\");"),
        I("=>issue(type=\"a\",value=1,valueType=\"Integer\");"),
        I("=>issue(type=\"a\",value=\"b\",valueType=\"String\");"),
        I("=>issueproperty(type=\"omit_x5c\",value=true);"),
        I("=>issue(type=\"a\",value=1)"), /* no ";" before the } */
        I("=>issue(type=\"a\",value=1) =>add(type=\"b\",value=2);"),
    };

    (void)state;
    check_refusals(bad, sizeof bad / sizeof bad[0]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        avow_maa_policy_free(parse_ok(good[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions),
        cmocka_unit_test(literals_of_conditions),
        cmocka_unit_test(actions_have_their_sections),
        cmocka_unit_test(arguments_of_actions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
