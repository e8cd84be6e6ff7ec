#include "codec/text.h"
#include "daemon/http_internal.h"

static const uint8_t no_spki[32];

const char *avow_call_param(const struct avow_call *c, const char *name)
{
    return avow_exchange_param(&c->x, name);
}

const char *avow_call_query(const struct avow_call *c, const char *name)
{
    return avow_exchange_query(&c->x, name);
}

const uint8_t *avow_call_client_spki(const struct avow_call *c)
{
    return c->conn->has_client ? c->conn->spki : no_spki;
}

const json_t *avow_call_json(const struct avow_call *c)
{
    return c->json;
}

struct avow_bytes avow_call_body(const struct avow_call *c)
{
    return avow_exchange_body(&c->x);
}

SSL *avow_call_ssl(const struct avow_call *c)
{
    return c->conn->base.ssl;
}

void avow_call_set_attested(struct avow_call *c)
{
    c->conn->attested = true;
}

void avow_call_free(struct avow_call *c)
{
    avow_exchange_done(&c->x);
    json_decref(c->json);
    free(c);
}

void avow_call_report(const struct avow_call *c, int status, const struct avow_error *err)
{
    const struct avow_http *h = avow_conn_http(c->conn);
    const struct avow_served s = {
        .method = avow_exchange_method(&c->x),
        .pattern = c->route >= 0 ? h->routes.list[c->route].pattern : "",
        .status = status,
        .code = err ? err->code : 0,
        .text = err ? err->text : "",
        .seconds = avow_exchange_seconds(&c->x),
    };

    if (h->cfg.served)
        h->cfg.served(h->cfg.ctx, &s);
}

static void finish(struct avow_call *c, int status, const char *type, struct avow_bytes body,
                   const struct avow_error *err)
{
    avow_call_report(c, status, err);
    /* a stranger's connection serves one request */
    if (!c->conn->authorised)
        avow_exchange_answer_with(&c->x, "Connection", "close");
    avow_exchange_reply(&c->x, status, type, body);
    avow_call_free(c);
}

void avow_call_reply_bytes(struct avow_call *c, int status, const char *content_type,
                           struct avow_bytes body)
{
    finish(c, status, content_type, body, NULL);
}

static void finish_json(struct avow_call *c, int status, json_t *take_body,
                        const struct avow_error *err)
{
    avow_autojson json_t *body = take_body;
    avow_autofree char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    static const char failed[] =
        "{\"error\":{\"code\":\"nomem\",\"message\":\"out of memory\",\"hint\":\"\"}}";

    if (!text) {
        finish(c, 500, "application/json", avow_bytes_str(failed), err);
        return;
    }
    finish(c, status, "application/json", avow_bytes_str(text), err);
}

void avow_call_reply(struct avow_call *c, int status, json_t *take_body)
{
    finish_json(c, status, take_body, NULL);
}

static json_t *error_body(const struct avow_error *err)
{
    json_t *body =
        json_pack("{s:{s:s,s:s%,s:s}}", "error", "code", avow_err_name(err->code), "message",
                  err->text, strlen(err->text), "hint", avow_err_hint(err->code));

    if (!body) /* the text quotes bytes that are not UTF-8 */
        body = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", avow_err_name(err->code), "message",
                         avow_err_text(err->code), "hint", avow_err_hint(err->code));
    return body;
}

static void fail_status(struct avow_call *c, int status, const struct avow_error *err)
{
    finish_json(c, status, error_body(err), err);
}

static int status_of(int code)
{
    switch (code) {
    case AVOW_E_FORMAT:
    case AVOW_E_LIMIT:
    case AVOW_E_VERSION:
    case AVOW_E_TRUNCATED:
    case AVOW_E_TRAILING:
    case AVOW_E_MISSING:
    case AVOW_E_DIGEST:
        return 400;
    case AVOW_E_UNTRUSTED:
    case AVOW_E_REFUSED:
    case AVOW_E_CHANNEL:
    case AVOW_E_AUTH:
        return 403;
    case AVOW_E_NOTFOUND:
        return 404;
    case AVOW_E_STATE:
    case AVOW_E_EXISTS:
        return 409;
    case AVOW_E_BUSY:
        return 429;
    case AVOW_E_TIMEOUT:
        return 504;
    default:
        return 500;
    }
}

void avow_call_fail(struct avow_call *c, const struct avow_error *err)
{
    struct avow_error none = { 0 };

    if (!err->code) {
        avow_error_set(&none, AVOW_E_INVAL, 0, __FILE__, __LINE__, "no reason recorded");
        err = &none;
    }
    fail_status(c, status_of(err->code), err);
}

static const struct http_handler *handler_of(const struct avow_call *c)
{
    return c->route >= 0 ? &avow_conn_http(c->conn)->handlers[c->route] : NULL;
}

/* The rules of docs/protocols/node-api.md, in one place for every route. */
static int admit(struct avow_call *c, unsigned flags, struct avow_error *err)
{
    struct avow_conn *conn = c->conn;
    const struct avow_http_config *cfg = &avow_conn_http(conn)->cfg;
    char hex[65];

    AVOW_TRY(avow_conn_identify(conn, err));
    conn->authorised = conn->has_client && cfg->authorised(cfg->ctx, conn->spki);
    if (flags & AVOW_ROUTE_OPEN)
        return 0;
    if (!conn->has_client)
        return AVOW_FAIL(err, UNTRUSTED, "no client certificate was shown");
    if (!conn->authorised) {
        avow_hex(AVOW_BYTES_OF(conn->spki), hex);
        return AVOW_FAIL(err, UNTRUSTED, "client sha256:%s is not among the authorised clients",
                         hex);
    }
    if (!(flags & AVOW_ROUTE_UNATTESTED) && !conn->attested)
        return AVOW_FAIL(err, CHANNEL, "this connection is not attested");
    return 0;
}

static int take_body(struct avow_call *c, unsigned flags, struct avow_error *err)
{
    struct avow_bytes body = avow_call_body(c);

    if (!avow_exchange_take_query(&c->x))
        return AVOW_FAIL(err, FORMAT, "the query of the URL is malformed");
    if (flags & AVOW_ROUTE_RAW)
        return 0;
    c->json = body.len ? NULL : json_object();
    if (body.len)
        AVOW_TRY(avow_json_parse(body, &c->json, err));
    if (!json_is_object(c->json))
        return AVOW_FAIL(err, FORMAT, "the body must be a JSON object");
    return 0;
}

static void handle(struct avow_call *c, const struct http_handler *handler)
{
    struct avow_https_conn *conn = c->x.conn;
    struct avow_error err = { 0 };

    handler->fn(handler->ctx, c);
    c = (struct avow_call *)conn->exchange; /* the call, unless it was answered */
    if (c && !c->x.deferred && !c->stream) {
        AVOW_FAIL(&err, INVAL, "the endpoint gave no answer");
        avow_call_fail(c, &err);
    }
}

static void dispatch(struct avow_call *c)
{
    const struct http_handler *handler = NULL;
    struct avow_error err = { 0 };
    unsigned flags = 0;

    c->route = avow_routes_find(&avow_conn_http(c->conn)->routes, avow_exchange_method(&c->x),
                                avow_exchange_path(&c->x), &c->x.params);
    handler = handler_of(c);
    flags = handler ? handler->flags : 0;
    if (admit(c, flags, &err) < 0) {
        fail_status(c, 403, &err);
    } else if (!handler) {
        AVOW_FAIL(&err, NOTFOUND, "no such endpoint");
        avow_call_fail(c, &err);
    } else if ((flags & AVOW_ROUTE_RAW) && avow_call_body(c).len > AVOW_HTTP_PART_MAX) {
        AVOW_FAIL(&err, LIMIT, "a body of more than %u bytes", AVOW_HTTP_PART_MAX);
        fail_status(c, 413, &err);
    } else if (take_body(c, flags, &err) < 0) {
        avow_call_fail(c, &err);
    } else {
        handle(c, handler);
    }
}

void avow_call_begin(struct avow_conn *conn, struct evhttp_request *req)
{
    struct avow_call *c = calloc(1, sizeof *c);

    if (!c || conn->base.exchange) {
        free(c);
        evhttp_send_error(req, 503, "Service Unavailable");
        return;
    }
    avow_exchange_begin(&c->x, &conn->base, req);
    c->conn = conn;
    dispatch(c);
}

void avow_call_too_large(struct avow_https_conn *conn, struct avow_buf *headers,
                         struct avow_buf *body)
{
    const struct avow_http_config *cfg = &avow_conn_http((struct avow_conn *)conn)->cfg;
    struct avow_served s = { .method = "?", .pattern = "", .status = 413, .code = AVOW_E_LIMIT };
    avow_autojson json_t *j = NULL;
    struct avow_error err = { 0 };

    (void)headers;
    AVOW_FAIL(&err, LIMIT, "a body of more than %u bytes", AVOW_HTTP_BODY_MAX);
    j = error_body(&err);
    if (j)
        (void)!avow_json_canonical(j, body, NULL); /* at worst there is no body */
    s.text = err.text;
    if (cfg->served)
        cfg->served(cfg->ctx, &s);
}

void avow_call_lost(struct avow_exchange *x)
{
    struct avow_call *c = (struct avow_call *)x;
    void (*gone)(void *ctx) = x->gone;
    void *ctx = x->gone_ctx;

    if (c->stream)
        avow_stream_lost(c->stream, &gone, &ctx);
    avow_exchange_lost(x);
    avow_call_free(c);
    if (gone)
        gone(ctx);
}

void avow_call_defer(struct avow_call *c, void (*gone)(void *ctx), void *ctx)
{
    avow_exchange_defer(&c->x, gone, ctx);
}
