#include "daemon/status.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "daemon/attestation.h"
#include "daemon/openapi.h"

#define METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PLAIN_IDLE_S 10
#define PLAIN_BODY_MAX 0

struct avow_status {
    struct avow_status_config cfg;
    struct evhttp *plain; /* NULL: not wanted */
    uint64_t since_ns;
};

static json_t *health(const struct avow_status *s)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:I}", "status", "ok", "version", AVOW_VERSION, "node",
                     s->cfg.node, "tee", s->cfg.tee, "simulated", s->cfg.simulated, "uptime_s",
                     (json_int_t)((avow_now_ns() - s->since_ns) / 1000000000u));
}

static int metrics(const struct avow_status *s, struct avow_buf *out)
{
    if (s->cfg.refresh)
        s->cfg.refresh(s->cfg.ctx);
    return avow_metrics_text(s->cfg.metrics, out);
}

static void on_health(void *ctx, struct avow_call *c)
{
    avow_call_reply(c, 200, health(ctx));
}

static void on_metrics(void *ctx, struct avow_call *c)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_METRICS_MAX);
    struct avow_error err = { 0 };

    if (metrics(ctx, &text) < 0) {
        AVOW_FAIL(&err, NOMEM, "out of memory");
        avow_call_fail(c, &err);
        return;
    }
    avow_call_reply_bytes(c, 200, METRICS_TYPE, avow_buf_view(&text));
}

static void on_openapi(void *ctx, struct avow_call *c)
{
    (void)ctx;
    avow_call_reply_bytes(c, 200, "application/yaml", AVOW_BYTES(avow_openapi, avow_openapi_len));
}

int avow_status_new(const struct avow_status_config *cfg, struct avow_status **out,
                    struct avow_error *err)
{
    struct avow_status *s = calloc(1, sizeof *s);

    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    s->cfg = *cfg;
    s->since_ns = avow_now_ns();
    avow_http_route(cfg->http, "GET", "/v1/healthz", AVOW_ROUTE_OPEN, on_health, s);
    avow_http_route(cfg->http, "GET", "/v1/metrics", 0, on_metrics, s);
    avow_http_route(cfg->http, "GET", "/v1/openapi.yaml", 0, on_openapi, s);
    *out = s;
    return 0;
}

static void send_plain(struct evhttp_request *req, const char *type, struct avow_bytes body)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(req);

    evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
    evbuffer_add(out, body.data, body.len);
    evhttp_send_reply(req, 200, "OK", NULL);
}

static void on_plain_metrics(struct evhttp_request *req, void *arg)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_METRICS_MAX);

    if (metrics(arg, &text) < 0)
        evhttp_send_error(req, 500, NULL);
    else
        send_plain(req, METRICS_TYPE, avow_buf_view(&text));
}

static void on_plain_health(struct evhttp_request *req, void *arg)
{
    avow_autojson json_t *j = health(arg);
    avow_autofree char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;

    if (!text)
        evhttp_send_error(req, 500, NULL);
    else
        send_plain(req, "application/json", avow_bytes_str(text));
}

static bool is_loopback(const struct sockaddr *addr)
{
    if (addr->sa_family == AF_INET) {
        struct sockaddr_in in;

        memcpy(&in, addr, sizeof in);
        return ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;

        memcpy(&in6, addr, sizeof in6);
        return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    }
    return false;
}

int avow_status_listen(struct avow_status *s, const struct sockaddr *addr, socklen_t len,
                       uint16_t *port, struct avow_error *err)
{
    struct evconnlistener *lev = NULL;
    struct sockaddr_storage own = { 0 };
    socklen_t own_len = sizeof own;

    if (!is_loopback(addr))
        return AVOW_FAIL(err, FORMAT, "listen-metrics is not encrypted: loopback addresses only");
    s->plain = evhttp_new(s->cfg.base);
    lev = s->plain ? evconnlistener_new_bind(s->cfg.base, NULL, NULL,
                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
                                                 LEV_OPT_REUSEABLE,
                                             16, addr, (int)len)
                   : NULL;
    if (!lev || getsockname(evconnlistener_get_fd(lev), (struct sockaddr *)&own, &own_len) != 0 ||
        !evhttp_bind_listener(s->plain, lev)) {
        if (lev)
            evconnlistener_free(lev);
        return AVOW_FAIL_SYS(err, "cannot listen for metrics");
    }
    evhttp_set_timeout(s->plain, PLAIN_IDLE_S);
    evhttp_set_max_headers_size(s->plain, AVOW_HTTP_HEADERS_MAX);
    evhttp_set_max_body_size(s->plain, PLAIN_BODY_MAX);
    evhttp_set_allowed_methods(s->plain, EVHTTP_REQ_GET);
    evhttp_set_cb(s->plain, "/metrics", on_plain_metrics, s);
    evhttp_set_cb(s->plain, "/healthz", on_plain_health, s);
    /* both families keep the port at the same offset (RFC 3493) */
    if (port)
        *port = ntohs(((struct sockaddr_in *)&own)->sin_port);
    return 0;
}

void avow_status_free(struct avow_status *s)
{
    if (!s)
        return;
    if (s->plain)
        evhttp_free(s->plain);
    free(s);
}
