#include "../test.h"

#include "codec/text.h"
#include "crypto/hash.h"
#include "group/roster.h"

#define UUID "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

static const char small[] =
    "{\"epoch\":1,\"formation\":\"" UUID "\","
    "\"manifest\":\"0101010101010101010101010101010101010101010101010101010101010101\","
    "\"members\":["
    "{\"name\":\"a\","
    "\"nonce\":\"1010101010101010101010101010101010101010101010101010101010101010\","
    "\"spki\":\"1111111111111111111111111111111111111111111111111111111111111111\","
    "\"tee\":\"snp\","
    "\"x25519\":\"1212121212121212121212121212121212121212121212121212121212121212\"},"
    "{\"name\":\"b-2\","
    "\"nonce\":\"2020202020202020202020202020202020202020202020202020202020202020\","
    "\"spki\":\"2121212121212121212121212121212121212121212121212121212121212121\","
    "\"tee\":\"tdx\","
    "\"x25519\":\"2222222222222222222222222222222222222222222222222222222222222222\"}],"
    "\"policy\":\"0202020202020202020202020202020202020202020202020202020202020202\","
    "\"type\":\"avow/roster/1\"}";

static void set_member(struct avow_member *m, const char *name, enum avow_tee tee, uint8_t seed)
{
    memset(m, 0, sizeof *m);
    snprintf(m->name, sizeof m->name, "%s", name);
    m->tee = tee;
    memset(m->nonce, seed, 32);
    memset(m->spki, seed + 1, 32);
    memset(m->x25519, seed + 2, 32);
}

static void small_roster(struct avow_roster *r, struct avow_member members[2])
{
    *r = (struct avow_roster){ .formation = UUID, .epoch = 1, .n = 2, .members = members };
    memset(r->manifest, 1, 32);
    memset(r->policy, 2, 32);
    set_member(&members[0], "a", AVOW_TEE_SNP, 0x10);
    set_member(&members[1], "b-2", AVOW_TEE_TDX, 0x20);
}

static void text_is_exact(void **state)
{
    struct avow_member members[2];
    struct avow_roster r;
    avow_auto(avow_roster_done) struct avow_roster back = { 0 };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);
    struct avow_error err = { 0 };

    (void)state;
    small_roster(&r, members);
    assert_int_equal(avow_roster_emit(&r, &out, &err), 0);
    assert_string_equal(avow_buf_cstr(&out), small);
    assert_int_equal(avow_roster_parse(avow_buf_view(&out), &back, &err), 0);
    assert_int_equal(back.n, 2);
    assert_string_equal(back.formation, UUID);
    assert_memory_equal(back.members, members, sizeof members);
    assert_int_equal(avow_roster_index(&back, "b-2"), 1);
    assert_int_equal(avow_roster_index(&back, "a"), 0);
    assert_int_equal(avow_roster_index(&back, "b"), -1);
    assert_int_equal(avow_roster_index(&back, "c"), -1);
    assert_ptr_equal(avow_roster_find(&back, "a"), &back.members[0]);
    assert_null(avow_roster_find(&back, ""));
}

/* Azure's confidential VMs are members too, with their own kinds. */
static void every_tee_may_be_a_member(void **state)
{
    static const enum avow_tee tees[] = { AVOW_TEE_SNP, AVOW_TEE_TDX, AVOW_TEE_AZ_SNP,
                                          AVOW_TEE_AZ_TDX };

    (void)state;
    for (size_t i = 0; i < sizeof tees / sizeof *tees; i++) {
        struct avow_member members[2];
        struct avow_roster r;
        avow_auto(avow_roster_done) struct avow_roster back = { 0 };
        avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);
        char said[32];

        small_roster(&r, members);
        members[1].tee = tees[i];
        assert_int_equal(avow_roster_emit(&r, &out, NULL), 0);
        snprintf(said, sizeof said, "\"tee\":\"%s\"", avow_tee_name(tees[i]));
        assert_non_null(strstr(avow_buf_cstr(&out), said));
        assert_int_equal(avow_roster_parse(avow_buf_view(&out), &back, NULL), 0);
        assert_int_equal(back.members[1].tee, tees[i]);
    }
}

static void emit_sorts(void **state)
{
    struct avow_member members[2];
    struct avow_member swap;
    struct avow_roster r;
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);

    (void)state;
    small_roster(&r, members);
    swap = members[0];
    members[0] = members[1];
    members[1] = swap;
    assert_int_equal(avow_roster_emit(&r, &out, NULL), 0);
    assert_string_equal(avow_buf_cstr(&out), small);
}

static void emit_refuses_twins(void **state)
{
    struct avow_member members[2];
    struct avow_roster r;
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);

    (void)state;
    small_roster(&r, members);
    memcpy(members[1].name, "a", 2);
    assert_int_equal(avow_roster_emit(&r, &out, NULL), -AVOW_E_EXISTS);
    small_roster(&r, members);
    memcpy(members[1].spki, members[0].spki, 32);
    assert_int_equal(avow_roster_emit(&r, &out, NULL), -AVOW_E_EXISTS);
    small_roster(&r, members);
    memcpy(members[1].x25519, members[0].x25519, 32);
    assert_int_equal(avow_roster_emit(&r, &out, NULL), -AVOW_E_EXISTS);
    small_roster(&r, members);
    memcpy(members[1].nonce, members[0].nonce, 32);
    assert_int_equal(avow_roster_emit(&r, &out, NULL), -AVOW_E_EXISTS);
    small_roster(&r, members);
    r.n = 1;
    assert_int_equal(avow_roster_emit(&r, &out, NULL), -AVOW_E_LIMIT);
    small_roster(&r, members);
    r.epoch = 0;
    assert_int_equal(avow_roster_emit(&r, &out, NULL), -AVOW_E_FORMAT);
    small_roster(&r, members);
    members[0].tee = AVOW_TEE_NONE;
    assert_int_equal(avow_roster_emit(&r, &out, NULL), -AVOW_E_FORMAT);
}

/* @small with the first @from replaced. */
static void expect_refused(const char *from, const char *to)
{
    const char *at = strstr(small, from);
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(8192);
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };

    assert_non_null(at);
    avow_buf_put(&text, small, (size_t)(at - small));
    avow_buf_put_str(&text, to);
    avow_buf_put_str(&text, at + strlen(from));
    if (avow_roster_parse(avow_buf_view(&text), &r, NULL) >= 0)
        fail_msg("accepted with \"%s\" for \"%s\"", to, from);
    assert_null(r.members);
}

static void other_ways_to_write_it_are_refused(void **state)
{
    static const char *const changes[][2] = {
        { "{\"epoch\":1,", "{ \"epoch\":1," },
        { "\"epoch\":1,", "\"epoch\":01," },
        { "\"epoch\":1,", "\"epoch\":1.0," },
        { "\"epoch\":1,", "\"epoch\":0," },
        { "\"epoch\":1,", "\"epoch\":-1," },
        { "\"epoch\":1,", "\"epoch\":\"1\"," },
        { "\"epoch\":1,", "" },
        { "\"epoch\":1,", "\"epoch\":1,\"epoch\":1," },
        { "\"epoch\":1,", "\"epoch\":1,\"extra\":1," },
        { "\"formation\":\"6ba7b810", "\"formation\":\"6BA7B810" },
        { "\"formation\":\"6ba7b810", "\"formation\":\"6ba7b81" },
        { "\"1212", "\"\\u0031212" },
        { "\"1212", "\"121" },
        { "\"name\":\"a\"", "\"name\":\"A\"" },
        { "\"name\":\"a\"", "\"name\":\"\"" },
        { "\"name\":\"a\"", "\"name\":\"a-\"" },
        { "\"name\":\"a\"", "\"name\":\"a\\u0000\"" },
        { "\"name\":\"a\"", "\"name\":\"c\"" },
        { "\"name\":\"a\"", "\"name\":\"b-2\"" },
        { "\"name\":\"a\"", "\"nom\":\"a\"" },
        { "\"tee\":\"snp\"", "\"tee\":\"none\"" },
        { "\"tee\":\"snp\"", "\"tee\":\"SNP\"" },
        { "\"tee\":\"snp\"", "\"tee\":null" },
        { "avow/roster/1", "avow/roster/2" },
        { "\"type\":\"avow/roster/1\"}", "\"type\":\"avow/roster/1\"}\n" },
        { "\"type\":\"avow/roster/1\"}", "\"type\":\"avow/roster/1\"}x" },
        { "2020202020202020202020202020202020202020202020202020202020202020",
          "1010101010101010101010101010101010101010101010101010101010101010" },
        { "2121212121212121212121212121212121212121212121212121212121212121",
          "1111111111111111111111111111111111111111111111111111111111111111" },
        { "2222222222222222222222222222222222222222222222222222222222222222",
          "1212121212121212121212121212121212121212121212121212121212121212" },
        { "\"0202", "\"0A02" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        expect_refused(changes[i][0], changes[i][1]);
}

static void upper_case_hex_is_refused(void **state)
{
    struct avow_member members[2];
    struct avow_roster r;
    avow_auto(avow_roster_done) struct avow_roster back = { 0 };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(4096);

    (void)state;
    small_roster(&r, members);
    memset(r.manifest, 0xab, 32);
    assert_int_equal(avow_roster_emit(&r, &out, NULL), 0);
    assert_int_equal(avow_roster_parse(avow_buf_view(&out), &back, NULL), 0);
    avow_roster_done(&back);
    *(uint8_t *)strstr((char *)out.data, "abab") = 'A';
    assert_int_equal(avow_roster_parse(avow_buf_view(&out), &back, NULL), -AVOW_E_FORMAT);
}

static void every_truncation_and_bit_flip_is_seen(void **state)
{
    uint8_t h[32], g[32];
    char text[sizeof small];

    (void)state;
    assert_int_equal(avow_sha256(avow_bytes_str(small), h), 0);
    for (size_t n = 0; n < sizeof small - 1; n++) {
        avow_auto(avow_roster_done) struct avow_roster r = { 0 };

        assert_true(avow_roster_parse(AVOW_BYTES(small, n), &r, NULL) < 0);
    }
    for (size_t bit = 0; bit < (sizeof small - 1) * 8; bit++) {
        avow_auto(avow_roster_done) struct avow_roster r = { 0 };

        memcpy(text, small, sizeof small);
        text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
        /* where it is still a roster it is another one, with another digest */
        if (avow_roster_parse(AVOW_BYTES(text, sizeof small - 1), &r, NULL) == 0) {
            assert_int_equal(avow_sha256(AVOW_BYTES(text, sizeof small - 1), g), 0);
            assert_memory_not_equal(g, h, 32);
            assert_int_equal(r.n, 2);
        }
    }
}

static void largest_roster_fits(void **state)
{
    struct avow_roster r = { .formation = UUID, .epoch = INT64_MAX, .n = AVOW_MEMBERS_MAX };
    avow_auto(avow_roster_done) struct avow_roster back = { 0 };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(AVOW_ROSTER_MAX);
    struct avow_error err = { 0 };

    (void)state;
    r.members = calloc(AVOW_MEMBERS_MAX, sizeof *r.members);
    for (size_t i = 0; i < AVOW_MEMBERS_MAX; i++) {
        char name[64];

        snprintf(name, sizeof name, "n%062zu", i);
        set_member(&r.members[i], name, AVOW_TEE_TDX, 0);
        memcpy(r.members[i].nonce, &i, sizeof i);
        memcpy(r.members[i].spki, &i, sizeof i);
        memcpy(r.members[i].x25519, &i, sizeof i);
    }
    assert_int_equal(avow_roster_emit(&r, &out, &err), 0);
    assert_int_equal(avow_roster_parse(avow_buf_view(&out), &back, &err), 0);
    assert_int_equal(back.n, AVOW_MEMBERS_MAX);
    free(r.members);
}

static void both_ends_derive_one_secret(void **state)
{
    struct avow_key a, b, ab, ba, other;
    uint8_t pa[32], pb[32], h[32] = { 1 }, g[32] = { 2 };

    (void)state;
    assert_int_equal(avow_x25519_new(&a, pa), 0);
    assert_int_equal(avow_x25519_new(&b, pb), 0);
    assert_int_equal(avow_pair_prk(h, &a, pb, &ab, NULL), 0);
    assert_int_equal(avow_pair_prk(h, &b, pa, &ba, NULL), 0);
    assert_memory_equal(&ab, &ba, sizeof ab);
    assert_int_equal(avow_pair_prk(g, &b, pa, &other, NULL), 0);
    assert_memory_not_equal(&ab, &other, sizeof ab);
}

/* K by a ladder written after RFC 7748 section 5 in Python, apart from OpenSSL; then:
 *   prk = hmac.new(b"\7"*32, K, "sha256").digest()
 *   key = hmac.new(prk, b"avow confirm v1client" + b"\1", "sha256").digest()
 *   mac = hmac.new(key, b"\x08"*32 + b"\7"*32, "sha256").hexdigest() */
static void key_schedule_is_exact(void **state)
{
    struct avow_key a, prk;
    uint8_t pb[32], h[32], exporter[32], mac[32];
    char hex[65];

    (void)state;
    memset(h, 7, 32);
    memset(exporter, 8, 32);
    assert_int_equal(
        avow_unhex("77076d0a7318a57d3c16c17251b26645df4c2f92ebc0992ac177fba51db92c2a", a.bytes, 32),
        0);
    assert_int_equal(
        avow_unhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", pb, 32), 0);
    assert_int_equal(avow_pair_prk(h, &a, pb, &prk, NULL), 0);
    avow_hex(AVOW_BYTES_OF(prk.bytes), hex);
    assert_string_equal(hex, "742211f316aee354e0a1e78b128d1a4907cacf0b9e7a441931d1617436a90c33");
    assert_int_equal(avow_pair_confirm(&prk, "client", exporter, h, mac), 0);
    avow_hex(AVOW_BYTES_OF(mac), hex);
    assert_string_equal(hex, "1a6f9c5d9c9408879a862af0052cf5e4dfa1393195273fb2b33c213b2b5e69bc");
    assert_int_equal(avow_pair_confirm(&prk, "judge", exporter, h, mac), -AVOW_E_INVAL);
}

static void confirm_tells_roles_connections_and_rosters_apart(void **state)
{
    struct avow_key prk = { { 9 } };
    uint8_t e1[32] = { 1 }, e2[32] = { 2 }, h1[32] = { 3 }, h2[32] = { 4 };
    uint8_t mac[32], other[32];

    (void)state;
    assert_int_equal(avow_pair_confirm(&prk, "server", e1, h1, mac), 0);
    assert_int_equal(avow_pair_confirm(&prk, "client", e1, h1, other), 0);
    assert_memory_not_equal(mac, other, 32);
    assert_int_equal(avow_pair_confirm(&prk, "server", e2, h1, other), 0);
    assert_memory_not_equal(mac, other, 32);
    assert_int_equal(avow_pair_confirm(&prk, "server", e1, h2, other), 0);
    assert_memory_not_equal(mac, other, 32);
}

/* The small-order points of Curve25519 (RFC 7748 section 6.1, "MAY check for the all-zero value";
 * the list as in libsodium's and Go's tests). */
static void low_order_points_give_no_secret(void **state)
{
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct avow_key own, prk;
    uint8_t pub[32], h[32] = { 0 };

    (void)state;
    assert_int_equal(avow_x25519_new(&own, pub), 0);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        assert_int_equal(avow_unhex(points[i], pub, 32), 0);
        assert_int_equal(avow_pair_prk(h, &own, pub, &prk, NULL), -AVOW_E_CRYPTO);
    }
}

static void names_and_uuids(void **state)
{
    (void)state;
    assert_true(avow_member_name_ok("a"));
    assert_true(avow_member_name_ok("node-10"));
    assert_true(avow_member_name_ok("0"));
    assert_false(avow_member_name_ok("-a"));
    assert_false(avow_member_name_ok("a."));
    assert_true(avow_uuid_ok(UUID));
    assert_false(avow_uuid_ok(UUID "0"));
    assert_false(avow_uuid_ok(""));
    assert_false(avow_uuid_ok("6ba7b8109dad-41d1-80b4-00c04fd430c8-"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_exact),
        cmocka_unit_test(every_tee_may_be_a_member),
        cmocka_unit_test(emit_sorts),
        cmocka_unit_test(emit_refuses_twins),
        cmocka_unit_test(other_ways_to_write_it_are_refused),
        cmocka_unit_test(upper_case_hex_is_refused),
        cmocka_unit_test(every_truncation_and_bit_flip_is_seen),
        cmocka_unit_test(largest_roster_fits),
        cmocka_unit_test(both_ends_derive_one_secret),
        cmocka_unit_test(key_schedule_is_exact),
        cmocka_unit_test(confirm_tells_roles_connections_and_rosters_apart),
        cmocka_unit_test(low_order_points_give_no_secret),
        cmocka_unit_test(names_and_uuids),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
