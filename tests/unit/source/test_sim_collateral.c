#include "folders.h"

#define NOW 1800000000 /* 2027-01-15T08:00:00Z */

static struct avow_signer *signer;

static int set_up(void **state)
{
    (void)state;
    return avow_signer_new(AVOW_SIGNER_P256, &signer, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    avow_signer_free(signer);
    return 0;
}

static int check_signature(const struct avow_document *d)
{
    uint8_t xy[64];

    assert_int_equal(avow_signer_xy(signer, AVOW_P256, xy, NULL), 0);
    return avow_ecdsa_verify(AVOW_P256, AVOW_BYTES_OF(xy), d->signed_bytes,
                             AVOW_BYTES_OF(d->signature), NULL);
}

static void test_tcb_info(void **state)
{
    struct avow_buf text = AVOW_BUF(AVOW_DOCUMENT_MAX);
    struct avow_tcb_info *t = NULL;
    const struct avow_tdx_module *m = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(sim_tcb_info(signer, NOW, &text, NULL), 0);
    if (avow_tcb_info_parse(avow_buf_view(&text), &t, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(check_signature(&t->document), 0);
    assert_true(t->issue_date == NOW - SIM_BACKDATE);
    assert_true(t->next_update == NOW - SIM_BACKDATE + SIM_COLLATERAL_LIFE);
    assert_memory_equal(t->fmspc, sim_fmspc, sizeof sim_fmspc);
    assert_int_equal(t->n_levels, 2);
    assert_int_equal(t->levels[0].level.status, AVOW_LEVEL_UP_TO_DATE);
    assert_int_equal(t->levels[1].level.status, AVOW_LEVEL_OUT_OF_DATE);
    assert_memory_equal(t->levels[0].sgx, sim_tdx_tcb_new.components, 16);
    assert_memory_equal(t->levels[1].sgx, sim_tdx_tcb_old.components, 16);
    assert_int_equal(t->levels[0].pcesvn, sim_tdx_tcb_new.pcesvn);
    m = avow_tcb_info_module(t, SIM_TDX_MODULE_MAJOR);
    assert_non_null(m);
    assert_int_equal(
        avow_svn_level_find(m->levels, m->n_levels, sim_tdx_tcb_new.tee_tcb_svn[0])->status,
        AVOW_LEVEL_UP_TO_DATE);
    assert_int_equal(
        avow_svn_level_find(m->levels, m->n_levels, sim_tdx_tcb_old.tee_tcb_svn[0])->status,
        AVOW_LEVEL_OUT_OF_DATE);
    avow_tcb_info_free(t);
    avow_buf_done(&text);
}

static void test_qe_identity(void **state)
{
    struct avow_buf text = AVOW_BUF(AVOW_DOCUMENT_MAX);
    struct avow_qe_identity *q = NULL;
    struct avow_error err = { 0 };

    (void)state;
    assert_int_equal(sim_qe_identity(signer, NOW, &text, NULL), 0);
    if (avow_qe_identity_parse(avow_buf_view(&text), &q, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(check_signature(&q->document), 0);
    assert_true(q->next_update == NOW - SIM_BACKDATE + SIM_COLLATERAL_LIFE);
    assert_int_equal(avow_svn_level_find(q->levels, q->n_levels, SIM_QE_ISVSVN)->status,
                     AVOW_LEVEL_UP_TO_DATE);
    assert_int_equal(avow_svn_level_find(q->levels, q->n_levels, SIM_QE_ISVSVN_OLD)->status,
                     AVOW_LEVEL_OUT_OF_DATE);
    avow_qe_identity_free(q);
    avow_buf_done(&text);
}

/* Years that do not have four digits have no date in these documents. */
static void test_far_future(void **state)
{
    struct avow_buf text = AVOW_BUF(AVOW_DOCUMENT_MAX);

    (void)state;
    assert_int_equal(sim_tcb_info(signer, 253402300800, &text, NULL), -AVOW_E_INVAL);
    assert_int_equal(sim_qe_identity(signer, INT64_MAX - SIM_YEAR * 11, &text, NULL),
                     -AVOW_E_INVAL);
    avow_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcb_info),
        cmocka_unit_test(test_qe_identity),
        cmocka_unit_test(test_far_future),
    };

    return cmocka_run_group_tests_name("source/sim_collateral", tests, set_up, tear_down);
}
