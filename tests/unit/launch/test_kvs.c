#include "../test.h"

#include "launch/kvs.h"

static void test_put_get(void **state)
{
    struct avow_kvs *k = NULL;
    char key[32], value[32];

    (void)state;
    assert_int_equal(avow_kvs_new(&k, NULL), 0);
    assert_null(avow_kvs_get(k, "x"));
    for (int i = 0; i < 50000; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        snprintf(value, sizeof value, "value-%d", i);
        assert_int_equal(avow_kvs_put(k, key, value), 0);
    }
    for (int i = 0; i < 50000; i += 777) {
        snprintf(key, sizeof key, "key-%d", i);
        snprintf(value, sizeof value, "value-%d", i);
        assert_string_equal(avow_kvs_get(k, key), value);
    }
    assert_int_equal(avow_kvs_put(k, "key-7", "other"), 0);
    assert_string_equal(avow_kvs_get(k, "key-7"), "other");
    assert_null(avow_kvs_get(k, "key-50000"));
    avow_kvs_free(k);
}

static void test_limits(void **state)
{
    struct avow_kvs *k = NULL;
    char key[AVOW_KVS_KEY_MAX + 1], value[AVOW_KVS_VALUE_MAX + 1];
    int rc = 0, n = 0;

    (void)state;
    memset(key, 'k', sizeof key);
    memset(value, 'v', sizeof value);
    key[AVOW_KVS_KEY_MAX] = value[AVOW_KVS_VALUE_MAX] = '\0';
    assert_int_equal(avow_kvs_new(&k, NULL), 0);
    assert_int_equal(avow_kvs_put(k, key, "x"), -AVOW_E_LIMIT);
    assert_int_equal(avow_kvs_put(k, "x", value), -AVOW_E_LIMIT);
    key[AVOW_KVS_KEY_MAX - 1] = value[AVOW_KVS_VALUE_MAX - 1] = '\0';
    assert_int_equal(avow_kvs_put(k, key, value), 0);
    for (n = 0; rc == 0; n++) {
        snprintf(key, sizeof key, "%d", n);
        rc = avow_kvs_put(k, key, value);
    }
    assert_int_equal(rc, -AVOW_E_LIMIT);
    assert_true((size_t)n > AVOW_KVS_MAX / (AVOW_KVS_VALUE_MAX + AVOW_KVS_KEY_MAX));
    assert_null(avow_kvs_get(k, key));
    avow_kvs_free(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_put_get),
                                        cmocka_unit_test(test_limits) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
