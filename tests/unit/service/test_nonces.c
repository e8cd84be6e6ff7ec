#include "../test.h"

#include "service/nonces.h"

#define NOW 1700000000
#define LIFE 300

static struct avow_nonces *nonces;

static int set_up(void **state)
{
    (void)state;
    return avow_nonces_new(LIFE, &nonces, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    avow_nonces_free(nonces);
    return 0;
}

static void once(void **state)
{
    char text[AVOW_NONCE_TEXT], other[AVOW_NONCE_TEXT];
    int64_t expires = 0;

    (void)state;
    assert_int_equal(avow_nonces_make(nonces, NOW, text, &expires, NULL), 0);
    assert_int_equal(expires, NOW + LIFE);
    assert_int_equal(avow_nonces_make(nonces, NOW, other, &expires, NULL), 0);
    assert_string_not_equal(text, other);
    assert_int_equal(avow_nonces_take(nonces, text, NOW + LIFE - 1), AVOW_NONCE_FRESH);
    assert_int_equal(avow_nonces_take(nonces, text, NOW), AVOW_NONCE_USED);
    assert_int_equal(avow_nonces_take(nonces, other, NOW + LIFE), AVOW_NONCE_UNKNOWN);
}

static void not_ours(void **state)
{
    char text[AVOW_NONCE_TEXT];
    avow_auto(avow_cleanup_nonces) struct avow_nonces *others = NULL;
    int64_t expires = 0;

    (void)state;
    assert_int_equal(avow_nonces_new(LIFE, &others, NULL), 0);
    assert_int_equal(avow_nonces_make(others, NOW, text, &expires, NULL), 0);
    assert_int_equal(avow_nonces_take(nonces, text, NOW), AVOW_NONCE_UNKNOWN);
    assert_int_equal(avow_nonces_make(nonces, NOW, text, &expires, NULL), 0);
    text[27] = text[27] == '0' ? '1' : '0'; /* a later end */
    assert_int_equal(avow_nonces_take(nonces, text, NOW), AVOW_NONCE_UNKNOWN);
    assert_int_equal(avow_nonces_take(nonces, "", NOW), AVOW_NONCE_UNKNOWN);
    assert_int_equal(avow_nonces_take(nonces, "42", NOW), AVOW_NONCE_UNKNOWN);
}

/* What was used is remembered, or nothing more is taken: never forgotten before its end. */
static void bounded(void **state)
{
    char first[AVOW_NONCE_TEXT], text[AVOW_NONCE_TEXT];
    int64_t expires = 0;
    unsigned fresh = 0, full = 0;

    (void)state;
    assert_int_equal(avow_nonces_make(nonces, NOW, first, &expires, NULL), 0);
    assert_int_equal(avow_nonces_take(nonces, first, NOW), AVOW_NONCE_FRESH);
    for (unsigned i = 0; i < 2 * AVOW_NONCES_USED_MAX; i++) {
        enum avow_nonce_state s = AVOW_NONCE_UNKNOWN;

        assert_int_equal(avow_nonces_make(nonces, NOW, text, &expires, NULL), 0);
        s = avow_nonces_take(nonces, text, NOW);
        fresh += s == AVOW_NONCE_FRESH;
        full += s == AVOW_NONCE_FULL;
    }
    assert_int_equal(fresh + full, 2 * AVOW_NONCES_USED_MAX);
    assert_true(fresh <= AVOW_NONCES_USED_MAX && fresh > AVOW_NONCES_USED_MAX / 2);
    assert_int_equal(avow_nonces_take(nonces, first, NOW), AVOW_NONCE_USED);
    assert_int_equal(avow_nonces_make(nonces, NOW + LIFE, text, &expires, NULL), 0);
    assert_int_equal(avow_nonces_take(nonces, text, NOW + LIFE), AVOW_NONCE_FRESH);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(once), cmocka_unit_test(not_ours),
                                        cmocka_unit_test(bounded) };

    return cmocka_run_group_tests_name("nonces", tests, set_up, tear_down);
}
