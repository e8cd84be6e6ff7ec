#include "daemon/http.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "daemon/http_internal.h"

#define SPARE_RETRY_MS 200
#define BACKLOG 128

static int conn_index = -1; /* of struct avow_conn in an SSL's ex_data */

static void listen_if_possible(struct avow_http *h);

static void http_release(struct avow_http *h)
{
    SSL_CTX_free(h->tls);
    free(h);
}

/* Runs when the SSL object is freed, which libevent does from the loop some time after the close.
 */
static void conn_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    struct avow_conn *conn = ptr;
    struct avow_http *h = NULL;

    (void)parent;
    (void)ad;
    (void)idx;
    (void)argl;
    (void)argp;
    if (!conn)
        return;
    h = conn->http;
    event_del(&conn->deadline);
    free(conn);
    h->n_conns--;
    if (h->closed && h->n_conns == 0)
        http_release(h);
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

int avow_conn_identify(struct avow_conn *conn, SSL *ssl, struct avow_error *err)
{
    if (conn->identified)
        return 0;
    AVOW_TRY(avow_tls_check(ssl, AVOW_ALPN, err));
    conn->has_client = avow_tls_peer_spki(ssl, conn->spki, NULL) == 0;
    conn->identified = true;
    return 0;
}

static bool conn_authorised(struct avow_conn *conn, SSL *ssl)
{
    if (!conn->authorised && SSL_is_init_finished(ssl) &&
        avow_conn_identify(conn, ssl, NULL) == 0 && conn->has_client)
        conn->authorised = conn->http->cfg.authorised(conn->http->cfg.ctx, conn->spki);
    return conn->authorised;
}

/* evhttp keeps a whole body before it calls anybody: strangers may not make it keep much. */
static void on_tls_message(int write_p, int version, int content_type, const void *buf, size_t len,
                           SSL *ssl, void *arg)
{
    struct avow_conn *conn = SSL_get_ex_data(ssl, conn_index);
    const uint8_t *header = buf;

    (void)version;
    (void)arg;
    if (write_p || content_type != SSL3_RT_HEADER || len < 5 || !conn || conn->authorised)
        return;
    conn->received += 5 + ((size_t)header[3] << 8 | header[4]);
    if (conn->received > AVOW_HTTP_STRANGER_MAX && !conn_authorised(conn, ssl))
        hang_up(ssl);
}

static void on_stranger_deadline(evutil_socket_t fd, short what, void *arg)
{
    SSL *ssl = arg;
    struct avow_conn *conn = SSL_get_ex_data(ssl, conn_index);

    (void)fd;
    (void)what;
    if (conn && !conn_authorised(conn, ssl))
        hang_up(ssl);
}

static struct avow_conn *conn_new(struct avow_http *h, SSL *ssl)
{
    struct avow_conn *conn = calloc(1, sizeof *conn);

    if (!conn)
        return NULL;
    conn->http = h;
    if (event_assign(&conn->deadline, h->cfg.base, -1, 0, on_stranger_deadline, ssl) != 0 ||
        SSL_set_ex_data(ssl, conn_index, conn) != 1) {
        free(conn);
        return NULL;
    }
    h->n_conns++;
    return conn;
}

static struct bufferevent *connection_new(struct avow_http *h)
{
    SSL *ssl = NULL;
    struct bufferevent *bev = NULL;

    ERR_clear_error();
    ssl = SSL_new(h->tls);
    if (!ssl)
        return NULL;
    h->making = true; /* conn_free shall not come back here */
    if (conn_new(h, ssl))
        bev = bufferevent_openssl_socket_new(h->cfg.base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING,
                                             BEV_OPT_CLOSE_ON_FREE); /* frees ssl if it fails */
    else
        SSL_free(ssl);
    ERR_clear_error();
    h->making = false;
    return bev;
}

static void listen_if_possible(struct avow_http *h)
{
    const struct timeval soon = { .tv_usec = SPARE_RETRY_MS * 1000 };
    bool can = h->spare != NULL;

    /* at the maximum, a connection that ends brings us back here (conn_free) */
    if (!can && h->n_conns < h->cfg.conns_max) {
        h->spare = connection_new(h);
        can = h->spare != NULL;
        if (!can)
            event_add(&h->retry, &soon);
    }
    for (size_t i = 0; i < h->n_listeners; i++) {
        if (can)
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
    const struct timeval deadline = { .tv_sec = AVOW_HTTP_STRANGER_S };
    struct avow_http *h = arg;
    struct bufferevent *bev = h->spare;
    struct avow_conn *conn = NULL;

    (void)base;
    if (!bev)
        abort(); /* better no daemon than one that talks in the clear */
    conn = SSL_get_ex_data(bufferevent_openssl_get_ssl(bev), conn_index);
    event_add(&conn->deadline, &deadline);
    h->spare = NULL;
    listen_if_possible(h);
    return bev;
}

static void on_close(struct evhttp_connection *evcon, void *arg)
{
    struct avow_conn *conn = arg;

    (void)evcon;
    conn->evcon = NULL;
    if (conn->call)
        avow_call_connection_closed(conn->call);
}

static void on_request(struct evhttp_request *req, void *arg)
{
    struct evhttp_connection *evcon = evhttp_request_get_connection(req);
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
    SSL *ssl = bufferevent_openssl_get_ssl(bev);
    struct avow_conn *conn = ssl ? SSL_get_ex_data(ssl, conn_index) : NULL;

    (void)arg;
    if (!conn) {
        evhttp_connection_free(evcon);
        return;
    }
    if (!conn->evcon) {
        conn->evcon = evcon;
        evhttp_connection_set_closecb(evcon, on_close, conn);
    }
    avow_call_begin(conn, req);
}

static int evhttp_set_up(struct avow_http *h)
{
    h->ev = evhttp_new(h->cfg.base);
    if (!h->ev)
        return -1;
    evhttp_set_bevcb(h->ev, on_accept, h);
    evhttp_set_gencb(h->ev, on_request, h);
    evhttp_set_timeout(h->ev, AVOW_HTTP_IDLE_S);
    evhttp_set_max_headers_size(h->ev, AVOW_HTTP_HEADERS_MAX);
    evhttp_set_max_body_size(h->ev, AVOW_HTTP_BODY_MAX);
    evhttp_set_allowed_methods(h->ev, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                          EVHTTP_REQ_DELETE);
    evhttp_set_default_content_type(h->ev, NULL);
    return 0;
}

int avow_http_new(const struct avow_http_config *cfg, struct avow_http **out,
                  struct avow_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct avow_http *h = NULL;
    int rc = 0;

    if (pthread_once(&once, make_index) != 0 || conn_index < 0)
        return AVOW_FAIL(err, CRYPTO, "no TLS connection index");
    h = calloc(1, sizeof *h);
    if (!h)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    h->cfg = *cfg;
    if (!h->cfg.conns_max)
        h->cfg.conns_max = AVOW_HTTP_CONNS_MAX;
    rc = avow_tls_server_ctx(cfg->leaf, AVOW_ALPN, &h->tls, err);
    if (rc < 0) {
        free(h);
        return rc;
    }
    SSL_CTX_set_msg_callback(h->tls, on_tls_message);
    if (event_assign(&h->retry, cfg->base, -1, 0, on_retry, h) != 0 || evhttp_set_up(h) != 0) {
        http_release(h);
        return AVOW_FAIL(err, NOMEM, "HTTP server");
    }
    *out = h;
    return 0;
}

int avow_http_listen(struct avow_http *h, const struct sockaddr *addr, socklen_t len,
                     uint16_t *port, struct avow_error *err)
{
    struct sockaddr_storage own = { 0 };
    socklen_t own_len = sizeof own;
    struct evconnlistener *lev = NULL;
    const int on = 1;

    if (h->n_listeners == sizeof h->listeners / sizeof h->listeners[0])
        return AVOW_FAIL(err, LIMIT, "at most %zu addresses to listen on", h->n_listeners);
    lev = evconnlistener_new_bind(h->cfg.base, NULL, NULL,
                                  LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
                                      LEV_OPT_REUSEABLE | LEV_OPT_DISABLED,
                                  BACKLOG, addr, (int)len);
    if (!lev)
        return AVOW_FAIL_SYS(err, "cannot listen on the API address");
    /* accepted connections inherit it; without, a reply of two records waits for the client's
     * delayed acknowledgement, 40 ms on Linux */
    (void)setsockopt(evconnlistener_get_fd(lev), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (getsockname(evconnlistener_get_fd(lev), (struct sockaddr *)&own, &own_len) != 0 ||
        !evhttp_bind_listener(h->ev, lev)) {
        int sys = errno;

        evconnlistener_free(lev);
        errno = sys;
        return AVOW_FAIL_SYS(err, "cannot listen on the API address");
    }
    h->listeners[h->n_listeners++] = lev;
    if (port)
        *port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                                : ((struct sockaddr_in *)&own)->sin_port);
    listen_if_possible(h);
    return 0;
}

void avow_http_free(struct avow_http *h)
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
        http_release(h);
}

void avow_http_route(struct avow_http *h, const char *method, const char *pattern, unsigned flags,
                     avow_handler_fn fn, void *ctx)
{
    if (h->n_routes == AVOW_HTTP_ROUTES_MAX)
        abort(); /* the routes are compiled in */
    h->routes[h->n_routes++] = (struct avow_route){
        .method = method, .pattern = pattern, .flags = flags, .fn = fn, .ctx = ctx
    };
}
