#include "serve/https.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>

#define SPARE_RETRY_MS 200
#define BACKLOG 512 /* the kernel lowers it to net.core.somaxconn */

struct avow_https {
    struct avow_https_config cfg;
    SSL_CTX *tls;
    struct evhttp *ev;
    struct bufferevent *spare; /* ready for the next connection; NULL: not listening */
    struct event retry;        /* to make a spare again */
    struct evconnlistener *listeners[AVOW_HTTPS_LISTENERS_MAX];
    size_t n_listeners;
    unsigned n_conns; /* with the spare */
    bool making;      /* a connection object is being made */
    bool closed;      /* freed by the owner; waits for its connections */
};

static int conn_index = -1; /* of struct avow_https_conn in an SSL's ex_data */

static void listen_if_possible(struct avow_https *h);

static void https_done(struct avow_https *h)
{
    SSL_CTX_free(h->tls);
    free(h);
}

static void https_release(struct avow_https *h)
{
    void (*released)(void *ctx) = h->cfg.hooks->released;
    void *ctx = h->cfg.ctx;

    https_done(h);
    released(ctx);
}

/* ---- connections ---- */

/* Runs when the SSL object is freed, which libevent does from the loop some time after the close.
 */
static void conn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    struct avow_https_conn *conn = ptr;
    struct avow_https *h = NULL;

    (void)parent;
    (void)ad;
    (void)idx;
    (void)argl;
    (void)argp;
    if (!conn)
        return;
    h = conn->https;
    event_del(&conn->accepted);
    event_del(&conn->deadline);
    avow_excess_done(&conn->excess);
    if (h->cfg.hooks->forget)
        h->cfg.hooks->forget(conn);
    free(conn);
    h->n_conns--;
    if (h->closed && h->n_conns == 0)
        https_release(h);
    else if (!h->closed && !h->making)
        listen_if_possible(h);
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

/* Records are seen here before evhttp, which keeps a whole body before it calls anybody. */
static void on_tls_message(int write_p, int version, int content_type, const void *buf, size_t len,
                           SSL *ssl, void *arg)
{
    struct avow_https_conn *conn = SSL_get_ex_data(ssl, conn_index);
    const uint8_t *header = buf;

    (void)version;
    (void)arg;
    if (write_p || content_type != SSL3_RT_HEADER || len < 5 || !conn)
        return;
    if (!conn->https->cfg.hooks->record(conn, 5 + ((size_t)header[3] << 8 | header[4])))
        hang_up(ssl);
}

/* From the loop: libevent gives the bufferevent its socket after it has asked for it (on_accept).
 */
static void on_accepted(evutil_socket_t fd, short what, void *arg)
{
    struct avow_https_conn *conn = arg;
    const struct avow_https_hooks *hooks = conn->https->cfg.hooks;

    (void)fd;
    (void)what;
    if (hooks->accepted && !hooks->accepted(conn))
        hang_up(conn->ssl);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct avow_https_conn *conn = arg;
    const struct avow_https_hooks *hooks = conn->https->cfg.hooks;

    (void)fd;
    (void)what;
    if (conn->excess.refused || !hooks->overdue || !hooks->overdue(conn))
        hang_up(conn->ssl);
}

void avow_https_conn_wait(struct avow_https_conn *conn, int seconds)
{
    const struct timeval wait = { .tv_sec = seconds };

    event_add(&conn->deadline, &wait);
}

void avow_https_conn_wait_no_more(struct avow_https_conn *conn)
{
    event_del(&conn->deadline);
}

static struct avow_https_conn *conn_new(struct avow_https *h, SSL *ssl)
{
    struct avow_https_conn *conn = calloc(1, h->cfg.conn_size);

    if (!conn)
        return NULL;
    conn->https = h;
    conn->ssl = ssl;
    if (event_assign(&conn->accepted, h->cfg.base, -1, 0, on_accepted, conn) != 0 ||
        event_assign(&conn->deadline, h->cfg.base, -1, 0, on_deadline, conn) != 0 ||
        SSL_set_ex_data(ssl, conn_index, conn) != 1) {
        free(conn);
        return NULL;
    }
    h->n_conns++;
    return conn;
}

static void on_too_large(void *ctx, struct avow_buf *headers, struct avow_buf *body)
{
    struct avow_https_conn *conn = ctx;

    avow_https_conn_wait(conn, AVOW_HTTPS_LINGER_S);
    conn->https->cfg.hooks->too_large(conn, headers, body);
}

/* Consumes @ssl. */
static struct bufferevent *bufferevent_of(struct avow_https *h, SSL *ssl)
{
    struct avow_https_conn *conn = conn_new(h, ssl);
    struct bufferevent *bev = NULL;

    if (!conn) {
        SSL_free(ssl);
        return NULL;
    }
    bev = bufferevent_openssl_socket_new(h->cfg.base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                         BEV_OPT_CLOSE_ON_FREE); /* frees ssl if it fails */
    if (bev &&
        avow_excess_begin(&conn->excess, h->cfg.base, bev, h->cfg.headers_max + h->cfg.body_max,
                          on_too_large, conn, NULL) < 0) {
        bufferevent_free(bev);
        bev = NULL;
    }
    return bev;
}

static struct bufferevent *connection_new(struct avow_https *h)
{
    SSL *ssl = NULL;
    struct bufferevent *bev = NULL;

    ERR_clear_error();
    ssl = SSL_new(h->tls);
    if (!ssl)
        return NULL;
    h->making = true; /* conn_free shall not come back here */
    bev = bufferevent_of(h, ssl);
    ERR_clear_error();
    h->making = false;
    if (bev && h->cfg.may_just_leave)
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

/* ---- accepting ---- */

static void listen_if_possible(struct avow_https *h)
{
    const struct timeval soon = { .tv_usec = SPARE_RETRY_MS * 1000 };

    /* at the maximum, a connection that ends brings us back here (conn_free) */
    if (!h->spare && h->n_conns < h->cfg.conns_max) {
        h->spare = connection_new(h);
        if (!h->spare)
            event_add(&h->retry, &soon);
    }
    for (size_t i = 0; i < h->n_listeners; i++) {
        if (h->spare)
            evconnlistener_enable(h->listeners[i]);
        else
            evconnlistener_disable(h->listeners[i]);
    }
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
    struct avow_https *h = arg;
    struct bufferevent *bev = h->spare;
    struct avow_https_conn *conn = NULL;

    (void)base;
    if (!bev)
        abort(); /* better no server than one that talks in the clear */
    conn = SSL_get_ex_data(bufferevent_openssl_get_ssl(bev), conn_index);
    avow_https_conn_wait(conn, h->cfg.first_s);
    event_active(&conn->accepted, EV_TIMEOUT, 0);
    h->spare = NULL;
    listen_if_possible(h);
    return bev;
}

static void on_close(struct evhttp_connection *evcon, void *arg)
{
    struct avow_https_conn *conn = arg;

    (void)evcon;
    conn->evcon = NULL;
    if (conn->exchange)
        conn->https->cfg.hooks->lost(conn->exchange);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));
    struct avow_https_conn *conn = ssl ? SSL_get_ex_data(ssl, conn_index) : NULL;

    (void)arg;
    if (conn)
        avow_excess_next(&conn->excess);
    if (conn && !conn->evcon) {
        conn->evcon = evcon;
        evhttp_connection_set_closecb(evcon, on_close, conn);
    }
    if (!conn || !conn->https->cfg.hooks->request(conn, req))
        evhttp_connection_free(evcon);
}

/* ---- the server ---- */

static int evhttp_set_up(struct avow_https *h)
{
    h->ev = evhttp_new(h->cfg.base);
    if (!h->ev)
        return -1;
    evhttp_set_bevcb(h->ev, on_accept, h);
    evhttp_set_gencb(h->ev, on_request, h);
    evhttp_set_timeout(h->ev, h->cfg.idle_s);
    evhttp_set_max_headers_size(h->ev, (ev_ssize_t)h->cfg.headers_max);
    evhttp_set_max_body_size(h->ev, -1); /* none: serve/excess.h */
    evhttp_set_allowed_methods(h->ev, (ev_uint16_t)h->cfg.methods);
    evhttp_set_default_content_type(h->ev, NULL);
    return 0;
}

int avow_https_new(const struct avow_https_config *cfg, SSL_CTX *take_tls, struct avow_https **out,
                   struct avow_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct avow_https *h = NULL;

    if (pthread_once(&once, make_index) != 0 || conn_index < 0) {
        SSL_CTX_free(take_tls);
        return AVOW_FAIL(err, CRYPTO, "no TLS connection index");
    }
    h = calloc(1, sizeof *h);
    if (!h) {
        SSL_CTX_free(take_tls);
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    h->cfg = *cfg;
    h->tls = take_tls;
    SSL_CTX_set_msg_callback(h->tls, on_tls_message);
    if (event_assign(&h->retry, cfg->base, -1, 0, on_retry, h) != 0 || evhttp_set_up(h) != 0) {
        https_done(h);
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    *out = h;
    return 0;
}

int avow_https_listen(struct avow_https *h, const struct sockaddr *addr, socklen_t len,
                      uint16_t *port, struct avow_error *err)
{
    struct sockaddr_storage own = { 0 };
    socklen_t own_len = sizeof own;
    struct evconnlistener *lev = NULL;
    const int on = 1;

    if (h->n_listeners == AVOW_HTTPS_LISTENERS_MAX)
        return AVOW_FAIL(err, LIMIT, "at most %zu addresses to listen on", h->n_listeners);
    lev = evconnlistener_new_bind(h->cfg.base, NULL, NULL,
                                  LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
                                      LEV_OPT_REUSEABLE | LEV_OPT_DISABLED,
                                  BACKLOG, addr, (int)len);
    if (!lev)
        return AVOW_FAIL_SYS(err, "cannot listen");
    /* accepted connections inherit it; without, a reply of two records waits for the client's
     * delayed acknowledgement, 40 ms on Linux */
    (void)setsockopt(evconnlistener_get_fd(lev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (getsockname(evconnlistener_get_fd(lev), (struct sockaddr *)&own, &own_len) != 0 ||
        !evhttp_bind_listener(h->ev, lev)) {
        int sys = errno;

        evconnlistener_free(lev);
        errno = sys;
        return AVOW_FAIL_SYS(err, "cannot listen");
    }
    h->listeners[h->n_listeners++] = lev;
    if (port)
        *port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                                : ((struct sockaddr_in *)&own)->sin_port);
    listen_if_possible(h);
    return 0;
}

void avow_https_set_tls(struct avow_https *h, SSL_CTX *take_tls)
{
    SSL *ssl = h->spare ? bufferevent_openssl_get_ssl(h->spare) : NULL;

    SSL_CTX_set_msg_callback(take_tls, on_tls_message);
    SSL_CTX_free(h->tls);
    h->tls = take_tls;
    if (ssl) { /* it was made with the old one */
        SSL_set_SSL_CTX(ssl, take_tls);
        SSL_set_verify(ssl, SSL_CTX_get_verify_mode(take_tls),
                       SSL_CTX_get_verify_callback(take_tls));
    }
}

void avow_https_free(struct avow_https *h)
{
    if (!h)
        return;
    h->n_listeners = 0; /* evhttp_free closes them */
    event_del(&h->retry);
    evhttp_free(h->ev);
    h->ev = NULL;
    h->closed = true;
    if (h->spare) {
        bufferevent_free(h->spare);
        h->spare = NULL;
    }
    if (h->n_conns == 0)
        https_release(h);
}

void *avow_https_ctx(const struct avow_https *h)
{
    return h->cfg.ctx;
}

struct event_base *avow_https_base(const struct avow_https *h)
{
    return h->cfg.base;
}

int avow_https_idle_s(const struct avow_https *h)
{
    return h->cfg.idle_s;
}

unsigned avow_https_connections(const struct avow_https *h)
{
    return h->n_conns - (h->spare ? 1 : 0);
}
