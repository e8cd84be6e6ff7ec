/* Headers, replies, keys, and the set of nonces. */
#include "../test.h"

#include "crypto/hash.h"
#include "fabric/keys.h"
#include "fabric/nonces.h"

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

static void test_uuid(void **state)
{
    static const char *bad[] = { "",
                                 "00112233-4455-6677-8899-aabbccddeef",
                                 "00112233-4455-6677-8899-aabbccddeeff0",
                                 "00112233x4455-6677-8899-aabbccddeeff",
                                 "0011223g-4455-6677-8899-aabbccddeeff",
                                 "001122334-455-6677-8899-aabbccddeeff" };
    uint8_t a[16];
    uint8_t b[16];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(avow_fabric_uuid_parse(bad[i], a), -AVOW_E_FORMAT);
    assert_int_equal(avow_fabric_uuid_parse(NULL, a), -AVOW_E_FORMAT);
    assert_int_equal(avow_fabric_uuid_parse("00112233-4455-6677-8899-AABBCCDDEEFF", a), 0);
    assert_int_equal(avow_fabric_uuid_parse("00112233-4455-6677-8899-aabbccddeeff", b), 0);
    assert_memory_equal(a, b, 16);
    assert_int_equal(a[15], 0xff);
}

static void test_round_trip(void **state)
{
    struct avow_fabric_header h = sample();
    struct avow_fabric_header back = { 0 };
    struct avow_fabric_reply r = { .status = AVOW_FABRIC_FULL };
    struct avow_fabric_reply r2 = { 0 };
    uint8_t wire[AVOW_FABRIC_HEADER_LEN + 1];
    uint8_t rwire[AVOW_FABRIC_REPLY_LEN + 1];

    (void)state;
    memset(h.mac, 0xa5, sizeof h.mac);
    avow_fabric_header_emit(&h, wire);
    assert_memory_equal(wire, "AVF\x01\x00\x11\x22", 7);
    assert_int_equal(avow_fabric_header_parse(AVOW_BYTES(wire, AVOW_FABRIC_HEADER_LEN), &back), 0);
    assert_memory_equal(&back, &h, sizeof h);
    for (size_t n = 0; n < AVOW_FABRIC_HEADER_LEN; n++)
        assert_int_equal(avow_fabric_header_parse(AVOW_BYTES(wire, n), &back), -AVOW_E_TRUNCATED);
    assert_int_equal(avow_fabric_header_parse(AVOW_BYTES(wire, sizeof wire), &back),
                     -AVOW_E_TRAILING);
    wire[3] = 2;
    assert_int_equal(avow_fabric_header_parse(AVOW_BYTES(wire, AVOW_FABRIC_HEADER_LEN), &back),
                     -AVOW_E_VERSION);
    wire[2] = 'R';
    assert_int_equal(avow_fabric_header_parse(AVOW_BYTES(wire, AVOW_FABRIC_HEADER_LEN), &back),
                     -AVOW_E_FORMAT);

    memset(r.nonce, 1, sizeof r.nonce);
    memset(r.mac, 2, sizeof r.mac);
    avow_fabric_reply_emit(&r, rwire);
    assert_int_equal(avow_fabric_reply_parse(AVOW_BYTES(rwire, AVOW_FABRIC_REPLY_LEN), &r2), 0);
    assert_memory_equal(&r2, &r, sizeof r);
    for (size_t n = 0; n < AVOW_FABRIC_REPLY_LEN; n++)
        assert_int_equal(avow_fabric_reply_parse(AVOW_BYTES(rwire, n), &r2), -AVOW_E_TRUNCATED);
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

static void test_nonces(void **state)
{
    struct avow_nonces s = { 0 };
    uint8_t nonce[AVOW_FABRIC_NONCE_LEN] = { 0 };

    (void)state;
    assert_int_equal(avow_nonces_add(&s, nonce), -AVOW_E_INVAL);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 1; i <= 5000; i++) {
            memcpy(nonce + 4, &i, sizeof i); /* the low bits of all are the same: worst case */
            assert_int_equal(avow_nonces_add(&s, nonce), round ? -AVOW_E_EXISTS : 0);
        }
    }
    assert_int_equal(s.n, 5000);
    s.n = AVOW_NONCES_MAX;
    memset(nonce, 0xee, sizeof nonce);
    assert_int_equal(avow_nonces_add(&s, nonce), -AVOW_E_LIMIT);
    avow_nonces_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid),   cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_macs),   cmocka_unit_test(test_connection_keys),
        cmocka_unit_test(test_nonces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
