/* Two ends in one process over memory BIOs: what a handshake gives, and what it refuses. */
#include "../test.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/stat.h>
#include <unistd.h>

#include "channel/tls.h"

#define STEPS_MAX 32 /* flights of a handshake; far more than any needs */

struct ends {
    struct avow_leaf *server_leaf, *client_leaf;
    SSL_CTX *server_ctx, *client_ctx;
    SSL *server, *client;
};

static void ends_done(struct ends *e)
{
    SSL_free(e->server);
    SSL_free(e->client);
    SSL_CTX_free(e->server_ctx);
    SSL_CTX_free(e->client_ctx);
    avow_leaf_free(e->server_leaf);
    avow_leaf_free(e->client_leaf);
    ERR_clear_error();
    memset(e, 0, sizeof *e);
}

static void ends_contexts(struct ends *e, const char *server_alpn, const char *client_alpn)
{
    struct avow_error err = { 0 };

    memset(e, 0, sizeof *e);
    assert_int_equal(avow_leaf_new("server", &e->server_leaf, &err), 0);
    assert_int_equal(avow_leaf_new("client", &e->client_leaf, &err), 0);
    assert_int_equal(avow_tls_server_ctx(e->server_leaf, server_alpn, &e->server_ctx, &err), 0);
    assert_int_equal(avow_tls_client_ctx(e->client_leaf, client_alpn, &e->client_ctx, &err), 0);
}

/* True if both ends finished. */
static bool handshake(struct ends *e)
{
    BIO *a = NULL;
    BIO *b = NULL;
    int rs = 0;
    int rc = 0;

    e->server = SSL_new(e->server_ctx);
    e->client = SSL_new(e->client_ctx);
    assert_non_null(e->server);
    assert_non_null(e->client);
    assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
    SSL_set_bio(e->server, a, a);
    SSL_set_bio(e->client, b, b);
    SSL_set_accept_state(e->server);
    SSL_set_connect_state(e->client);
    for (int i = 0; i < STEPS_MAX && !(rs == 1 && rc == 1); i++) {
        rc = SSL_do_handshake(e->client);
        if (rc != 1 && SSL_get_error(e->client, rc) != SSL_ERROR_WANT_READ)
            return false;
        rs = SSL_do_handshake(e->server);
        if (rs != 1 && SSL_get_error(e->server, rs) != SSL_ERROR_WANT_READ)
            return false;
    }
    return rs == 1 && rc == 1;
}

static void both_ends_agree(void **state)
{
    struct ends e;
    uint8_t own[32], seen[32], a[32], b[32], nonce[32] = { 7 };
    struct avow_error err = { 0 };

    (void)state;
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN);
    assert_true(handshake(&e));
    assert_int_equal(avow_tls_check(e.server, AVOW_ALPN, &err), 0);
    assert_int_equal(avow_tls_check(e.client, AVOW_ALPN, &err), 0);
    assert_int_equal(avow_tls_check(e.client, AVOW_ALPN_PEER, &err), -AVOW_E_PROTOCOL);
    avow_leaf_spki(e.client_leaf, own);
    assert_int_equal(avow_tls_peer_spki(e.server, seen, NULL), 0);
    assert_memory_equal(own, seen, 32);
    avow_leaf_spki(e.server_leaf, own);
    assert_int_equal(avow_tls_peer_spki(e.client, seen, NULL), 0);
    assert_memory_equal(own, seen, 32);

    assert_int_equal(avow_tls_export(e.server, AVOW_EXPORTER_AGAIN, AVOW_BYTES(NULL, 0), a, NULL),
                     0);
    assert_int_equal(avow_tls_export(e.client, AVOW_EXPORTER_AGAIN, AVOW_BYTES(NULL, 0), b, NULL),
                     0);
    assert_memory_equal(a, b, 32);
    assert_int_equal(avow_tls_channel_ekm(e.server, AVOW_ROLE_SERVER, nonce, own, seen, a, NULL),
                     0);
    assert_int_equal(avow_tls_channel_ekm(e.client, AVOW_ROLE_SERVER, nonce, own, seen, b, NULL),
                     0);
    assert_memory_equal(a, b, 32);
    /* another role, another value: evidence cannot be reflected */
    assert_int_equal(avow_tls_channel_ekm(e.client, AVOW_ROLE_CLIENT, nonce, own, seen, b, NULL),
                     0);
    assert_memory_not_equal(a, b, 32);
    assert_int_equal(avow_tls_channel_ekm(e.client, AVOW_ROLE_NONE, nonce, own, seen, b, NULL),
                     -AVOW_E_INVAL);
    ends_done(&e);
}

static void other_connection_exports_other_keys(void **state)
{
    struct ends e, f;
    uint8_t a[32], b[32];

    (void)state;
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN);
    assert_true(handshake(&e));
    f = e;
    f.server = f.client = NULL;
    assert_true(handshake(&f));
    assert_int_equal(
        avow_tls_export(e.client, AVOW_EXPORTER_CONNECTION, AVOW_BYTES(NULL, 0), a, NULL), 0);
    assert_int_equal(
        avow_tls_export(f.client, AVOW_EXPORTER_CONNECTION, AVOW_BYTES(NULL, 0), b, NULL), 0);
    assert_memory_not_equal(a, b, 32);
    SSL_free(f.server);
    SSL_free(f.client);
    ends_done(&e);
}

static void other_protocol_is_refused(void **state)
{
    struct ends e;

    (void)state;
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN_PEER);
    assert_false(handshake(&e));
    ends_done(&e);
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN);
    assert_int_equal(SSL_CTX_set_alpn_protos(e.client_ctx, NULL, 0), 0);
    assert_false(handshake(&e));
    ends_done(&e);
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN);
    assert_int_equal(SSL_CTX_set_alpn_protos(
                         e.client_ctx, (const unsigned char *)"\x08http/1.1\x06" AVOW_ALPN, 9 + 7),
                     0);
    assert_true(handshake(&e));
    assert_int_equal(avow_tls_check(e.server, AVOW_ALPN, NULL), 0);
    ends_done(&e);
}

static void older_tls_is_refused(void **state)
{
    struct ends e;

    (void)state;
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN);
    assert_int_equal(SSL_CTX_set_min_proto_version(e.client_ctx, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(e.client_ctx, TLS1_2_VERSION), 1);
    assert_false(handshake(&e));
    ends_done(&e);
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN);
    assert_int_equal(SSL_CTX_set_min_proto_version(e.server_ctx, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(e.server_ctx, TLS1_2_VERSION), 1);
    assert_false(handshake(&e));
    ends_done(&e);
}

static void peers_must_show_a_certificate(void **state)
{
    struct ends e;
    uint8_t spki[32];
    SSL_CTX *bare = NULL;

    (void)state;
    for (int peer = 0; peer < 2; peer++) {
        const char *alpn = peer ? AVOW_ALPN_PEER : AVOW_ALPN;

        ends_contexts(&e, alpn, alpn);
        bare = SSL_CTX_new(TLS_client_method());
        assert_non_null(bare);
        assert_int_equal(
            SSL_CTX_set_alpn_protos(
                bare, (const unsigned char *)(peer ? "\x0b" AVOW_ALPN_PEER : "\x06" AVOW_ALPN),
                peer ? 12 : 7),
            0);
        SSL_CTX_free(e.client_ctx);
        e.client_ctx = bare;
        if (peer) {
            assert_false(handshake(&e));
        } else {
            assert_true(handshake(&e));
            assert_int_equal(avow_tls_peer_spki(e.server, spki, NULL), -AVOW_E_AUTH);
        }
        ends_done(&e);
    }
}

static int new_sessions;

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    (void)session;
    new_sessions++;
    return 0;
}

static int psk_offer(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len,
                     SSL_SESSION **out)
{
    static const unsigned char name[] = "ticket";
    static const unsigned char secret[32] = { 1 };
    static const unsigned char aes128[] = { 0x13, 0x01 };
    SSL_SESSION *s = SSL_SESSION_new();

    (void)md;
    assert_non_null(s);
    assert_int_equal(SSL_SESSION_set1_master_key(s, secret, sizeof secret), 1);
    assert_int_equal(SSL_SESSION_set_cipher(s, SSL_CIPHER_find(ssl, aes128)), 1);
    assert_int_equal(SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION), 1);
    *id = name;
    *id_len = sizeof name - 1;
    *out = s;
    return 1;
}

static void nothing_is_resumed(void **state)
{
    struct ends e;
    char byte = 0;

    (void)state;
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN);
    new_sessions = 0;
    SSL_CTX_set_session_cache_mode(e.client_ctx,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(e.client_ctx, on_new_session);
    SSL_CTX_clear_options(e.client_ctx, SSL_OP_NO_TICKET);
    assert_true(handshake(&e));
    /* a ticket would come with the first read */
    assert_int_equal(SSL_write(e.server, "x", 1), 1);
    assert_int_equal(SSL_read(e.client, &byte, 1), 1);
    assert_int_equal(new_sessions, 0);
    ends_done(&e);
    /* whoever offers a pre-shared key did not get it from us */
    ends_contexts(&e, AVOW_ALPN, AVOW_ALPN);
    SSL_CTX_set_psk_use_session_callback(e.client_ctx, psk_offer);
    assert_false(handshake(&e));
    ends_done(&e);
}

static void leaf_file_is_private(void **state)
{
    char dir[] = "/tmp/avow-leaf-XXXXXX";
    char path[64];
    struct avow_leaf *a = NULL;
    struct avow_leaf *b = NULL;
    struct avow_error err = { 0 };
    struct stat st;
    uint8_t x[32], y[32];

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/client.pem", dir);
    assert_int_equal(avow_leaf_load_or_make(path, "client", &a, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(avow_leaf_load_or_make(path, "client", &b, &err), 0);
    avow_leaf_spki(a, x);
    avow_leaf_spki(b, y);
    assert_memory_equal(x, y, 32);
    avow_leaf_free(a);
    avow_leaf_free(b);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(avow_leaf_load_or_make(path, "client", &a, &err), -AVOW_E_UNTRUSTED);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 100), 0);
    memset(&err, 0, sizeof err);
    assert_int_equal(avow_leaf_load_or_make(path, "client", &a, &err), -AVOW_E_FORMAT);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_agree),
        cmocka_unit_test(other_connection_exports_other_keys),
        cmocka_unit_test(other_protocol_is_refused),
        cmocka_unit_test(older_tls_is_refused),
        cmocka_unit_test(peers_must_show_a_certificate),
        cmocka_unit_test(nothing_is_resumed),
        cmocka_unit_test(leaf_file_is_private),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
