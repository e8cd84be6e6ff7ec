#include <stdio.h>
#include <stdlib.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "service/server_internal.h"

#define PATH_MAX_BYTES 256u
#define MESSAGE_MAX 1024
#define BROKEN_RETRY_S "10" /* a disk that is full, a file that is locked */
#define TOO_LARGE "RequestTooLarge"
#define TOO_LARGE_TEXT "a body of more than %u bytes"

const char *avow_request_param(const struct avow_request *r, const char *name)
{
    return avow_exchange_param(&r->x, name);
}

const char *avow_request_query(const struct avow_request *r, const char *name)
{
    return avow_exchange_query(&r->x, name);
}

const char *avow_request_header(const struct avow_request *r, const char *name)
{
    return avow_exchange_header(&r->x, name);
}

struct avow_bytes avow_request_body(const struct avow_request *r)
{
    return avow_exchange_body(&r->x);
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
    avow_exchange_done(&r->x);
    free(r);
}

static void report(const struct avow_request *r, int status, const char *code, const char *text)
{
    const struct avow_server *s = avow_server_of(r->conn);
    const struct avow_answered a = {
        .method = avow_exchange_method(&r->x),
        .pattern = r->route >= 0 ? s->routes.list[r->route].pattern : "",
        .client = r->conn->from.text,
        .id = r->id,
        .status = status,
        .code = code,
        .text = text,
        .seconds = avow_exchange_seconds(&r->x),
    };

    s->cfg.answered(s->cfg.ctx, &a);
}

void avow_request_answer_with(struct avow_request *r, const char *name, const char *value)
{
    avow_exchange_answer_with(&r->x, name, value);
}

static void finish(struct avow_request *r, int status, const char *type, struct avow_bytes body,
                   const char *code, const char *text)
{
    report(r, status, code, text);
    avow_request_answer_with(r, "x-ms-request-id", r->id);
    avow_https_conn_wait(r->x.conn, AVOW_SERVER_REQUEST_S);
    avow_exchange_reply(&r->x, status, type, body);
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

static json_t *error_body(const char *code, const char *text)
{
    return json_pack("{s:{s:s,s:s}}", "error", "code", code, "message", text);
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
    finish_json(r, status, error_body(code, text), code, text);
}

void avow_request_broken(struct avow_request *r, int status, const char *detail)
{
    const char *code = status == 503 ? "ServiceUnavailable" : "InternalServerError";
    char text[MESSAGE_MAX];

    (void)snprintf(text, sizeof text, "the service %s: its log says why, under %s",
                   status == 503 ? "cannot answer now, try again" : "failed", r->id);
    if (status == 503)
        avow_request_answer_with(r, "Retry-After", BROKEN_RETRY_S);
    avow_request_answer_with(r, "x-ms-error-code", code);
    finish_json(r, status, error_body(code, text), code, detail);
}

/* Paths are compared without case, and may end with a slash: Microsoft's own clients write them
 * either way, and its service takes them. */
static bool lower_path(const struct avow_request *r, char out[PATH_MAX_BYTES])
{
    const char *path = avow_exchange_path(&r->x);
    size_t n = path ? strlen(path) : PATH_MAX_BYTES;

    if (n >= PATH_MAX_BYTES)
        return false;
    for (size_t i = 0; i <= n; i++)
        out[i] = path[i] >= 'A' && path[i] <= 'Z' ? (char)(path[i] + 32) : path[i];
    if (n > 1 && out[n - 1] == '/')
        out[n - 1] = '\0';
    return true;
}

static int find_route(struct avow_request *r)
{
    const char *method = avow_exchange_method(&r->x);
    char path[PATH_MAX_BYTES];

    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    return avow_routes_find(&avow_server_of(r->conn)->routes, method,
                            lower_path(r, path) ? path : NULL, &r->x.params);
}

static void refuse_method(struct avow_request *r)
{
    char path[PATH_MAX_BYTES];
    char allow[AVOW_ROUTE_ALLOW];

    avow_routes_allow(&avow_server_of(r->conn)->routes, lower_path(r, path) ? path : NULL, allow);
    avow_request_answer_with(r, "Allow", allow);
    avow_request_fail(r, 405, "MethodNotAllowed", "not with this method, but with %s", allow);
}

static void handle(struct avow_request *r)
{
    const struct server_handler *handler = &avow_server_of(r->conn)->handlers[r->route];
    struct avow_https_conn *conn = r->x.conn;

    handler->fn(handler->ctx, r);
    r = (struct avow_request *)conn->exchange; /* the request, unless it was answered */
    if (r && !r->x.deferred)
        avow_request_broken(r, 500, "the endpoint gave no answer");
}

static void dispatch(struct avow_request *r)
{
    const struct avow_server_config *cfg = &avow_server_of(r->conn)->cfg;

    r->route = find_route(r);
    if (!cfg->admit(cfg->ctx, &r->conn->from)) {
        avow_request_answer_with(r, "Retry-After", "1");
        avow_request_fail(r, 429, "TooManyRequests",
                          "too many requests from %s; try again in a second", r->conn->from.text);
    } else if (r->route == AVOW_ROUTE_OTHER_METHOD) {
        refuse_method(r);
    } else if (r->route < 0) {
        avow_request_fail(r, 404, "NotFound", "no such endpoint");
    } else if (avow_request_body(r).len > AVOW_SERVER_BODY_MAX) {
        avow_request_fail(r, 413, TOO_LARGE, TOO_LARGE_TEXT, AVOW_SERVER_BODY_MAX);
    } else if (!avow_exchange_take_query(&r->x)) {
        avow_request_fail(r, 400, "InvalidParameter", "the query of the URL is malformed");
    } else {
        handle(r);
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

void avow_request_too_large(struct avow_https_conn *base, struct avow_buf *headers,
                            struct avow_buf *body)
{
    struct avow_server_conn *conn = (struct avow_server_conn *)base;
    const struct avow_server_config *cfg = &avow_server_of(conn)->cfg;
    struct avow_answered a = {
        .method = "?", .pattern = "", .client = conn->from.text, .status = 413, .code = TOO_LARGE
    };
    avow_autojson json_t *j = NULL;
    char id[AVOW_REQUEST_ID];
    char text[MESSAGE_MAX];

    make_id(id);
    (void)snprintf(text, sizeof text, TOO_LARGE_TEXT, AVOW_SERVER_BODY_MAX);
    avow_buf_putf(headers, "x-ms-error-code: %s\r\nx-ms-request-id: %s\r\n", a.code, id);
    j = error_body(a.code, text);
    if (j)
        (void)!avow_json_canonical(j, body, NULL); /* at worst there is no body */
    a.id = id;
    a.text = text;
    cfg->answered(cfg->ctx, &a);
}

void avow_request_begin(struct avow_server_conn *conn, struct evhttp_request *req)
{
    struct avow_request *r = calloc(1, sizeof *r);

    if (!r || conn->base.exchange) {
        free(r);
        evhttp_send_error(req, 503, "Service Unavailable");
        return;
    }
    avow_exchange_begin(&r->x, &conn->base, req);
    r->conn = conn;
    make_id(r->id);
    dispatch(r);
}

void avow_request_lost(struct avow_exchange *x)
{
    void (*gone)(void *ctx) = x->gone;
    void *ctx = x->gone_ctx;

    avow_exchange_lost(x);
    request_free((struct avow_request *)x);
    if (gone)
        gone(ctx);
}

void avow_request_defer(struct avow_request *r, void (*gone)(void *ctx), void *ctx)
{
    avow_exchange_defer(&r->x, gone, ctx);
}
