#include "service/server.h"

#include <arpa/inet.h>
#include <limits.h>

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>

#include "channel/tls.h"
#include "service/server_internal.h"
#include "service/tls.h"

#define SPARE_RETRY_MS 200
#define BACKLOG 512
/* What evhttp reads of a body before it answers by itself; what is over our own limit and below
 * this gets an error of the service's shape. */
#define BODY_READ_MAX (AVOW_SERVER_BODY_MAX + (64u << 10))

static int conn_index = -1; /* of struct avow_server_conn in an SSL's ex_data */

static void listen_if_possible(struct avow_server *s);

static void server_release(struct avow_server *s)
{
    SSL_CTX_free(s->tls);
    free(s);
}

static void conn_unlink(struct avow_server_conn *conn)
{
    if (!conn->link)
        return;
    *conn->link = conn->next;
    if (conn->next)
        conn->next->link = conn->link;
    conn->link = NULL;
}

/* Runs when the SSL object is freed, which libevent does from the loop some time after the close.
 */
static void conn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    struct avow_server_conn *conn = ptr;
    struct avow_server *s = NULL;

    (void)parent;
    (void)ad;
    (void)idx;
    (void)argl;
    (void)argp;
    if (!conn)
        return;
    s = conn->server;
    event_del(&conn->deadline);
    conn_unlink(conn);
    free(conn);
    s->n_conns--;
    if (s->closed && s->n_conns == 0)
        server_release(s);
    else if (!s->closed && !s->making)
        listen_if_possible(s);
}

static void make_index(void)
{
    conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, conn_free);
}

/* Whatever libevent holds of the connection learns of it as an end of file. */
static void hang_up(SSL *ssl)
{
    int fd = SSL_get_fd(ssl);

    if (fd >= 0)
        (void)shutdown(fd, SHUT_RDWR);
}

static void address_of(const struct sockaddr_storage *ss, struct avow_client_address *out)
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    *out = (struct avow_client_address){ .text = "?" };
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)ss;

        memcpy(out->key, mapped, sizeof mapped);
        memcpy(out->key + 12, &in->sin_addr, 4);
        (void)inet_ntop(AF_INET, &in->sin_addr, out->text, sizeof out->text);
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)ss;
        bool v4 = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

        memcpy(out->key, &in6->sin6_addr, v4 ? 16 : 8); /* a site has a /64 */
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, out->text, sizeof out->text);
    }
}

/* Whose connection it is, and whether that client has one too many. */
static bool conn_identify(struct avow_server_conn *conn, SSL *ssl)
{
    struct avow_server *s = conn->server;
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof ss;
    unsigned n = 0;

    if (getpeername(SSL_get_fd(ssl), (struct sockaddr *)&ss, &len) != 0)
        return false;
    address_of(&ss, &conn->from);
    conn->known = true;
    for (struct avow_server_conn *c = s->conns; c; c = c->next)
        n += avow_bytes_equal(AVOW_BYTES_OF(c->from.key), AVOW_BYTES_OF(conn->from.key));
    conn->next = s->conns;
    conn->link = &s->conns;
    if (conn->next)
        conn->next->link = &conn->next;
    s->conns = conn;
    return n < s->cfg.conns_per_client;
}

/* The first record that comes in: libevent does not tell of an accepted connection before. */
static void on_tls_message(int write_p, int version, int content_type, const void *buf, size_t len,
                           SSL *ssl, void *arg)
{
    struct avow_server_conn *conn = SSL_get_ex_data(ssl, conn_index);

    (void)version;
    (void)buf;
    (void)len;
    (void)arg;
    if (write_p || content_type != SSL3_RT_HEADER || !conn || conn->known)
        return;
    if (!conn_identify(conn, ssl))
        hang_up(ssl);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    hang_up(arg);
}

void avow_server_conn_wait(struct avow_server_conn *conn, int seconds)
{
    const struct timeval wait = { .tv_sec = seconds };

    event_add(&conn->deadline, &wait);
}

static struct avow_server_conn *conn_new(struct avow_server *s, SSL *ssl)
{
    struct avow_server_conn *conn = calloc(1, sizeof *conn);

    if (!conn)
        return NULL;
    conn->server = s;
    if (event_assign(&conn->deadline, s->cfg.base, -1, 0, on_deadline, ssl) != 0 ||
        SSL_set_ex_data(ssl, conn_index, conn) != 1) {
        free(conn);
        return NULL;
    }
    s->n_conns++;
    return conn;
}

static struct bufferevent *connection_new(struct avow_server *s)
{
    SSL *ssl = NULL;
    struct bufferevent *bev = NULL;

    ERR_clear_error();
    ssl = SSL_new(s->tls);
    if (!ssl)
        return NULL;
    s->making = true; /* conn_free shall not come back here */
    if (conn_new(s, ssl))
        bev = bufferevent_openssl_socket_new(s->cfg.base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                             BEV_OPT_CLOSE_ON_FREE); /* frees ssl if it fails */
    else
        SSL_free(ssl);
    ERR_clear_error();
    s->making = false;
    if (bev)
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

static void listen_if_possible(struct avow_server *s)
{
    const struct timeval soon = { .tv_usec = SPARE_RETRY_MS * 1000 };

    /* at the maximum, a connection that ends brings us back here (conn_free) */
    if (!s->spare && s->n_conns < s->cfg.conns_max) {
        s->spare = connection_new(s);
        if (!s->spare)
            event_add(&s->retry, &soon);
    }
    if (s->listener && s->spare)
        evconnlistener_enable(s->listener);
    else if (s->listener)
        evconnlistener_disable(s->listener);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    listen_if_possible(arg);
}

/*
 * evhttp asks for the bufferevent of a connection that it accepted, and would serve it in the clear
 * if none came back (libevent 2.1, evhttp_get_request_connection). So the next one is always made
 * ahead, and nothing is accepted while there is none.
 */
static struct bufferevent *on_accept(struct event_base *base, void *arg)
{
    struct avow_server *s = arg;
    struct bufferevent *bev = s->spare;

    (void)base;
    if (!bev)
        abort(); /* better no service than one that talks in the clear */
    avow_server_conn_wait(SSL_get_ex_data(bufferevent_openssl_get_ssl(bev), conn_index),
                          AVOW_SERVER_HANDSHAKE_S);
    s->spare = NULL;
    listen_if_possible(s);
    return bev;
}

static void on_close(struct evhttp_connection *evcon, void *arg)
{
    struct avow_server_conn *conn = arg;

    (void)evcon;
    conn->evcon = NULL;
    if (conn->request)
        avow_request_lost(conn->request);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));
    struct avow_server_conn *conn = ssl ? SSL_get_ex_data(ssl, conn_index) : NULL;

    (void)arg;
    if (!conn || !conn->known) {
        evhttp_connection_free(evcon);
        return;
    }
    if (!conn->evcon) {
        conn->evcon = evcon;
        evhttp_connection_set_closecb(evcon, on_close, conn);
        conn->has_client = avow_tls_peer_spki(ssl, conn->spki, NULL) == 0;
    }
    event_del(&conn->deadline);
    avow_request_begin(conn, req);
}

static int evhttp_set_up(struct avow_server *s)
{
    s->ev = evhttp_new(s->cfg.base);
    if (!s->ev)
        return -1;
    evhttp_set_bevcb(s->ev, on_accept, s);
    evhttp_set_gencb(s->ev, on_request, s);
    evhttp_set_timeout(s->ev, AVOW_SERVER_IDLE_S);
    evhttp_set_max_headers_size(s->ev, AVOW_SERVER_HEADERS_MAX);
    evhttp_set_max_body_size(s->ev, BODY_READ_MAX);
    evhttp_set_allowed_methods(s->ev, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                          EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS |
                                          EVHTTP_REQ_PATCH);
    evhttp_set_default_content_type(s->ev, NULL);
    return 0;
}

static int tls_set_up(const char *cert, const char *key, bool ask_clients, SSL_CTX **out,
                      struct avow_error *err)
{
    AVOW_TRY(avow_server_tls(cert, key, ask_clients, out, err));
    SSL_CTX_set_msg_callback(*out, on_tls_message);
    return 0;
}

int avow_server_new(const struct avow_server_config *cfg, struct avow_server **out,
                    struct avow_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct avow_server *s = NULL;
    int rc = 0;

    if (pthread_once(&once, make_index) != 0 || conn_index < 0)
        return AVOW_FAIL(err, CRYPTO, "no TLS connection index");
    s = calloc(1, sizeof *s);
    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    s->cfg = *cfg;
    rc = tls_set_up(cfg->cert, cfg->key, cfg->ask_clients, &s->tls, err);
    if (rc < 0) {
        free(s);
        return rc;
    }
    if (event_assign(&s->retry, cfg->base, -1, 0, on_retry, s) != 0 || evhttp_set_up(s) != 0) {
        server_release(s);
        return AVOW_FAIL(err, NOMEM, "HTTP server");
    }
    *out = s;
    return 0;
}

int avow_server_reload(struct avow_server *s, const char *cert, const char *key, bool ask_clients,
                       struct avow_error *err)
{
    SSL_CTX *fresh = NULL;

    AVOW_TRY(tls_set_up(cert, key, ask_clients, &fresh, err));
    SSL_CTX_free(s->tls);
    s->tls = fresh;
    if (s->spare) { /* it was made with the old one */
        SSL_set_SSL_CTX(bufferevent_openssl_get_ssl(s->spare), fresh);
        SSL_set_verify(bufferevent_openssl_get_ssl(s->spare), SSL_CTX_get_verify_mode(fresh),
                       SSL_CTX_get_verify_callback(fresh));
    }
    return 0;
}

int avow_server_listen(struct avow_server *s, const struct sockaddr *addr, socklen_t len,
                       uint16_t *port, struct avow_error *err)
{
    struct sockaddr_storage own = { 0 };
    socklen_t own_len = sizeof own;
    struct evconnlistener *lev = evconnlistener_new_bind(
        s->cfg.base, NULL, NULL,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE | LEV_OPT_DISABLED,
        BACKLOG, addr, (int)len);
    const int on = 1;

    if (!lev)
        return AVOW_FAIL_SYS(err, "cannot listen");
    /* accepted connections inherit it; without, a reply of two records waits for the client's
     * delayed acknowledgement, 40 ms on Linux */
    (void)setsockopt(evconnlistener_get_fd(lev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (getsockname(evconnlistener_get_fd(lev), (struct sockaddr *)&own, &own_len) != 0 ||
        !evhttp_bind_listener(s->ev, lev)) {
        int sys = errno;

        evconnlistener_free(lev);
        errno = sys;
        return AVOW_FAIL_SYS(err, "cannot listen");
    }
    s->listener = lev;
    *port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                            : ((struct sockaddr_in *)&own)->sin_port);
    listen_if_possible(s);
    return 0;
}

void avow_server_free(struct avow_server *s)
{
    if (!s)
        return;
    s->listener = NULL; /* evhttp_free closes it */
    event_del(&s->retry);
    evhttp_free(s->ev);
    s->ev = NULL;
    s->closed = true;
    if (s->spare) {
        bufferevent_free(s->spare);
        s->spare = NULL;
    }
    if (s->n_conns == 0)
        server_release(s);
}

unsigned avow_server_connections(const struct avow_server *s)
{
    return s->n_conns - (s->spare ? 1 : 0);
}

void avow_server_route(struct avow_server *s, const char *method, const char *pattern,
                       avow_serve_fn fn, void *ctx)
{
    if (s->n_routes == AVOW_SERVER_ROUTES_MAX)
        abort(); /* the routes are compiled in */
    s->routes[s->n_routes++] =
        (struct avow_server_route){ .method = method, .pattern = pattern, .fn = fn, .ctx = ctx };
}
