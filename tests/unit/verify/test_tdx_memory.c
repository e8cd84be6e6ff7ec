/* Every allocation failing in turn: nothing is believed for want of memory, and nothing leaks. */
#include <openssl/crypto.h>

#include "verify/tdx.h"

#include "../tdx_maker.h"

#if defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static bool armed;
static bool with_crypto;        /* OpenSSL's allocations too */
static unsigned long countdown; /* allocations until the one that fails */
static unsigned long failed;

static bool fails(void)
{
    if (!armed || countdown-- != 0)
        return false;
    failed++;
    return true;
}

/* The product's own allocations (link option --wrap). */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return fails() ? NULL : __real_realloc(p, n);
}

/* OpenSSL's. */
static void *crypto_malloc(size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return with_crypto && fails() ? NULL : __real_malloc(n ? n : 1);
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file;
    (void)line;
    return with_crypto && fails() ? NULL : __real_realloc(p, n ? n : 1);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    free(p);
}

static void *json_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n ? n : 1);
}

/* Each @step-th allocation fails; the number of failures. */
static unsigned long sweep(unsigned long step)
{
    static struct avow_claims good, c;
    const struct made_spec s = made_spec();
    avow_auto(made_done) struct made m = { 0 };
    avow_auto(avow_cleanup_cert) struct avow_cert *root = NULL;
    struct avow_anchors anchors = { .n = 1 };
    unsigned long negative = 0, first = failed;

    made_new(&s, &m);
    MADE_OK(avow_cert_parse(avow_buf_view(&m.root), &root, &err));
    anchors.list[0] = (struct avow_anchor){ .tee = AVOW_TEE_TDX, .simulated = true };
    avow_cert_spki_sha256(root, anchors.list[0].spki_sha256);
    MADE_OK(avow_tdx_verify(&m.bundle, &anchors, MADE_NOW, &good, &err));
    assert_true(good.authentic);
    for (unsigned long n = 0;; n += step) {
        unsigned long before = failed;
        int rc = 0;

        countdown = n;
        armed = true;
        rc = avow_tdx_verify(&m.bundle, &anchors, MADE_NOW, &c, NULL);
        armed = false;
        if (failed == before)
            break;
        negative += rc < 0;
        if (rc < 0)
            assert_true(avow_bytes_zero(AVOW_BYTES(&c, sizeof c)));
        else if (c.authentic)
            assert_memory_equal(&c, &good, sizeof c); /* done without what was refused */
        else
            assert_true(c.n_checks == 0 || !avow_claims_all_passed(&c));
    }
    assert_true(negative > 0);
    return failed - first;
}

static void each_of_our_own_may_fail(void **state)
{
    (void)state;
    with_crypto = false;
    assert_true(sweep(1) > 300);
}

static void some_of_openssl_may_fail(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* OpenSSL 3.0 leaks then; what counts here is that nothing is believed */
    with_crypto = true;
    assert_true(sweep(11) > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_of_our_own_may_fail),
        cmocka_unit_test(some_of_openssl_may_fail),
    };

    if (CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free) != 1)
        return 1;
    json_set_alloc_funcs(json_malloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
