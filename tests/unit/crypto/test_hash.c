#include "crypto/hash.h"

#include "../test.h"
#include "codec/text.h"

static void assert_hex(const void *got, const char *want)
{
    char text[400];

    avow_hex(AVOW_BYTES(got, strlen(want) / 2), text);
    assert_string_equal(text, want);
}

/* FIPS 180-4 examples */
static void sha2_of_abc(void **state)
{
    uint8_t out[64];

    (void)state;
    assert_int_equal(avow_sha256(avow_bytes_str("abc"), out), 0);
    assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(avow_sha384(avow_bytes_str("abc"), out), 0);
    assert_hex(out, "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                    "8086072ba1e7cc2358baeca134c825a7");
    assert_int_equal(avow_sha512(avow_bytes_str("abc"), out), 0);
    assert_hex(out, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    assert_int_equal(avow_sha256(AVOW_BYTES(NULL, 0), out), 0);
    assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void files_are_hashed_whole(void **state)
{
    FILE *f = tmpfile();
    uint8_t out[32];
    uint64_t size = 0;

    (void)state;
    assert_non_null(f);
    assert_int_equal(fwrite("abc", 1, 3, f), 3);
    rewind(f);
    assert_int_equal(avow_sha256_fd(fileno(f), out, &size, NULL), 0);
    assert_int_equal(size, 3);
    assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    fclose(f);
    assert_int_equal(avow_sha256_fd(-1, out, NULL, NULL), -AVOW_E_SYSTEM);
}

/* RFC 4231, case 2 */
static void hmac_of_the_rfc(void **state)
{
    uint8_t out[32];

    (void)state;
    assert_int_equal(avow_hmac_sha256(avow_bytes_str("Jefe"),
                                      avow_bytes_str("what do ya want for nothing?"), out),
                     0);
    assert_hex(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_int_equal(avow_hmac_sha256(AVOW_BYTES(NULL, 0), AVOW_BYTES(NULL, 0), out), 0);
    assert_hex(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

/* RFC 5869, A.1 and A.2 */
static void hkdf_of_the_rfc(void **state)
{
    uint8_t ikm[80], salt[80], info[80], okm[8160 + 1];
    struct avow_key prk;

    (void)state;
    memset(ikm, 0x0b, 22);
    for (size_t i = 0; i < 13; i++)
        salt[i] = (uint8_t)i;
    for (size_t i = 0; i < 10; i++)
        info[i] = (uint8_t)(0xf0 + i);
    assert_int_equal(avow_hkdf_extract(AVOW_BYTES(salt, 13), AVOW_BYTES(ikm, 22), &prk), 0);
    assert_hex(prk.bytes, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
    assert_int_equal(avow_hkdf_expand(&prk, AVOW_BYTES(info, 10), okm, 42), 0);
    assert_hex(okm, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                    "34007208d5b887185865");
    for (size_t i = 0; i < 80; i++) {
        ikm[i] = (uint8_t)i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    assert_int_equal(avow_hkdf_extract(AVOW_BYTES(salt, 80), AVOW_BYTES(ikm, 80), &prk), 0);
    assert_int_equal(avow_hkdf_expand(&prk, AVOW_BYTES(info, 80), okm, 82), 0);
    assert_hex(okm, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                    "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                    "cc30c58179ec3e87c14c01d5c1f3434f1d87");
    assert_int_equal(avow_hkdf_expand(&prk, AVOW_BYTES(info, 80), okm, 8160), 0);
    assert_int_equal(avow_hkdf_expand(&prk, AVOW_BYTES(info, 80), okm, 8161), -AVOW_E_INVAL);
}

/* RFC 7748, 5.2, first vector */
static void x25519_of_the_rfc(void **state)
{
    struct avow_key scalar, shared;
    uint8_t u[32];

    (void)state;
    assert_int_equal(avow_unhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
                                scalar.bytes, 32),
                     0);
    assert_int_equal(
        avow_unhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c", u, 32), 0);
    assert_int_equal(avow_x25519(&scalar, u, &shared), 0);
    assert_hex(shared.bytes, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
}

static void both_ends_agree_and_low_order_is_refused(void **state)
{
    static const uint8_t zero[32], one[32] = { 1 };
    struct avow_key a, b, ab, ba;
    uint8_t pa[32], pb[32];

    (void)state;
    assert_int_equal(avow_x25519_new(&a, pa), 0);
    assert_int_equal(avow_x25519_new(&b, pb), 0);
    assert_memory_not_equal(pa, pb, 32);
    assert_int_equal(avow_x25519(&a, pb, &ab), 0);
    assert_int_equal(avow_x25519(&b, pa, &ba), 0);
    assert_memory_equal(ab.bytes, ba.bytes, 32);
    assert_int_equal(avow_x25519(&a, zero, &ab), -AVOW_E_CRYPTO);
    assert_int_equal(avow_x25519(&a, one, &ab), -AVOW_E_CRYPTO);
}

static void random_bytes_differ(void **state)
{
    uint8_t a[64] = { 0 }, b[64] = { 0 };

    (void)state;
    assert_int_equal(avow_random(a, sizeof a), 0);
    assert_int_equal(avow_random(b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha2_of_abc),
        cmocka_unit_test(files_are_hashed_whole),
        cmocka_unit_test(hmac_of_the_rfc),
        cmocka_unit_test(hkdf_of_the_rfc),
        cmocka_unit_test(x25519_of_the_rfc),
        cmocka_unit_test(both_ends_agree_and_low_order_is_refused),
        cmocka_unit_test(random_bytes_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
