#include "policy/policy.h"

#include "codec/text.h"
#include "policy_rules.h"

static void machines_are_pinned_by_member(void **state)
{
    char id[129], text[512];
    struct avow_claims c = snp_claims();
    struct avow_verdict v;

    (void)state;
    avow_hex(AVOW_BYTES(c.machine, 64), id);
    snprintf(text, sizeof text,
             "{\"version\":1,\"snp\":{\"measurements\":\"any\"},\"machines\":{\"a\":\"%s\"}}", id);
    assert_null(outcome(text, &c, "a", &v));
    assert_null(outcome(text, &c, "b", &v)); /* not pinned */
    assert_null(outcome(text, &c, NULL, &v));
    c.machine[63] ^= 1;
    assert_string_equal(outcome(text, &c, "a", &v), "machine");
    c = snp_claims();
    c.machine_len = 0; /* masked */
    assert_string_equal(outcome(text, &c, "a", &v), "machine");
    c.machine_len = 8;
    assert_string_equal(outcome(text, &c, "a", &v), "machine");
}

static void bad_documents_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"version\":2}",
        "{\"version\":\"1\"}",
        "{\"version\":1,\"unknown\":1}",
        "{\"version\":1,\"version\":1}",
        "{\"version\":1,\"allow-simulated\":\"yes\"}",
        "{\"version\":1,\"snp\":[]}",
        "{\"version\":1,\"snp\":{}}",
        "{\"version\":1,\"tdx\":{}}",
        "{\"version\":1,\"snp\":{\"measurements\":[]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"all\"}}",
        "{\"version\":1,\"snp\":{\"measurements\":[\"11\"]}}",
        "{\"version\":1,\"snp\":{\"measurements\":[1]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"min-tcb\":{\"snp\":256}}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"min-tcb\":{\"svn\":1}}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[4]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[-1]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[\"Revoked\"]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[\"Unknown\"]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[\"TCB_NOT_SUPPORTED\"]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"tcb-status\":[7]}}",
        "{\"version\":1,\"machines\":{\"a\":\"11\"}}",
        "{\"version\":1,\"machines\":{\"a\":1}}",
        "{\"version\":1,\"machine-ids\":[]}",
        "{\"version\":1,\"machine-ids\":{}}",
        "{\"version\":1,\"machine-ids\":[\"11\"]}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"require-mitigations\":[64]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"csp-id\":[]}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"csp-id\":\"CN=a\"}}",
        "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"require-event-log\":true}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"min-tee-tcb-svn\":\"05\"}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"allow-advisories\":[1]}}",
        "{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"require-attributes\":[\"smt\"]}}",
        ("{\"version\":1,\"tdx\":{\"mrtd\":\"any\",\"require-xfam\":[\"sse\"],"
         "\"forbid-xfam\":[\"sse\"]}}"),
        "{\"version\":1} trailing",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct avow_policy *p = NULL;
        struct avow_error err = { 0 };

        if (avow_policy_parse(avow_bytes_str(bad[i]), &p, &err) >= 0)
            fail_msg("accepted: %s", bad[i]);
        assert_true(err.text[0]);
    }
}

/* Each rule names the key that demands it, and says where that key was not written. */
static void rules_name_their_keys(void **state)
{
    static const struct {
        const char *code, *source;
    } rows[] = {
        { "authentic", "" },
        { "simulated", "default: allow-simulated" },
        { "tee", "snp" },
        { "measurement", "snp.measurements" },
        { "tcb-floor", "snp.min-tcb" },
        { "debug", "default: snp.allow-debug" },
        { "vmpl", "default: snp.vmpl" },
        { "policy-bit", "snp.forbid-policy" },
    };
    struct avow_claims c = snp_claims();
    struct avow_verdict v;

    (void)state;
    c.snp.policy |= 1u << 20;
    (void)outcome(SNP(",\"min-tcb\":{\"snp\":1},\"require-policy\":[\"cxl\"],"
                      "\"forbid-policy\":[\"single-socket\"]"),
                  &c, NULL, &v);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_string_equal(reason_of(&v, rows[i].code)->source, rows[i].source);
    (void)outcome(TDX(""), &c, NULL, &v);
    assert_string_equal(reason_of(&v, "tee")->source, "default: snp");
    assert_string_equal(v.source, ""); /* nothing that others add is the policy's */
}

/* What is wrong is found again in the document. */
static void mistakes_have_a_place(void **state)
{
    static const struct {
        const char *text, *at, *says;
    } rows[] = {
        { "{\"version\":1,\"snp\":{\"measurements\":\"any\",\"vmpl\":[9]}}", "[9]",
          "snp: \"vmpl\"[0] is not 0 to 3" },
        { "{\"version\":1,\"snp\":{\"measurments\":\"any\"}}", "\"any\"",
          "snp: unknown key \"measurments\" (did you mean \"measurements\"?)" },
        { "{\"version\":1,\"tdx\":{\"mrtd\":true}}", "{\"mrtd\":true}", "tdx: " },
        { "{\"version\":1,\"tdx\":7}", "7", "\"tdx\" is not an object" },
        { "{\"version\":1,\"machines\":{\"a\":\"00\"}}", "{\"a\":\"00\"}",
          "\"machines\": \"a\": not" },
        { "{\"version\":2}", "2", "version 2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *doc = NULL;
        avow_autofree char *at = NULL;
        struct avow_policy *p = NULL;
        const json_t *where = NULL;
        struct avow_error err = { 0 };

        assert_int_equal(avow_json_parse(avow_bytes_str(rows[i].text), &doc, NULL), 0);
        assert_true(avow_policy_read(doc, &p, &where, &err) < 0);
        at = json_dumps(where, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_string_equal(at, rows[i].at);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].text, err.text);
    }
}

/* A list of machines holds for every member that has none of its own. */
static void machines_of_a_list(void **state)
{
    char id[129], text[1024];
    struct avow_claims c = snp_claims();
    struct avow_verdict v;

    (void)state;
    avow_hex(AVOW_BYTES(c.machine, 64), id);
    snprintf(
        text, sizeof text,
        "{\"version\":1,\"snp\":{\"measurements\":\"any\"},\"machine-ids\":[\"0102030405060708\","
        "\"%s\"],\"machines\":{\"a\":\"0102030405060708\"}}",
        id);
    assert_null(outcome(text, &c, "b", &v));
    assert_null(outcome(text, &c, NULL, &v));
    assert_string_equal(reason_of(&v, "machine-ids")->source, "machine-ids");
    assert_string_equal(outcome(text, &c, "a", &v), "machine");
    c.machine[0] ^= 1;
    assert_string_equal(outcome(text, &c, "b", &v), "machine-ids");
    c.machine_len = 0; /* masked */
    assert_string_equal(outcome(text, &c, "b", &v), "machine-ids");
    c.machine_len = 8;
    memcpy(c.machine, "\1\2\3\4\5\6\7\10", 8);
    assert_null(outcome(text, &c, "a", &v));
    assert_null(outcome(text, &c, "b", &v));
}

/* Every section says which measurements, or "any" in words. */
static void measurements_are_said_in_words(void **state)
{
    static const char *const sections[] = { "snp", "tdx", "az-snp", "az-tdx" };

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const char *key = strstr(sections[i], "snp") ? "measurements" : "mrtd";
        const struct {
            const char *value;
            bool good;
        } rows[] = {
            { NULL, false },   { "[]", false }, { "\"\"", false },   { "\"Any\"", false },
            { "true", false }, { "{}", false }, { "\"any\"", true }, { "[\"any\"]", false }
        };

        for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
            avow_auto(avow_cleanup_policy) struct avow_policy *p = NULL;
            struct avow_error err = { 0 };
            char text[256];

            snprintf(text, sizeof text, "{\"version\":1,\"%s\":{%s%s%s%s}}", sections[i],
                     rows[k].value ? "\"" : "", rows[k].value ? key : "",
                     rows[k].value ? "\":" : "", rows[k].value ? rows[k].value : "");
            if ((avow_policy_parse(avow_bytes_str(text), &p, &err) == 0) != rows[k].good)
                fail_msg("%s: %s", text, err.text);
            if (!rows[k].value)
                assert_non_null(strstr(err.text, "write \"any\" if any value will do"));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_of_a_list),
        cmocka_unit_test(measurements_are_said_in_words),
        cmocka_unit_test(machines_are_pinned_by_member),
        cmocka_unit_test(rules_name_their_keys),
        cmocka_unit_test(mistakes_have_a_place),
        cmocka_unit_test(bad_documents_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
