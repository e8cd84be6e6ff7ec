#include "../test.h"

#include "channel/statement.h"
#include "codec/json.h"
#include "codec/text.h"
#include "crypto/hash.h"

static void fill(uint8_t v[32], uint8_t with)
{
    memset(v, with, 32);
}

/* Computed apart from this code:
 *   python3 -c 'import hashlib; print(hashlib.sha256(b"avow channel v1" b"server" + b"\1"*32 +
 *               b"\2"*32 + b"\3"*32).hexdigest())' */
static void ctx_is_the_documented_hash(void **state)
{
    uint8_t nonce[32], own[32], peer[32], ctx[32], other[32];
    char hex[65];

    (void)state;
    fill(nonce, 1);
    fill(own, 2);
    fill(peer, 3);
    assert_int_equal(avow_channel_ctx(AVOW_ROLE_SERVER, nonce, own, peer, ctx), 0);
    avow_hex(AVOW_BYTES_OF(ctx), hex);
    assert_string_equal(hex, "cabe5a41daa907c6903b5fb20c160e2a77cbb2485951c1509e3f6b1ddaee938d");
    assert_int_equal(avow_channel_ctx(AVOW_ROLE_CLIENT, nonce, own, peer, other), 0);
    assert_memory_not_equal(ctx, other, 32);
    assert_int_equal(avow_channel_ctx(AVOW_ROLE_SERVER, nonce, peer, own, other), 0);
    assert_memory_not_equal(ctx, other, 32);
    assert_int_equal(avow_channel_ctx(AVOW_ROLE_NONE, nonce, own, peer, other), -AVOW_E_INVAL);
}

static void channel_statement_is_exact(void **state)
{
    uint8_t nonce[32], own[32], peer[32], ekm[32], digest[32];
    char hex[65];
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1024);

    (void)state;
    fill(nonce, 1);
    fill(own, 2);
    fill(peer, 3);
    fill(ekm, 4);
    assert_int_equal(avow_channel_statement(AVOW_ROLE_SERVER, nonce, ekm, own, peer, &out, NULL),
                     0);
    /* ekm: SHA-256 of 32 bytes 04 */
    assert_string_equal(
        avow_buf_cstr(&out),
        "{\"ekm\":\"9f4fb68f3e1dac82202f9aa581ce0bbf1f765df0e9ac3c8c57e20f685abab8ed\","
        "\"nonce\":\"0101010101010101010101010101010101010101010101010101010101010101\","
        "\"peer-spki\":\"0303030303030303030303030303030303030303030303030303030303030303\","
        "\"role\":\"server\","
        "\"spki\":\"0202020202020202020202020202020202020202020202020202020202020202\","
        "\"type\":\"avow/channel/1\"}");
    assert_int_equal(avow_json_check_canonical(avow_buf_view(&out), NULL), 0);
    /* the first half of report data, as docs/protocols/channel.md has it */
    assert_int_equal(avow_sha256(avow_buf_view(&out), digest), 0);
    avow_hex(AVOW_BYTES_OF(digest), hex);
    assert_string_equal(hex, "8bcb35094b63c951dacd46c2ee1e3c04d520f260f91fd54e487562aba131da17");
    assert_int_equal(avow_channel_statement(AVOW_ROLE_NONE, nonce, ekm, own, peer, &out, NULL),
                     -AVOW_E_INVAL);
}

/* one byte more than a name may have */
#define TOO_LONG "0123456789012345678901234567890123456789012345678901234567890123"

static void formation_statement_is_exact(void **state)
{
    static const char *const bad[] = {
        "", "A", "a\"b", "a b", "\x7f", "n\xc3\xa9", "a.b", TOO_LONG
    };
    uint8_t h[32];
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(1024);

    (void)state;
    fill(h, 0xab);
    assert_int_equal(avow_formation_statement(h, "node-a", &out, NULL), 0);
    assert_string_equal(
        avow_buf_cstr(&out),
        "{\"member\":\"node-a\","
        "\"roster\":\"abababababababababababababababababababababababababababababababab\","
        "\"type\":\"avow/formation/1\"}");
    assert_int_equal(avow_json_check_canonical(avow_buf_view(&out), NULL), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(avow_formation_statement(h, bad[i], &out, NULL), -AVOW_E_INVAL);
}

/* hmac.new(b"\5"*32, b"client" + b"\6"*32, "sha256") */
static void again_mac_is_exact(void **state)
{
    struct avow_key again;
    uint8_t exporter[32], mac[32], other[32];
    char hex[65];

    (void)state;
    fill(again.bytes, 5);
    fill(exporter, 6);
    assert_int_equal(avow_channel_again_mac(&again, AVOW_ROLE_CLIENT, exporter, mac), 0);
    avow_hex(AVOW_BYTES_OF(mac), hex);
    assert_string_equal(hex, "4e5a4f7cd03c9788444123d281a12cc48c45c0cf1f503da896542a5e3e6e7511");
    assert_int_equal(avow_channel_again_mac(&again, AVOW_ROLE_SERVER, exporter, other), 0);
    assert_memory_not_equal(mac, other, 32);
    assert_int_equal(avow_channel_again_mac(&again, AVOW_ROLE_NONE, exporter, mac), -AVOW_E_INVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ctx_is_the_documented_hash),
        cmocka_unit_test(channel_statement_is_exact),
        cmocka_unit_test(formation_statement_is_exact),
        cmocka_unit_test(again_mac_is_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
