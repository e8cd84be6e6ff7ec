#include "service/tls.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/certmake.h"
#include "crypto/hash.h"
#include "serve/file.h"

#define CERT_DAYS 3650
#define CHAIN_MAX (64u << 10)
#define PEER_CHAIN_MAX (16 << 10) /* bytes of certificates taken from a client */
#define OID_ALT_NAME "2.5.29.17"
#define ALT_NAME_DNS 0x82 /* GeneralName, RFC 5280 4.2.1.6: [2] IA5String, [7] OCTET STRING */
#define ALT_NAME_IP 0x87
#define NAME_MAX_BYTES 100u

AVOW_DEFINE_CLEANUP(ssl_ctx, SSL_CTX, SSL_CTX_free)
AVOW_DEFINE_CLEANUP(bio, BIO, BIO_free_all)
AVOW_DEFINE_CLEANUP(evp_pkey, EVP_PKEY, EVP_PKEY_free)

static int tls_failed(struct avow_error *err, int code, const char *what)
{
    char text[160] = "no reason given";
    unsigned long e = ERR_get_error();

    if (e)
        ERR_error_string_n(e, text, sizeof text);
    ERR_clear_error();
    return AVOW_FAIL_CODE(err, code, "%s: %s", what, text);
}

/* What matters of a client's certificate is its key, of which the handshake proves possession. */
static int take_any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

/* A client that offers protocols gets HTTP/1.1 if that is one of them; others go on without. */
static int select_http(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char http11[] = "\x08http/1.1";
    unsigned char *chosen = NULL;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, http11, sizeof http11 - 1, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int use_key(SSL_CTX *ctx, const char *path, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
    avow_auto(avow_cleanup_bio) BIO *bio = NULL;
    avow_auto(avow_cleanup_evp_pkey) EVP_PKEY *key = NULL;

    AVOW_TRY(avow_file_read(path, AVOW_FILE_SECRET, &pem, err));
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    /* "" as the pass phrase: an encrypted file must fail, not ask on the terminal */
    key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, (void *)(uintptr_t) "") : NULL;
    if (!key || SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        return tls_failed(err, AVOW_E_FORMAT, path);
    return 0;
}

int avow_server_tls(const char *cert, const char *key, bool ask_clients, SSL_CTX **out,
                    struct avow_error *err)
{
    avow_auto(avow_cleanup_ssl_ctx) SSL_CTX *ctx = NULL;

    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        return tls_failed(err, AVOW_E_CRYPTO, "TLS context");
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_cert_list(ctx, PEER_CHAIN_MAX);
    SSL_CTX_set_alpn_select_cb(ctx, select_http, NULL);
    SSL_CTX_set_verify(ctx, ask_clients ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, take_any);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return tls_failed(err, AVOW_E_FORMAT, cert);
    AVOW_TRY(use_key(ctx, key, err));
    *out = avow_steal(&ctx);
    return 0;
}

static void put_alt(struct avow_buf *names, uint8_t tag, const void *value, size_t n)
{
    avow_buf_put_u8(names, tag);
    avow_buf_put_u8(names, (uint8_t)n);
    avow_buf_put(names, value, n);
}

/* SEQUENCE OF GeneralName; short lengths only. */
static int alt_names(const char *host, struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf names = AVOW_BUF(127);
    uint8_t v4[4], v6[16];

    if (inet_pton(AF_INET, host, v4) == 1)
        put_alt(&names, ALT_NAME_IP, v4, sizeof v4);
    else if (inet_pton(AF_INET6, host, v6) == 1)
        put_alt(&names, ALT_NAME_IP, v6, sizeof v6);
    else if (strcmp(host, "localhost") != 0 && strlen(host) <= NAME_MAX_BYTES)
        put_alt(&names, ALT_NAME_DNS, host, strlen(host));
    put_alt(&names, ALT_NAME_DNS, "localhost", 9);
    AVOW_TRY(avow_buf_ok(&names, err));
    avow_buf_put_u8(out, 0x30);
    avow_buf_put_u8(out, (uint8_t)names.len);
    avow_buf_put_bytes(out, avow_buf_view(&names));
    return avow_buf_ok(out, err);
}

static int make_cert(const struct avow_signer *signer, const char *host, int64_t now,
                     struct avow_buf *pem, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf alt = AVOW_BUF(256);
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);
    const struct avow_name_part subject = { "CN", "avow-verifier" };
    struct avow_cert_ext ext = { .oid = OID_ALT_NAME };
    struct avow_cert_spec spec = { .subject = &subject,
                                   .n_subject = 1,
                                   .from = now - 86400,
                                   .until = now + (int64_t)CERT_DAYS * 86400,
                                   .basic_constraints = true,
                                   .key_usage = AVOW_KU_DIGITAL_SIGNATURE,
                                   .exts = &ext,
                                   .n_exts = 1 };
    uint8_t serial[16];

    if (avow_random(serial, sizeof serial) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    serial[0] = (serial[0] & 0x7f) | 0x40; /* RFC 5280 4.1.2.2: positive */
    spec.serial = AVOW_BYTES_OF(serial);
    AVOW_TRY(alt_names(host, &alt, err));
    ext.value = avow_buf_view(&alt);
    AVOW_TRY(avow_cert_make(&spec, signer, AVOW_BYTES(NULL, 0), signer, &der, err));
    return avow_cert_to_pem(avow_buf_view(&der), pem, err);
}

int avow_server_tls_make(const char *cert, const char *key, const char *host, int64_t now,
                         struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(CHAIN_MAX);
    avow_auto(avow_buf_done) struct avow_buf secret = AVOW_BUF(AVOW_SIGNER_PEM_MAX);
    avow_auto(avow_cleanup_signer) struct avow_signer *signer = NULL;
    struct stat st = { 0 };
    char bare[256];
    size_t n = strlen(host);
    bool brackets = n >= 2 && host[0] == '[' && host[n - 1] == ']';

    if (stat(cert, &st) == 0 && stat(key, &st) == 0)
        return 0;
    snprintf(bare, sizeof bare, "%.*s", (int)(brackets ? n - 2 : n), host + brackets);
    AVOW_TRY(avow_signer_new(AVOW_SIGNER_P256, &signer, err));
    AVOW_TRY(make_cert(signer, bare, now, &pem, err));
    AVOW_TRY(avow_signer_to_pem(signer, &secret, err));
    AVOW_TRY(avow_file_write(key, 0600, avow_buf_view(&secret), err));
    return avow_file_write(cert, 0644, avow_buf_view(&pem), err);
}
