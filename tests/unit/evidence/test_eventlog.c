#include "evidence/eventlog.h"

#include "../eventlog_maker.h"
#include "base/cleanup.h"

static int count(struct avow_bytes in, uint32_t *events)
{
    struct avow_eventlog l = { 0 };
    struct avow_event e = { 0 };
    int rc = avow_eventlog_open(in, &l, NULL);

    *events = 0;
    while (rc >= 0 && (rc = avow_eventlog_next(&l, &e, NULL)) == 1)
        *events = l.n_events;
    return rc;
}

static void logs_are_read_to_their_padding(void **state)
{
    static const uint8_t padding[] = { 0x00, 0xFF };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_EVENTLOG_MAX);
        uint32_t n = 0;

        log_begin(&b, AVOW_ALG_SHA384, 48);
        for (uint32_t k = 0; k < 5; k++)
            log_event(&b, k, 1, AVOW_ALG_SHA384, 48, (uint8_t)k, "data");
        assert_int_equal(count(avow_buf_view(&b), &n), 0);
        assert_int_equal(n, 5);
        for (size_t k = 0; k < 100; k++)
            avow_buf_put_u8(&b, padding[i]);
        assert_int_equal(count(avow_buf_view(&b), &n), 0);
        assert_int_equal(n, 5);
        avow_buf_put_u8(&b, 7); /* no padding after all */
        assert_true(count(avow_buf_view(&b), &n) < 0);
    }
}

static void cuts_and_lies(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_EVENTLOG_MAX);
    size_t first = 0, digest_alg = 0;
    uint32_t n = 0;

    (void)state;
    log_begin(&b, AVOW_ALG_SHA256, 32);
    first = b.len;
    log_event(&b, 1, 1, AVOW_ALG_SHA256, 32, 9, "data");
    for (size_t i = 0; i < b.len; i++)
        if (i != first)
            assert_true(count(AVOW_BYTES(b.data, i), &n) < 0);
    digest_alg = first + 12;
    b.data[digest_alg] = 0x04; /* not named by the log */
    assert_int_equal(count(avow_buf_view(&b), &n), -AVOW_E_FORMAT);
    b.data[digest_alg] = 0x0B;
    b.data[first + 8] = 0xFF; /* digests */
    assert_int_equal(count(avow_buf_view(&b), &n), -AVOW_E_LIMIT);
    b.data[first + 8] = 1;
    b.data[b.len - 4 - 1] = 0x7F; /* size of the event */
    assert_int_equal(count(avow_buf_view(&b), &n), -AVOW_E_LIMIT);
    assert_false(avow_eventlog_likely(avow_bytes_str("Spec ID Event03")));
    assert_int_equal(count(avow_bytes_str("x"), &n), -AVOW_E_FORMAT);
}

/* CCEL areas are 64 KiB to 1 MiB and more, filled up with FF or zeros. */
static void padding_is_cut_off(void **state)
{
    (void)state;
    for (int fill = 0; fill <= 0xFF; fill += 0xFF) {
        avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_EVENTLOG_MAX);
        size_t end = 0;

        log_begin(&b, AVOW_ALG_SHA384, 48);
        log_event(&b, 1, 1, AVOW_ALG_SHA384, 48, 0, "data");
        end = b.len;
        assert_int_equal(avow_eventlog_trim(avow_buf_view(&b)).len, end);
        while (b.len < 1u << 20)
            avow_buf_put_u8(&b, (uint8_t)fill);
        assert_int_equal(avow_eventlog_trim(avow_buf_view(&b)).len, end);
        b.data[b.len - 1] =
            7; /* no padding: the log is damaged, which is for the verifier to say */
        assert_int_equal(avow_eventlog_trim(avow_buf_view(&b)).len, b.len);
    }
    assert_int_equal(avow_eventlog_trim(avow_bytes_str("x")).len, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_are_read_to_their_padding),
        cmocka_unit_test(cuts_and_lies),
        cmocka_unit_test(padding_is_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
