#include "channel/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"

#define LEAF_YEARS 20 /* nobody looks at the dates: trust comes from the key's digest */
#define LEAF_PEM_MAX (16 << 10)
#define PEER_CHAIN_MAX (16 << 10) /* bytes of certificates taken from the other side */

AVOW_DEFINE_CLEANUP(evp_pkey, EVP_PKEY, EVP_PKEY_free)
AVOW_DEFINE_CLEANUP(x509, X509, X509_free)
AVOW_DEFINE_CLEANUP(bio, BIO, BIO_free_all)
AVOW_DEFINE_CLEANUP(ssl_ctx, SSL_CTX, SSL_CTX_free)

struct avow_leaf {
    EVP_PKEY *key;
    X509 *cert;
    uint8_t spki[32];
};

/* Record the library's first reason and leave its queue, which is thread-local and sticky, empty.
 */
static int tls_failed(struct avow_error *err, const char *what)
{
    char text[160] = "no reason given";
    unsigned long code = ERR_get_error();

    if (code)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return AVOW_FAIL(err, CRYPTO, "%s: %s", what, text);
}

void avow_leaf_free(struct avow_leaf *l)
{
    if (!l)
        return;
    EVP_PKEY_free(l->key);
    X509_free(l->cert);
    free(l);
}

void avow_leaf_spki(const struct avow_leaf *l, uint8_t out[32])
{
    memcpy(out, l->spki, 32);
}

static int cert_spki(X509 *cert, uint8_t out[32], struct avow_error *err)
{
    uint8_t *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    int rc = 0;

    if (n <= 0)
        return tls_failed(err, "SubjectPublicKeyInfo");
    rc = avow_sha256(AVOW_BYTES(der, (size_t)n), out);
    OPENSSL_free(der);
    return rc < 0 ? AVOW_FAIL_CODE(err, rc, "SHA-256 failed") : 0;
}

static int leaf_wrap(EVP_PKEY **take_key, X509 **take_cert, struct avow_leaf **out,
                     struct avow_error *err)
{
    avow_auto(avow_cleanup_leaf) struct avow_leaf *l = calloc(1, sizeof *l);

    if (!l)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    l->key = avow_steal(take_key);
    l->cert = avow_steal(take_cert);
    AVOW_TRY(cert_spki(l->cert, l->spki, err));
    *out = avow_steal(&l);
    return 0;
}

static int self_sign(X509 *cert, EVP_PKEY *key, const char *name, struct avow_error *err)
{
    X509_NAME *subject = X509_get_subject_name(cert);
    uint8_t serial[8];
    uint64_t v = 0;

    if (avow_random(serial, sizeof serial) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    memcpy(&v, serial, sizeof v);
    v = v >> 1 | 1; /* RFC 5280 4.1.2.2: positive */
    if (X509_set_version(cert, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), v) != 1 ||
        !X509_gmtime_adj(X509_getm_notBefore(cert), -86400) ||
        !X509_time_adj_ex(X509_getm_notAfter(cert), LEAF_YEARS * 365, 0, NULL) ||
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1,
                                   -1, 0) != 1 ||
        X509_set_issuer_name(cert, subject) != 1 || X509_set_pubkey(cert, key) != 1 ||
        X509_sign(cert, key, EVP_sha256()) == 0)
        return tls_failed(err, "self-signed certificate");
    return 0;
}

int avow_leaf_new(const char *name, struct avow_leaf **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_evp_pkey) EVP_PKEY *key = NULL;
    avow_auto(avow_cleanup_x509) X509 *cert = NULL;

    ERR_clear_error();
    key = EVP_EC_gen("P-256");
    cert = X509_new();
    if (!key || !cert)
        return tls_failed(err, "P-256 key");
    AVOW_TRY(self_sign(cert, key, name, err));
    return leaf_wrap(&key, &cert, out, err);
}

/* The file's text, if only its owner can read it. -AVOW_E_NOTFOUND if there is none. */
static int read_private(const char *path, struct avow_buf *out, struct avow_error *err)
{
    avow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
    struct stat st = { 0 };
    uint8_t chunk[4096];
    ssize_t n = 0;

    if (fd < 0 && errno == ENOENT)
        return -AVOW_E_NOTFOUND;
    if (fd < 0 || fstat(fd, &st) != 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) || st.st_uid != geteuid())
        return AVOW_FAIL(err, UNTRUSTED,
                         "%s must be a regular file of your own with mode 0600, not %04o", path,
                         (unsigned)st.st_mode & 07777);
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        avow_buf_put(out, chunk, (size_t)n);
    avow_wipe(chunk, sizeof chunk);
    if (n < 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    return avow_buf_ok(out, err);
}

static int leaf_load(const char *path, struct avow_leaf **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(LEAF_PEM_MAX);
    avow_auto(avow_cleanup_bio) BIO *bio = NULL;
    avow_auto(avow_cleanup_evp_pkey) EVP_PKEY *key = NULL;
    avow_auto(avow_cleanup_x509) X509 *cert = NULL;
    char group[32] = "";

    AVOW_TRY(read_private(path, &pem, err));
    ERR_clear_error();
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    if (!bio)
        return tls_failed(err, path);
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    cert = key ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    if (!cert) {
        ERR_clear_error();
        return AVOW_FAIL(err, FORMAT, "%s does not hold a private key and its certificate", path);
    }
    if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
        strcmp(group, "prime256v1") != 0 || X509_check_private_key(cert, key) != 1) {
        ERR_clear_error();
        return AVOW_FAIL(err, FORMAT, "%s: not a P-256 key with its own certificate", path);
    }
    return leaf_wrap(&key, &cert, out, err);
}

static int write_all(int fd, struct avow_bytes v)
{
    while (v.len) {
        ssize_t n = write(fd, v.data, v.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        v.data += n;
        v.len -= (size_t)n;
    }
    return 0;
}

static int leaf_pem(const struct avow_leaf *l, struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_cleanup_bio) BIO *bio = BIO_new(BIO_s_secmem());
    char *p = NULL;
    long n = 0;

    if (!bio || PEM_write_bio_PrivateKey(bio, l->key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(bio, l->cert) != 1 || (n = BIO_get_mem_data(bio, &p)) <= 0)
        return tls_failed(err, "PEM");
    avow_buf_put(out, p, (size_t)n);
    return avow_buf_ok(out, err);
}

/* Appears whole under @path or not at all; -AVOW_E_EXISTS if another process was faster. */
static int leaf_store(const struct avow_leaf *l, const char *path, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(LEAF_PEM_MAX);
    avow_auto(avow_buf_done) struct avow_buf tmp = AVOW_BUF(4096);
    avow_autoclose int fd = -1;
    int sys = 0;

    AVOW_TRY(leaf_pem(l, &pem, err));
    avow_buf_putf(&tmp, "%s.%d.new", path, (int)getpid());
    AVOW_TRY(avow_buf_ok(&tmp, err));
    fd = open(avow_buf_cstr(&tmp), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return AVOW_FAIL_SYS(err, "%s", avow_buf_cstr(&tmp));
    if (write_all(fd, avow_buf_view(&pem)) != 0 || fsync(fd) != 0 ||
        link(avow_buf_cstr(&tmp), path) != 0)
        sys = errno;
    unlink(avow_buf_cstr(&tmp));
    if (sys == EEXIST)
        return -AVOW_E_EXISTS;
    errno = sys;
    return sys ? AVOW_FAIL_SYS(err, "%s", path) : 0;
}

int avow_leaf_load_or_make(const char *path, const char *name, struct avow_leaf **out,
                           struct avow_error *err)
{
    avow_auto(avow_cleanup_leaf) struct avow_leaf *l = NULL;
    int rc = leaf_load(path, out, err);

    if (rc != -AVOW_E_NOTFOUND)
        return rc;
    AVOW_TRY(avow_leaf_new(name, &l, err));
    rc = leaf_store(l, path, err);
    if (rc == -AVOW_E_EXISTS)
        return leaf_load(path, out, err);
    AVOW_TRY(rc);
    *out = avow_steal(&l);
    return 0;
}

/* In place of chain verification. The handshake itself still proves that the peer holds the key. */
static int take_any_certificate(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

/* The protocol name as it is sent: one length byte, then the name. */
static const char *alpn_wire(const char *alpn, unsigned *len)
{
    if (strcmp(alpn, AVOW_ALPN) == 0) {
        *len = sizeof AVOW_ALPN;
        return "\x06" AVOW_ALPN;
    }
    if (strcmp(alpn, AVOW_ALPN_PEER) == 0) {
        *len = sizeof AVOW_ALPN_PEER;
        return "\x0b" AVOW_ALPN_PEER;
    }
    return NULL;
}
_Static_assert(sizeof AVOW_ALPN - 1 == 6, "length byte above");
_Static_assert(sizeof AVOW_ALPN_PEER - 1 == 11, "length byte above");

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
    unsigned own_len = 0;
    const char *own = alpn_wire(arg, &own_len);
    struct avow_rd r = avow_rd_init(AVOW_BYTES(in, in_len));
    uint8_t n = 0;
    struct avow_bytes name = { 0 };

    (void)ssl;
    while (r.rest.len) {
        if (avow_rd_u8(&r, &n) < 0 || avow_rd_bytes(&r, n, &name) < 0)
            break;
        if (avow_bytes_equal(name, AVOW_BYTES(own + 1, own_len - 1))) {
            *out = name.data;
            *out_len = n;
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* OpenSSL asks select_alpn only when the client offered something at all; and since no ticket is
 * ever given out, whoever offers a pre-shared key did not get it here. */
static int look_at_hello(SSL *ssl, int *alert, void *arg)
{
    const unsigned char *ext = NULL;
    size_t len = 0;

    (void)arg;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &ext,
                                  &len) != 1) {
        *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
        return SSL_CLIENT_HELLO_ERROR;
    }
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_psk, &ext, &len) == 1) {
        *alert = SSL_AD_ILLEGAL_PARAMETER;
        return SSL_CLIENT_HELLO_ERROR;
    }
    return SSL_CLIENT_HELLO_SUCCESS;
}

/* What both sides have in common. */
static int setup(SSL_CTX *ctx, const struct avow_leaf *leaf, struct avow_error *err)
{
    /* not const: OpenSSL's macros cast it away */
    static char groups[] = "X25519:P-256";
    static char signatures[] = "ECDSA+SHA256";

    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(ctx, PEER_CHAIN_MAX);
    SSL_CTX_set_cert_verify_callback(ctx, take_any_certificate, NULL);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_num_tickets(ctx, 0) != 1 || SSL_CTX_set_max_early_data(ctx, 0) != 1 ||
        SSL_CTX_set1_groups_list(ctx, groups) != 1 ||
        SSL_CTX_set1_sigalgs_list(ctx, signatures) != 1 ||
        SSL_CTX_set1_client_sigalgs_list(ctx, signatures) != 1 ||
        SSL_CTX_use_certificate(ctx, leaf->cert) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, leaf->key) != 1)
        return tls_failed(err, "TLS context");
    return 0;
}

int avow_tls_server_ctx(const struct avow_leaf *leaf, const char *alpn, SSL_CTX **out,
                        struct avow_error *err)
{
    avow_auto(avow_cleanup_ssl_ctx) SSL_CTX *ctx = NULL;
    bool peers = strcmp(alpn, AVOW_ALPN_PEER) == 0;
    unsigned len = 0;

    if (!alpn_wire(alpn, &len))
        return AVOW_FAIL(err, INVAL, "unknown protocol %s", alpn);
    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return tls_failed(err, "TLS context");
    AVOW_TRY(setup(ctx, leaf, err));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (peers ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    SSL_CTX_set_alpn_select_cb(ctx, select_alpn,
                               (void *)(uintptr_t)(peers ? AVOW_ALPN_PEER : AVOW_ALPN));
    SSL_CTX_set_client_hello_cb(ctx, look_at_hello, NULL);
    *out = avow_steal(&ctx);
    return 0;
}

int avow_tls_client_setup(SSL_CTX *ctx, const struct avow_leaf *leaf, const char *alpn,
                          struct avow_error *err)
{
    unsigned len = 0;
    const char *wire = alpn_wire(alpn, &len);

    if (!wire)
        return AVOW_FAIL(err, INVAL, "unknown protocol %s", alpn);
    ERR_clear_error();
    AVOW_TRY(setup(ctx, leaf, err));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    /* of all functions here, this one returns 0 for success */
    if (SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)wire, len) != 0)
        return tls_failed(err, "ALPN");
    return 0;
}

int avow_tls_client_ctx(const struct avow_leaf *leaf, const char *alpn, SSL_CTX **out,
                        struct avow_error *err)
{
    avow_auto(avow_cleanup_ssl_ctx) SSL_CTX *ctx = NULL;

    ERR_clear_error();
    ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return tls_failed(err, "TLS context");
    AVOW_TRY(avow_tls_client_setup(ctx, leaf, alpn, err));
    *out = avow_steal(&ctx);
    return 0;
}

int avow_tls_peer_spki(SSL *ssl, uint8_t out[32], struct avow_error *err)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);

    if (!cert)
        return AVOW_FAIL(err, AUTH, "the other side showed no certificate");
    return cert_spki(cert, out, err);
}

int avow_tls_check(SSL *ssl, const char *alpn, struct avow_error *err)
{
    const unsigned char *got = NULL;
    unsigned len = 0;

    if (!SSL_is_init_finished(ssl))
        return AVOW_FAIL(err, PROTOCOL, "the TLS handshake is not complete");
    if (SSL_version(ssl) != TLS1_3_VERSION)
        return AVOW_FAIL(err, PROTOCOL, "%s instead of TLS 1.3", SSL_get_version(ssl));
    if (SSL_session_reused(ssl))
        return AVOW_FAIL(err, PROTOCOL, "a resumed TLS session");
    SSL_get0_alpn_selected(ssl, &got, &len);
    if (!avow_bytes_equal(AVOW_BYTES(got, len), avow_bytes_str(alpn)))
        return AVOW_FAIL(err, PROTOCOL, "ALPN is \"%.*s\", not \"%s\"", (int)len,
                         got ? (const char *)got : "", alpn);
    return 0;
}

int avow_tls_export(SSL *ssl, const char *label, struct avow_bytes context, uint8_t out[32],
                    struct avow_error *err)
{
    ERR_clear_error();
    if (SSL_export_keying_material(ssl, out, 32, label, strlen(label), context.data, context.len,
                                   context.len != 0) != 1)
        return tls_failed(err, "TLS exporter");
    return 0;
}

int avow_tls_channel_ekm(SSL *ssl, enum avow_role attester, const uint8_t nonce[32],
                         const uint8_t attester_spki[32], const uint8_t verifier_spki[32],
                         uint8_t ekm[32], struct avow_error *err)
{
    uint8_t ctx[32];
    int rc = avow_channel_ctx(attester, nonce, attester_spki, verifier_spki, ctx);

    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "channel context");
    return avow_tls_export(ssl,
                           attester == AVOW_ROLE_SERVER ? AVOW_EXPORTER_CHANNEL "server"
                                                        : AVOW_EXPORTER_CHANNEL "client",
                           AVOW_BYTES_OF(ctx), ekm, err);
}
