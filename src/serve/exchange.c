#include "serve/exchange.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>

#include "base/clock.h"

/* While a reply is pending, libevent reads on to learn of a close; no more than this. */
#define READ_AHEAD_MAX 16384

void avow_exchange_begin(struct avow_exchange *x, struct avow_https_conn *conn,
                         struct evhttp_request *req)
{
    x->began_ns = avow_now_ns();
    x->conn = conn;
    x->req = req;
    conn->exchange = x;
}

void avow_exchange_done(struct avow_exchange *x)
{
    if (x->conn->exchange == x)
        x->conn->exchange = NULL;
    if (x->has_query)
        evhttp_clear_headers(&x->query);
    x->has_query = false;
}

void avow_exchange_lost(struct avow_exchange *x)
{
    /* after a failure evhttp lets go of a request that was handed to us; else it frees it itself */
    if (!evhttp_request_get_connection(x->req))
        evhttp_request_free(x->req);
    x->req = NULL;
}

/* ---- what was asked ---- */

bool avow_exchange_take_query(struct avow_exchange *x)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(x->req));

    if (!query || !*query)
        return true;
    x->has_query = evhttp_parse_query_str(query, &x->query) == 0;
    return x->has_query;
}

const char *avow_exchange_param(const struct avow_exchange *x, const char *name)
{
    return avow_route_value(&x->params, name);
}

const char *avow_exchange_query(const struct avow_exchange *x, const char *name)
{
    return x->has_query ? evhttp_find_header(&x->query, name) : NULL;
}

const char *avow_exchange_header(const struct avow_exchange *x, const char *name)
{
    return evhttp_find_header(evhttp_request_get_input_headers(x->req), name);
}

struct avow_bytes avow_exchange_body(const struct avow_exchange *x)
{
    struct evbuffer *in = evhttp_request_get_input_buffer(x->req);
    size_t n = evbuffer_get_length(in);
    const uint8_t *p = n ? evbuffer_pullup(in, -1) : NULL;

    return AVOW_BYTES(p, p ? n : 0);
}

const char *avow_exchange_method(const struct avow_exchange *x)
{
    switch ((int)evhttp_request_get_command(x->req)) {
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

double avow_exchange_seconds(const struct avow_exchange *x)
{
    return (double)(avow_now_ns() - x->began_ns) / 1e9;
}

const char *avow_exchange_path(const struct avow_exchange *x)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(x->req);

    return uri ? evhttp_uri_get_path(uri) : NULL;
}

/* ---- the reply ---- */

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } known[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 409, "Conflict" },
        { 413, "Content Too Large" },
        { 415, "Unsupported Media Type" },
        { 429, "Too Many Requests" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
    };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].phrase;
    return status < 300 ? "OK" : "Error";
}

struct bufferevent *avow_exchange_bufferevent(const struct avow_exchange *x)
{
    return evhttp_connection_get_bufferevent(x->conn->evcon);
}

void avow_exchange_answer_with(struct avow_exchange *x, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(x->req), name, value);
}

void avow_exchange_reply(struct avow_exchange *x, int status, const char *type,
                         struct avow_bytes body)
{
    char length[24];

    if (x->deferred)
        avow_exchange_reads_as_usual(x);
    avow_exchange_answer_with(x, "Content-Type", type);
    if (!evhttp_find_header(evhttp_request_get_output_headers(x->req), "Cache-Control"))
        avow_exchange_answer_with(x, "Cache-Control", "no-store");
    /* also where libevent would not: for HTTP/1.0, and for HEAD, whose reply it gives a body */
    (void)snprintf(length, sizeof length, "%zu", body.len);
    avow_exchange_answer_with(x, "Content-Length", length);
    if (body.len && evhttp_request_get_command(x->req) != EVHTTP_REQ_HEAD)
        evbuffer_add(evhttp_request_get_output_buffer(x->req), body.data, body.len);
    evhttp_send_reply(x->req, status, reason_phrase(status), NULL);
}

void avow_exchange_reads_as_usual(struct avow_exchange *x)
{
    const struct timeval idle = { .tv_sec = avow_https_idle_s(x->conn->https) };
    struct bufferevent *bev = avow_exchange_bufferevent(x);

    bufferevent_setwatermark(bev, EV_READ, 0, 0);
    bufferevent_set_timeouts(bev, &idle, &idle);
}

void avow_exchange_reads_no_request(struct avow_exchange *x)
{
    const struct timeval idle = { .tv_sec = avow_https_idle_s(x->conn->https) };
    struct bufferevent *bev = avow_exchange_bufferevent(x);

    bufferevent_setwatermark(bev, EV_READ, 0, READ_AHEAD_MAX);
    bufferevent_set_timeouts(bev, NULL, &idle); /* it is we who let the client wait */
}

/* evhttp stops to read while a request is pending, and so would not see that the client left. */
void avow_exchange_defer(struct avow_exchange *x, void (*gone)(void *ctx), void *ctx)
{
    struct bufferevent *bev = avow_exchange_bufferevent(x);
    bufferevent_data_cb on_read = NULL;
    bufferevent_data_cb on_write = NULL;
    bufferevent_event_cb on_event = NULL;
    void *arg = NULL;

    x->deferred = true;
    x->gone = gone;
    x->gone_ctx = ctx;
    bufferevent_getcb(bev, &on_read, &on_write, &on_event, &arg);
    bufferevent_setcb(bev, NULL, on_write, on_event, arg);
    avow_exchange_reads_no_request(x);
    bufferevent_enable(bev, EV_READ);
}
