#include "job.h"

#include "launch/collective.h"
#include "launch/peer.h"

static struct avow_buf sign(const struct avow_launch_config *c, enum avow_coll_kind kind,
                            const uint32_t *ranks, size_t n)
{
    struct avow_buf b = AVOW_BUF(AVOW_PEER_SIGNATURE_MAX);

    assert_int_equal(avow_coll_sign(c, kind, ranks, n, &b), 0);
    return b;
}

static void test_signature(void **state)
{
    struct avow_launch_config *c = test_config();
    static const uint32_t all = AVOW_RANK_ALL, some[] = { 4, 0 };
    avow_auto(avow_buf_done) struct avow_buf a = sign(c, AVOW_COLL_FENCE, &all, 1);
    avow_auto(avow_buf_done) struct avow_buf b = sign(c, AVOW_COLL_BARRIER, some, 2);
    enum avow_coll_kind kind;
    struct avow_node_set set;

    (void)state;
    assert_int_equal(avow_coll_read(c, avow_buf_view(&a), &kind, &set, NULL), 0);
    assert_int_equal(kind, AVOW_COLL_FENCE);
    assert_int_equal(set.bits[0], 7);
    assert_int_equal(avow_coll_read(c, avow_buf_view(&b), &kind, &set, NULL), 0);
    assert_int_equal(kind, AVOW_COLL_BARRIER);
    assert_int_equal(set.bits[0], 5);
    for (size_t n = 0; n < b.len; n++)
        assert_int_equal(avow_coll_read(c, AVOW_BYTES(b.data, n), &kind, &set, NULL),
                         -AVOW_E_PROTOCOL);
    b.data[0] ^= 1; /* another job */
    assert_int_equal(avow_coll_read(c, avow_buf_view(&b), &kind, &set, NULL), -AVOW_E_PROTOCOL);
    b.data[0] ^= 1;
    b.data[36] = 3; /* another kind */
    assert_int_equal(avow_coll_read(c, avow_buf_view(&b), &kind, &set, NULL), -AVOW_E_PROTOCOL);
    b.data[36] = 1;
    b.data[b.len - 1] = 5; /* a rank that is not */
    assert_int_equal(avow_coll_read(c, avow_buf_view(&b), &kind, &set, NULL), -AVOW_E_PROTOCOL);
    avow_launch_config_free(c);
}

static void test_head(void **state)
{
    struct avow_launch_config *c = test_config();
    static const uint32_t all = AVOW_RANK_ALL, some[] = { 0, 4 };
    avow_auto(avow_buf_done) struct avow_buf a = sign(c, AVOW_COLL_FENCE, &all, 1);
    avow_auto(avow_buf_done) struct avow_buf b = sign(c, AVOW_COLL_FENCE, some, 2);
    struct avow_bytes sa = avow_buf_view(&a), sb = avow_buf_view(&b);
    struct avow_coll_head *h = NULL;
    struct avow_coll_done done = { .data = AVOW_BUF(0) };

    (void)state;
    assert_int_equal(avow_coll_head_new(c, &h, NULL), 0);
    for (int round = 0; round < 2; round++) {
        /* two at once */
        assert_int_equal(avow_coll_head_add(h, 2, sa, avow_bytes_str("c"), &done, NULL), 0);
        assert_int_equal(avow_coll_head_add(h, 2, sb, avow_bytes_str("C"), &done, NULL), 0);
        assert_int_equal(avow_coll_head_add(h, 0, sa, avow_bytes_str(""), &done, NULL), 0);
        /* twice, or not invited */
        assert_int_equal(avow_coll_head_add(h, 0, sa, avow_bytes_str(""), &done, NULL),
                         -AVOW_E_PROTOCOL);
        assert_int_equal(avow_coll_head_add(h, 1, sb, avow_bytes_str(""), &done, NULL),
                         -AVOW_E_PROTOCOL);
        assert_int_equal(avow_coll_head_add(h, 3, sa, avow_bytes_str(""), &done, NULL),
                         -AVOW_E_PROTOCOL);
        assert_int_equal(avow_coll_head_add(h, 1, sa, avow_bytes_str("bb"), &done, NULL), 1);
        assert_true(avow_bytes_equal(avow_buf_view(&done.data), avow_bytes_str("cbb")));
        assert_int_equal(done.nodes.bits[0], 7);
        avow_buf_done(&done.data);
        assert_int_equal(avow_coll_head_add(h, 0, sb, avow_bytes_str("A"), &done, NULL), 1);
        assert_true(avow_bytes_equal(avow_buf_view(&done.data), avow_bytes_str("CA")));
        assert_int_equal(done.nodes.bits[0], 5);
        avow_buf_done(&done.data);
    }
    assert_int_equal(
        avow_coll_head_add(h, 0, avow_bytes_str("nonsense"), avow_bytes_str(""), &done, NULL),
        -AVOW_E_PROTOCOL);
    /* left unfinished: freed all the same */
    assert_int_equal(avow_coll_head_add(h, 0, sa, avow_bytes_str("x"), &done, NULL), 0);
    avow_coll_head_free(h);
    avow_launch_config_free(c);
}

static void test_head_limits(void **state)
{
    struct avow_launch_config *c = test_config();
    static const uint32_t all = AVOW_RANK_ALL;
    avow_auto(avow_buf_done) struct avow_buf a = sign(c, AVOW_COLL_FENCE, &all, 1);
    avow_autofree uint8_t *big = calloc(1, AVOW_PEER_DATA_MAX);
    struct avow_coll_head *h = NULL;
    struct avow_coll_done done = { .data = AVOW_BUF(0) };

    (void)state;
    assert_non_null(big);
    assert_int_equal(avow_coll_head_new(c, &h, NULL), 0);
    assert_int_equal(avow_coll_head_add(h, 0, avow_buf_view(&a),
                                        AVOW_BYTES(big, AVOW_PEER_DATA_MAX), &done, NULL),
                     0);
    assert_int_equal(avow_coll_head_add(h, 1, avow_buf_view(&a), AVOW_BYTES(big, 1), &done, NULL),
                     -AVOW_E_LIMIT);
    avow_coll_head_free(h);
    avow_launch_config_free(c);
}

static void test_local(void **state)
{
    struct avow_coll_local *l = NULL;
    int x = 0;
    void *token = NULL;

    (void)state;
    assert_int_equal(avow_coll_local_new(&l, NULL), 0);
    assert_int_equal(avow_coll_local_wait(l, avow_bytes_str("a"), &x, NULL), 0);
    assert_int_equal(avow_coll_local_wait(l, avow_bytes_str("b"), NULL, NULL), 0);
    assert_int_equal(avow_coll_local_wait(l, avow_bytes_str("a"), NULL, NULL), -AVOW_E_STATE);
    assert_int_equal(avow_coll_local_take(l, avow_bytes_str("c"), &token, NULL), -AVOW_E_PROTOCOL);
    assert_int_equal(avow_coll_local_take(l, avow_bytes_str("a"), &token, NULL), 0);
    assert_ptr_equal(token, &x);
    assert_int_equal(avow_coll_local_take(l, avow_bytes_str("a"), &token, NULL), -AVOW_E_PROTOCOL);
    assert_int_equal(avow_coll_local_take(l, avow_bytes_str("b"), &token, NULL), 0);
    assert_null(token);
    for (uint32_t i = 0; i < AVOW_COLLECTIVES_MAX; i++)
        assert_int_equal(avow_coll_local_wait(l, AVOW_BYTES(&i, sizeof i), NULL, NULL), 0);
    assert_int_equal(avow_coll_local_wait(l, avow_bytes_str("more"), NULL, NULL), -AVOW_E_LIMIT);
    avow_coll_local_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_head_limits),
        cmocka_unit_test(test_local),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
