#include "service/server.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "channel/tls.h"
#include "service/server_internal.h"
#include "service/tls.h"

struct avow_server *avow_server_of(const struct avow_server_conn *conn)
{
    return avow_https_ctx(conn->base.https);
}

/* ---- connections ---- */

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
static bool conn_identify(struct avow_server_conn *conn)
{
    struct avow_server *s = avow_server_of(conn);
    struct sockaddr_storage ss = { 0 };
    socklen_t len = sizeof ss;
    unsigned n = 0;

    if (getpeername(SSL_get_fd(conn->base.ssl), (struct sockaddr *)&ss, &len) != 0)
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

static bool on_accepted(struct avow_https_conn *base)
{
    struct avow_server_conn *conn = (struct avow_server_conn *)base;

    return conn->known || conn_identify(conn);
}

/* A client that is quick may have sent some before. */
static bool on_record(struct avow_https_conn *base, size_t len)
{
    (void)len;
    return on_accepted(base);
}

static void on_forget(struct avow_https_conn *base)
{
    struct avow_server_conn *conn = (struct avow_server_conn *)base;

    if (!conn->link)
        return;
    *conn->link = conn->next;
    if (conn->next)
        conn->next->link = conn->link;
}

static bool on_request(struct avow_https_conn *base, struct evhttp_request *req)
{
    struct avow_server_conn *conn = (struct avow_server_conn *)base;

    if (!conn->known)
        return false;
    if (!conn->asked)
        conn->has_client = avow_tls_peer_spki(base->ssl, conn->spki, NULL) == 0;
    conn->asked = true;
    avow_https_conn_wait_no_more(base);
    avow_request_begin(conn, req);
    return true;
}

static const struct avow_https_hooks hooks = {
    .accepted = on_accepted,
    .record = on_record,
    .request = on_request,
    .too_large = avow_request_too_large,
    .lost = avow_request_lost,
    .forget = on_forget,
    .released = free,
};

/* ---- the server ---- */

int avow_server_new(const struct avow_server_config *cfg, struct avow_server **out,
                    struct avow_error *err)
{
    avow_autofree struct avow_server *s = calloc(1, sizeof *s);
    const struct avow_https_config https = {
        .base = cfg->base,
        .hooks = &hooks,
        .ctx = s,
        .conn_size = sizeof(struct avow_server_conn),
        .conns_max = cfg->conns_max,
        .first_s = AVOW_SERVER_HANDSHAKE_S,
        .idle_s = AVOW_SERVER_IDLE_S,
        .headers_max = AVOW_SERVER_HEADERS_MAX,
        .body_max = AVOW_SERVER_BODY_MAX,
        .methods = EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE |
                   EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH,
        .may_just_leave = true,
    };
    SSL_CTX *tls = NULL;

    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    s->cfg = *cfg;
    AVOW_TRY(avow_server_tls(cfg->cert, cfg->key, cfg->ask_clients, &tls, err));
    AVOW_TRY(avow_https_new(&https, tls, &s->https, err));
    *out = avow_steal(&s);
    return 0;
}

int avow_server_reload(struct avow_server *s, const char *cert, const char *key, bool ask_clients,
                       struct avow_error *err)
{
    SSL_CTX *fresh = NULL;

    AVOW_TRY(avow_server_tls(cert, key, ask_clients, &fresh, err));
    avow_https_set_tls(s->https, fresh);
    return 0;
}

int avow_server_listen(struct avow_server *s, const struct sockaddr *addr, socklen_t len,
                       uint16_t *port, struct avow_error *err)
{
    return avow_https_listen(s->https, addr, len, port, err);
}

void avow_server_free(struct avow_server *s)
{
    if (s)
        avow_https_free(s->https); /* which releases @s in the end */
}

unsigned avow_server_connections(const struct avow_server *s)
{
    return avow_https_connections(s->https);
}

void avow_server_route(struct avow_server *s, const char *method, const char *pattern,
                       avow_serve_fn fn, void *ctx)
{
    s->handlers[avow_routes_add(&s->routes, method, pattern)] =
        (struct server_handler){ .fn = fn, .ctx = ctx };
}
