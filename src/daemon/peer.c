#include "daemon/peer.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event_struct.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/formation.h"
#include "fabric/broker.h"

#define TLS_HANDSHAKE_BYTE 0x16 /* RFC 8446 5.1: content type of the first record */
#define BACKLOG 512
#define ACCEPT_RETRY_MS 200

/* An accepted connection of which not a byte has been seen. */
struct arrival {
    struct avow_peers *peers;
    struct event readable;
    struct arrival *next;
    struct arrival **where; /* what points here */
    int fd;
};

struct avow_link {
    struct avow_peers *peers;
    struct bufferevent *bev;
    const struct avow_link_events *events; /* NULL: incoming and not adopted */
    void *ctx;
    struct event deadline;
    struct event heartbeat;
    struct avow_link *next;
    struct avow_link **where;
    struct avow_hello hello; /* of an incoming link */
    bool has_hello, asked;   /* asked: incoming() was called */
    bool incoming;
    bool secure; /* TLS is complete */
    bool up;
    bool busy; /* a callback of ours runs: free later */
    bool closed;
};

struct avow_peers {
    struct avow_peers_config cfg;
    SSL_CTX *server, *client;
    struct evconnlistener *listener;
    struct event accept_again;
    struct arrival *arrivals;
    struct avow_link *links;
    unsigned n_strangers;
};

static void dropped(struct avow_peers *p, const char *why)
{
    if (p->cfg.dropped)
        p->cfg.dropped(p->cfg.ctx, why);
}

static void link_free(struct avow_link *l)
{
    if (l->incoming && !l->up)
        l->peers->n_strangers--;
    *l->where = l->next;
    if (l->next)
        l->next->where = l->where;
    event_del(&l->deadline);
    event_del(&l->heartbeat);
    if (l->bev)
        bufferevent_free(l->bev);
    free(l);
}

void avow_link_close(struct avow_link *l)
{
    if (l->closed)
        return;
    l->closed = true;
    l->events = NULL;
    if (!l->busy)
        link_free(l);
}

/* The link came to its end by itself or by the other side. */
static void fail(struct avow_link *l, const char *why)
{
    const struct avow_link_events *events = l->events;

    if (l->closed)
        return;
    l->closed = true;
    if (events)
        events->closed(l->ctx, l, !l->secure, why);
    else
        dropped(l->peers, why);
    l->events = NULL;
    if (!l->busy)
        link_free(l);
}

static void on_hello(struct avow_link *l, struct avow_bytes payload)
{
    struct avow_error err = { 0 };

    if (l->has_hello || avow_hello_parse(payload, &l->hello, &err) < 0) {
        fail(l, err.code ? err.text : "a second HELLO");
        return;
    }
    l->has_hello = true;
}

/* Of an incoming link that nobody has adopted: HELLO, then CONFIRM, then nothing for now. */
static void on_early_frame(struct avow_link *l, uint8_t type, struct avow_bytes payload)
{
    if (type == AVOW_FRAME_HELLO) {
        on_hello(l, payload);
    } else if (type == AVOW_FRAME_CONFIRM && l->has_hello && !l->asked && payload.len == 32) {
        l->asked = true;
        l->peers->cfg.incoming(l->peers->cfg.ctx, l, &l->hello, payload.data);
        if (!l->closed && !l->events)
            fail(l, "nobody took it");
    } else {
        fail(l, "an unexpected frame before the link was confirmed");
    }
}

static void on_frame(struct avow_link *l, uint8_t type, struct avow_bytes payload)
{
    if (l->incoming && !l->events)
        on_early_frame(l, type, payload);
    else if (l->up && type == AVOW_FRAME_HEARTBEAT && payload.len == 0)
        ; /* it has been read, which is all that it is for */
    else
        l->events->frame(l->ctx, l, type, payload);
}

/* One frame, if it is there. False: no more for now, or the link is closed. */
static bool take_frame(struct avow_link *l)
{
    struct evbuffer *in = bufferevent_get_input(l->bev);
    size_t have = evbuffer_get_length(in);
    size_t max = l->up ? AVOW_PEER_FRAME_MAX : AVOW_FRAME_EARLY_MAX;
    uint8_t head[AVOW_FRAME_HEAD];
    struct avow_bytes payload = { 0 };
    const uint8_t *all = NULL;
    uint8_t type = 0;
    size_t used = 0;
    size_t want = 0;

    if (evbuffer_copyout(in, head, sizeof head) != (ev_ssize_t)sizeof head)
        return false;
    want = sizeof head +
           ((size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
    if (want > sizeof head + max) {
        fail(l, "too long a frame");
        return false;
    }
    if (have < want)
        return false;
    all = evbuffer_pullup(in, (ev_ssize_t)want);
    if (!all || avow_frame_parse(AVOW_BYTES(all, want), max, &type, &payload, &used) < 0) {
        fail(l, "a malformed frame");
        return false;
    }
    on_frame(l, type, payload);
    if (l->closed)
        return false;
    evbuffer_drain(in, used);
    return true;
}

static void on_read(struct bufferevent *bev, void *arg)
{
    struct avow_link *l = arg;

    (void)bev;
    l->busy = true;
    while (!l->closed && take_frame(l))
        ;
    l->busy = false;
    if (l->closed)
        link_free(l);
}

static void why_failed(struct bufferevent *bev, short what, char *why, size_t len)
{
    int sys = EVUTIL_SOCKET_ERROR();
    unsigned long code = bufferevent_get_openssl_error(bev);

    if (what & BEV_EVENT_TIMEOUT)
        snprintf(why, len, "silent for %d ms", AVOW_PEER_LOST_MS);
    else if (what & BEV_EVENT_EOF)
        snprintf(why, len, "the other side closed the connection");
    else if (code)
        snprintf(why, len, "TLS: %s",
                 ERR_reason_error_string(code) ? ERR_reason_error_string(code) : "failed");
    else
        snprintf(why, len, "%s", sys ? evutil_socket_error_to_string(sys) : "connection lost");
    ERR_clear_error();
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
    struct avow_link *l = arg;
    struct avow_error err = { 0 };
    char why[160];

    l->busy = true;
    if (!(what & BEV_EVENT_CONNECTED)) {
        why_failed(bev, what, why, sizeof why);
        fail(l, why);
    } else if (!l->secure) {
        if (avow_tls_check(avow_link_ssl(l), AVOW_ALPN_PEER, &err) < 0) {
            fail(l, err.text);
        } else {
            l->secure = true;
            if (!l->incoming)
                l->events->ready(l->ctx, l);
        }
    }
    l->busy = false;
    if (l->closed)
        link_free(l);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    fail(arg, "not confirmed in time");
}

static void on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
    struct avow_link *l = arg;

    (void)fd;
    (void)what;
    /* what waits to be sent is as good a sign of life */
    if (evbuffer_get_length(bufferevent_get_output(l->bev)) == 0)
        (void)!avow_link_send(l, AVOW_FRAME_HEARTBEAT, AVOW_BYTES(NULL, 0));
}

static struct timeval in_ms(int ms)
{
    return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

static struct avow_link *link_new(struct avow_peers *p, int take_fd, bool incoming)
{
    const struct timeval deadline = in_ms(AVOW_LINK_DEADLINE_MS);
    struct avow_link *l = calloc(1, sizeof *l);
    SSL *ssl = l ? SSL_new(incoming ? p->server : p->client) : NULL;

    if (ssl)
        l->bev = bufferevent_openssl_socket_new(p->cfg.base, take_fd, ssl,
                                                incoming ? BUFFEREVENT_SSL_ACCEPTING
                                                         : BUFFEREVENT_SSL_CONNECTING,
                                                BEV_OPT_CLOSE_ON_FREE);
    if (!ssl || !l->bev) { /* ssl went with the bufferevent */
        if (take_fd >= 0)
            close(take_fd);
        free(l);
        ERR_clear_error();
        return NULL;
    }
    l->peers = p;
    l->incoming = incoming;
    if (incoming)
        p->n_strangers++;
    l->next = p->links;
    l->where = &p->links;
    if (l->next)
        l->next->where = &l->next;
    p->links = l;
    event_assign(&l->deadline, p->cfg.base, -1, 0, on_deadline, l);
    event_assign(&l->heartbeat, p->cfg.base, -1, EV_PERSIST, on_heartbeat, l);
    event_add(&l->deadline, &deadline);
    bufferevent_setcb(l->bev, on_read, NULL, on_event, l);
    bufferevent_enable(l->bev, EV_READ | EV_WRITE);
    return l;
}

static void send_at_once(int fd)
{
    const int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int avow_link_connect(struct avow_peers *p, const struct sockaddr *addr, socklen_t len,
                      const struct avow_link_events *events, void *ctx, struct avow_link **out,
                      struct avow_error *err)
{
    struct avow_link *l = link_new(p, -1, false);
    int fd = -1;

    if (!l)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (bufferevent_socket_connect(l->bev, addr, (int)len) != 0) {
        link_free(l);
        return AVOW_FAIL_SYS(err, "connect");
    }
    fd = (int)bufferevent_getfd(l->bev);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC); /* libevent 2.1 does not */
    send_at_once(fd);
    /* a refusal that came at once is reported from the loop too */
    l->events = events;
    l->ctx = ctx;
    *out = l;
    return 0;
}

void avow_link_adopt(struct avow_link *l, const struct avow_link_events *events, void *ctx)
{
    l->events = events;
    l->ctx = ctx;
}

void avow_link_up(struct avow_link *l)
{
    const struct timeval every = in_ms(AVOW_PEER_HEARTBEAT_MS);
    const struct timeval lost = in_ms(AVOW_PEER_LOST_MS);

    if (l->up)
        return;
    l->up = true;
    if (l->incoming)
        l->peers->n_strangers--;
    event_del(&l->deadline);
    event_add(&l->heartbeat, &every);
    bufferevent_set_timeouts(l->bev, &lost, NULL);
}

SSL *avow_link_ssl(const struct avow_link *l)
{
    return bufferevent_openssl_get_ssl(l->bev);
}

int avow_link_send(struct avow_link *l, uint8_t type, struct avow_bytes payload)
{
    struct evbuffer *out = bufferevent_get_output(l->bev);
    uint8_t head[AVOW_FRAME_HEAD] = { (uint8_t)(payload.len >> 24), (uint8_t)(payload.len >> 16),
                                      (uint8_t)(payload.len >> 8), (uint8_t)payload.len, type };

    if (payload.len > AVOW_PEER_FRAME_MAX)
        return -AVOW_E_LIMIT;
    if (evbuffer_get_length(out) + payload.len > AVOW_LINK_QUEUE_MAX)
        return -AVOW_E_BUSY;
    if (evbuffer_expand(out, sizeof head + payload.len) != 0 ||
        evbuffer_add(out, head, sizeof head) != 0 ||
        evbuffer_add(out, payload.data, payload.len) != 0)
        return -AVOW_E_NOMEM;
    return 0;
}

static void arrival_free(struct arrival *a)
{
    event_del(&a->readable);
    a->peers->n_strangers--;
    *a->where = a->next;
    if (a->next)
        a->next->where = a->where;
    free(a);
}

static void on_first_byte(evutil_socket_t fd, short what, void *arg)
{
    struct arrival *a = arg;
    struct avow_peers *p = a->peers;
    uint8_t byte = 0;
    ssize_t n = what & EV_READ ? recv(fd, &byte, 1, MSG_PEEK) : -1;

    arrival_free(a);
    if (n == 1 && byte == AVOW_FABRIC_MAGIC0 && p->cfg.fabric) {
        p->cfg.fabric(p->cfg.ctx, (int)fd);
        return;
    }
    if (n == 1 && byte == TLS_HANDSHAKE_BYTE) {
        send_at_once((int)fd);
        if (!link_new(p, (int)fd, true))
            dropped(p, "out of memory");
        return;
    }
    close((int)fd);
    dropped(p, n == 1 ? "neither TLS nor fabric" : "nothing was said");
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
                      int len, void *arg)
{
    const struct timeval wait = in_ms(AVOW_FIRST_BYTE_MS);
    struct avow_peers *p = arg;
    struct arrival *a = p->n_strangers < AVOW_STRANGERS_MAX ? calloc(1, sizeof *a) : NULL;

    (void)listener;
    (void)addr;
    (void)len;
    if (!a) {
        close((int)fd);
        dropped(p, "too many connections that are not confirmed");
        return;
    }
    a->peers = p;
    a->fd = (int)fd;
    a->next = p->arrivals;
    a->where = &p->arrivals;
    if (a->next)
        a->next->where = &a->next;
    p->arrivals = a;
    p->n_strangers++;
    event_assign(&a->readable, p->cfg.base, fd, EV_READ, on_first_byte, a);
    event_add(&a->readable, &wait);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    struct avow_peers *p = arg;

    (void)fd;
    (void)what;
    evconnlistener_enable(p->listener);
}

/* Want of descriptors, which would otherwise be reported again at once, and again. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    const struct timeval wait = in_ms(ACCEPT_RETRY_MS);
    struct avow_peers *p = arg;

    dropped(p, evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
    evconnlistener_disable(listener);
    event_add(&p->accept_again, &wait);
}

int avow_peers_new(const struct avow_peers_config *cfg, struct avow_peers **out,
                   struct avow_error *err)
{
    struct avow_peers *p = calloc(1, sizeof *p);
    int rc = 0;

    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    p->cfg = *cfg;
    event_assign(&p->accept_again, cfg->base, -1, 0, on_accept_again, p);
    rc = avow_tls_server_ctx(cfg->leaf, AVOW_ALPN_PEER, &p->server, err);
    if (rc == 0)
        rc = avow_tls_client_ctx(cfg->leaf, AVOW_ALPN_PEER, &p->client, err);
    if (rc < 0) {
        avow_peers_free(p);
        return rc;
    }
    *out = p;
    return 0;
}

int avow_peers_listen(struct avow_peers *p, const struct sockaddr *addr, socklen_t len,
                      uint16_t *port, struct avow_error *err)
{
    struct sockaddr_storage own = { 0 };
    socklen_t own_len = sizeof own;

    p->listener = evconnlistener_new_bind(
        p->cfg.base, on_accept, p,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, BACKLOG, addr, (int)len);
    if (!p->listener ||
        getsockname(evconnlistener_get_fd(p->listener), (struct sockaddr *)&own, &own_len) != 0)
        return AVOW_FAIL_SYS(err, "cannot listen on the address for nodes");
    evconnlistener_set_error_cb(p->listener, on_accept_error);
    if (port)
        *port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                                : ((struct sockaddr_in *)&own)->sin_port);
    return 0;
}

void avow_peers_free(struct avow_peers *p)
{
    if (!p)
        return;
    event_del(&p->accept_again);
    if (p->listener)
        evconnlistener_free(p->listener);
    while (p->arrivals) {
        close(p->arrivals->fd);
        arrival_free(p->arrivals);
    }
    while (p->links)
        link_free(p->links);
    SSL_CTX_free(p->server);
    SSL_CTX_free(p->client);
    free(p);
}
