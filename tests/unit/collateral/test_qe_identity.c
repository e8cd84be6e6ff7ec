#include "collateral/qe_identity.h"

#include "edit.h"

static void make(struct avow_buf *text)
{
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(MADE_TEXT_MAX);
    struct made_spec s = made_spec();

    made_qe_body(&s, &body);
    envelope(AVOW_QE_IDENTITY_NAME, avow_buf_view(&body), text);
}

static void what_is_written_is_read(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(MADE_TEXT_MAX);
    avow_auto(avow_buf_done) struct avow_buf other = AVOW_BUF(MADE_TEXT_MAX);
    avow_auto(avow_cleanup_qe_identity) struct avow_qe_identity *q = NULL;
    const uint8_t misc[4] = { 0x13, 0x37, 0x3B, 0x09 };
    struct made_spec s = made_spec();

    (void)state;
    make(&text);
    edit(avow_buf_view(&text), "\"miscselect\":\"00000000", "\"miscselect\":\"13373B09", &other);
    MADE_OK(avow_qe_identity_parse(avow_buf_view(&other), &q, &err));
    assert_int_equal(q->issue_date, s.qe_identity.from);
    assert_int_equal(q->next_update, s.qe_identity.until);
    assert_int_equal(q->evaluation, 17);
    assert_memory_equal(q->miscselect, misc, 4);
    assert_int_equal(q->miscselect_mask[3], 0xFF);
    assert_int_equal(q->attributes[0], 0x11);
    assert_int_equal(q->attributes_mask[0], 0xFB);
    assert_int_equal(q->isvprodid, AVOW_QE_ISVPRODID);
    assert_int_equal(q->n_levels, 2);
    assert_int_equal(q->levels[0].isvsvn, 4);
    assert_int_equal(q->levels[1].level.status, AVOW_LEVEL_OUT_OF_DATE);
    assert_int_equal(json_array_size(q->levels[1].level.advisories), 1);
}

static void each_edit_is_refused(void **state)
{
    static const struct {
        const char *from, *to;
        int code;
    } rows[] = {
        { "\"id\":\"TD_QE\"", "\"id\":\"QE\"", AVOW_E_UNSUPPORTED },
        { "\"id\":\"TD_QE\"", "\"id\":\"QVE\"", AVOW_E_UNSUPPORTED },
        { "\"id\":\"TD_QE\",", "", AVOW_E_FORMAT },
        { "\"version\":2", "\"version\":1", AVOW_E_VERSION },
        { "\"version\":2", "\"version\":3", AVOW_E_VERSION },
        { "\"version\":2,", "", AVOW_E_FORMAT },
        { "\"issueDate\":", "\"issued\":", AVOW_E_FORMAT },
        { "\"nextUpdate\":", "\"next\":", AVOW_E_FORMAT },
        { "\"nextUpdate\":\"2027", "\"nextUpdate\":\"2026", AVOW_E_FORMAT },
        { "\"tcbEvaluationDataNumber\":17,", "", AVOW_E_FORMAT },
        { "\"miscselect\":\"00000000\",", "", AVOW_E_FORMAT },
        { "\"miscselect\":\"00", "\"miscselect\":\"", AVOW_E_FORMAT },
        { "\"miscselectMask\":\"FFFFFFFF\",", "", AVOW_E_FORMAT },
        { "\"attributes\":\"11", "\"attributes\":\"1", AVOW_E_FORMAT },
        { "\"attributesMask\":\"FB", "\"attributesMask\":\"FBFB", AVOW_E_FORMAT },
        { "\"mrsigner\":\"00", "\"mrsigner\":\"xx", AVOW_E_FORMAT },
        { "\"isvprodid\":2,", "", AVOW_E_FORMAT },
        { "\"isvprodid\":2", "\"isvprodid\":65536", AVOW_E_LIMIT },
        { "\"isvprodid\":2", "\"isvprodid\":\"2\"", AVOW_E_FORMAT },
        { "\"tcbLevels\":", "\"levels\":", AVOW_E_FORMAT },
        { "\"isvsvn\":4", "\"isvsvn\":-4", AVOW_E_LIMIT },
        { "\"tcbDate\":\"2026-01-01T00:00:00Z\",", "", AVOW_E_FORMAT },
        { "\"tcbStatus\":\"UpToDate\"", "\"tcbStatus\":true", AVOW_E_FORMAT },
    };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(MADE_TEXT_MAX);
    avow_auto(avow_buf_done) struct avow_buf other = AVOW_BUF(MADE_TEXT_MAX);

    (void)state;
    make(&text);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct avow_qe_identity *q = NULL;
        int rc = 0;

        edit(avow_buf_view(&text), rows[i].from, rows[i].to, &other);
        rc = avow_qe_identity_parse(avow_buf_view(&other), &q, NULL);
        if (rc != -rows[i].code)
            fail_msg("%s -> %s: %d, not %d", rows[i].from, rows[i].to, rc, -rows[i].code);
        assert_null(q);
    }
}

static void genuine(const char *name, struct avow_bytes text)
{
    avow_auto(avow_cleanup_qe_identity) struct avow_qe_identity *q = NULL;
    struct avow_error err = { 0 };

    if (avow_qe_identity_parse(text, &q, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    if (signature_of(&q->document) != 0)
        fail_msg("%s: its signature does not verify", name);
    assert_int_equal(q->isvprodid, AVOW_QE_ISVPRODID);
}

static void bad(const char *name, struct avow_bytes text)
{
    avow_auto(avow_cleanup_qe_identity) struct avow_qe_identity *q = NULL;

    if (avow_qe_identity_parse(text, &q, NULL) == 0 &&
        signature_of(&q->document) != -AVOW_E_SIGNATURE)
        fail_msg("%s: its signature verifies", name);
}

static void refused(const char *name, struct avow_bytes text)
{
    avow_auto(avow_cleanup_qe_identity) struct avow_qe_identity *q = NULL;

    if (avow_qe_identity_parse(text, &q, NULL) == 0)
        fail_msg("%s: an SGX QE identity or an incomplete one is read", name);
}

static void real_documents(void **state)
{
    (void)state;
    if (!test_vectors())
        skip();
    assert_true(each_file("tdx-collateral", "qeidentity", genuine) >= 26);
    assert_true(each_file("collateral-bad", "enclave", bad) >= 21);
    assert_true(each_file("collateral-bad", "qeidentity", bad) >= 1);
    assert_true(each_file("collateral-bad/openenclave-parser-negatives", "qe", refused) >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(each_edit_is_refused),
        cmocka_unit_test(real_documents),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
