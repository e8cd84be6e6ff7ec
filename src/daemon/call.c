#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>

#include "codec/text.h"
#include "daemon/http_internal.h"

/* While a call is deferred or streams, libevent reads on to learn of a close; no more than this. */
#define READ_AHEAD_MAX 16384

struct avow_stream {
    struct avow_call *call;
    struct event keepalive;
    void (*gone)(void *ctx);
    void *ctx;
};

static const uint8_t no_spki[32];

static struct bufferevent *call_bev(const struct avow_call *c)
{
    return evhttp_connection_get_bufferevent(c->conn->evcon);
}

const char *avow_call_param(const struct avow_call *c, const char *name)
{
    return avow_route_value(&c->params, name);
}

const char *avow_call_query(const struct avow_call *c, const char *name)
{
    return c->has_query ? evhttp_find_header(&c->query, name) : NULL;
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
    struct evbuffer *in = evhttp_request_get_input_buffer(c->req);
    size_t n = evbuffer_get_length(in);
    const uint8_t *p = n ? evbuffer_pullup(in, -1) : NULL;

    return AVOW_BYTES(p, p ? n : 0);
}

SSL *avow_call_ssl(const struct avow_call *c)
{
    return bufferevent_openssl_get_ssl(call_bev(c));
}

void avow_call_set_attested(struct avow_call *c)
{
    c->conn->attested = true;
}

static void call_free(struct avow_call *c)
{
    if (c->conn->call == c)
        c->conn->call = NULL;
    if (c->has_query)
        evhttp_clear_headers(&c->query);
    json_decref(c->json);
    free(c);
}

static const char *method_name(const struct evhttp_request *req)
{
    switch ((int)evhttp_request_get_command(req)) {
    case EVHTTP_REQ_GET:
        return "GET";
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

static void report(const struct avow_call *c, int status, const struct avow_error *err)
{
    const struct avow_http_config *cfg = &c->conn->http->cfg;
    struct timespec now = { 0 };
    struct avow_served s = {
        .method = method_name(c->req),
        .pattern = c->route ? c->route->pattern : "",
        .status = status,
        .code = err ? err->code : 0,
        .text = err ? err->text : "",
    };

    if (!cfg->served)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    s.seconds =
        (double)(now.tv_sec - c->began.tv_sec) + (double)(now.tv_nsec - c->began.tv_nsec) / 1e9;
    cfg->served(cfg->ctx, &s);
}

static const char *reason_phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return status < 300 ? "OK" : "Error";
    }
}

/* Nothing is read past the limit while a reply is pending; the next request needs it lifted. */
static void reading_as_usual(struct avow_call *c)
{
    const struct timeval idle = { .tv_sec = AVOW_HTTP_IDLE_S };

    if (!c->deferred && !c->stream)
        return;
    bufferevent_setwatermark(call_bev(c), EV_READ, 0, 0);
    bufferevent_set_timeouts(call_bev(c), &idle, &idle);
}

static void finish(struct avow_call *c, int status, const char *type, struct avow_bytes body,
                   const struct avow_error *err)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(c->req);
    struct evbuffer *out = evhttp_request_get_output_buffer(c->req);

    report(c, status, err);
    reading_as_usual(c);
    evhttp_add_header(headers, "Content-Type", type);
    evhttp_add_header(headers, "Cache-Control", "no-store");
    /* a stranger's connection serves one request */
    if (!c->conn->authorised)
        evhttp_add_header(headers, "Connection", "close");
    if (body.len)
        evbuffer_add(out, body.data, body.len);
    evhttp_send_reply(c->req, status, reason_phrase(status), NULL);
    call_free(c);
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

static void fail_status(struct avow_call *c, int status, const struct avow_error *err)
{
    json_t *body =
        json_pack("{s:{s:s,s:s%,s:s}}", "error", "code", avow_err_name(err->code), "message",
                  err->text, strlen(err->text), "hint", avow_err_hint(err->code));

    if (!body) /* the text quotes bytes that are not UTF-8 */
        body = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", avow_err_name(err->code), "message",
                         avow_err_text(err->code), "hint", avow_err_hint(err->code));
    finish_json(c, status, body, err);
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

/* The rules of docs/protocols/node-api.md, in one place for every route. */
static int admit(struct avow_call *c, struct avow_error *err)
{
    struct avow_conn *conn = c->conn;
    unsigned flags = c->route ? c->route->flags : 0;
    char hex[65];

    AVOW_TRY(avow_conn_identify(conn, avow_call_ssl(c), err));
    conn->authorised =
        conn->has_client && conn->http->cfg.authorised(conn->http->cfg.ctx, conn->spki);
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

static int take_body(struct avow_call *c, struct avow_error *err)
{
    struct avow_bytes body = avow_call_body(c);
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(c->req));

    if (query && *query) {
        if (evhttp_parse_query_str(query, &c->query) != 0)
            return AVOW_FAIL(err, FORMAT, "the query of the URL is malformed");
        c->has_query = true;
    }
    if (c->route->flags & AVOW_ROUTE_RAW)
        return 0;
    c->json = body.len ? NULL : json_object();
    if (body.len)
        AVOW_TRY(avow_json_parse(body, &c->json, err));
    if (!json_is_object(c->json))
        return AVOW_FAIL(err, FORMAT, "the body must be a JSON object");
    return 0;
}

static const struct avow_route *find_route(struct avow_call *c)
{
    const struct avow_http *h = c->conn->http;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(c->req);
    const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
    const char *method = method_name(c->req);

    for (size_t i = 0; path && i < h->n_routes; i++)
        if (strcmp(h->routes[i].method, method) == 0 &&
            avow_route_match(h->routes[i].pattern, path, &c->params))
            return &h->routes[i];
    return NULL;
}

static void dispatch(struct avow_call *c)
{
    struct avow_conn *conn = c->conn;
    struct avow_error err = { 0 };

    c->route = find_route(c);
    if (admit(c, &err) < 0) {
        fail_status(c, 403, &err);
        return;
    }
    if (!c->route) {
        AVOW_FAIL(&err, NOTFOUND, "no such endpoint");
        avow_call_fail(c, &err);
        return;
    }
    if ((c->route->flags & AVOW_ROUTE_RAW) && avow_call_body(c).len > AVOW_HTTP_PART_MAX) {
        AVOW_FAIL(&err, LIMIT, "a body of more than %u bytes", AVOW_HTTP_PART_MAX);
        fail_status(c, 413, &err);
        return;
    }
    if (take_body(c, &err) < 0) {
        avow_call_fail(c, &err);
        return;
    }
    c->route->fn(c->route->ctx, c);
    c = conn->call; /* the call, unless it was answered */
    if (c && !c->deferred && !c->stream) {
        AVOW_FAIL(&err, INVAL, "the endpoint gave no answer");
        avow_call_fail(c, &err);
    }
}

void avow_call_begin(struct avow_conn *conn, struct evhttp_request *req)
{
    struct avow_call *c = calloc(1, sizeof *c);

    if (!c || conn->call) {
        free(c);
        evhttp_send_error(req, 503, "Service Unavailable");
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &c->began);
    c->conn = conn;
    c->req = req;
    conn->call = c;
    dispatch(c);
}

void avow_call_connection_closed(struct avow_call *c)
{
    void (*gone)(void *ctx) = c->gone;
    void *ctx = c->gone_ctx;
    struct avow_stream *s = c->stream;

    if (s) {
        gone = s->gone;
        ctx = s->ctx;
        event_del(&s->keepalive);
        free(s);
    }
    /* after a failure evhttp lets go of a request that was handed to us; else it frees it itself */
    if (!evhttp_request_get_connection(c->req))
        evhttp_request_free(c->req);
    call_free(c);
    if (gone)
        gone(ctx);
}

/* evhttp stops to read while a request is pending, and so would not see that the client left. */
static void watch_for_close(struct avow_call *c)
{
    const struct timeval idle = { .tv_sec = AVOW_HTTP_IDLE_S };
    struct bufferevent *bev = call_bev(c);
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

void avow_call_defer(struct avow_call *c, void (*gone)(void *ctx), void *ctx)
{
    c->deferred = true;
    c->gone = gone;
    c->gone_ctx = ctx;
    watch_for_close(c);
}

static void send_chunk(struct avow_stream *s, const char *text, size_t len)
{
    struct evbuffer *chunk = evbuffer_new();

    if (!chunk)
        return;
    evbuffer_add(chunk, text, len);
    evhttp_send_reply_chunk(s->call->req, chunk);
    evbuffer_free(chunk);
}

static size_t queued(const struct avow_stream *s)
{
    return evbuffer_get_length(bufferevent_get_output(call_bev(s->call)));
}

static void on_keepalive(evutil_socket_t fd, short what, void *arg)
{
    static const char comment[] = ": still here\n\n";
    struct avow_stream *s = arg;

    (void)fd;
    (void)what;
    if (queued(s) == 0)
        send_chunk(s, comment, sizeof comment - 1);
}

struct avow_stream *avow_stream_start(struct avow_call *c, void (*gone)(void *ctx), void *ctx)
{
    const struct timeval idle = { .tv_sec = AVOW_HTTP_IDLE_S };
    const struct timeval every = { .tv_sec = AVOW_STREAM_KEEPALIVE_S };
    struct evkeyvalq *headers = evhttp_request_get_output_headers(c->req);
    struct avow_stream *s = calloc(1, sizeof *s);

    if (!s || event_assign(&s->keepalive, c->conn->http->cfg.base, -1, EV_PERSIST, on_keepalive,
                           s) != 0) {
        free(s);
        return NULL;
    }
    s->call = c;
    s->gone = gone;
    s->ctx = ctx;
    c->stream = s;
    report(c, 200, NULL);
    evhttp_add_header(headers, "Content-Type", "text/event-stream");
    evhttp_add_header(headers, "Cache-Control", "no-store");
    /* the client has nothing to say; but what is sent it must take in time */
    bufferevent_set_timeouts(call_bev(c), NULL, &idle);
    bufferevent_setwatermark(call_bev(c), EV_READ, 0, READ_AHEAD_MAX);
    evhttp_send_reply_start(c->req, 200, "OK");
    event_add(&s->keepalive, &every);
    return s;
}

int avow_stream_send(struct avow_stream *s, uint64_t id, const char *event, const char *json_text)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_STREAM_QUEUE_MAX);

    avow_buf_putf(&text, "id: %llu\nevent: %s\ndata: ", (unsigned long long)id, event);
    avow_buf_put_str(&text, json_text);
    avow_buf_put_str(&text, "\n\n");
    AVOW_TRY(avow_buf_ok(&text, NULL));
    if (queued(s) + text.len > AVOW_STREAM_QUEUE_MAX)
        return -AVOW_E_LIMIT;
    send_chunk(s, avow_buf_cstr(&text), text.len);
    return 0;
}

/*
 * libevent runs the callback of a drained buffer later in the loop. One that is still to run when
 * the reply ends would be taken for the end's own: evhttp would turn to reading with the last
 * events unsent, until the client is thought idle. So the end waits for a callback of its own, in
 * which nothing is queued and none is outstanding.
 */
static void on_drained(struct evhttp_connection *evcon, void *arg)
{
    struct avow_stream *s = arg;
    struct avow_call *c = s->call;

    (void)evcon;
    if (queued(s) > 0)
        return; /* that was the outstanding one; this one comes again */
    reading_as_usual(c);
    c->stream = NULL;
    evhttp_send_reply_end(c->req);
    call_free(c);
    free(s);
}

void avow_stream_end(struct avow_stream *s)
{
    static const char comment[] = ": the end\n\n";
    struct evbuffer *chunk = evbuffer_new();

    event_del(&s->keepalive);
    s->gone = NULL; /* who followed is done with it; from here on it ends by itself */
    if (!chunk || evbuffer_add(chunk, comment, sizeof comment - 1) != 0) {
        if (chunk)
            evbuffer_free(chunk);
        return; /* without memory the client waits for the idle limit */
    }
    evhttp_send_reply_chunk_with_cb(s->call->req, chunk, on_drained, s);
    evbuffer_free(chunk);
}
