#include "rules_test.h"

static void versions(void **state)
{
    static const struct refusal bad[] = {
        { "", AVOW_E_FORMAT,
          "line 1 column 1: a policy begins with \"version=1.0;\", not with the "
          "end of the text" },
        { PERMIT, AVOW_E_FORMAT, "begins with \"version=1.0;\", not with \"authorizationrules\"" },
        { "version 1.0;", AVOW_E_FORMAT, "\"=\" is needed after \"version\", not \"1\"" },
        { "version=\"1.0\";", AVOW_E_FORMAT, "a version such as 1.0 is needed, not a string" },
        { "version=-1.0;", AVOW_E_FORMAT, "a version such as 1.0" },
        { "version=1;", AVOW_E_FORMAT, "\".\" is needed in a version" },
        { "version=1.3;" PERMIT, AVOW_E_VERSION, "column 9: versions 1.0, 1.1 and 1.2 are known" },
        { "version=2.0;" PERMIT, AVOW_E_VERSION, "are known" },
        { "version=1.00;" PERMIT, AVOW_E_VERSION, "are known" },
        { "version=1.x;", AVOW_E_VERSION, "are known" },
        { "version=1.0 " PERMIT, AVOW_E_FORMAT, "\";\" is needed after the version" },
    };
    static const char *const good[] = {
        "version=1.0;" PERMIT,
        "version=1.1;" PERMIT,
        "version=1.2;" PERMIT,
        "version = 1.2 ;\n\n" PERMIT,
        "Version= 1.0;" PERMIT, /* as Microsoft's oldest example has it */
        "// first\nversion=1.0; // then\n" PERMIT "\n\n// last",
    };

    (void)state;
    check_refusals(bad, sizeof bad / sizeof bad[0]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        avow_maa_policy_free(parse_ok(good[i]));
}

static void sections(void **state)
{
    static const struct refusal bad[] = {
        { V10, AVOW_E_FORMAT, "authorizationrules is missing: nothing would be permitted" },
        { "version=1.1;configurationrules{};", AVOW_E_FORMAT, "authorizationrules is missing" },
        { V10 "issuancerules{};" PERMIT, AVOW_E_FORMAT, "missing before issuancerules" },
        { V10 PERMIT PERMIT, AVOW_E_FORMAT, "authorizationrules comes once" },
        { V12 PERMIT "configurationrules{};", AVOW_E_FORMAT,
          "configurationrules comes once, and "
          "in the order" },
        { V10 PERMIT "issuancerules{};issuancerules{};", AVOW_E_FORMAT,
          "issuancerules comes once" },
        { V10 "configurationrules{};" PERMIT, AVOW_E_FORMAT,
          "line 1 column 13: configurationrules needs version=1.1" },
        { V10 "rules{};", AVOW_E_FORMAT, "is needed, not \"rules\"" },
        { V10 "authorizationrules=>permit();", AVOW_E_FORMAT, "\"{\" is needed to open a section" },
        { V10 "authorizationrules{=>permit();}", AVOW_E_FORMAT,
          "\";\" is needed after the } of a section, not the end of the text" },
        { V10 "authorizationrules{=>permit();", AVOW_E_FORMAT, "the end of the text" },
        { V10 PERMIT "}", AVOW_E_FORMAT, "is needed, not \"}\"" },
    };
    static const char *const good[] = {
        V10 "authorizationrules{};",
        V10 PERMIT "issuancerules{};",
        V10 PERMIT "Issuancerules{};",
        "version=1.1;configurationrules{};" PERMIT "issuancerules{};",
    };

    (void)state;
    check_refusals(bad, sizeof bad / sizeof bad[0]);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        avow_maa_policy_free(parse_ok(good[i]));
}

/* "@before", "@item" @n times, "@after". */
static char *repeat(const char *before, const char *item, size_t n, const char *after)
{
    struct avow_buf b = AVOW_BUF(1u << 24);

    (void)avow_buf_put_str(&b, before);
    for (size_t i = 0; i < n; i++)
        (void)avow_buf_put_str(&b, item);
    assert_int_equal(avow_buf_put_str(&b, after), 0);
    return (char *)avow_buf_steal(&b, &(size_t){ 0 });
}

static void limits(void **state)
{
    static const struct {
        const char *before, *item, *after;
        size_t max; /* so many are read, one more is not */
        const char *says;
    } rows[] = {
        { V10 "authorizationrules{", "=>permit();", "};", AVOW_MAA_POLICY_RULES_MAX,
          "more than 1024 rules in a section" },
        { V10 "authorizationrules{[value==1]", "&&[value==1]", "=>permit();};",
          AVOW_MAA_POLICY_CONDITIONS_MAX - 1, "more than 32 conditions in a rule" },
        { V10 "authorizationrules{[value==1", ",value==1", "]=>permit();};",
          AVOW_MAA_POLICY_PROPERTIES_MAX - 1, "more than 16 properties in a condition" },
        { V10 "authorizationrules{a", "a", ":[value==1]=>permit();};", AVOW_MAA_POLICY_NAME_MAX - 1,
          "an identifier of 65 bytes (at most 64)" },
        { V10 PERMIT, " ", "", AVOW_MAA_POLICY_MAX - sizeof V10 PERMIT + 1,
          "a policy of 131073 bytes (at most 131072)" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autofree char *most = repeat(rows[i].before, rows[i].item, rows[i].max, rows[i].after);
        avow_autofree char *more =
            repeat(rows[i].before, rows[i].item, rows[i].max + 1, rows[i].after);
        struct refusal row = { more, AVOW_E_LIMIT, rows[i].says };

        avow_maa_policy_free(parse_ok(most));
        check_refusals(&row, 1);
    }
}

/* Every beginning of a policy is refused in order, and none is read past its end. */
static void beginnings_are_refused(void **state)
{
    static const char text[] =
        "version=1.2;configurationrules{=>issueproperty(type=\"p\",value=15);};"
        "authorizationrules{c:[type==\"a\",value>=-3]&&![issuer!="
        "\"CustomClaim\"]=>add(type=c.type,value=NegateBool(true));"
        "=>permit();};issuancerules{c:[valueType==\"String\"]=>"
        "issue(claim=c);}";

    (void)state;
    for (size_t n = 0; n < sizeof text; n++) {
        avow_autofree char *part = malloc(n ? n : 1);
        struct avow_maa_policy *p = NULL;
        struct avow_error err = { 0 };

        memcpy(part, text, n);
        assert_true(avow_maa_policy_parse(AVOW_BYTES(part, n), &p, &err) < 0 || part[n - 1] == ';');
        if (err.code)
            assert_non_null(strstr(err.text, "policy line 1 column "));
        avow_maa_policy_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test(sections),
        cmocka_unit_test(limits),
        cmocka_unit_test(beginnings_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
