/* Who judges, as files say it, and what is refused with its place. */
#include "verifier/settings.h"

#include "../test.h"

static const struct avow_schema_key keys[] = {
    { "verifier", &avow_verifier_schema, false },
    { "require", &avow_require_schema, false },
    { NULL, NULL, false },
};
static const struct avow_schema file = { .type = AVOW_YAML_MAP, .keys = keys };

static int read_text(const char *text, struct avow_verifier_settings *s, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;
    const json_t *doc = NULL;

    *err = (struct avow_error){ 0 };
    AVOW_TRY(avow_yaml_load(avow_bytes_str(text), "f.yaml", &file, &y, err));
    doc = avow_yaml_value(y);
    return avow_verifier_settings_read(y, json_object_get(doc, "verifier"),
                                       json_object_get(doc, "require"), s, err);
}

static void good(void **state)
{
    struct avow_verifier_settings s, t;
    struct avow_error err;

    (void)state;
    assert_int_equal(read_text("{}", &s, &err), 0);
    assert_false(s.azure || s.no_local);
    assert_int_equal(read_text("verifier: {kind: local}", &s, &err), 0);
    assert_false(s.azure || s.no_local);
    assert_int_equal(read_text("verifier: {kind: azure, url: \"https://a.example/\"}", &s, &err),
                     0);
    assert_true(s.azure && s.no_local);
    assert_string_equal(s.url, "https://a.example");
    assert_int_equal(s.n_issuers, 1);
    assert_string_equal(s.issuers[0].url, "https://a.example");
    assert_int_equal(s.max_age_s, AVOW_TOKEN_AGE_DEFAULT_S);
    avow_verifier_settings_done(&s);
    assert_int_equal(
        read_text("verifier:\n- kind: azure\n  url: https://a.example\n  issuers: "
                  "[https://b.example/, https://c.example]\n  ca: /x.pem\n  max-age: 10m\n"
                  "- kind: local\nrequire: any\n",
                  &s, &err),
        0);
    assert_true(s.azure && !s.no_local);
    assert_int_equal(s.require, AVOW_REQUIRE_ANY);
    assert_int_equal(s.n_issuers, 2);
    assert_string_equal(s.issuers[0].url, "https://b.example");
    assert_string_equal(s.ca, "/x.pem");
    assert_int_equal(s.max_age_s, 600);
    assert_int_equal(avow_verifier_settings_copy(&s, &t, NULL), 0);
    assert_string_equal(t.issuers[1].url, "https://c.example");
    assert_ptr_not_equal(t.url, s.url);
    avow_verifier_settings_done(&s);
    avow_verifier_settings_done(&t);
}

#define HASH "9NY0VnTQ-IiBriBplVUpFbczcDaEBUwsiFYAzHu_gco" /* of MAA's default policy */
#define OTHER "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* Both forms in one list, and through a copy and a document without loss. */
static void pinned_policies(void **state)
{
    static const char text[] =
        "verifier:\n- kind: azure\n  url: https://a.example\n  issuers:\n"
        "  - https://a.example/\n"
        "  - url: https://b.example/\n    policy-hashes: [" HASH ", " OTHER "]\n"
        "  - {url: \"https://c.example\"}\n  ca: /x.pem\n  max-age: 90s\n"
        "- kind: local\nrequire: any\n";
    struct avow_verifier_settings s, copy, back;
    struct avow_error err;
    avow_autojson json_t *doc = NULL;
    avow_autofree char *again = NULL;

    (void)state;
    assert_int_equal(read_text(text, &s, &err), 0);
    assert_int_equal(avow_verifier_settings_copy(&s, &copy, NULL), 0);
    avow_verifier_settings_done(&s);
    doc = avow_verifier_settings_json(&copy);
    avow_verifier_settings_done(&copy);
    again = json_dumps(doc, 0);
    assert_int_equal(avow_verifier_settings_parse(avow_bytes_str(again), "x", &back, &err), 0);
    assert_true(back.azure && !back.no_local);
    assert_int_equal(back.require, AVOW_REQUIRE_ANY);
    assert_int_equal(back.max_age_s, 90);
    assert_string_equal(back.ca, "/x.pem");
    assert_int_equal(back.n_issuers, 3);
    assert_int_equal(back.issuers[0].n_policy_hashes, 0);
    assert_string_equal(back.issuers[1].url, "https://b.example");
    assert_int_equal(back.issuers[1].n_policy_hashes, 2);
    assert_string_equal(back.issuers[1].policy_hashes[0], HASH);
    assert_string_equal(back.issuers[1].policy_hashes[1], OTHER);
    assert_string_equal(back.issuers[2].url, "https://c.example");
    assert_int_equal(back.issuers[2].n_policy_hashes, 0);
    avow_verifier_settings_done(&back);
}

static void of_options(void **state)
{
    static const char *const issuers[] = { "https://b.example/" };
    static const char *const bad[] = { "http://b.example" };
    struct avow_verifier_settings s;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(
        avow_verifier_settings_of("--verifier", "https://a.example/", NULL, 0, NULL, &s, &err), 0);
    assert_true(s.azure && s.no_local);
    assert_string_equal(s.issuers[0].url, "https://a.example");
    avow_verifier_settings_done(&s);
    assert_int_equal(
        avow_verifier_settings_of("--verifier", "https://a.example", issuers, 1, "/x", &s, &err),
        0);
    assert_string_equal(s.issuers[0].url, "https://b.example");
    assert_string_equal(s.ca, "/x");
    avow_verifier_settings_done(&s);
    assert_int_equal(
        avow_verifier_settings_of("--verifier", "https://a.example", bad, 1, NULL, &s, &err),
        -AVOW_E_FORMAT);
    assert_non_null(strstr(err.text, "--issuer: \"http://b.example\""));
    err = (struct avow_error){ 0 };
    assert_int_equal(avow_verifier_settings_of("--verifier", "https://", NULL, 0, NULL, &s, &err),
                     -AVOW_E_FORMAT);
}

#define ISSUERS "verifier:\n  kind: azure\n  url: https://a.example\n  issuers:\n"

static void mistakes(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "verifier: {kind: remote}", "f.yaml:1:18: there is no verifier of kind \"remote\"" },
        { "verifier: {kind: azure}", "needs a url" },
        { "verifier: {kind: azure, url: \"http://a.example\"}", "https://" },
        { "verifier: {kind: azure, url: \"https://a.example\", issuers: [\"http://b.example\"]}",
          "https://" },
        { "verifier: [{kind: local}, {kind: local}]", "second" },
        { "verifier: {kind: local, url: \"https://a.example\"}", "no other keys" },
        { "verifier: []", "f.yaml:1" },
        { "verifier: {kind: azure, url: \"https://a.example\", max-age: 9h}", "max-age" },
        { "require: one", "all or any" },
        { ISSUERS "  - url: https://b.example\n"
                  "    policy-hash: [x]\n",
          "f.yaml:6:5: unknown key \"policy-hash\" (did you mean \"policy-hashes\"?)" },
        { ISSUERS "  - policy-hashes: [" HASH "]\n", "f.yaml:5:5:" },
        { ISSUERS "  - url: https://b.example\n"
                  "    policy-hashes: [abc]\n",
          "f.yaml:6:21:" },
        { ISSUERS "  - url: https://b.example\n"
                  "    policy-hashes: [\"9NY0VnTQ+IiBriBplVUpFbczcDaEBUwsiFYAzHu/gco\"]\n",
          "f.yaml:6:21: \"9NY0VnTQ+IiBriBplVUpFbczcDaEBUwsiFYAzHu/gco\" is not an" },
        { ISSUERS "  - url: https://b.example\n"
                  "    policy-hashes: []\n",
          "f.yaml:6:20:" },
        { ISSUERS "  - https://b.example/\n"
                  "  - {url: \"https://b.example\", policy-hashes: [" HASH "]}\n",
          "f.yaml:6:11: issuer https://b.example a second time" },
        { "verifier: {kind: azure, urls: x}", "did you mean" },
    };
    struct avow_verifier_settings s;
    struct avow_error err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(read_text(bad[i].text, &s, &err) < 0);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s: %s", bad[i].text, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(good), cmocka_unit_test(mistakes),
                                        cmocka_unit_test(pinned_policies),
                                        cmocka_unit_test(of_options) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
