#include "collateral/tcb_info.h"

#include "edit.h"

static void make(struct avow_buf *text)
{
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(MADE_TEXT_MAX);
    struct made_spec s = made_spec();

    s.n_advisories = 2;
    made_info_body(&s, &body);
    envelope(AVOW_TCB_INFO_NAME, avow_buf_view(&body), text);
}

static void what_is_written_is_read(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(MADE_TEXT_MAX);
    avow_auto(avow_cleanup_tcb_info) struct avow_tcb_info *t = NULL;
    struct made_spec s = made_spec();

    (void)state;
    make(&text);
    MADE_OK(avow_tcb_info_parse(avow_buf_view(&text), &t, &err));
    assert_int_equal(t->issue_date, s.tcb_info.from);
    assert_int_equal(t->next_update, s.tcb_info.until);
    assert_memory_equal(t->fmspc, s.fmspc, 6);
    assert_memory_equal(t->pceid, s.pceid, 2);
    assert_int_equal(t->evaluation, 17);
    assert_int_equal(t->n_levels, 2);
    assert_int_equal(t->levels[0].pcesvn, 11);
    assert_int_equal(t->levels[0].sgx[15], 3);
    assert_int_equal(t->levels[0].tdx[2], 3);
    assert_int_equal(t->levels[0].tdx[3], 0);
    assert_int_equal(json_array_size(t->levels[0].level.advisories), 2);
    assert_int_equal(t->levels[1].level.status, AVOW_LEVEL_OUT_OF_DATE);
    assert_int_equal(t->n_modules, 1);
    assert_int_equal(t->modules[0].major, 1);
    assert_int_equal(t->modules[0].n_levels, 2);
    assert_int_equal(t->modules[0].attributes_mask[7], 0xFF);
    assert_ptr_equal(avow_tcb_info_module(t, 0), &t->module);
    assert_ptr_equal(avow_tcb_info_module(t, 1), &t->modules[0]);
    assert_null(avow_tcb_info_module(t, 3));
}

static void each_edit_is_refused(void **state)
{
    static const struct {
        const char *from, *to;
        int code;
    } rows[] = {
        { "\"id\":\"TDX\"", "\"id\":\"SGX\"", AVOW_E_UNSUPPORTED },
        { "\"id\":\"TDX\",", "", AVOW_E_FORMAT },
        { "\"version\":3", "\"version\":2", AVOW_E_VERSION },
        { "\"version\":3", "\"version\":4", AVOW_E_VERSION },
        { "\"version\":3", "\"version\":3.0", AVOW_E_FORMAT },
        { "\"version\":3", "\"version\":\"3\"", AVOW_E_FORMAT },
        { "\"version\":3,", "", AVOW_E_FORMAT },
        { "\"issueDate\":", "\"issuedate\":", AVOW_E_FORMAT },
        { "\"nextUpdate\":\"2027", "\"nextUpdate\":\"2026", AVOW_E_FORMAT },
        { "Z\",\"nextUpdate\"", "\",\"nextUpdate\"", AVOW_E_FORMAT },
        { "\"tcbEvaluationDataNumber\":17,", "", AVOW_E_FORMAT },
        { "\"tcbEvaluationDataNumber\":17", "\"tcbEvaluationDataNumber\":-1", AVOW_E_LIMIT },
        { "\"tcbEvaluationDataNumber\":17", "\"tcbEvaluationDataNumber\":4294967296",
          AVOW_E_LIMIT },
        { "\"fmspc\":\"a5", "\"fmspc\":\"", AVOW_E_FORMAT },
        { "\"fmspc\":\"a5", "\"fmspc\":\"g5", AVOW_E_FORMAT },
        { "\"pceId\":\"0000\"", "\"pceId\":0", AVOW_E_FORMAT },
        { "\"tcbType\":0", "\"tcbType\":1", AVOW_E_LIMIT },
        { "\"tcbType\":0,", "", AVOW_E_FORMAT },
        { "\"tdxModule\":", "\"tdxmodule\":", AVOW_E_FORMAT },
        { "\"mrsigner\":\"00", "\"mrsigner\":\"0", AVOW_E_FORMAT },
        { "\"attributesMask\":\"FF", "\"attributesMask\":\"", AVOW_E_FORMAT },
        { "\"id\":\"TDX_01\"", "\"id\":\"TDX_1\"", AVOW_E_FORMAT },
        { "\"id\":\"TDX_01\"", "\"id\":\"QVE_01\"", AVOW_E_FORMAT },
        { "\"id\":\"TDX_01\"", "\"id\":\"TDX_0x\"", AVOW_E_FORMAT },
        { "\"id\":\"TDX_01\"", "\"id\":\"TDX_011\"", AVOW_E_FORMAT },
        { "\"isvsvn\":5", "\"isvsvn\":65536", AVOW_E_LIMIT },
        { "\"isvsvn\":5", "\"svn\":5", AVOW_E_FORMAT },
        { "\"pcesvn\":11", "\"pcesvn\":65536", AVOW_E_LIMIT },
        { "\"pcesvn\":11", "\"pcesvn\":-1", AVOW_E_LIMIT },
        { ",\"pcesvn\":11", "", AVOW_E_FORMAT },
        { "\"sgxtcbcomponents\":[{\"svn\":3},", "\"sgxtcbcomponents\":[", AVOW_E_FORMAT },
        { "\"sgxtcbcomponents\":[", "\"sgxtcbcomponents\":[{\"svn\":3},", AVOW_E_LIMIT },
        { "\"sgxtcbcomponents\":[{\"svn\":3}", "\"sgxtcbcomponents\":[{\"svn\":256}",
          AVOW_E_LIMIT },
        { "\"sgxtcbcomponents\":[{\"svn\":3}", "\"sgxtcbcomponents\":[3", AVOW_E_FORMAT },
        { "\"tdxtcbcomponents\":", "\"tdxTcbComponents\":", AVOW_E_FORMAT },
        { "\"tcbLevels\":[{\"tcb\":{\"sgx", "\"levels\":[{\"tcb\":{\"sgx", AVOW_E_FORMAT },
        { "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":\"Fine\"", AVOW_E_FORMAT },
        { "\"fmspc\":", "\"fmspc\":\"a5a5a5a5a5a5\",\"fmspc\":", AVOW_E_FORMAT },
    };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(MADE_TEXT_MAX);
    avow_auto(avow_buf_done) struct avow_buf other = AVOW_BUF(MADE_TEXT_MAX);

    (void)state;
    make(&text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_tcb_info *t = NULL;
        int rc = 0;

        edit(avow_buf_view(&text), rows[i].from, rows[i].to, &other);
        rc = avow_tcb_info_parse(avow_buf_view(&other), &t, NULL);
        if (rc != -rows[i].code)
            fail_msg("%s -> %s: %d, not %d", rows[i].from, rows[i].to, rc, -rows[i].code);
        assert_null(t);
    }
}

static void a_module_is_given_once(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(MADE_TEXT_MAX);
    avow_auto(avow_buf_done) struct avow_buf twice = AVOW_BUF(MADE_TEXT_MAX);
    struct avow_tcb_info *t = NULL;
    const char *begin = NULL;
    const char *end = NULL;
    char item[2048] = "";

    (void)state;
    make(&text);
    begin = strstr(avow_buf_cstr(&text), "{\"id\":\"TDX_01\"");
    end = strstr(begin, "],\"tcbLevels\":[{\"tcb\":{\"sgx");
    snprintf(item, sizeof item, "\"tdxModuleIdentities\":[%.*s,", (int)(end - begin), begin);
    edit(avow_buf_view(&text), "\"tdxModuleIdentities\":[", item, &twice);
    assert_int_equal(avow_tcb_info_parse(avow_buf_view(&twice), &t, NULL), -AVOW_E_FORMAT);
    edit(avow_buf_view(&twice), "TDX_01", "TDX_0a", &text);
    MADE_OK(avow_tcb_info_parse(avow_buf_view(&text), &t, &err));
    assert_int_equal(t->n_modules, 2);
    assert_ptr_equal(avow_tcb_info_module(t, 10), &t->modules[0]);
    avow_tcb_info_free(t);
}

static void genuine(const char *name, struct avow_bytes text)
{
    avow_auto(avow_cleanup_tcb_info) struct avow_tcb_info *t = NULL;
    struct avow_error err = { 0 };

    if (avow_tcb_info_parse(text, &t, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    if (signature_of(&t->document) != 0)
        fail_msg("%s: its signature does not verify", name);
}

static void bad(const char *name, struct avow_bytes text)
{
    avow_auto(avow_cleanup_tcb_info) struct avow_tcb_info *t = NULL;

    if (avow_tcb_info_parse(text, &t, NULL) == 0 && signature_of(&t->document) != -AVOW_E_SIGNATURE)
        fail_msg("%s: its signature verifies", name);
}

static void refused(const char *name, struct avow_bytes text)
{
    avow_auto(avow_cleanup_tcb_info) struct avow_tcb_info *t = NULL;

    /* All of this folder but one are of version 2, or of SGX. */
    if ((avow_tcb_info_parse(text, &t, NULL) == 0) !=
        (strcmp(name, "report__data_v3__tcbinfo_tdx.json") == 0))
        fail_msg("%s: %s", name, t ? "read" : "refused");
}

static void real_documents(void **state)
{
    (void)state;
    if (!test_vectors())
        skip();
    assert_true(each_file("tdx-collateral", "tcbinfo", genuine) >= 38);
    assert_true(each_file("collateral-bad", "tcb", bad) >= 45);
    assert_true(each_file("collateral-bad/openenclave-parser-negatives", "report", refused) >= 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(each_edit_is_refused),
        cmocka_unit_test(a_module_is_given_once),
        cmocka_unit_test(real_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
