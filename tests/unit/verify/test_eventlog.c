#include "verify/eventlog.h"

#include "../eventlog_maker.h"
#include "../snp_vectors.h"
#include "crypto/hash.h"
#include "evidence/tdx.h"

static const struct avow_check *judge(struct avow_bytes log, struct avow_claims *c)
{
    assert_int_equal(avow_eventlog_verify(log, c, NULL), 0);
    assert_true(c->n_checks > 0);
    assert_string_equal(c->checks[c->n_checks - 1].code, "event-log");
    return &c->checks[c->n_checks - 1];
}

/* What a register holds after one event whose digest is @fill. */
static void extended(bool tdx, uint8_t first, uint8_t fill, uint8_t out[48])
{
    size_t len = tdx ? 48 : 32;
    uint8_t text[96] = { 0 };

    text[len - 1] = first;
    memset(text + len, fill, len);
    assert_int_equal(
        tdx ? avow_sha384(AVOW_BYTES(text, 96), out) : avow_sha256(AVOW_BYTES(text, 64), out), 0);
}

static void a_td_replays(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_EVENTLOG_MAX);
    struct avow_claims c = { .tee = AVOW_TEE_TDX };

    (void)state;
    log_begin(&b, AVOW_ALG_SHA384, 48);
    log_event(&b, 0, 1, AVOW_ALG_SHA384, 48, 1, "MRTD is not replayed");
    log_event(&b, 1, 1, AVOW_ALG_SHA384, 48, 2, "");
    log_event(&b, 4, 1, AVOW_ALG_SHA384, 48, 3, "");
    log_event(&b, 2, AVOW_EVENT_NO_ACTION, AVOW_ALG_SHA384, 48, 4, "not extended");
    extended(true, 0, 2, c.tdx.rtmr[0]);
    extended(true, 0, 3, c.tdx.rtmr[3]);
    c.tdx.rtmr[1][0] = 5; /* the log says nothing of it */
    assert_int_equal(judge(avow_buf_view(&b), &c)->state, AVOW_CHECK_PASSED);
    assert_true(c.log.replayed);
    assert_int_equal(c.log.registers, 1u << 0 | 1u << 3);
    c.log.replayed = false;
    c.tdx.rtmr[3][7] ^= 1;
    assert_int_equal(judge(avow_buf_view(&b), &c)->state, AVOW_CHECK_FAILED);
    assert_non_null(strstr(c.checks[c.n_checks - 1].text, "RTMR3"));
    assert_false(c.log.replayed);
}

static void a_tpm_replays(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_EVENTLOG_MAX);
    struct avow_claims c = { .tee = AVOW_TEE_AZ_SNP };
    uint8_t value[48];
    size_t at = 0;

    (void)state;
    c.vtpm.quoted = true;
    c.vtpm.pcr_mask = 1u << 0 | 1u << 4;
    log_begin(&b, AVOW_ALG_SHA256, 32);
    at = b.len;
    log_event(&b, 0, AVOW_EVENT_NO_ACTION, AVOW_ALG_SHA256, 32, 0, "StartupLocality?3");
    b.data[b.len - 2] = 0;
    b.data[b.len - 1] = 3;
    assert_true(at < b.len);
    log_event(&b, 0, 8, AVOW_ALG_SHA256, 32, 7, "");
    log_event(&b, 4, 8, AVOW_ALG_SHA256, 32, 8, "");
    log_event(&b, 9, 8, AVOW_ALG_SHA256, 32, 9, "not quoted");
    extended(false, 3, 7, value);
    memcpy(c.vtpm.pcr[0], value, 32);
    extended(false, 0, 8, value);
    memcpy(c.vtpm.pcr[4], value, 32);
    assert_int_equal(judge(avow_buf_view(&b), &c)->state, AVOW_CHECK_PASSED);
    assert_int_equal(c.log.registers, 1u << 0 | 1u << 4);
    c.vtpm.pcr[4][0] ^= 1;
    assert_int_equal(judge(avow_buf_view(&b), &c)->state, AVOW_CHECK_FAILED);
    assert_non_null(strstr(c.checks[c.n_checks - 1].text, "PCR 4"));
}

static void nothing_to_compare_is_no_pass(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_EVENTLOG_MAX);
    struct avow_claims snp = { .tee = AVOW_TEE_SNP };
    struct avow_claims tdx = { .tee = AVOW_TEE_TDX };

    (void)state;
    log_begin(&b, AVOW_ALG_SHA256, 32);
    log_event(&b, 1, 1, AVOW_ALG_SHA256, 32, 2, "");
    assert_int_equal(judge(avow_buf_view(&b), &snp)->state, AVOW_CHECK_NOT_RUN);
    assert_int_equal(judge(avow_buf_view(&b), &tdx)->state, AVOW_CHECK_FAILED); /* no SHA-384 */
    assert_int_equal(judge(avow_bytes_str("x"), &tdx)->state, AVOW_CHECK_FAILED);
}

/* Google's COS: the log of a real TD, and its quote. */
static void a_real_log_replays(void **state)
{
    size_t n_log = 0, n_quote = 0, found = 0;
    avow_autofree uint8_t *log = NULL;
    avow_autofree uint8_t *quote = NULL;
    struct avow_eventlog l;
    struct avow_event e;
    struct avow_tdx_quote q;
    struct avow_claims c = { .tee = AVOW_TEE_TDX };

    (void)state;
    if (!test_vectors())
        skip();
    log = test_vector("extra", "eventlog", "gotdx-ccel_data.dat", &n_log);
    quote = test_vector("extra", "eventlog", "gotdx-cos-113-tdx-quote.dat", &n_quote);
    assert_true(log && quote);
    assert_int_equal(avow_tdx_quote_parse(AVOW_BYTES(quote, n_quote), &q, NULL), 0);
    for (size_t i = 0; i < 4; i++)
        memcpy(c.tdx.rtmr[i], q.body.rtmr[i], 48);
    assert_int_equal(judge(AVOW_BYTES(log, n_log), &c)->state, AVOW_CHECK_PASSED);
    assert_int_equal(c.log.n_events, 43);
    assert_int_equal(avow_eventlog_open(AVOW_BYTES(log, n_log), &l, NULL), 0);
    while (avow_eventlog_next(&l, &e, NULL) == 1) {
        struct avow_claims again = { .tee = AVOW_TEE_TDX };

        if (e.type == AVOW_EVENT_NO_ACTION || e.register_index == 0)
            continue;
        log[e.digests[0].value.data - log] ^= 0x10;
        memcpy(again.tdx.rtmr, c.tdx.rtmr, sizeof again.tdx.rtmr);
        assert_int_equal(judge(AVOW_BYTES(log, n_log), &again)->state, AVOW_CHECK_FAILED);
        log[e.digests[0].value.data - log] ^= 0x10;
        found++;
    }
    assert_true(found > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_td_replays),
        cmocka_unit_test(a_tpm_replays),
        cmocka_unit_test(nothing_to_compare_is_no_pass),
        cmocka_unit_test(a_real_log_replays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
