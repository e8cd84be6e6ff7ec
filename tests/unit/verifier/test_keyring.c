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

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(keys_of_issuers) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
