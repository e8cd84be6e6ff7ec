/* Headers and replies as bytes, and UUIDs. */
#include "../test.h"

#include "fabric/wire.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
