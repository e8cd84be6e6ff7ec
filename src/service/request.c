#include <stdio.h>
#include <stdlib.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "serve/clock.h"
#include "service/server_internal.h"

/* While a request is deferred, libevent reads on to learn of a close; no more than this. */
#define READ_AHEAD_MAX 16384
#define PATH_MAX_BYTES 256u
#define MESSAGE_MAX 1024

static struct bufferevent *request_bev(const struct avow_request *r)
{
    return evhttp_connection_get_bufferevent(r->conn->evcon);
}

const char *avow_request_param(const struct avow_request *r, const char *name)
{
    return avow_route_value(&r->params, name);
}

const char *avow_request_query(const struct avow_request *r, const char *name)
{
    return r->has_query ? evhttp_find_header(&r->query, name) : NULL;
}

const char *avow_request_header(const struct avow_request *r, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(r->req), name);
}

struct avow_bytes avow_request_body(const struct avow_request *r)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(r->req);
    size_t n = evbuffer_get_length(in);
    const uint8_t *p = n ? evbuffer_pullup(in, -1) : NULL;

    return AVOW_BYTES(p, p ? n : 0);
}

const char *avow_request_id(const struct avow_request *r)
{
    return r->id;
}

const struct avow_client_address *avow_request_from(const struct avow_request *r)
{
    return &r->conn->from;
}

const uint8_t *avow_request_spki(const struct avow_request *r)
{
    return r->conn->has_client ? r->conn->spki : NULL;
}

static void request_free(struct avow_request *r)
{
    if (r->conn->request == r)
        r->conn->request = NULL;
    if (r->has_query)
        evhttp_clear_headers(&r->query);
    free(r);
}

static const char *method_name(const struct evhttp_request *req)
{
    switch ((int)evhttp_request_get_command(req)) {
    case EVHTTP_REQ_GET:
        return "GET";
    case EVHTTP_REQ_HEAD:
        return "HEAD";
    case EVHTTP_REQ_POST:
        return "POST";
    case EVHTTP_REQ_PUT:
        return "PUT";
    case EVHTTP_REQ_DELETE:
        return "DELETE";
    default:
        return "?";
    }
}

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } known[] = { { 200, "OK" },
                  { 400, "Bad Request" },
                  { 401, "Unauthorized" },
                  { 403, "Forbidden" },
                  { 404, "Not Found" },
                  { 405, "Method Not Allowed" },
                  { 406, "Not Acceptable" },
                  { 413, "Content Too Large" },
                  { 415, "Unsupported Media Type" },
                  { 429, "Too Many Requests" },
                  { 503, "Service Unavailable" } };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].phrase;
    return "Error";
}

static void report(const struct avow_request *r, int status, const char *code, const char *text)
{
    const struct avow_server_config *cfg = &r->conn->server->cfg;
    const struct avow_answered a = {
        .method = method_name(r->req),
        .pattern = r->route ? r->route->pattern : "",
        .client = r->conn->from.text,
        .id = r->id,
        .status = status,
        .code = code,
        .text = text,
        .seconds = (double)(avow_now_ns() - r->began_ns) / 1e9,
    };

    cfg->answered(cfg->ctx, &a);
}

/* Nothing is read past the limit while a reply is pending; the next request needs it lifted. */
static void reading_as_usual(struct avow_request *r)
{
    const struct timeval idle = { .tv_sec = AVOW_SERVER_IDLE_S };

    if (!r->deferred)
        return;
    bufferevent_setwatermark(request_bev(r), EV_READ, 0, 0);
    bufferevent_set_timeouts(request_bev(r), &idle, &idle);
}

void avow_request_answer_with(struct avow_request *r, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(r->req), name, value);
}

static void finish(struct avow_request *r, int status, const char *type, struct avow_bytes body,
                   const char *code, const char *text)
{
    struct evbuffer *out = evhttp_request_get_output_buffer(r->req);

    report(r, status, code, text);
    reading_as_usual(r);
    avow_request_answer_with(r, "Content-Type", type);
    avow_request_answer_with(r, "x-ms-request-id", r->id);
    if (!evhttp_find_header(evhttp_request_get_output_headers(r->req), "Cache-Control"))
        avow_request_answer_with(r, "Cache-Control", "no-store");
    if (body.len)
        evbuffer_add(out, body.data, body.len);
    avow_server_conn_wait(r->conn, AVOW_SERVER_REQUEST_S);
    evhttp_send_reply(r->req, status, reason_phrase(status), NULL);
    request_free(r);
}

void avow_request_reply(struct avow_request *r, int status, const char *type,
                        struct avow_bytes body)
{
    finish(r, status, type, body, "", "");
}

static void finish_json(struct avow_request *r, int status, json_t *take_body, const char *code,
                        const char *text)
{
    avow_autojson json_t *body = take_body;
    avow_autofree char *dump = body ? json_dumps(body, JSON_COMPACT) : NULL;
    static const char failed[] =
        "{\"error\":{\"code\":\"InternalServerError\",\"message\":\"out of memory\"}}";

    if (!dump)
        finish(r, 500, "application/json", avow_bytes_str(failed), "InternalServerError", text);
    else
        finish(r, status, "application/json", avow_bytes_str(dump), code, text);
}

void avow_request_reply_json(struct avow_request *r, int status, json_t *take_body)
{
    finish_json(r, status, take_body, "", "");
}

void avow_request_fail(struct avow_request *r, int status, const char *code, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    avow_printable(text); /* it may quote what the client sent */
    avow_request_answer_with(r, "x-ms-error-code", code);
    finish_json(r, status, json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", text), code,
                text);
}

/* Paths are compared without case: Microsoft's own clients write them either way. */
static bool lower_path(const struct evhttp_request *req, char out[PATH_MAX_BYTES])
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(req);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    size_t n = path ? strlen(path) : PATH_MAX_BYTES;

    if (n >= PATH_MAX_BYTES)
        return false;
    for (size_t i = 0; i <= n; i++)
        out[i] = path[i] >= 'A' && path[i] <= 'Z' ? (char)(path[i] + 32) : path[i];
    return true;
}

/* The route; @other_method: there is one of that path, but for another method. */
static const struct avow_server_route *find_route(struct avow_request *r, bool *other_method)
{
    const struct avow_server *s = r->conn->server;
    const char *method = method_name(r->req);
    char path[PATH_MAX_BYTES];

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    if (!lower_path(r->req, path))
        return NULL;
    for (size_t i = 0; i < s->n_routes; i++) {
        if (!avow_route_match(s->routes[i].pattern, path, &r->params))
            continue;
        if (strcmp(s->routes[i].method, method) == 0)
            return &s->routes[i];
        *other_method = true;
    }
    return NULL;
}

static bool take_query(struct avow_request *r)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r->req));

    if (!query || !*query)
        return true;
    r->has_query = evhttp_parse_query_str(query, &r->query) == 0;
    return r->has_query;
}

static void dispatch(struct avow_request *r)
{
    const struct avow_server_config *cfg = &r->conn->server->cfg;
    struct avow_server_conn *conn = r->conn;
    bool other_method = false;

    r->route = find_route(r, &other_method);
    if (!cfg->admit(cfg->ctx, &conn->from)) {
        avow_request_answer_with(r, "Retry-After", "1");
        avow_request_fail(r, 429, "TooManyRequests",
                          "too many requests from %s; try again in a second", conn->from.text);
    } else if (!r->route) {
        avow_request_fail(r, other_method ? 405 : 404,
                          other_method ? "MethodNotAllowed" : "NotFound",
                          other_method ? "not with this method" : "no such endpoint");
    } else if (evbuffer_get_length(evhttp_request_get_input_buffer(r->req)) >
               AVOW_SERVER_BODY_MAX) {
        avow_request_fail(r, 413, "RequestTooLarge", "a body of more than %u bytes",
                          AVOW_SERVER_BODY_MAX);
    } else if (!take_query(r)) {
        avow_request_fail(r, 400, "InvalidParameter", "the query of the URL is malformed");
    } else {
        r->route->fn(r->route->ctx, r);
        r = conn->request; /* the request, unless it was answered */
        if (r && !r->deferred)
            avow_request_fail(r, 500, "InternalServerError", "the endpoint gave no answer");
    }
}

/* A random UUID (RFC 9562, version 4). */
static void make_id(char out[AVOW_REQUEST_ID])
{
    uint8_t v[16] = { 0 };
    char hex[33];

    (void)!avow_random(v, sizeof v);
    v[6] = (v[6] & 0x0f) | 0x40;
    v[8] = (v[8] & 0x3f) | 0x80;
    avow_hex(AVOW_BYTES_OF(v), hex);
    (void)snprintf(out, AVOW_REQUEST_ID, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12,
                   hex + 16, hex + 20);
}

void avow_request_begin(struct avow_server_conn *conn, struct evhttp_request *req)
{
    struct avow_request *r = calloc(1, sizeof *r);

    if (!r || conn->request) {
        free(r);
        evhttp_send_error(req, 503, "Service Unavailable");
        return;
    }
    r->began_ns = avow_now_ns();
    r->conn = conn;
    r->req = req;
    make_id(r->id);
    conn->request = r;
    dispatch(r);
}

void avow_request_lost(struct avow_request *r)
{
    void (*gone)(void *ctx) = r->gone;
    void *ctx = r->gone_ctx;

    /* after a failure evhttp lets go of a request that was handed to us; else it frees it itself */
    if (!evhttp_request_get_connection(r->req))
        evhttp_request_free(r->req);
    request_free(r);
    if (gone)
        gone(ctx);
}

/* evhttp stops to read while a request is pending, and so would not see that the client left. */
static void watch_for_close(struct avow_request *r)
{
    const struct timeval idle = { .tv_sec = AVOW_SERVER_IDLE_S };
    struct bufferevent *bev = request_bev(r);
    bufferevent_data_cb on_read = NULL;
    bufferevent_data_cb on_write = NULL;
    bufferevent_event_cb on_event = NULL;
    void *arg = NULL;

    bufferevent_getcb(bev, &on_read, &on_write, &on_event, &arg);
    bufferevent_setcb(bev, NULL, on_write, on_event, arg);
    bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD_MAX);
    bufferevent_set_timeouts(bev, NULL, &idle); /* it is we who let the client wait */
    bufferevent_enable(bev, EV_READ);
}

void avow_request_defer(struct avow_request *r, void (*gone)(void *ctx), void *ctx)
{
    r->deferred = true;
    r->gone = gone;
    r->gone_ctx = ctx;
    watch_for_close(r);
}
