#include "rules_test.h"

#include <time.h>

#define I(rule) V12 PERMIT "issuancerules{" rule "};"

static void operators(void **state)
{
    static const struct {
        const char *condition;
        bool holds;
    } rows[] = {
        { "[type==\"i\",value==5]", true },
        { "[type==\"i\",value!=5]", false },
        { "[type==\"i\",value<5]", false },
        { "[type==\"i\",value<=5]", true },
        { "[type==\"i\",value>5]", false },
        { "[type==\"i\",value>=5]", true },
        { "[type==\"i\",value<6]", true },
        { "[type==\"i\",value>4]", true },
        { "[type==\"i\",value>=-9223372036854775808]", true },
        { "[type==\"i\",value>4,value<6]", true },
        { "[type==\"i\",value>4,value<5]", false },
        { "[type==\"s\",value==\"v\"]", true },
        { "[type==\"s\",value!=\"v\"]", false },
        { "[type==\"s\",value==\"V\"]", false },
        { "[type==\"b\",value==true]", true },
        { "[type==\"b\",value!=true]", false },
        { "[type==\"b\",value==false]", false },
        { "[type=\"b\",value=true]", true }, /* = is == */
        { "[type==\"s\",value==5]", false }, /* no conversion between types */
        { "[type==\"s\",value!=5]", true },
        { "[type==\"s\",value<5]", false },
        { "[type==\"s\",value>=5]", false },
        { "[type==\"n\",value==5]", false },
        { "[type==\"b\",value==\"true\"]", false },
        { "[type!=\"i\",value==5]", true }, /* j */
        { "[value==5]", true },
        { "[type==\"i\",issuer==\"AttestationService\"]", true },
        { "[type==\"i\",issuer!=\"AttestationService\"]", false },
        { "[type==\"i\",issuer==\"CustomClaim\"]", false },
        { "[type==\"i\",valueType==\"Integer\"]", true },
        { "[type==\"i\",valueType!=\"Integer\"]", false },
        { "[type==\"x\"]", false },
        { "![type==\"x\"]", true },
        { "![type==\"i\"]", false },
        { "[type==\"i\"]&&[type==\"s\"]&&[type==\"b\"]", true },
        { "[type==\"i\"]&&[type==\"x\"]", false },
        { "[type==\"i\"]&&![type==\"x\"]", true },
        { "![type==\"x\"]&&![type==\"i\"]", false },
        /* references */
        { "a:[type==\"i\"]&&[type==\"n\",value==a.value]", false },
        { "a:[type==\"i\"]&&[type==\"j\",value==a.value]", true },
        { "a:[type==\"i\"]&&[type==\"m\",value>a.value]", true },
        { "a:[type==\"m\"]&&[type==\"i\",value>a.value]", true }, /* one of m's is less */
        { "a:[type==\"m\"]&&[type==\"i\",value==a.value]", false },
        { "a:[type==\"r\"]&&[type==a.value]", true },
        { "a:[type==\"i\"]&&[type==\"s\",valueType==a.valueType]", false },
        { "a:[type==\"i\"]&&[type==\"s\",issuer==a.issuer]", true },
        { "a:[type==\"i\"]&&![type==\"j\",value==a.value]", false },
        { "[type==\"i\",value==JsonToClaimValue(\"5\")]", true },
        { "[type==\"i\",value==JsonToClaimValue(\"null\")]", false },
        { "[type==\"i\",value!=JsonToClaimValue(\"null\")]", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (holds_over(rows[i].condition, "{\"i\":5,\"j\":5,\"s\":\"v\",\"b\":true,\"n\":\"5\","
                                          "\"m\":[4,6],\"r\":\"s\"}") != rows[i].holds)
            fail_msg("%s", rows[i].condition);
}

static void authorization(void **state)
{
    static const struct {
        const char *rules;
        bool permitted, denied;
        unsigned line;
    } rows[] = {
        { "", false, false, 0 },
        { "\n=>permit();", true, false, 2 },
        { "\n=>deny();", false, true, 2 },
        { "\n=>permit();\n=>permit();", true, false, 2 },
        { "\n=>permit();\n=>deny();", false, true, 3 },
        { "\n=>deny();\n=>permit();", false, true, 2 },
        { "\n[type==\"x\"]=>permit();", false, false, 0 },
        { "\n[type==\"debug\",value==true]=>deny();\n=>permit();", true, false, 3 },
        { "\n[type==\"debug\",value==false]=>deny();\n=>permit();", false, true, 2 },
        { "\n[type==\"ok\"]=>permit();\n=>add(type=\"ok\",value=1);", false, false, 0 },
        { "\n=>add(type=\"ok\",value=1);\n[type==\"ok\"]=>permit();", true, false, 3 },
        { "\n=>add(type=\"ok\",value=1);\n[type==\"ok\",issuer==\"AttestationService\"]=>permit();",
          false, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_auto(avow_maa_policy_out_done) struct avow_maa_policy_out out = { 0 };
        char text[1024];

        snprintf(text, sizeof text,
                 V10 "authorizationrules{%s};issuancerules{=>issue(type=\"a\",value=1);};",
                 rows[i].rules);
        assert_int_equal(run(text, "{\"debug\":false}", NULL, &out, NULL), 0);
        if (out.permitted != rows[i].permitted || out.denied != rows[i].denied ||
            out.line != rows[i].line)
            fail_msg("%s: %d %d %u", rows[i].rules, out.permitted, out.denied, out.line);
        assert_true((out.issued != NULL) == out.permitted);
        assert_true((out.properties != NULL) == out.permitted);
        assert_non_null(out.configuration);
    }
}

static void issuance(void **state)
{
    static const struct {
        const char *rules, *claims, *issued;
    } rows[] = {
        { "=>issue(type=\"level\",value=100);", "{}", "{\"level\":100}" },
        { "=>add(type=\"level\",value=100);", "{}", "{}" },
        { "c:[type==\"a\"]=>issue(type=\"b\",value=c.value);", "{\"a\":\"x\"}", "{\"b\":\"x\"}" },
        { "c:[type==\"a\"]=>issue(claim=c);", "{\"a\":\"x\"}", "{\"a\":\"x\"}" },
        { "c:[type==\"a\"]=>add(claim=c);", "{\"a\":\"x\"}", "{}" },
        { "c:[type==\"a\"]=>issue(type=\"b\",value=c.value);", "{}", "{}" },
        /* what is issued is there for the rules after it, what is added too, and not before */
        { "[type==\"b\"]=>issue(type=\"early\",value=1);=>issue(type=\"b\",value=1);"
          "[type==\"b\",issuer==\"AttestationPolicy\"]=>issue(type=\"late\",value=1);",
          "{}", "{\"b\":1,\"late\":1}" },
        { "=>add(type=\"b\",value=1);c:[type==\"b\"]=>issue(claim=c);", "{}", "{\"b\":1}" },
        { "![type==\"b\"]=>issue(type=\"b\",value=false);", "{}", "{\"b\":false}" },
        { "![type==\"b\"]=>issue(type=\"b\",value=false);", "{\"b\":true}", "{}" },
        /* a reference is all claims that satisfied its condition */
        { "c:[type==\"a\",value>1]=>issue(type=\"b\",value=c.value);", "{\"a\":[1,2,3]}",
          "{\"b\":[2,3]}" },
        { "f:[type==\"want\"]&&c:[type==\"a\",value==f.value]=>issue(claim=c);",
          "{\"want\":[2,3,9],\"a\":[1,2,3]}", "{\"a\":[2,3]}" },
        { "c:[type==\"a\"]=>issue(type=c.value,value=true);", "{\"a\":\"n\"}", "{\"n\":true}" },
        { "=>issueproperty(type=\"omit_x5c\",value=true);[type==\"omit_x5c\",value==true]=>"
          "issue(type=\"seen\",value=1);",
          "{}", "{\"seen\":1}" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[1024];

        snprintf(text, sizeof text, I("%s"), rows[i].rules);
        check_issued(text, rows[i].claims, rows[i].issued);
    }
    check_failure(I("c:[type==\"a\"]=>issue(type=c.value,value=true);"), "{\"a\":[\"n\",\"m\"]}",
                  AVOW_E_FORMAT, "these are 2 values");
    check_failure(I("c:[type==\"a\"]=>issue(type=c.value,value=true);"), "{\"a\":5}", AVOW_E_FORMAT,
                  "one string");
    check_failure(I("c:[type==\"a\"]=>issue(type=\"b\",value=c.value,valueType=\"String\");"),
                  "{\"a\":5}", AVOW_E_FORMAT, "which is Integer");
}

static void properties(void **state)
{
    avow_auto(avow_maa_policy_out_done) struct avow_maa_policy_out out = { 0 };

    (void)state;
    assert_int_equal(run("version=1.1;configurationrules{"
                         "=>issueproperty(type=\"required_pcr_mask\",value=15);"
                         "=>issueproperty(type=\"require_valid_aik_cert\",value=false);};" PERMIT
                         "issuancerules{=>issueproperty(type=\"report_validity_in_minutes\","
                         "value=1440);};",
                         NULL, NULL, &out, NULL),
                     0);
    check_json("configuration", out.configuration,
               "{\"required_pcr_mask\":15,\"require_valid_aik_cert\":false}");
    check_json("properties", out.properties, "{\"report_validity_in_minutes\":1440}");
    check_json("issued", out.issued, "{}");
}

/* A policy's author can sell no claim as the service's. */
static void names_of_the_service(void **state)
{
    static const char *const claims = "{\"x-ms-sevsnpvm-is-debuggable\":true,\"tdx_mrtd\":\"00\"}";
    static const char *const reserved[] = { "iss",       "exp",         "jti",
                                            "nonce",     "x-ms-ver",    "X-MS-Compliance-Status",
                                            "tdx_rtmr0", "x-avow-chip", "attester_tcb_status" };

    (void)state;
    check_issued(I("c:[type==\"x-ms-sevsnpvm-is-debuggable\"]=>issue(claim=c);"
                   "=>issue(type=\"tdx_mrtd\",value=\"00\");"),
                 claims, "{\"x-ms-sevsnpvm-is-debuggable\":true,\"tdx_mrtd\":\"00\"}");
    check_failure(I("\n=>issue(type=\"x-ms-sevsnpvm-is-debuggable\",value=false);"), claims,
                  AVOW_E_REFUSED, "policy line 2 column 1: \"x-ms-sevsnpvm-is-debuggable\" is a");
    check_failure(I("=>issue(type=\"x-ms-compliance-status\",value=\"azure-compliant-cvm\");"),
                  claims, AVOW_E_REFUSED, "service's own");
    check_failure(I("=>add(type=\"x-ms-ver\",value=\"9\");c:[type==\"x-ms-ver\"]=>issue(claim=c);"),
                  claims, AVOW_E_REFUSED, "x-ms-ver");
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        assert_true(avow_maa_claim_reserved(reserved[i]));
    assert_false(avow_maa_claim_reserved("is-debuggable"));
    assert_false(avow_maa_claim_reserved("x-mine"));
    assert_false(avow_maa_claim_reserved(""));
}

/* The policy for TPMs of policy-version-1-1, and its like of SNP, in short. */
static void whole_policies(void **state)
{
    static const char snp[] = "version= 1.0;\n"
                              "authorizationrules\n{\n"
                              "    [type==\"x-ms-sevsnpvm-is-debuggable\", value==false]\n"
                              "        && [type==\"x-ms-sevsnpvm-vmpl\", value==0]\n"
                              "        && [type==\"x-ms-sevsnpvm-snpfw-svn\", value>= 8]\n"
                              "        && [type==\"x-ms-sevsnpvm-hostdata\", value==\"ab\"]\n"
                              "    => permit();\n};\n"
                              "issuancerules {\n"
                              "    c:[type==\"x-ms-sevsnpvm-launchmeasurement"
                              "\"] => issue(type=\"image\", value=c.value);\n"
                              "};\n";
    static const struct {
        const char *claims;
        bool permitted;
    } rows[] = {
        { "{\"x-ms-sevsnpvm-is-debuggable\":false,\"x-ms-sevsnpvm-vmpl\":0,"
          "\"x-ms-sevsnpvm-snpfw-svn\":8,\"x-ms-sevsnpvm-hostdata\":\"ab\"}",
          true },
        { "{\"x-ms-sevsnpvm-is-debuggable\":true,\"x-ms-sevsnpvm-vmpl\":0,"
          "\"x-ms-sevsnpvm-snpfw-svn\":8,\"x-ms-sevsnpvm-hostdata\":\"ab\"}",
          false },
        { "{\"x-ms-sevsnpvm-is-debuggable\":false,\"x-ms-sevsnpvm-vmpl\":0,"
          "\"x-ms-sevsnpvm-snpfw-svn\":7,\"x-ms-sevsnpvm-hostdata\":\"ab\"}",
          false },
        { "{\"x-ms-sevsnpvm-vmpl\":0,\"x-ms-sevsnpvm-snpfw-svn\":8,"
          "\"x-ms-sevsnpvm-hostdata\":\"ab\"}",
          false },
    };
    avow_auto(avow_cleanup_maa_policy) struct avow_maa_policy *p = parse_ok(snp);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *claims = json_of(rows[i].claims);
        avow_autojson json_t *issued = NULL;
        bool permitted = !rows[i].permitted;

        assert_int_equal(avow_maa_policy_eval(p, claims, &issued, &permitted, NULL), 0);
        assert_int_equal(permitted, rows[i].permitted);
        assert_true(json_is_object(issued));
    }
    check_issued(snp,
                 "{\"x-ms-sevsnpvm-is-debuggable\":false,\"x-ms-sevsnpvm-vmpl\":0,"
                 "\"x-ms-sevsnpvm-snpfw-svn\":9,\"x-ms-sevsnpvm-hostdata\":\"ab\","
                 "\"x-ms-sevsnpvm-launchmeasurement\":\"cd\"}",
                 "{\"image\":\"cd\"}");
}

/* ---- hostile policies: each ends with a limit, soon ---- */

/* V12 PERMIT, issuance rules @first and then @again @n times. */
static char *policy_of(const char *first, const char *again, size_t n)
{
    struct avow_buf b = AVOW_BUF(AVOW_MAA_POLICY_MAX);

    (void)avow_buf_putf(&b, "%sissuancerules{%s", V12 PERMIT, first);
    for (size_t i = 0; i < n; i++)
        (void)avow_buf_put_str(&b, again);
    assert_int_equal(avow_buf_put_str(&b, "};"), 0);
    return (char *)avow_buf_steal(&b, &(size_t){ 0 });
}

#define DOUBLED "c:[type==\"a\"]=>add(type=\"a\",value=c.value);"
#define JOINED \
    "a:[type==\"a\"]&&[type==\"a\",value!=a.value,value!=a.value]=>add(type=\"b\",value=1);"

static void growth_is_bounded(void **state)
{
    static const struct {
        const char *first, *again;
        size_t n;
        const char *says;
    } rows[] = {
        /* the claims double with each rule */
        { "=>add(type=\"a\",value=1);", DOUBLED, 1000, "more than 8192 claims" },
        /* the value doubles with each rule */
        { "=>add(type=\"1\",value=\"0123456789abcdef\");",
          "c:[type==\"1\",issuer==\"AttestationPolicy\""
          "]=>add(type=\"2\",value=AppendString(c.value,"
          "c.value));",
          1, "" },
        /* each claim with each other, rule after rule */
        { "=>add(type=\"a\",value=1);" DOUBLED DOUBLED DOUBLED DOUBLED DOUBLED DOUBLED DOUBLED
              DOUBLED DOUBLED DOUBLED DOUBLED DOUBLED,
          JOINED, 900, "takes more work than" },
        /* a list of a list of a list, each twice: 2^40 items to write */
        { "",
          "=>add(type=\"a\",value=JmesPath(\"1\",\"[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|"
          "[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,"
          "@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|"
          "[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,"
          "@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|"
          "[@,@]|[@,@]\"));",
          1, "a value of more than 1048576 bytes" },
        /* the same flattened: 2^40 items to make */
        { "",
          "=>add(type=\"a\",value=JmesPath(\"[1]\",\"[@,"
          "@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|"
          "[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|"
          "[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|"
          "[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]|[@,@][]\"));",
          1, "takes more work than" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autofree char *text = policy_of(rows[i].first, rows[i].again, rows[i].n);
        clock_t before = clock();

        if (*rows[i].says)
            check_failure(text, NULL, AVOW_E_LIMIT, rows[i].says);
        else
            check_issued(text, NULL, "{}");
        if (clock() - before > 20 * CLOCKS_PER_SEC) /* under sanitizers; else a second or two */
            fail_msg("row %zu took too long", i);
    }
}

/* AppendString doubles a value until it is too long. */
static void values_are_bounded(void **state)
{
    struct avow_buf b = AVOW_BUF(AVOW_MAA_POLICY_MAX);
    avow_autofree char *text = NULL;

    (void)state;
    (void)avow_buf_put_str(&b, V12 PERMIT
                           "issuancerules{=>add(type=\"v0\",value=\"0123456789abcdef\");");
    for (int i = 0; i < 17; i++)
        (void)avow_buf_putf(&b,
                            "c:[type==\"v%d\"]=>add(type=\"v%d\",value=AppendString(c.value,c.value"
                            "));",
                            i, i + 1);
    assert_int_equal(avow_buf_put_str(&b, "};"), 0);
    text = (char *)avow_buf_steal(&b, &(size_t){ 0 });
    check_failure(text, NULL, AVOW_E_LIMIT, "AppendString(): a value of more than 1048576 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators),
        cmocka_unit_test(authorization),
        cmocka_unit_test(issuance),
        cmocka_unit_test(properties),
        cmocka_unit_test(names_of_the_service),
        cmocka_unit_test(whole_policies),
        cmocka_unit_test(growth_is_bounded),
        cmocka_unit_test(values_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
