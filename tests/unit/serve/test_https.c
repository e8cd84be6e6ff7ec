/* The server that daemon and verifier share, with the least of users: hooks, deadlines, the end. */
#include "../daemon/client.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

#include "channel/tls.h"
#include "serve/exchange.h"

#define CONNS_MAX 4
#define RECORDS_MAX (1u << 20)
#define BODY_MAX 65536
#define HEADERS_MAX 8192

struct conn {
    struct avow_https_conn base;
    size_t received;
};

struct server {
    struct event_base *base;
    struct avow_https *https;
    struct event *stop;
    int stop_fd;
    pthread_t thread;
    uint16_t port;
    _Atomic(struct avow_exchange *) waiting;
    atomic_bool patient;   /* what the overdue hook says */
    atomic_bool unwelcome; /* what the accepted hook says not */
    atomic_int overdue, gone, forgotten, released;
};

static struct server srv;
static struct avow_leaf *first_leaf, *second_leaf;

static bool on_record(struct avow_https_conn *base, size_t len)
{
    struct conn *c = (struct conn *)base;

    c->received += len;
    return c->received <= RECORDS_MAX;
}

static bool on_accepted(struct avow_https_conn *base)
{
    struct sockaddr_in a = { 0 };
    socklen_t len = sizeof a;

    assert_int_equal(getpeername(SSL_get_fd(base->ssl), (struct sockaddr *)&a, &len), 0);
    assert_int_equal(a.sin_family, AF_INET);
    return !atomic_load(&srv.unwelcome);
}

static bool on_overdue(struct avow_https_conn *base)
{
    assert_ptr_equal(avow_https_ctx(base->https), &srv);
    atomic_fetch_add(&srv.overdue, 1);
    return atomic_load(&srv.patient);
}

static void on_gone(void *ctx)
{
    struct server *s = ctx;

    s->waiting = NULL;
    atomic_fetch_add(&s->gone, 1);
}

static void answer(struct avow_exchange *x, const char *text)
{
    avow_exchange_reply(x, 200, "text/plain", avow_bytes_str(text));
    avow_exchange_done(x);
    free(x);
}

/* "/wait" waits for "/go"; "/bye" closes the connection; all else says what was asked. */
static bool on_request(struct avow_https_conn *base, struct evhttp_request *req)
{
    struct avow_exchange *x = calloc(1, sizeof *x);
    const char *path = NULL;
    char text[256];

    assert_non_null(x);
    avow_exchange_begin(x, base, req);
    avow_https_conn_wait_no_more(base);
    path = avow_exchange_path(x);
    if (strcmp(path, "/bye") == 0) {
        avow_exchange_done(x);
        free(x);
        return false;
    }
    if (strcmp(path, "/wait") == 0) {
        srv.waiting = x;
        avow_exchange_defer(x, on_gone, &srv);
        return true;
    }
    if (strcmp(path, "/go") == 0 && srv.waiting) {
        answer(srv.waiting, "late");
        srv.waiting = NULL;
    }
    if (!avow_exchange_take_query(x))
        (void)snprintf(text, sizeof text, "malformed");
    else
        (void)snprintf(text, sizeof text, "%s %s q=%s x=%s body=%.*s", avow_exchange_method(x),
                       path, avow_exchange_query(x, "q") ? avow_exchange_query(x, "q") : "-",
                       avow_exchange_header(x, "X") ? avow_exchange_header(x, "X") : "-",
                       (int)avow_exchange_body(x).len, (const char *)avow_exchange_body(x).data);
    answer(x, text);
    return true;
}

static void on_lost(struct avow_exchange *x)
{
    void (*gone)(void *ctx) = x->gone;
    void *ctx = x->gone_ctx;

    avow_exchange_lost(x);
    avow_exchange_done(x);
    free(x);
    if (gone)
        gone(ctx);
}

static void on_too_large(struct avow_https_conn *base, struct avow_buf *headers,
                         struct avow_buf *body)
{
    (void)base;
    avow_buf_put_str(headers, "X-Own: 1\r\n");
    avow_buf_put_str(body, "{\"own\":\"words\"}");
}

static void on_forget(struct avow_https_conn *base)
{
    (void)base;
    atomic_fetch_add(&srv.forgotten, 1);
}

static void on_released(void *ctx)
{
    assert_ptr_equal(ctx, &srv);
    atomic_fetch_add(&srv.released, 1);
}

static const struct avow_https_hooks hooks = { .accepted = on_accepted,
                                               .record = on_record,
                                               .overdue = on_overdue,
                                               .request = on_request,
                                               .too_large = on_too_large,
                                               .lost = on_lost,
                                               .forget = on_forget,
                                               .released = on_released };

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    event_base_loopbreak(arg);
}

static void *server_run(void *arg)
{
    event_base_dispatch(arg);
    return NULL;
}

static SSL_CTX *server_tls(const struct avow_leaf *leaf)
{
    SSL_CTX *tls = NULL;

    assert_int_equal(avow_tls_server_ctx(leaf, AVOW_ALPN, &tls, NULL), 0);
    return tls;
}

static void server_go(void)
{
    assert_int_equal(pthread_create(&srv.thread, NULL, server_run, srv.base), 0);
}

static void server_halt(void)
{
    uint64_t one = 1;

    assert_int_equal(write(srv.stop_fd, &one, sizeof one), sizeof one);
    pthread_join(srv.thread, NULL);
    assert_int_equal(read(srv.stop_fd, &one, sizeof one), sizeof one);
}

static int start(int first_s)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    struct avow_https_config cfg = { .hooks = &hooks,
                                     .ctx = &srv,
                                     .conn_size = sizeof(struct conn),
                                     .conns_max = CONNS_MAX,
                                     .first_s = first_s,
                                     .idle_s = 300,
                                     .headers_max = HEADERS_MAX,
                                     .body_max = BODY_MAX,
                                     .methods = EVHTTP_REQ_GET | EVHTTP_REQ_POST };

    memset(&srv, 0, sizeof srv);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    srv.base = cfg.base = event_base_new();
    srv.stop_fd = eventfd(0, EFD_CLOEXEC);
    srv.stop = event_new(srv.base, srv.stop_fd, EV_READ | EV_PERSIST, on_stop, srv.base);
    assert_int_equal(event_add(srv.stop, NULL), 0);
    assert_int_equal(avow_https_new(&cfg, server_tls(first_leaf), &srv.https, NULL), 0);
    for (int i = 0; i < AVOW_HTTPS_LISTENERS_MAX; i++)
        assert_int_equal(
            avow_https_listen(srv.https, (struct sockaddr *)&a, sizeof a, &srv.port, NULL), 0);
    assert_int_equal(avow_https_listen(srv.https, (struct sockaddr *)&a, sizeof a, NULL, NULL),
                     -AVOW_E_LIMIT);
    server_go();
    return 0;
}

static int server_start(void **state)
{
    (void)state;
    return start(60);
}

static int hurried_start(void **state)
{
    (void)state;
    return start(1);
}

/* The loop does not run any more: nothing is left, and whoever owned it is told once. */
static int server_stop(void **state)
{
    (void)state;
    server_halt();
    avow_https_free(srv.https);
    event_base_loop(srv.base, EVLOOP_NONBLOCK);
    assert_int_equal(atomic_load(&srv.released), 1);
    event_free(srv.stop);
    event_base_free(srv.base);
    close(srv.stop_fd);
    return 0;
}

static struct client shake_hands(int fd)
{
    struct client c = { .fd = fd };
    SSL_CTX *tls = NULL;

    assert_int_equal(avow_tls_client_ctx(first_leaf, AVOW_ALPN, &tls, NULL), 0);
    c.ssl = SSL_new(tls);
    SSL_CTX_free(tls);
    assert_non_null(c.ssl);
    assert_int_equal(SSL_set_fd(c.ssl, fd), 1);
    assert_int_equal(SSL_connect(c.ssl), 1);
    return c;
}

static struct client connected(void)
{
    return shake_hands(client_socket(srv.port));
}

static void wait_for(atomic_int *count, int n)
{
    for (int i = 0; i < CLIENT_WAIT_S * 100 && atomic_load(count) < n; i++)
        usleep(10000);
    assert_int_equal(atomic_load(count), n);
}

/* By the other side, and not by our own patience. */
static void assert_hung_up(int fd)
{
    char byte = 0;
    ssize_t n = -1;

    for (int i = 0; i < 4; i++)
        if ((n = recv(fd, &byte, 1, 0)) >= 0 || errno != EAGAIN)
            break;
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}

static void requests_are_taken_apart(void **state)
{
    struct client c = connected();

    (void)state;
    assert_int_equal(client_send(&c, "POST", "/a?q=1%202", "text"), 200);
    assert_string_equal(client_body(&c), "POST /a q=1 2 x=- body=text");
    assert_non_null(strstr(c.reply, "Cache-Control: no-store\r\n"));
    assert_non_null(strstr(c.reply, "Content-Type: text/plain\r\n"));
    assert_int_equal(client_send(&c, "GET", "/b", NULL), 200);
    assert_string_equal(client_body(&c), "GET /b q=- x=- body=");
    assert_int_equal(client_send(&c, "GET", "/b?=x", NULL), 200);
    assert_string_equal(client_body(&c), "malformed");
    assert_int_equal(client_send(&c, "PUT", "/b", NULL), 501);
    client_close(&c);
}

static void who_says_nothing_is_hung_up(void **state)
{
    int fd = client_socket(srv.port);

    (void)state;
    assert_hung_up(fd);
    assert_int_equal(atomic_load(&srv.overdue), 1);
    close(fd);
    wait_for(&srv.forgotten, 1);
}

/* Before it says anything, and long before its deadline. */
static void who_is_not_welcome_is_hung_up(void **state)
{
    int fd = -1;

    (void)state;
    atomic_store(&srv.unwelcome, true);
    fd = client_socket(srv.port);
    assert_hung_up(fd);
    assert_int_equal(atomic_load(&srv.overdue), 0);
    close(fd);
    wait_for(&srv.forgotten, 1);
}

static void the_hook_may_be_patient(void **state)
{
    struct client c;
    int fd = -1;

    (void)state;
    atomic_store(&srv.patient, true);
    fd = client_socket(srv.port);
    wait_for(&srv.overdue, 1);
    c = shake_hands(fd);
    assert_int_equal(client_send(&c, "GET", "/still", NULL), 200);
    client_close(&c);
}

/* A body of @n bytes. */
static int post(struct client *c, size_t n)
{
    avow_autofree char *body = calloc(1, n);
    char head[128];

    assert_non_null(body);
    memset(body, 'x', n);
    (void)snprintf(head, sizeof head,
                   "POST /big HTTP/1.1\r\nHost: n\r\nContent-Length: %zu\r\n\r\n", n);
    (void)client_write(c, head, strlen(head));
    (void)client_write(c, body, n); /* it may be hung up meanwhile */
    return client_read(c);
}

static void too_many_bytes_are_hung_up(void **state)
{
    struct client c = connected();
    int n = 0;

    (void)state;
    while (n < 64 && post(&c, BODY_MAX) == 200)
        n++;
    assert_in_range(n, 8, RECORDS_MAX / BODY_MAX);
    client_close(&c);
}

/* Not by evhttp's page; and what was whole is not counted against what follows. */
static void long_bodies_are_refused_in_own_words(void **state)
{
    struct client c = connected();

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(post(&c, BODY_MAX), 200);
    assert_int_equal(post(&c, 4 * BODY_MAX), 413);
    assert_string_equal(client_body(&c), "{\"own\":\"words\"}");
    assert_non_null(strstr(c.reply, "\r\nX-Own: 1\r\n"));
    assert_non_null(strstr(c.reply, "\r\nConnection: close\r\n"));
    client_close(&c);
    wait_for(&srv.forgotten, 1);
    c = connected();
    assert_int_equal(post(&c, 4 * BODY_MAX), 413); /* the first on its connection */
    assert_hung_up(c.fd);                          /* who stays */
    client_close(&c);
}

/* The read that is too much brings the end, too: it is its user's to refuse, or to take. */
static void whole_requests_are_not_refused(void **state)
{
    struct client c = connected();

    (void)state;
    assert_int_equal(post(&c, BODY_MAX + HEADERS_MAX), 200);
    assert_int_equal(post(&c, BODY_MAX), 200);
    client_close(&c);
}

static void endless_chunks_are_refused(void **state)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: n\r\nTransfer-Encoding: chunked\r\n\r\n";
    char chunk[1024 + 8] = "400\r\n";
    struct client c = connected();

    (void)state;
    memset(chunk + 5, 'x', 1024);
    memcpy(chunk + 5 + 1024, "\r\n", 2);
    assert_true(client_write(&c, head, sizeof head - 1));
    for (int i = 0; i < 2 * BODY_MAX / 1024; i++)
        if (!client_write(&c, chunk, 5 + 1024 + 2))
            break;
    assert_int_equal(client_read(&c), 413);
    assert_string_equal(client_body(&c), "{\"own\":\"words\"}");
    client_close(&c);
}

static void a_request_can_be_hung_up(void **state)
{
    struct client c = connected();

    (void)state;
    assert_int_equal(client_send(&c, "GET", "/bye", NULL), 0);
    client_close(&c);
    wait_for(&srv.forgotten, 1);
}

static void late_replies_come_or_are_lost(void **state)
{
    static const char ask[] = "GET /wait HTTP/1.1\r\nHost: n\r\n\r\n";
    struct client a = connected();
    struct client b = connected();
    char byte = 0;

    (void)state;
    assert_true(client_write(&a, ask, sizeof ask - 1));
    while (recv(a.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
        assert_int_equal(client_send(&b, "GET", "/go", NULL), 200);
    assert_int_equal(client_read(&a), 200);
    assert_string_equal(client_body(&a), "late");
    assert_int_equal(client_send(&a, "GET", "/more", NULL), 200);
    assert_true(client_write(&a, ask, sizeof ask - 1));
    client_close(&a);
    wait_for(&srv.gone, 1);
    assert_int_equal(client_send(&b, "GET", "/go", NULL), 200);
    client_close(&b);
}

static void pending_ones_are_lost_at_the_end(void **state)
{
    static const char ask[] = "GET /wait HTTP/1.1\r\nHost: n\r\n\r\n";
    struct client a = connected();
    struct client b = connected();

    (void)state;
    assert_true(client_write(&a, ask, sizeof ask - 1));
    for (int i = 0; i < 1000 && !srv.waiting; i++)
        assert_int_equal(client_send(&b, "GET", "/other", NULL), 200);
    server_halt();
    assert_int_equal(avow_https_connections(srv.https), 2);
    avow_https_free(srv.https);
    assert_int_equal(atomic_load(&srv.gone), 1);
    assert_int_equal(atomic_load(&srv.released), 0); /* there are connections */
    event_base_loop(srv.base, EVLOOP_NONBLOCK);
    assert_int_equal(atomic_load(&srv.forgotten), 3); /* with the spare */
    assert_int_equal(atomic_load(&srv.released), 1);
    client_close(&a);
    client_close(&b);
    event_free(srv.stop);
    event_base_free(srv.base);
    close(srv.stop_fd);
}

static void a_new_certificate_is_shown_at_once(void **state)
{
    struct client c = connected();
    uint8_t shown[32];
    uint8_t expected[32];

    (void)state;
    assert_int_equal(avow_tls_peer_spki(c.ssl, shown, NULL), 0);
    avow_leaf_spki(first_leaf, expected);
    assert_memory_equal(shown, expected, 32);
    server_halt();
    avow_https_set_tls(srv.https, server_tls(second_leaf));
    server_go();
    assert_int_equal(client_send(&c, "GET", "/old", NULL), 200); /* goes on as it began */
    client_close(&c);
    c = connected(); /* on the spare, which was made before */
    assert_int_equal(avow_tls_peer_spki(c.ssl, shown, NULL), 0);
    avow_leaf_spki(second_leaf, expected);
    assert_memory_equal(shown, expected, 32);
    assert_int_equal(client_send(&c, "GET", "/new", NULL), 200);
    client_close(&c);
}

static void crowds_wait(void **state)
{
    struct client c[CONNS_MAX];
    int fd = -1;

    (void)state;
    for (int i = 0; i < CONNS_MAX; i++)
        c[i] = connected();
    for (int i = 0; i < CONNS_MAX; i++)
        assert_int_equal(client_send(&c[i], "GET", "/in", NULL), 200);
    fd = client_socket(srv.port); /* the kernel takes it; nobody shakes hands */
    for (int i = 0; i < CONNS_MAX; i++)
        client_close(&c[i]);
    c[0] = connected();
    assert_int_equal(client_send(&c[0], "GET", "/in", NULL), 200);
    client_close(&c[0]);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, server_start, server_stop)
        T(requests_are_taken_apart),
        cmocka_unit_test_setup_teardown(who_says_nothing_is_hung_up, hurried_start, server_stop),
        T(who_is_not_welcome_is_hung_up),
        cmocka_unit_test_setup_teardown(the_hook_may_be_patient, hurried_start, server_stop),
        T(too_many_bytes_are_hung_up),
        T(long_bodies_are_refused_in_own_words),
        T(whole_requests_are_not_refused),
        T(endless_chunks_are_refused),
        T(a_request_can_be_hung_up),
        T(late_replies_come_or_are_lost),
        cmocka_unit_test_setup(pending_ones_are_lost_at_the_end, server_start),
        T(a_new_certificate_is_shown_at_once),
        T(crowds_wait),
#undef T
    };
    int rc = 0;

    signal(SIGPIPE, SIG_IGN);
    if (avow_leaf_new("first", &first_leaf, NULL) < 0 ||
        avow_leaf_new("second", &second_leaf, NULL) < 0)
        return 1;
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    avow_leaf_free(first_leaf);
    avow_leaf_free(second_leaf);
    return rc;
}
