#include "daemon/http.h"

#include <stdlib.h>

#include "daemon/http_internal.h"

int avow_conn_identify(struct avow_conn *conn, struct avow_error *err)
{
    if (conn->identified)
        return 0;
    AVOW_TRY(avow_tls_check(conn->base.ssl, AVOW_ALPN, err));
    conn->has_client = avow_tls_peer_spki(conn->base.ssl, conn->spki, NULL) == 0;
    conn->identified = true;
    return 0;
}

struct avow_http *avow_conn_http(const struct avow_conn *conn)
{
    return avow_https_ctx(conn->base.https);
}

static bool conn_authorised(struct avow_https_conn *base)
{
    struct avow_conn *conn = (struct avow_conn *)base;
    const struct avow_http_config *cfg = &avow_conn_http(conn)->cfg;

    if (!conn->authorised && SSL_is_init_finished(base->ssl) &&
        avow_conn_identify(conn, NULL) == 0 && conn->has_client)
        conn->authorised = cfg->authorised(cfg->ctx, conn->spki);
    return conn->authorised;
}

/* evhttp keeps a whole body before it calls anybody: strangers may not make it keep much. */
static bool on_record(struct avow_https_conn *base, size_t len)
{
    struct avow_conn *conn = (struct avow_conn *)base;

    if (conn->authorised)
        return true;
    conn->received += len;
    return conn->received <= AVOW_HTTP_STRANGER_MAX || conn_authorised(base);
}

static bool on_request(struct avow_https_conn *base, struct evhttp_request *req)
{
    avow_call_begin((struct avow_conn *)base, req);
    return true;
}

static const struct avow_https_hooks hooks = {
    .record = on_record,
    .overdue = conn_authorised, /* only strangers have to be quick */
    .request = on_request,
    .too_large = avow_call_too_large,
    .lost = avow_call_lost,
    .released = free,
};

int avow_http_new(const struct avow_http_config *cfg, struct avow_http **out,
                  struct avow_error *err)
{
    avow_autofree struct avow_http *h = calloc(1, sizeof *h);
    const struct avow_https_config https = {
        .base = cfg->base,
        .hooks = &hooks,
        .ctx = h,
        .conn_size = sizeof(struct avow_conn),
        .conns_max = cfg->conns_max ? cfg->conns_max : AVOW_HTTP_CONNS_MAX,
        .first_s = AVOW_HTTP_STRANGER_S,
        .idle_s = AVOW_HTTP_IDLE_S,
        .headers_max = AVOW_HTTP_HEADERS_MAX,
        .body_max = AVOW_HTTP_BODY_MAX,
        .methods = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE,
    };
    SSL_CTX *tls = NULL;

    if (!h)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    h->cfg = *cfg;
    AVOW_TRY(avow_tls_server_ctx(cfg->leaf, AVOW_ALPN, &tls, err));
    AVOW_TRY(avow_https_new(&https, tls, &h->https, err));
    *out = avow_steal(&h);
    return 0;
}

int avow_http_listen(struct avow_http *h, const struct sockaddr *addr, socklen_t len,
                     uint16_t *port, struct avow_error *err)
{
    return avow_https_listen(h->https, addr, len, port, err);
}

void avow_http_free(struct avow_http *h)
{
    if (h)
        avow_https_free(h->https); /* which releases @h in the end */
}

void avow_http_route(struct avow_http *h, const char *method, const char *pattern, unsigned flags,
                     avow_handler_fn fn, void *ctx)
{
    h->handlers[avow_routes_add(&h->routes, method, pattern)] =
        (struct http_handler){ .flags = flags, .fn = fn, .ctx = ctx };
}
