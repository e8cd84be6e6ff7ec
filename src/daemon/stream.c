/* Server-sent events on a call (daemon/http.h). */
#include <event2/buffer.h>
#include <stdlib.h>

#include "daemon/http_internal.h"

struct avow_stream {
    struct avow_call *call;
    struct event keepalive;
    void (*gone)(void *ctx);
    void *ctx;
};

static void send_chunk(struct avow_stream *s, const char *text, size_t len)
{
    struct evbuffer *chunk = evbuffer_new();

    if (!chunk)
        return;
    evbuffer_add(chunk, text, len);
    evhttp_send_reply_chunk(s->call->x.req, chunk);
    evbuffer_free(chunk);
}

static size_t queued(const struct avow_stream *s)
{
    return evbuffer_get_length(bufferevent_get_output(avow_exchange_bufferevent(&s->call->x)));
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
    const struct timeval every = { .tv_sec = AVOW_STREAM_KEEPALIVE_S };
    struct avow_stream *s = calloc(1, sizeof *s);

    if (!s || event_assign(&s->keepalive, avow_https_base(c->x.conn->https), -1, EV_PERSIST,
                           on_keepalive, s) != 0) {
        free(s);
        return NULL;
    }
    s->call = c;
    s->gone = gone;
    s->ctx = ctx;
    c->stream = s;
    avow_call_report(c, 200, NULL);
    avow_exchange_answer_with(&c->x, "Content-Type", "text/event-stream");
    avow_exchange_answer_with(&c->x, "Cache-Control", "no-store");
    /* the client has nothing to say; but what is sent it must take in time */
    avow_exchange_reads_no_request(&c->x);
    evhttp_send_reply_start(c->x.req, 200, "OK");
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
    avow_exchange_reads_as_usual(&c->x);
    c->stream = NULL;
    evhttp_send_reply_end(c->x.req);
    avow_call_free(c);
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
    evhttp_send_reply_chunk_with_cb(s->call->x.req, chunk, on_drained, s);
    evbuffer_free(chunk);
}

void avow_stream_lost(struct avow_stream *s, void (**gone)(void *ctx), void **ctx)
{
    *gone = s->gone;
    *ctx = s->ctx;
    event_del(&s->keepalive);
    free(s);
}
