/* MACs of headers and replies, and the keys of a connection. */
#include "../test.h"

#include "crypto/hash.h"
#include "fabric/keys.h"

static const struct avow_key secret = { { 9, 8, 7 } };

static struct avow_fabric_header sample(void)
{
    struct avow_fabric_header h = { .epoch = 0x0102030405060708u,
                                    .connector = 3,
                                    .connector_rank = 77,
                                    .acceptor = 1,
                                    .acceptor_port = 1024,
                                    .connector_port = 40001 };

    assert_int_equal(avow_fabric_uuid_parse("00112233-4455-6677-8899-aabbccddeeff", h.job), 0);
    memset(h.nonce, 0x5a, sizeof h.nonce);
    return h;
}

/* Every bit of a header, and of a reply and the header that it answers, is under the MAC. */
static void test_macs(void **state)
{
    struct avow_fabric_header h = sample();
    struct avow_fabric_pair p = { 0 };
    struct avow_fabric_pair other = { 0 };
    struct avow_fabric_reply r = { .status = 0 };
    uint8_t wire[AVOW_FABRIC_HEADER_LEN];
    uint8_t rwire[AVOW_FABRIC_REPLY_LEN];
    const struct avow_key wrong = { { 9, 8, 6 } };

    (void)state;
    assert_int_equal(avow_fabric_pair_init(&p, &secret, h.job, h.epoch), 0);
    assert_int_equal(avow_fabric_header_sign(&p, &h), 0);
    assert_int_equal(avow_fabric_reply_sign(&p, &h, &r), 0);
    assert_int_equal(avow_fabric_header_check(&p, &h), 0);
    assert_int_equal(avow_fabric_reply_check(&p, &h, &r), 0);
    avow_fabric_header_emit(&h, wire);
    for (size_t bit = 32; bit < sizeof wire * 8; bit++) { /* magic and version are the parser's */
        struct avow_fabric_header m = { 0 };

        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(avow_fabric_header_parse(AVOW_BYTES_OF(wire), &m), 0);
        assert_int_equal(avow_fabric_header_check(&p, &m), -AVOW_E_AUTH);
        assert_int_equal(avow_fabric_reply_check(&p, &m, &r), -AVOW_E_AUTH);
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    avow_fabric_reply_emit(&r, rwire);
    for (size_t bit = 32; bit < sizeof rwire * 8; bit++) {
        struct avow_fabric_reply m = { 0 };

        rwire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(avow_fabric_reply_parse(AVOW_BYTES_OF(rwire), &m), 0);
        assert_int_equal(avow_fabric_reply_check(&p, &h, &m), -AVOW_E_AUTH);
        rwire[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(avow_fabric_pair_init(&other, &wrong, h.job, h.epoch), 0);
    assert_int_equal(avow_fabric_header_check(&other, &h), -AVOW_E_AUTH);
    assert_int_equal(avow_fabric_pair_init(&other, &secret, h.job, h.epoch + 1), 0);
    assert_int_equal(avow_fabric_header_check(&other, &h), -AVOW_E_AUTH);
    assert_memory_not_equal(p.header.bytes, p.reply.bytes, 32);
}

static void keys_of(const struct avow_fabric_header *h, const struct avow_fabric_reply *r,
                    struct avow_key out[2])
{
    struct avow_fabric_pair p = { 0 };

    assert_int_equal(avow_fabric_pair_init(&p, &secret, h->job, h->epoch), 0);
    assert_int_equal(avow_fabric_connection_keys(&p, h, r, out), 0);
}

/* Whatever names the connection, and either nonce, changes both keys. */
static void test_connection_keys(void **state)
{
    struct avow_fabric_header h[9];
    struct avow_fabric_reply r[9] = { 0 };
    struct avow_key k[9][2];

    (void)state;
    for (int i = 0; i < 9; i++)
        h[i] = sample();
    h[1].job[0] ^= 1;
    h[2].epoch ^= 1;
    h[3].connector ^= 1;
    h[4].connector_rank ^= 1;
    h[5].acceptor ^= 1;
    h[6].acceptor_port ^= 1;
    h[7].nonce[31] ^= 1;
    r[8].nonce[31] ^= 1;
    for (int i = 0; i < 9; i++)
        keys_of(&h[i], &r[i], k[i]);
    for (int i = 0; i < 18; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(k[i / 2][i % 2].bytes, k[j / 2][j % 2].bytes, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_macs),
        cmocka_unit_test(test_connection_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
