#include "verifier/keep.h"

#include "../test.h"

static void tokens(void **state)
{
    struct keep *k = NULL;
    uint8_t d[3][32] = { { 1 }, { 2 }, { 3 } };
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(64);

    (void)state;
    assert_int_equal(keep_new(2, &k, NULL), 0);
    assert_false(keep_token_get(k, d[0], &out));
    keep_token_put(k, d[0], avow_bytes_str("one"));
    keep_token_put(k, d[0], avow_bytes_str("uno"));
    keep_token_put(k, d[1], avow_bytes_str("two"));
    assert_true(keep_token_get(k, d[0], &out));
    assert_string_equal(avow_buf_cstr(&out), "uno");
    keep_token_put(k, d[2], avow_bytes_str("three")); /* the oldest goes */
    assert_false(keep_token_get(k, d[0], &out));
    avow_buf_reset(&out);
    assert_true(keep_token_get(k, d[1], &out));
    keep_token_drop(k, d[1]);
    assert_false(keep_token_get(k, d[1], &out));
    keep_free(k);
}

static void keys(void **state)
{
    struct keep *k = NULL;
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(64);
    char name[32];
    int64_t when = 0;

    (void)state;
    assert_int_equal(keep_new(1, &k, NULL), 0);
    assert_int_equal(keep_keys_get(k, "https://a", &out, &when), -AVOW_E_NOTFOUND);
    assert_int_equal(keep_keys_put(k, "https://a", avow_bytes_str("{}"), 5, NULL), 0);
    assert_int_equal(keep_keys_put(k, "https://a", avow_bytes_str("{1}"), 6, NULL), 0);
    assert_int_equal(keep_keys_get(k, "https://a", &out, &when), 0);
    assert_string_equal(avow_buf_cstr(&out), "{1}");
    assert_int_equal(when, 6);
    for (int i = 1; i < KEEP_ISSUERS_MAX; i++) {
        (void)snprintf(name, sizeof name, "https://%d", i);
        assert_int_equal(keep_keys_put(k, name, avow_bytes_str("{}"), 5, NULL), 0);
    }
    assert_int_equal(keep_keys_put(k, "https://b", avow_bytes_str("{}"), 5, NULL), -AVOW_E_LIMIT);
    keep_free(k);
}

/* One token for two pieces of evidence; how many are remembered is bounded. */
static void names_of_tokens(void **state)
{
    struct keep *k = NULL;
    uint8_t d[2][32] = { { 1 }, { 2 } };
    char name[32];

    (void)state;
    assert_int_equal(keep_new(1, &k, NULL), 0);
    assert_true(keep_jti(k, "one", d[0]));
    assert_true(keep_jti(k, "one", d[0]));
    assert_false(keep_jti(k, "one", d[1]));
    assert_true(keep_jti(k, "two", d[1]));
    assert_true(keep_jti(k, "", d[0]) && keep_jti(k, "", d[1]));
    for (int i = 0; i < KEEP_JTIS_MAX - 2; i++) {
        (void)snprintf(name, sizeof name, "%d", i);
        assert_true(keep_jti(k, name, d[0]));
    }
    assert_false(keep_jti(k, "one", d[1]));
    assert_true(keep_jti(k, "one more", d[1])); /* the oldest goes */
    assert_true(keep_jti(k, "one", d[1]));
    assert_false(keep_jti(k, "17", d[1]));
    keep_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(tokens), cmocka_unit_test(keys),
                                        cmocka_unit_test(names_of_tokens) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
