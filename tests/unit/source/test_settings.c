/* `tee:` of configurations: what is read of it, and what is refused with its place. */
#include "source/settings.h"

#include "../test.h"

static const struct avow_schema anything = { .type = AVOW_YAML_ANY };

static int read_from(const char *text, struct avow_source_settings *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;

    AVOW_TRY(avow_yaml_load(avow_bytes_str(text), "f.yaml", &anything, &y, err));
    return avow_source_settings_read(y, json_object_get(avow_yaml_value(y), "tee"), out, err);
}

static void must(const char *text, struct avow_source_settings *out)
{
    struct avow_error err = { 0 };

    if (read_from(text, out, &err) < 0)
        fail_msg("%s: %s", text, err.text);
}

static void devices(void **state)
{
    avow_auto(avow_source_settings_done) struct avow_source_settings s = { 0 };

    (void)state;
    must("a: 1\n", &s);
    assert_null(s.kind);
    must("tee: {kind: configfs-tsm}\n", &s);
    assert_string_equal(s.kind, "configfs-tsm");
    assert_false(s.has_privilege_level);
    assert_null(s.qgs);
    assert_null(s.tcti);
    assert_null(s.imds);
    assert_false(s.fresh);
    assert_false(s.event_log);
    avow_source_settings_done(&s);
    must("tee: {kind: auto, privilege-level: 0, qgs: \"unix:/q\", tcti: \"device:/t\", "
         "imds: \"http://i\", fresh: true, event-log: true}\n",
         &s);
    assert_true(s.has_privilege_level);
    assert_int_equal(s.privilege_level, 0);
    assert_string_equal(s.qgs, "unix:/q");
    assert_string_equal(s.tcti, "device:/t");
    assert_string_equal(s.imds, "http://i");
    assert_true(s.fresh);
    assert_true(s.event_log);
}

static void a_copy_is_its_own(void **state)
{
    avow_auto(avow_source_settings_done) struct avow_source_settings s = { 0 };
    avow_auto(avow_source_settings_done) struct avow_source_settings copy = { 0 };

    (void)state;
    must("tee: {kind: sim-snp, dir: /x}\n", &s);
    assert_int_equal(avow_source_settings_copy(&s, &copy, NULL), 0);
    assert_string_equal(copy.kind, "sim-snp");
    assert_string_equal(copy.dir, "/x");
    assert_ptr_not_equal(copy.dir, s.dir);
    assert_null(copy.qgs);
    avow_source_settings_done(&copy);
    must("tee: {kind: az-vtpm, tcti: t, imds: i, fresh: true}\n", &copy);
    avow_source_settings_done(&s);
    assert_int_equal(avow_source_settings_copy(&copy, &s, NULL), 0);
    assert_string_equal(s.tcti, "t");
    assert_string_equal(s.imds, "i");
    assert_true(s.fresh);
}

static void mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *said;
        int code;
    } rows[] = {
        { "tee: {kind: nonsense}", "f.yaml:1:13", AVOW_E_FORMAT },
        { "tee: {kind: nonsense}", "configfs-tsm", AVOW_E_FORMAT },
        { "tee: {kind: sim-tdx}", "\"dir\"", AVOW_E_MISSING },
        { "tee: {kind: sim-snp, dir: /x, qgs: y}", "\"qgs\" is of no use to sim-snp",
          AVOW_E_FORMAT },
        { "tee: {kind: configfs-tsm, dir: /x}", "sim-snp sim-tdx", AVOW_E_FORMAT },
        { "tee: {kind: tdx-qgs, event-log: false}", "event-log", AVOW_E_FORMAT },
        { "tee: {kind: auto, privilege-level: 4}", "privilege-level", AVOW_E_LIMIT },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_source_settings s = { 0 };
        struct avow_error err = { 0 };

        assert_int_equal(read_from(rows[i].text, &s, &err), -rows[i].code);
        if (!strstr(err.text, rows[i].said))
            fail_msg("%s: %s", rows[i].text, err.text);
        assert_null(s.kind);
    }
}

static void what_is_named_is_opened(void **state)
{
    avow_auto(avow_source_settings_done) struct avow_source_settings s = { 0 };
    avow_auto(avow_cleanup_source) struct avow_source *source = NULL;
    struct avow_error err = { 0 };

    (void)state;
    must("tee: {kind: sim-snp, dir: /nowhere/at/all}\n", &s);
    assert_true(avow_source_settings_open(&s, &source, &err) < 0);
    assert_non_null(strstr(err.text, "/nowhere/at/all"));
    avow_source_settings_done(&s);
    must("tee: {kind: tdx-qgs, qgs: \"nonsense\"}\n", &s);
    memset(&err, 0, sizeof err);
    assert_true(avow_source_settings_open(&s, &source, &err) < 0);
    assert_null(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(devices),
                                        cmocka_unit_test(a_copy_is_its_own),
                                        cmocka_unit_test(mistakes_are_named),
                                        cmocka_unit_test(what_is_named_is_opened) };

    return cmocka_run_group_tests_name("source/settings", tests, NULL, NULL);
}
