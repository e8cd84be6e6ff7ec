#include "../test.h"

#include <sys/stat.h>

#include "service/keys.h"

#define NOW 1700000000
#define LIFE 3600
#define ISSUER "https://127.0.0.1:1"

static char dir[64];
static char top[] = "/tmp/avow-test-keys-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(top));
    snprintf(dir, sizeof dir, "%s/keys", top);
    return 0;
}

static int remove_all(void **state)
{
    char command[96];

    (void)state;
    for (int i = 1; i < 5; i++) {
        char name[96];

        snprintf(name, sizeof name, "%s/%04d.rsa.pem", dir, i);
        (void)unlink(name);
        snprintf(name, sizeof name, "%s/%04d.ec.pem", dir, i);
        (void)unlink(name);
    }
    snprintf(command, sizeof command, "%s/index.json", dir);
    (void)unlink(command);
    (void)rmdir(dir);
    return rmdir(top);
}

static size_t listed(const struct avow_keys *k)
{
    avow_autojson json_t *j = avow_keys_jwks(k);

    return json_array_size(json_object_get(j, "keys"));
}

static bool there(const char *name)
{
    char path[96];
    struct stat st = { 0 };

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return stat(path, &st) == 0 && (st.st_mode & 07777) == 0600;
}

static struct avow_keys *open_keys(const char *issuer, int64_t now, bool *made)
{
    struct avow_error err = { 0 };
    struct avow_keys *k = NULL;

    if (avow_keys_open(dir, issuer, now, &k, made, &err) < 0)
        fail_msg("%s", err.text);
    return k;
}

static void rotation_overlaps(void **state)
{
    avow_auto(avow_cleanup_keys) struct avow_keys *k = NULL;
    avow_auto(avow_cleanup_generation) struct avow_generation *g = NULL;
    avow_auto(avow_cleanup_generation) struct avow_generation *held = NULL;
    char first[AVOW_KEY_KID];
    char seen[AVOW_KEY_KID];
    bool made = false;

    (void)state;
    assert_int_equal(avow_keys_peek(dir, seen, NULL), -AVOW_E_SYSTEM);
    k = open_keys(ISSUER, NOW, &made);
    assert_true(made);
    assert_true(there("0001.rsa.pem") && there("0001.ec.pem") && there("index.json"));
    memcpy(first, avow_keys_current(k)->rsa_kid, sizeof first);
    assert_int_equal(avow_keys_peek(dir, seen, NULL), 0);
    assert_string_equal(seen, first);
    assert_int_equal(listed(k), 2);
    held = avow_generation_ref(avow_keys_current(k)); /* a request that is being answered */
    assert_int_equal(avow_generation_new(ISSUER, NOW + 10, &g, NULL), 0);
    assert_int_equal(avow_keys_adopt(k, g, NOW + 10, LIFE, NULL), 0);
    assert_string_not_equal(avow_keys_current(k)->rsa_kid, first);
    assert_int_equal(avow_keys_peek(dir, seen, NULL), 0);
    assert_string_equal(seen, avow_keys_current(k)->rsa_kid);
    assert_non_null(held->rsa); /* it can still sign */
    assert_int_equal(listed(k), 4);
    assert_false(there("0001.rsa.pem") || there("0001.ec.pem"));
    assert_true(there("0002.rsa.pem"));
    assert_false(avow_keys_prune(k, NOW + 10 + LIFE));
    avow_keys_free(avow_steal(&k));
    k = open_keys(ISSUER, NOW + 20, &made); /* as if nothing had happened */
    assert_false(made);
    assert_int_equal(listed(k), 4);
    assert_string_equal(avow_keys_current(k)->rsa_kid, g->rsa_kid);
    assert_true(avow_keys_prune(k, NOW + 10 + LIFE + AVOW_KEYS_SKEW_S));
    assert_int_equal(listed(k), 2);
}

static void another_issuer(void **state)
{
    avow_auto(avow_cleanup_keys) struct avow_keys *k = NULL;
    char kid[AVOW_KEY_KID];
    bool made = false;

    (void)state;
    k = open_keys(ISSUER, NOW, &made);
    memcpy(kid, avow_keys_current(k)->rsa_kid, sizeof kid);
    avow_keys_free(avow_steal(&k));
    k = open_keys("https://verifier.example", NOW, &made);
    assert_false(made);
    assert_string_equal(avow_keys_current(k)->rsa_kid, kid);
    assert_string_equal(json_string_value(avow_keys_current(k)->issuer),
                        "https://verifier.example");
}

static void keys_of_others(void **state)
{
    char path[96];
    struct avow_keys *k = NULL;
    bool made = false;

    (void)state;
    snprintf(path, sizeof path, "%s/0002.rsa.pem", dir);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(avow_keys_open(dir, ISSUER, NOW, &k, &made, NULL), -AVOW_E_UNTRUSTED);
    assert_int_equal(chmod(path, 0600), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rotation_overlaps),
                                        cmocka_unit_test(another_issuer),
                                        cmocka_unit_test(keys_of_others) };

    return cmocka_run_group_tests_name("keys", tests, set_up, remove_all);
}
