#include "collateral/level.h"

#include "edit.h"

static int parse(const char *text, struct avow_level *out, json_t **keep)
{
    assert_int_equal(avow_json_parse(avow_bytes_str(text), keep, NULL), 0);
    return avow_level_parse(*keep, out, NULL);
}

static void every_word_has_its_status(void **state)
{
    static const struct {
        const char *word;
        enum avow_level_status status;
    } rows[] = {
        { "UpToDate", AVOW_LEVEL_UP_TO_DATE },
        { "SWHardeningNeeded", AVOW_LEVEL_SW_HARDENING_NEEDED },
        { "ConfigurationNeeded", AVOW_LEVEL_CONFIGURATION_NEEDED },
        { "ConfigurationAndSWHardeningNeeded", AVOW_LEVEL_CONFIGURATION_AND_SW_HARDENING_NEEDED },
        { "OutOfDate", AVOW_LEVEL_OUT_OF_DATE },
        { "OutOfDateConfigurationNeeded", AVOW_LEVEL_OUT_OF_DATE_CONFIGURATION_NEEDED },
        { "Revoked", AVOW_LEVEL_REVOKED },
        { "TDRelaunchAdvised", AVOW_LEVEL_UNKNOWN },
        { "uptodate", AVOW_LEVEL_UNKNOWN },
        { "UpToDate ", AVOW_LEVEL_UNKNOWN },
        { "TCB_NOT_SUPPORTED", AVOW_LEVEL_UNKNOWN },
        { "", AVOW_LEVEL_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *json = NULL;
        struct avow_level level = { 0 };
        char text[256];

        snprintf(text, sizeof text, "{\"tcbStatus\":\"%s\",\"tcbDate\":\"2026-01-01T00:00:00Z\"}",
                 rows[i].word);
        assert_int_equal(parse(text, &level, &json),
                         rows[i].status == AVOW_LEVEL_UNKNOWN ? -AVOW_E_FORMAT : 0);
        assert_int_equal(level.status, rows[i].status);
    }
}

static void members_are_checked(void **state)
{
    static const struct {
        const char *text;
        int code;
    } rows[] = {
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\"}", 0 },
        { "{\"tcbStatus\":\"UpToDate\"}", AVOW_E_FORMAT },
        { "{\"tcbDate\":\"2026-01-01T00:00:00Z\"}", AVOW_E_FORMAT },
        { "{\"tcbStatus\":1,\"tcbDate\":\"2026-01-01T00:00:00Z\"}", AVOW_E_FORMAT },
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026\"}", AVOW_E_FORMAT },
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\",\"advisoryIDs\":[]}",
          0 },
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\",\"advisoryIDs\":{}}",
          AVOW_E_FORMAT },
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\",\"advisoryIDs\":null}",
          AVOW_E_FORMAT },
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\",\"advisoryIDs\":[1]}",
          AVOW_E_FORMAT },
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\",\"advisoryIDs\":"
          "[\"\"]}",
          AVOW_E_LIMIT },
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\",\"advisoryIDs\":"
          "[\"abcdefghijklmnopqrstuvwx\"]}",
          AVOW_E_LIMIT },
        { "{\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\",\"advisoryIDs\":"
          "[\"abcdefghijklmnopqrstuvw\"]}",
          0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        avow_autojson json_t *json = NULL;
        struct avow_level level = { 0 };

        if (parse(rows[i].text, &level, &json) != -rows[i].code)
            fail_msg("%s: not %d", rows[i].text, -rows[i].code);
    }
}

static void the_first_level_that_is_covered_counts(void **state)
{
    const struct avow_svn_level levels[] = {
        { .isvsvn = 8, .level.status = AVOW_LEVEL_UP_TO_DATE },
        { .isvsvn = 5, .level.status = AVOW_LEVEL_OUT_OF_DATE },
        { .isvsvn = 6, .level.status = AVOW_LEVEL_SW_HARDENING_NEEDED },
        { .isvsvn = 2, .level.status = AVOW_LEVEL_REVOKED },
    };

    (void)state;
    assert_ptr_equal(avow_svn_level_find(levels, 4, 65535), &levels[0].level);
    assert_ptr_equal(avow_svn_level_find(levels, 4, 8), &levels[0].level);
    assert_ptr_equal(avow_svn_level_find(levels, 4, 7), &levels[1].level); /* the order given */
    assert_ptr_equal(avow_svn_level_find(levels, 4, 4), &levels[3].level);
    assert_ptr_equal(avow_svn_level_find(levels, 4, 2), &levels[3].level);
    assert_null(avow_svn_level_find(levels, 4, 1));
    assert_null(avow_svn_level_find(levels, 0, 9));
}

static void lists_of_levels_are_bounded(void **state)
{
    static const char item[] =
        "{\"tcb\":{\"isvsvn\":1},\"tcbStatus\":\"UpToDate\",\"tcbDate\":\"2026-01-01T00:00:00Z\"}";
    struct avow_svn_level levels[AVOW_SVN_LEVELS_MAX];

    (void)state;
    for (size_t count = 0; count <= AVOW_SVN_LEVELS_MAX + 1; count++) {
        avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(MADE_TEXT_MAX);
        avow_autojson json_t *json = NULL;
        size_t n = 0;
        int code = count == 0 ? AVOW_E_FORMAT : (count > AVOW_SVN_LEVELS_MAX ? AVOW_E_LIMIT : 0);

        avow_buf_put_str(&b, "{\"tcbLevels\":[");
        for (size_t i = 0; i < count; i++)
            avow_buf_putf(&b, "%s%s", i ? "," : "", item);
        avow_buf_put_str(&b, "]}");
        assert_int_equal(avow_json_parse(avow_buf_view(&b), &json, NULL), 0);
        assert_int_equal(avow_svn_levels_parse(json, levels, &n, NULL), -code);
        assert_int_equal(n, code ? 0 : count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_word_has_its_status),
        cmocka_unit_test(members_are_checked),
        cmocka_unit_test(the_first_level_that_is_covered_counts),
        cmocka_unit_test(lists_of_levels_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
