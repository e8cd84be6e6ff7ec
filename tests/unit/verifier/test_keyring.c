/* The keys of issuers as they were kept, with what is pinned of each. */
#include "verifier/keyring.h"

#include "../test.h"

static void keys_of_issuers(void **state)
{
    char url[] = "https://a.example", other[] = "https://b.example", hash[] = "pin";
    const struct avow_verifier_settings s = {
        .n_issuers = 2,
        .issuers = { { .url = url },
                     { .url = other, .n_policy_hashes = 1, .policy_hashes = { hash } } },
    };
    struct keyring *k = calloc(1, sizeof *k);
    struct avow_error err = { 0 };
    struct keep *keep = NULL;

    (void)state;
    assert_int_equal(keep_new(1, &keep, NULL), 0);
    assert_int_equal(keep_keys_put(keep, other, avow_bytes_str("{\"keys\":[]}"), 7, NULL), 0);
    assert_int_equal(keyring_read(keep, &s, k, &err), 0);
    assert_null(k->issuers[0].keys);
    assert_int_equal(k->fetched[0], 0);
    assert_int_equal(k->issuers[0].n_policy_hashes, 0);
    assert_ptr_equal(k->issuers[1].keys, &k->keys[1]);
    assert_int_equal(k->fetched[1], 7);
    assert_string_equal(k->issuers[1].url, other);
    assert_int_equal(k->issuers[1].n_policy_hashes, 1);
    assert_string_equal(k->issuers[1].policy_hashes[0], hash);
    assert_int_equal(keep_keys_put(keep, url, avow_bytes_str("[]"), 8, NULL), 0);
    assert_true(keyring_read(keep, &s, k, &err) < 0);
    assert_non_null(strstr(err.text, "https://a.example/certs"));
    keep_free(keep);
    free(k);
}

static void when_keys_are_fetched(void **state)
{
    const struct {
        bool want, verified;
        size_t issuer;
        int64_t age; /* of the keys; -1: never fetched */
        bool fetch;
    } rows[] = {
        { true, false, 1, -1, true },
        { true, false, 1, 0, false },
        { true, false, 1, KEYRING_REFETCH_S - 1, false },
        { true, false, 1, KEYRING_REFETCH_S, true },
        { false, true, 1, KEYRING_REFETCH_S, false },
        { false, true, 1, KEYRING_LIFE_S - 1, false },
        { false, true, 1, KEYRING_LIFE_S, true },
        { false, false, 1, KEYRING_LIFE_S, false }, /* refused before any key was looked at */
        { true, false, AVOW_ISSUERS_MAX, -1, false },
    };
    const int64_t now = 1800000000;
    struct keyring *k = calloc(1, sizeof *k);

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct avow_maa_token_info info = { .want_keys = rows[i].want,
                                                  .verified = rows[i].verified,
                                                  .issuer = rows[i].issuer };

        k->fetched[1] = rows[i].age < 0 ? 0 : now - rows[i].age;
        if (keyring_outdated(k, &info, now) != rows[i].fetch)
            fail_msg("row %zu", i);
    }
    free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(keys_of_issuers),
                                        cmocka_unit_test(when_keys_are_fetched) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
