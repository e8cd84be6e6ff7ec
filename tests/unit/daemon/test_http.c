/* The API server against a real TLS client over loopback: what it admits and what it refuses. */
#include "client.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "codec/json.h"
#include "daemon/http.h"

#define CONNS_MAX 12

struct server {
    struct event_base *base;
    struct avow_http *http;
    struct event *stop;
    int stop_fd;
    pthread_t thread;
    struct avow_leaf *leaf;
    uint16_t port;
    uint8_t friend[32]; /* SPKI of the one authorised client */
    atomic_bool friend_is_in;
    atomic_int gone;
    atomic_int served;
    struct avow_call *waiting;
    struct avow_stream *stream;
};

static struct server srv;
static struct avow_leaf *friend_leaf, *stranger_leaf;
static SSL_CTX *friend_ctx, *stranger_ctx;

static bool authorised(void *ctx, const uint8_t spki[32])
{
    struct server *s = ctx;

    return atomic_load(&s->friend_is_in) && memcmp(spki, s->friend, 32) == 0;
}

static void served(void *ctx, const struct avow_served *call)
{
    struct server *s = ctx;

    (void)call;
    atomic_fetch_add(&s->served, 1);
}

static void on_gone(void *ctx)
{
    struct server *s = ctx;

    s->waiting = NULL;
    s->stream = NULL;
    atomic_fetch_add(&s->gone, 1);
}

static void health(void *ctx, struct avow_call *c)
{
    (void)ctx;
    avow_call_reply(c, 200, json_pack("{s:s}", "status", "ok"));
}

static void attest(void *ctx, struct avow_call *c)
{
    (void)ctx;
    assert_non_null(avow_call_ssl(c));
    avow_call_set_attested(c);
    avow_call_reply(c, 200, json_object());
}

static void echo(void *ctx, struct avow_call *c)
{
    (void)ctx;
    avow_call_reply(c, 200,
                    json_pack("{s:O,s:s?,s:s?}", "body", avow_call_json(c), "q",
                              avow_call_query(c, "q"), "name", avow_call_param(c, "name")));
}

static void put_file(void *ctx, struct avow_call *c)
{
    (void)ctx;
    avow_call_reply(c, 200,
                    json_pack("{s:s,s:I}", "name", avow_call_param(c, "name"), "size",
                              (json_int_t)avow_call_body(c).len));
}

static void wait_call(void *ctx, struct avow_call *c)
{
    struct server *s = ctx;

    s->waiting = c;
    avow_call_defer(c, on_gone, s);
}

/* Answers the call that waits. */
static void release(void *ctx, struct avow_call *c)
{
    struct server *s = ctx;

    if (s->waiting)
        avow_call_reply(s->waiting, 200, json_pack("{s:s}", "late", "yes"));
    s->waiting = NULL;
    avow_call_reply(c, 200, json_object());
}

static void stream(void *ctx, struct avow_call *c)
{
    struct server *s = ctx;
    static char big[(AVOW_STREAM_QUEUE_MAX / 4) + 1];
    int rc = 0;
    int sent = 0;

    s->stream = avow_stream_start(c, on_gone, s);
    assert_non_null(s->stream);
    assert_int_equal(avow_stream_send(s->stream, 7, "state", "{\"state\":\"RUNNING\"}"), 0);
    if (avow_call_query(c, "flood")) {
        memset(big, 'x', sizeof big - 1);
        while ((rc = avow_stream_send(s->stream, 8, "output", big)) == 0 && sent < 100)
            sent++;
        assert_int_equal(rc, -AVOW_E_LIMIT);
    }
    if (avow_call_query(c, "end")) {
        avow_stream_end(s->stream);
        s->stream = NULL;
    }
}

static void mute(void *ctx, struct avow_call *c)
{
    (void)ctx;
    (void)c;
}

static void refuse(void *ctx, struct avow_call *c)
{
    struct avow_error err = { 0 };

    (void)ctx;
    AVOW_FAIL(&err, BUSY, "not \xff now");
    avow_call_fail(c, &err);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

static void *server_run(void *arg)
{
    struct server *s = arg;

    event_base_dispatch(s->base);
    return NULL;
}

static int server_start(void **state)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    struct avow_http_config cfg = {
        .conns_max = CONNS_MAX, .authorised = authorised, .served = served, .ctx = &srv
    };
    struct avow_error err = { 0 };

    (void)state;
    memset(&srv, 0, sizeof srv);
    atomic_store(&srv.friend_is_in, true);
    avow_leaf_spki(friend_leaf, srv.friend);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    srv.base = event_base_new();
    srv.stop_fd = eventfd(0, EFD_CLOEXEC);
    srv.stop = event_new(srv.base, srv.stop_fd, EV_READ, on_stop, srv.base);
    event_add(srv.stop, NULL);
    assert_int_equal(avow_leaf_new("node", &srv.leaf, &err), 0);
    cfg.base = srv.base;
    cfg.leaf = srv.leaf;
    assert_int_equal(avow_http_new(&cfg, &srv.http, &err), 0);
    avow_http_route(srv.http, "GET", "/v1/healthz", AVOW_ROUTE_OPEN, health, &srv);
    avow_http_route(srv.http, "POST", "/v1/attest", AVOW_ROUTE_UNATTESTED, attest, &srv);
    avow_http_route(srv.http, "POST", "/v1/echo", 0, echo, &srv);
    avow_http_route(srv.http, "GET", "/v1/echo/{name}", 0, echo, &srv);
    avow_http_route(srv.http, "PUT", "/v1/files/{name...}", AVOW_ROUTE_RAW, put_file, &srv);
    avow_http_route(srv.http, "GET", "/v1/wait", 0, wait_call, &srv);
    avow_http_route(srv.http, "GET", "/v1/release", 0, release, &srv);
    avow_http_route(srv.http, "GET", "/v1/stream", 0, stream, &srv);
    avow_http_route(srv.http, "GET", "/v1/mute", 0, mute, &srv);
    avow_http_route(srv.http, "GET", "/v1/refuse", 0, refuse, &srv);
    assert_int_equal(avow_http_listen(srv.http, (struct sockaddr *)&a, sizeof a, &srv.port, &err),
                     0);
    assert_true(srv.port != 0);
    assert_int_equal(pthread_create(&srv.thread, NULL, server_run, &srv), 0);
    return 0;
}

static int server_stop(void **state)
{
    uint64_t one = 1;

    (void)state;
    assert_int_equal(write(srv.stop_fd, &one, sizeof one), sizeof one);
    pthread_join(srv.thread, NULL);
    avow_http_free(srv.http);
    event_base_loop(srv.base, EVLOOP_NONBLOCK);
    event_free(srv.stop);
    event_base_free(srv.base);
    close(srv.stop_fd);
    avow_leaf_free(srv.leaf);
    return 0;
}

static void wait_until_gone(int n)
{
    for (int i = 0; i < CLIENT_WAIT_S * 100 && atomic_load(&srv.gone) < n; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&srv.gone), n);
}

static struct client attested(void)
{
    struct client c;

    assert_true(client_open(&c, friend_ctx, srv.port));
    assert_int_equal(client_send(&c, "POST", "/v1/attest", NULL), 200);
    return c;
}

static void stranger_gets_health_only(void **state)
{
    struct client c;

    (void)state;
    assert_true(client_open(&c, stranger_ctx, srv.port));
    assert_int_equal(client_send(&c, "GET", "/v1/healthz", NULL), 200);
    assert_int_equal(client_read(&c), 0); /* and is shown the door */
    client_close(&c);
    for (int i = 0; i < 3; i++) {
        static const char *const paths[] = { "/v1/attest", "/v1/echo", "/no/such" };

        assert_true(client_open(&c, stranger_ctx, srv.port));
        assert_int_equal(client_send(&c, "POST", paths[i], NULL), 403);
        assert_non_null(strstr(client_body(&c), "\"code\":\"untrusted\""));
        client_close(&c);
    }
}

static void client_without_certificate_is_refused(void **state)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct client c;

    (void)state;
    assert_int_equal(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x06" AVOW_ALPN, 7), 0);
    assert_true(client_open(&c, ctx, srv.port));
    assert_int_equal(client_send(&c, "POST", "/v1/attest", NULL), 403);
    assert_non_null(strstr(client_body(&c), "\"code\":\"untrusted\""));
    client_close(&c);
    assert_true(client_open(&c, ctx, srv.port));
    assert_int_equal(client_send(&c, "GET", "/v1/healthz", NULL), 200);
    client_close(&c);
    SSL_CTX_free(ctx);
}

static void unattested_channel_is_refused(void **state)
{
    struct client c;

    (void)state;
    assert_true(client_open(&c, friend_ctx, srv.port));
    assert_int_equal(client_send(&c, "POST", "/v1/echo", NULL), 403);
    assert_non_null(strstr(client_body(&c), "\"code\":\"channel\""));
    /* the same connection, attested, goes on; another one does not */
    assert_int_equal(client_send(&c, "POST", "/v1/attest", NULL), 200);
    assert_int_equal(client_send(&c, "POST", "/v1/echo", "{\"a\":1}"), 200);
    assert_string_equal(client_body(&c), "{\"body\":{\"a\":1},\"q\":null,\"name\":null}");
    client_close(&c);
    assert_true(client_open(&c, friend_ctx, srv.port));
    assert_int_equal(client_send(&c, "POST", "/v1/echo", NULL), 403);
    client_close(&c);
}

static void client_taken_off_the_list_is_out_at_once(void **state)
{
    struct client c = attested();

    (void)state;
    assert_int_equal(client_send(&c, "POST", "/v1/echo", NULL), 200);
    atomic_store(&srv.friend_is_in, false);
    assert_int_equal(client_send(&c, "POST", "/v1/echo", NULL), 403);
    client_close(&c);
}

static void other_protocols_are_refused(void **state)
{
    static const char *const alpns[] = { "\x09"
                                         "avow/9.99",
                                         "\x08http/1.1", "\x0b" AVOW_ALPN_PEER };
    struct client c;

    (void)state;
    for (size_t i = 0; i < sizeof alpns / sizeof alpns[0]; i++) {
        SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

        SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)alpns[i], (unsigned)strlen(alpns[i]));
        assert_false(client_open(&c, ctx, srv.port));
        client_close(&c);
        SSL_CTX_set_alpn_protos(ctx, NULL, 0);
        assert_false(client_open(&c, ctx, srv.port));
        client_close(&c);
        SSL_CTX_free(ctx);
    }
}

static void tls_1_2_is_refused(void **state)
{
    SSL_CTX *ctx = NULL;
    struct client c;

    (void)state;
    assert_int_equal(avow_tls_client_ctx(friend_leaf, AVOW_ALPN, &ctx, NULL), 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
    assert_false(client_open(&c, ctx, srv.port));
    client_close(&c);
    SSL_CTX_free(ctx);
}

static int tickets;

static int on_ticket(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    (void)session;
    tickets++;
    return 0;
}

static void no_ticket_is_given(void **state)
{
    SSL_CTX *ctx = NULL;
    struct client c;

    (void)state;
    assert_int_equal(avow_tls_client_ctx(friend_leaf, AVOW_ALPN, &ctx, NULL), 0);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_ticket);
    tickets = 0;
    assert_true(client_open(&c, ctx, srv.port));
    assert_int_equal(client_send(&c, "GET", "/v1/healthz", NULL), 200);
    assert_int_equal(tickets, 0);
    client_close(&c);
    SSL_CTX_free(ctx);
}

static void plain_text_is_refused(void **state)
{
    static const char ask[] = "GET /v1/healthz HTTP/1.1\r\nHost: node\r\n\r\n";
    char reply[512];
    int fd = client_socket(srv.port);
    ssize_t n = 0;

    (void)state;
    assert_int_equal(send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL), sizeof ask - 1);
    /* at most a TLS alert comes back, never HTTP */
    while ((n = recv(fd, reply, sizeof reply, 0)) > 0)
        assert_int_equal(reply[0], SSL3_RT_ALERT);
    assert_true(n == 0 || errno == ECONNRESET);
    close(fd);
}

static void garbage_is_survived(void **state)
{
    static const char *const heads[] = {
        "\r\n\r\n\r\n",
        "GET\r\n\r\n",
        "BREW /pot HTTP/1.1\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "POST /v1/echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        "POST /v1/echo HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /v1/echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET /v1/echo/%00 HTTP/1.1\r\n\r\n",
        "GET /v1/echo/a%2fb HTTP/1.1\r\n\r\n",
    };
    struct client c;
    uint8_t noise[2048];
    int fd = -1;

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        int status = 0;

        c = attested();
        assert_true(client_write(&c, heads[i], strlen(heads[i])));
        SSL_shutdown(c.ssl);
        status = client_read(&c);
        assert_true(status == 0 || status >= 400);
        client_close(&c);
    }
    memset(noise, 0x16, sizeof noise);
    fd = client_socket(srv.port);
    assert_int_equal(send(fd, noise, sizeof noise, MSG_NOSIGNAL), sizeof noise);
    close(fd);
    c = attested();
    assert_int_equal(client_send(&c, "POST", "/v1/echo", "{"), 400);
    assert_non_null(strstr(client_body(&c), "\"code\":\"format\""));
    assert_int_equal(client_send(&c, "POST", "/v1/echo", "[]"), 400);
    assert_int_equal(client_send(&c, "POST", "/v1/echo", "{\"a\":1,\"a\":2}"), 400);
    assert_int_equal(client_send(&c, "GET", "/v1/nothing", NULL), 404);
    assert_int_equal(client_send(&c, "GET", "/v1/mute", NULL), 500);
    assert_int_equal(client_send(&c, "GET", "/v1/refuse", NULL), 429);
    assert_int_equal(client_send(&c, "GET", "/v1/echo/x%20y?q=a%2Bb", NULL), 200);
    assert_string_equal(client_body(&c), "{\"body\":{},\"q\":\"a+b\",\"name\":\"x y\"}");
    client_close(&c);
}

static int put(struct client *c, size_t size)
{
    char head[128];
    avow_autofree char *body = calloc(1, size);

    snprintf(head, sizeof head,
             "PUT /v1/files/input/a.csv HTTP/1.1\r\nHost: n\r\nContent-Length: %zu\r\n\r\n", size);
    if (!client_write(c, head, strlen(head)) || !client_write(c, body, size))
        return client_read(c);
    return client_read(c);
}

static void bodies_are_bounded(void **state)
{
    struct client c = attested();

    (void)state;
    assert_int_equal(put(&c, AVOW_HTTP_PART_MAX), 200);
    assert_string_equal(client_body(&c), "{\"name\":\"input/a.csv\",\"size\":4194304}");
    assert_int_equal(put(&c, AVOW_HTTP_PART_MAX + 1), 413);
    assert_non_null(strstr(client_body(&c), "\"code\":\"limit\""));
    client_close(&c);
    c = attested();
    assert_int_equal(put(&c, AVOW_HTTP_BODY_MAX + (1u << 20)), 413);
    assert_non_null(strstr(client_body(&c), "\"code\":\"limit\""));
    client_close(&c);
    /* a stranger is cut off long before */
    assert_true(client_open(&c, stranger_ctx, srv.port));
    assert_int_equal(put(&c, 4 * AVOW_HTTP_STRANGER_MAX), 0);
    client_close(&c);
}

static void deferred_call_is_answered_or_gone(void **state)
{
    static const char ask[] = "GET /v1/wait HTTP/1.1\r\nHost: n\r\n\r\n";
    struct client a = attested();
    struct client b = attested();

    (void)state;
    assert_true(client_write(&a, ask, sizeof ask - 1));
    while (client_send(&b, "GET", "/v1/release", NULL) == 200 && SSL_pending(a.ssl) == 0) {
        char byte = 0;

        if (recv(a.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
            break;
    }
    assert_int_equal(client_read(&a), 200);
    assert_string_equal(client_body(&a), "{\"late\":\"yes\"}");
    /* the connection is of use afterwards */
    assert_int_equal(client_send(&a, "POST", "/v1/echo", NULL), 200);
    assert_int_equal(atomic_load(&srv.gone), 0);
    assert_true(client_write(&a, ask, sizeof ask - 1));
    client_close(&a);
    wait_until_gone(1);
    assert_int_equal(client_send(&b, "GET", "/v1/release", NULL), 200);
    client_close(&b);
}

static void request_sent_too_early_waits_its_turn(void **state)
{
    static const char both[] = "GET /v1/wait HTTP/1.1\r\nHost: n\r\n\r\n"
                               "GET /v1/healthz HTTP/1.1\r\nHost: n\r\n\r\n";
    struct client a = attested();
    struct client b = attested();
    int before = atomic_load(&srv.served);

    (void)state;
    assert_true(client_write(&a, both, sizeof both - 1));
    for (int i = 0; i < 1000 && atomic_load(&srv.served) < before + 3; i++)
        assert_int_equal(client_send(&b, "GET", "/v1/release", NULL), 200);
    assert_int_equal(client_read(&a), 200);
    if (!strstr(client_body(&a), "HTTP/1.1 200"))
        assert_int_equal(client_read(&a), 200);
    client_close(&a);
    client_close(&b);
}

static void stream_ends_and_is_bounded(void **state)
{
    static const char ask[] = "GET /v1/stream?flood=1 HTTP/1.1\r\nHost: n\r\n\r\n";
    struct client c = attested();

    (void)state;
    assert_int_equal(client_send(&c, "GET", "/v1/stream?end=1", NULL), 200);
    while (!strstr(client_body(&c), "\r\n0\r\n\r\n")) {
        int n = SSL_read(c.ssl, c.reply + c.len, 4096);

        assert_true(n > 0);
        c.len += (size_t)n;
    }
    assert_non_null(
        strstr(client_body(&c), "id: 7\nevent: state\ndata: {\"state\":\"RUNNING\"}\n\n"));
    assert_int_equal(client_send(&c, "POST", "/v1/echo", NULL), 200);
    assert_true(client_write(&c, ask, sizeof ask - 1));
    assert_int_equal(client_read(&c), 200);
    client_close(&c);
    wait_until_gone(1);
}

static void crowd_is_bounded_and_served_in_the_end(void **state)
{
    struct client c;
    int fds[2 * CONNS_MAX];

    (void)state;
    for (int i = 0; i < 2 * CONNS_MAX; i++)
        fds[i] = client_socket(srv.port);
    for (int i = 0; i < 2 * CONNS_MAX; i++)
        close(fds[i]);
    c = attested();
    assert_int_equal(client_send(&c, "POST", "/v1/echo", NULL), 200);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, server_start, server_stop)
        T(stranger_gets_health_only),
        T(client_without_certificate_is_refused),
        T(unattested_channel_is_refused),
        T(client_taken_off_the_list_is_out_at_once),
        T(other_protocols_are_refused),
        T(tls_1_2_is_refused),
        T(no_ticket_is_given),
        T(plain_text_is_refused),
        T(garbage_is_survived),
        T(bodies_are_bounded),
        T(deferred_call_is_answered_or_gone),
        T(request_sent_too_early_waits_its_turn),
        T(stream_ends_and_is_bounded),
        T(crowd_is_bounded_and_served_in_the_end),
#undef T
    };
    int rc = 0;

    signal(SIGPIPE, SIG_IGN);
    if (avow_leaf_new("friend", &friend_leaf, NULL) < 0 ||
        avow_leaf_new("stranger", &stranger_leaf, NULL) < 0 ||
        avow_tls_client_ctx(friend_leaf, AVOW_ALPN, &friend_ctx, NULL) < 0 ||
        avow_tls_client_ctx(stranger_leaf, AVOW_ALPN, &stranger_ctx, NULL) < 0)
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    SSL_CTX_free(friend_ctx);
    SSL_CTX_free(stranger_ctx);
    avow_leaf_free(friend_leaf);
    avow_leaf_free(stranger_leaf);
    return rc;
}
