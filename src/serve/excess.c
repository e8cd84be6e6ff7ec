#include "serve/excess.h"

#include <event2/buffer.h>
#include <event2/event.h>

#define HEADERS_MAX 1024
#define BODY_MAX 4096

/* The rest of what is not wanted; read, so that the client comes to read the reply. */
static void on_rest(struct bufferevent *bev, void *arg)
{
    struct evbuffer *in = bufferevent_get_input(bev);

    (void)arg;
    (void)evbuffer_drain(in, evbuffer_get_length(in));
}

static void on_end(struct bufferevent *bev, short what, void *arg)
{
    struct avow_excess *e = arg;

    bufferevent_setcb(bev, NULL, NULL, e->on_event, e->on_event_arg);
    e->on_event(bev, what, e->on_event_arg);
}

static void write_reply(struct avow_excess *e)
{
    avow_auto(avow_buf_done) struct avow_buf headers = AVOW_BUF(HEADERS_MAX);
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(BODY_MAX);

    e->words(e->ctx, &headers, &body);
    (void)evbuffer_add_printf(bufferevent_get_output(e->bev),
                              "HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\n"
                              "Cache-Control: no-store\r\nConnection: close\r\n"
                              "Content-Length: %zu\r\n%s\r\n%s",
                              body.len, avow_buf_cstr(&headers), avow_buf_cstr(&body));
}

static void on_refuse(evutil_socket_t fd, short what, void *arg)
{
    struct avow_excess *e = arg;

    (void)fd;
    (void)what;
    bufferevent_getcb(e->bev, NULL, NULL, &e->on_event, &e->on_event_arg);
    if (!e->on_event)
        return; /* it is being freed */
    bufferevent_setcb(e->bev, on_rest, NULL, on_end, e);
    on_rest(e->bev, e);
    write_reply(e);
    bufferevent_enable(e->bev, EV_READ | EV_WRITE);
}

/* In the middle of libevent's reading: the rest is for the loop. */
static void on_input(struct evbuffer *in, const struct evbuffer_cb_info *info, void *arg)
{
    struct avow_excess *e = arg;

    (void)in;
    e->unread += info->n_added;
    if (e->unread <= e->max || e->refused)
        return;
    e->refused = true;
    event_active(&e->refuse, EV_TIMEOUT, 0);
}

int avow_excess_begin(struct avow_excess *e, struct event_base *base, struct bufferevent *bev,
                      size_t max, avow_excess_fn words, void *ctx, struct avow_error *err)
{
    if (event_assign(&e->refuse, base, -1, 0, on_refuse, e) != 0 ||
        !evbuffer_add_cb(bufferevent_get_input(bev), on_input, e))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    e->bev = bev;
    e->max = max;
    e->words = words;
    e->ctx = ctx;
    return 0;
}

void avow_excess_next(struct avow_excess *e)
{
    e->unread = evbuffer_get_length(bufferevent_get_input(e->bev));
    e->refused =
        false; /* it was whole in the very read that was too much: for its user to refuse */
    event_del(&e->refuse);
}

void avow_excess_done(struct avow_excess *e)
{
    if (e->bev)
        event_del(&e->refuse);
}
