#include "../test.h"

#include <sys/stat.h>

#include "service/tls.h"

#define NOW 1700000000

static char dir[] = "/tmp/avow-test-tls-XXXXXX";
static char cert[64], key[64];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(cert, sizeof cert, "%s/tls.crt", dir);
    snprintf(key, sizeof key, "%s/tls.key", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(cert);
    (void)unlink(key);
    return rmdir(dir);
}

static void made_once(void **state)
{
    static const char *const hosts[] = { "127.0.0.1", "[::1]", "verifier.example", "localhost" };
    SSL_CTX *ctx = NULL;
    struct stat before = { 0 }, after = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        (void)unlink(cert);
        assert_int_equal(avow_server_tls_make(cert, key, hosts[i], NOW, NULL), 0);
        assert_int_equal(avow_server_tls(cert, key, i % 2, &ctx, NULL), 0);
        SSL_CTX_free(ctx);
    }
    assert_int_equal(stat(key, &before), 0);
    assert_int_equal(before.st_mode & 07777, 0600);
    assert_int_equal(avow_server_tls_make(cert, key, "other", NOW, NULL), 0);
    assert_int_equal(stat(key, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void not_ours(void **state)
{
    SSL_CTX *ctx = NULL;
    char other[80];

    (void)state;
    assert_int_equal(chmod(key, 0644), 0);
    assert_int_equal(avow_server_tls(cert, key, false, &ctx, NULL), -AVOW_E_UNTRUSTED);
    assert_int_equal(chmod(key, 0600), 0);
    assert_int_equal(avow_server_tls(key, key, false, &ctx, NULL), -AVOW_E_FORMAT);
    snprintf(other, sizeof other, "%s/other.key", dir);
    assert_int_equal(rename(key, other), 0);
    assert_int_equal(unlink(cert), 0);
    assert_int_equal(avow_server_tls_make(cert, key, "x", NOW, NULL), 0);
    assert_int_equal(avow_server_tls(cert, other, false, &ctx, NULL), -AVOW_E_FORMAT);
    assert_int_equal(unlink(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(made_once), cmocka_unit_test(not_ours) };

    return cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
}
