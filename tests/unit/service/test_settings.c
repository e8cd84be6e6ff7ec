#include "../test.h"

#include "service/settings.h"

static char path[] = "/tmp/avow-test-settings-XXXXXX";

static int set_up(void **state)
{
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    return close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

static int load(const char *text, struct avow_settings *s, struct avow_error *err)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return avow_settings_load(path, s, err);
}

static void defaults(void **state)
{
    avow_auto(avow_settings_done) struct avow_settings s = { 0 };
    avow_autofree char *p = NULL;

    (void)state;
    assert_int_equal(avow_settings_load(NULL, &s, NULL), 0);
    assert_string_equal(s.listen, AVOW_SETTINGS_LISTEN);
    assert_string_equal(s.state, AVOW_SETTINGS_STATE);
    assert_null(s.issuer);
    assert_null(s.administrators);
    assert_int_equal(s.token_life_s, 28800);
    assert_int_equal(s.rate, AVOW_SETTINGS_RATE);
    assert_int_equal(avow_settings_set(&s.state, "/x", NULL), 0);
    assert_int_equal(avow_settings_path(&s, "y", &p, NULL), 0);
    assert_string_equal(p, "/x/y");
}

static void the_example(void **state)
{
    avow_auto(avow_settings_done) struct avow_settings s = { 0 };
    const char *source = getenv("AVOW_SOURCE");
    char example[4096];
    struct avow_error err = { 0 };

    (void)state;
    assert_non_null(source);
    snprintf(example, sizeof example, "%s/packaging/avow-verifier.yaml", source);
    if (avow_settings_load(example, &s, &err) < 0)
        fail_msg("%s", err.text);
}

static void mistakes(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "listne: x\n", "did you mean \"listen\"" },
        { "issuer: http://x\n", "issuer" },
        { "issuer: https://x/\n", "issuer" },
        { "issuer: https://a.b.attest.azure.net\n", "not Azure's" },
        { "token-life: 8d\n", "token-life" },
        { "rate: 0\n", "rate" },
        { "tls: {certificate: x}\n", "key" },
        { "tee: {kind: nothing}\n", "no kind of device" },
        { "tee: {kind: sim-snp}\n", "dir" },
        { "listen: nowhere\n", "host:port" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        avow_auto(avow_settings_done) struct avow_settings s = { 0 };
        struct avow_error err = { 0 };

        assert_true(load(bad[i].text, &s, &err) < 0);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s: %s", bad[i].text, err.text);
    }
}

static void values(void **state)
{
    avow_auto(avow_settings_done) struct avow_settings s = { 0 };
    struct avow_clients *admins = calloc(1, sizeof *admins);

    (void)state;
    assert_int_equal(load("token-life: 5m\nkey-life: 1h\nissuer: https://v.example:1\n"
                          "tls: {certificate: a, key: b}\nrate: 7\naudit-max: 1GiB\n",
                          &s, NULL),
                     0);
    assert_int_equal(s.token_life_s, 300);
    assert_int_equal(s.key_life_s, 3600);
    assert_int_equal(s.rate, 7);
    assert_int_equal(s.audit_max, 1 << 30);
    assert_string_equal(s.tls_key, "b");
    assert_null(s.tee.kind);
    assert_int_equal(avow_settings_administrators(&s, admins, NULL), 0);
    assert_int_equal(admins->n, 0);
    free(admins);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(defaults), cmocka_unit_test(the_example),
                                        cmocka_unit_test(mistakes), cmocka_unit_test(values) };

    return cmocka_run_group_tests_name("settings", tests, set_up, tear_down);
}
