#include "verify/cache.h"

#include "../tdx_maker.h"

static void name_of(unsigned n, uint8_t out[32])
{
    assert_int_equal(avow_sha256(AVOW_BYTES(&n, sizeof n), out), 0);
}

static void learn(struct avow_verify_cache *c, unsigned n)
{
    uint8_t name[32];

    name_of(n, name);
    MADE_OK(avow_verify_cache_learn(c, name, &err));
}

static bool knows(struct avow_verify_cache *c, unsigned n)
{
    uint8_t name[32];

    name_of(n, name);
    return avow_verify_cache_knows(c, name);
}

static void the_longest_unused_goes_first(void **state)
{
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *c = NULL;

    (void)state;
    MADE_OK(avow_verify_cache_new(1, &c, &err));
    avow_verify_cache_begin(c);
    for (unsigned i = 0; i < AVOW_CACHE_ENTRIES_MIN; i++)
        learn(c, i);
    avow_verify_cache_end(c, true);
    for (unsigned i = 0; i < AVOW_CACHE_ENTRIES_MIN; i++)
        assert_true(knows(c, i));
    avow_verify_cache_begin(c);
    assert_true(knows(c, 0)); /* used again */
    learn(c, 1000);
    learn(c, 1001);
    avow_verify_cache_end(c, true);
    assert_true(knows(c, 0));
    assert_false(knows(c, 1));
    assert_false(knows(c, 2));
    assert_true(knows(c, 3));
    assert_true(knows(c, 1000));
    assert_true(knows(c, 1001));
}

static void one_verification_cannot_push_itself_out(void **state)
{
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *c = NULL;
    uint8_t name[32];

    (void)state;
    MADE_OK(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &c, &err));
    avow_verify_cache_begin(c);
    for (unsigned i = 0; i < AVOW_CACHE_ENTRIES_MIN; i++)
        learn(c, i);
    name_of(1000, name);
    assert_int_equal(avow_verify_cache_learn(c, name, NULL), -AVOW_E_LIMIT);
    learn(c, 5); /* known already */
    avow_verify_cache_end(c, true);
    avow_verify_cache_begin(c);
    learn(c, 1000);
    assert_false(knows(c, 0));
}

static void what_was_not_authentic_is_dropped(void **state)
{
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *c = NULL;

    (void)state;
    MADE_OK(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &c, &err));
    avow_verify_cache_begin(c);
    for (unsigned i = 0; i < 10; i++)
        learn(c, i);
    avow_verify_cache_end(c, true);
    avow_verify_cache_begin(c);
    for (unsigned i = 5; i < 20; i++)
        learn(c, i);
    avow_verify_cache_end(c, false);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(knows(c, i), i < 10);
}

/* A QE identity with @pad spaces: another text for each number. */
static void identity(size_t pad, struct avow_buf *out)
{
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(MADE_TEXT_MAX);
    const struct made_spec s = made_spec();

    made_qe_body(&s, &body);
    avow_buf_reset(out);
    avow_buf_put_str(out, "{\"enclaveIdentity\":");
    avow_buf_put_bytes(out, avow_buf_view(&body));
    avow_buf_putf(out, ",\"signature\":\"%0128d\"}", 0);
    for (size_t i = 0; i < pad; i++)
        avow_buf_put_str(out, " ");
    assert_int_equal(avow_buf_ok(out, NULL), 0);
}

static void texts_are_read_once(void **state)
{
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *c = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_DOCUMENT_MAX);
    const struct avow_kept *a = NULL, *b = NULL;
    uint8_t digest[32];

    (void)state;
    MADE_OK(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &c, &err));
    avow_verify_cache_begin(c);
    identity(0, &text);
    MADE_OK(avow_verify_cache_read(c, AVOW_KEPT_QE_IDENTITY, avow_buf_view(&text), &a, &err));
    MADE_OK(avow_verify_cache_read(c, AVOW_KEPT_QE_IDENTITY, avow_buf_view(&text), &b, &err));
    assert_ptr_equal(a, b);
    assert_int_equal(avow_sha256(avow_buf_view(&text), digest), 0);
    assert_memory_equal(a->digest, digest, 32);
    assert_non_null(a->qe);
    assert_null(a->cert);
    /* the bytes are the cache's own: the text may go */
    assert_true(a->qe->document.signed_bytes.data < text.data ||
                a->qe->document.signed_bytes.data >= text.data + text.len);
    identity(1, &text);
    MADE_OK(avow_verify_cache_read(c, AVOW_KEPT_QE_IDENTITY, avow_buf_view(&text), &b, &err));
    assert_ptr_not_equal(a, b);
    /* the same bytes as something else are read as that */
    b = NULL;
    assert_int_equal(avow_verify_cache_read(c, AVOW_KEPT_TCB_INFO, avow_buf_view(&text), &b, NULL),
                     -AVOW_E_FORMAT);
    assert_int_equal(avow_verify_cache_read(c, AVOW_KEPT_CERT, avow_buf_view(&text), &b, NULL),
                     -AVOW_E_FORMAT);
    assert_int_equal(avow_verify_cache_read(c, AVOW_KEPT_SIGNATURE, avow_buf_view(&text), &b, NULL),
                     -AVOW_E_INVAL);
    assert_null(b);
    assert_false(avow_verify_cache_knows(c, a->digest)); /* a text is no signature */
}

static void bytes_are_bounded(void **state)
{
    enum { N = 2 * AVOW_CACHE_BYTES_MAX / (250u << 10) };
    avow_auto(avow_cleanup_verify_cache) struct avow_verify_cache *c = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_DOCUMENT_MAX);
    static const struct avow_kept *kept[N];
    size_t still = 0;

    (void)state;
    MADE_OK(avow_verify_cache_new(AVOW_CACHE_ENTRIES, &c, &err));
    identity(250u << 10, &text);
    for (size_t i = 0; i < N; i++) {
        avow_verify_cache_begin(c);
        text.len -= 1;
        MADE_OK(
            avow_verify_cache_read(c, AVOW_KEPT_QE_IDENTITY, avow_buf_view(&text), &kept[i], &err));
        avow_verify_cache_end(c, true);
    }
    /* Read again in the order of last use, newest first: what is still there has its old place. */
    avow_verify_cache_begin(c);
    for (size_t i = N; i-- > 0; text.len += 1) {
        const struct avow_kept *again = NULL;

        if (avow_verify_cache_read(c, AVOW_KEPT_QE_IDENTITY, avow_buf_view(&text), &again, NULL) <
            0)
            break;
        if (again != kept[i])
            break;
        still++;
    }
    assert_true(still >= N / 2 - 1 && still <= N / 2 + 2);
}

static void names_tell_apart(void **state)
{
    const struct avow_kept a = { .kind = AVOW_KEPT_CERT, .digest = { 1 } };
    const struct avow_kept b = { .kind = AVOW_KEPT_CERT, .digest = { 2 } };
    const uint8_t one[32] = { 1 }, two[32] = { 2 };
    uint8_t names[4][32];

    (void)state;
    MADE_OK(avow_verify_cache_name(&a, AVOW_KEPT_CERT, two, names[0], &err));
    MADE_OK(avow_verify_cache_name(&b, AVOW_KEPT_CERT, one, names[1], &err));
    MADE_OK(avow_verify_cache_name(&a, AVOW_KEPT_CERT, one, names[2], &err));
    MADE_OK(avow_verify_cache_name(&a, AVOW_KEPT_CRL, two, names[3], &err));
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(names[i], names[j], 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_unused_goes_first),
        cmocka_unit_test(one_verification_cannot_push_itself_out),
        cmocka_unit_test(what_was_not_authentic_is_dropped),
        cmocka_unit_test(texts_are_read_once),
        cmocka_unit_test(bytes_are_bounded),
        cmocka_unit_test(names_tell_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
