#include "../test.h"

#include "launch/peer.h"

static struct avow_peer_msg sample(enum avow_peer_type type)
{
    struct avow_peer_msg m = { .type = type };

    switch (type) {
    case AVOW_PEER_FENCE:
    case AVOW_PEER_RELEASE:
        m.signature = avow_bytes_str("signature");
        m.data = avow_bytes_str("some data");
        m.status = type == AVOW_PEER_RELEASE ? -5 : 0;
        break;
    case AVOW_PEER_ANSWER:
        m.data = avow_bytes_str("modex");
        m.status = -46;
        m.id = 3;
        m.node = 1;
        m.rank = 77;
        break;
    case AVOW_PEER_ASK:
        m.id = 3;
        m.node = 1;
        m.rank = 77;
        break;
    case AVOW_PEER_EXIT:
        m.rank = 12;
        break;
    case AVOW_PEER_FAIL:
        avow_outcome_fail(&m.outcome, "rank", 137, 5, "rank %d is no more", 5);
        break;
    case AVOW_PEER_END:
        m.outcome = (struct avow_outcome){ .ok = true, .rank = -1 };
        break;
    }
    return m;
}

static void assert_same(const struct avow_peer_msg *a, const struct avow_peer_msg *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->node, b->node);
    assert_int_equal(a->rank, b->rank);
    assert_int_equal(a->status, b->status);
    assert_true(avow_bytes_equal(a->signature, b->signature));
    assert_true(avow_bytes_equal(a->data, b->data));
    assert_int_equal(a->outcome.ok, b->outcome.ok);
    assert_int_equal(a->outcome.exit, b->outcome.exit);
    assert_int_equal(a->outcome.rank, b->outcome.rank);
    assert_string_equal(a->outcome.code, b->outcome.code);
    assert_string_equal(a->outcome.text, b->outcome.text);
}

/* Every type: round trip; every prefix refused; one byte more refused. */
static void test_all_types(void **state)
{
    (void)state;
    for (int t = AVOW_PEER_FENCE; t <= AVOW_PEER_END; t++) {
        avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_PEER_BLOB_MAX);
        struct avow_peer_msg m = sample((enum avow_peer_type)t), got;

        assert_int_equal(avow_peer_emit(&m, &b), 0);
        assert_int_equal(avow_peer_parse(avow_buf_view(&b), &got, NULL), 0);
        assert_same(&m, &got);
        for (size_t n = 0; n < b.len; n++)
            assert_int_equal(avow_peer_parse(AVOW_BYTES(b.data, n), &got, NULL), -AVOW_E_PROTOCOL);
        avow_buf_put_u8(&b, 0);
        assert_int_equal(avow_peer_parse(avow_buf_view(&b), &got, NULL), -AVOW_E_PROTOCOL);
        b.len--;
        b.data[0] ^= 1;
        assert_int_equal(avow_peer_parse(avow_buf_view(&b), &got, NULL), -AVOW_E_PROTOCOL);
    }
}

static void assert_refused(const char *bytes, size_t n)
{
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(4096);
    struct avow_peer_msg got;

    avow_buf_put_u32be(&b, AVOW_PEER_MAGIC);
    avow_buf_put(&b, bytes, n);
    assert_int_equal(avow_peer_parse(avow_buf_view(&b), &got, NULL), -AVOW_E_PROTOCOL);
}

static void test_malformed(void **state)
{
    (void)state;
    assert_refused("\x00", 1);
    assert_refused("\x08", 1);
    assert_refused("\x01\xff\xff\xff\xff\0\0\0\0", 9);
    assert_refused("\x01\0\0\0\0\x00\x40\x00\x01", 9);                  /* data over the limit */
    assert_refused("\x06\x01\x00\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 15); /* a failure that is ok */
    assert_refused("\x07\x02\x00\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 15);
    assert_refused("\x07\x01\x01\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 15);       /* ok, with an exit */
    assert_refused("\x07\x00\x01\xff\xff\xff\xfe\0\0\0\0\0\0\0\0", 15);       /* rank -2 */
    assert_refused("\x07\x00\x01\xff\xff\xff\xff\0\0\0\0\0\0\0\x01\x1b", 16); /* unclean text */
}

static void test_too_large(void **state)
{
    avow_autofree uint8_t *big = calloc(1, AVOW_PEER_DATA_MAX + 1);
    avow_auto(avow_buf_done) struct avow_buf b = AVOW_BUF(AVOW_PEER_BLOB_MAX);
    struct avow_peer_msg m = sample(AVOW_PEER_FENCE);

    (void)state;
    assert_non_null(big);
    m.data = AVOW_BYTES(big, AVOW_PEER_DATA_MAX);
    assert_int_equal(avow_peer_emit(&m, &b), 0);
    avow_buf_reset(&b);
    m.data.len++;
    assert_int_equal(avow_peer_emit(&m, &b), -AVOW_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_types),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
