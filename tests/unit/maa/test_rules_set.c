#include "rules_test.h"

static void members_become_claims(void **state)
{
    static const struct {
        const char *condition;
        bool holds;
    } rows[] = {
        { "[type==\"s\",value==\"x\",valueType==\"String\"]", true },
        { "[type==\"i\",value==7,valueType==\"Integer\"]", true },
        { "[type==\"b\",value==true,valueType==\"Boolean\"]", true },
        { "[type==\"a\",value==1]", true },
        { "[type==\"a\",value==\"two\"]", true },
        { "[type==\"a\",value==false]", true },
        { "[type==\"a\",value==\"[1,\\\"two\\\",false]\"]", false }, /* it is three claims */
        { "[type==\"o\",value==\"{\\\"k\\\":[1],\\\"z\\\":null}\"]", true }, /* sorted, compact */
        { "[type==\"n\",value==\"null\"]", true },
        { "[type==\"m\",value==\"[{\\\"k\\\":1}]\"]", true },
        { "[type==\"e\"]", false }, /* an empty array is no claim */
        { "[issuer!=\"AttestationService\"]", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (holds_over(rows[i].condition,
                       "{\"s\":\"x\",\"i\":7,\"b\":true,\"a\":[1,\"two\",false],\"e\":[],"
                       "\"o\":{\"z\":null,\"k\":[1]},\"n\":null,\"m\":[{\"k\":1}]}") !=
            rows[i].holds)
            fail_msg("%s", rows[i].condition);
}

static void issuers_are_told_apart(void **state)
{
    static const char policy[] =
        V12 "authorizationrules{"
            "[type==\"os\",issuer==\"CustomClaim\"]&&[type==\"os\",issuer==\"AttestationService\"]"
            "=>add(type=\"both\",value=true);"
            "[type==\"both\",issuer==\"AttestationPolicy\"]=>permit();};";
    avow_auto(avow_maa_policy_out_done) struct avow_maa_policy_out out = { 0 };
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(run(policy, "{\"os\":\"a\"}", "{\"os\":\"b\"}", &out, &err), 0);
    assert_true(out.permitted);
    avow_maa_policy_out_done(&out);
    assert_int_equal(run(policy, "{\"os\":\"a\"}", NULL, &out, &err), 0);
    assert_false(out.permitted);
    avow_maa_policy_out_done(&out);
    assert_int_equal(run(policy, NULL, "{\"os\":\"a\",\"both\":true}", &out, &err), 0);
    assert_false(out.permitted);
}

/* Several claims of a type come out as an array, in order, equal ones too. */
static void several_values_of_a_type(void **state)
{
    (void)state;
    check_issued(V10 PERMIT "issuancerules{=>issue(type=\"a\",value=1);=>issue(type=\"a\",value=1);"
                            "=>issue(type=\"a\",value=\"x\");=>issue(type=\"b\",value=2);};",
                 NULL, "{\"a\":[1,1,\"x\"],\"b\":2}");
    check_issued(V10 PERMIT "issuancerules{c:[type==\"a\"]=>issue(claim=c);};",
                 "{\"a\":[3,\"y\"],\"b\":1}", "{\"a\":[3,\"y\"]}");
}

static void incoming_claims_are_bounded(void **state)
{
    avow_auto(avow_cleanup_maa_policy) struct avow_maa_policy *p = parse_ok(V10 PERMIT);
    avow_autojson json_t *claims = json_object();
    avow_autofree char *big = calloc(1, AVOW_MAA_POLICY_VALUE_MAX + 2);
    json_t *many = json_array();
    json_t *issued = NULL;
    bool permitted = true;
    struct avow_error err = { 0 };

    (void)state;
    for (unsigned i = 0; i < AVOW_MAA_POLICY_CLAIMS_MAX; i++)
        json_array_append_new(many, json_integer(i));
    json_object_set_new(claims, "many", many);
    assert_int_equal(avow_maa_policy_eval(p, claims, &issued, &permitted, &err), 0);
    assert_true(permitted);
    json_decref(issued);
    issued = NULL;
    json_array_append_new(many, json_true());
    assert_int_equal(avow_maa_policy_eval(p, claims, &issued, &permitted, &err), -AVOW_E_LIMIT);
    assert_false(permitted);
    assert_null(issued);
    assert_non_null(strstr(err.text, "incoming claim \"many\": "));
    assert_non_null(strstr(err.text, "more than 8192 claims"));
    json_object_clear(claims);
    avow_error_clear(&err);
    memset(big, 'x', AVOW_MAA_POLICY_VALUE_MAX + 1);
    json_object_set_new(claims, "big", json_string(big));
    assert_int_equal(avow_maa_policy_eval(p, claims, &issued, &permitted, &err), -AVOW_E_LIMIT);
    big[AVOW_MAA_POLICY_VALUE_MAX] = '\0';
    json_object_set_new(claims, "big", json_string(big));
    assert_int_equal(avow_maa_policy_eval(p, claims, &issued, &permitted, NULL), 0);
    json_decref(issued);
    assert_int_equal(
        avow_maa_policy_eval(p, json_object_get(claims, "big"), &issued, &permitted, NULL),
        -AVOW_E_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_become_claims),
        cmocka_unit_test(issuers_are_told_apart),
        cmocka_unit_test(several_values_of_a_type),
        cmocka_unit_test(incoming_claims_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
