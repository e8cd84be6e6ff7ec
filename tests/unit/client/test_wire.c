/* The rule of the wire, against a real TLS server: what is sent on which connection. */
#include "../test.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "client/wire.h"
#include "codec/text.h"

#define REQUESTS_MAX 32
#define WAIT_S 10

/* A server of one connection at a time that answers every request with {"ok":true}. */
struct server {
    int listener;
    char address[32];
    struct avow_leaf *leaf;
    SSL_CTX *ctx;
    pthread_t thread;
    pthread_mutex_t lock;             /* protects all below */
    char requests[REQUESTS_MAX][256]; /* "METHOD PATH BODY" */
    size_t n_requests;
    size_t n_connections;
    uint8_t nonce[32]; /* of a quote; used for ekm */
    uint8_t ekm[32], peer_spki[32], exporter[32];
    struct avow_key again;
    bool drop;   /* close the connection after each reply */
    bool silent; /* never reply */
    bool over;   /* the thread is to end */
};

static void look_at_connection(struct server *s, SSL *ssl)
{
    struct avow_error err = { 0 };
    const struct avow_bytes none = { 0 };
    uint8_t own[32];

    avow_leaf_spki(s->leaf, own);
    assert_int_equal(avow_tls_peer_spki(ssl, s->peer_spki, &err), 0);
    assert_int_equal(avow_tls_export(ssl, AVOW_EXPORTER_CONNECTION, none, s->exporter, &err), 0);
    assert_int_equal(avow_tls_export(ssl, AVOW_EXPORTER_AGAIN, none, s->again.bytes, &err), 0);
    assert_int_equal(
        avow_tls_channel_ekm(ssl, AVOW_ROLE_SERVER, s->nonce, own, s->peer_spki, s->ekm, &err), 0);
}

/* One request into @text; false when the connection is over. */
static bool read_request(SSL *ssl, char text[4096])
{
    size_t n = 0;

    while (n < 4095) {
        const char *end = NULL;
        const char *len = NULL;
        int got = SSL_read(ssl, text + n, (int)(4095 - n));

        if (got <= 0)
            return false;
        n += (size_t)got;
        text[n] = 0;
        end = strstr(text, "\r\n\r\n");
        len = strstr(text, "Content-Length: ");
        if (end && n >= (size_t)(end + 4 - text) + (len ? strtoul(len + 16, NULL, 10) : 0))
            return true;
    }
    return false;
}

static void note_request(struct server *s, char *text)
{
    char *line_end = strstr(text, " HTTP/1.1\r\n");
    char *body = strstr(text, "\r\n\r\n") + 4;

    *line_end = 0;
    (void)pthread_mutex_lock(&s->lock);
    if (s->n_requests < REQUESTS_MAX)
        (void)snprintf(s->requests[s->n_requests++], 256, "%.100s %.120s", text, body);
    (void)pthread_mutex_unlock(&s->lock);
}

static void serve(struct server *s, SSL *ssl)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                "Content-Length: 11\r\n\r\n{\"ok\":true}";
    char text[4096];
    bool drop = false;

    while (!drop && read_request(ssl, text)) {
        bool silent = false;

        note_request(s, text);
        (void)pthread_mutex_lock(&s->lock);
        look_at_connection(s, ssl);
        drop = s->drop;
        silent = s->silent;
        (void)pthread_mutex_unlock(&s->lock);
        if (silent || SSL_write(ssl, reply, sizeof reply - 1) <= 0)
            continue;
    }
    (void)SSL_shutdown(ssl);
}

static void *server_main(void *arg)
{
    struct server *s = arg;

    for (;;) {
        struct timeval wait = { .tv_sec = WAIT_S };
        int fd = accept(s->listener, NULL, NULL);
        SSL *ssl = NULL;
        bool over = false;

        (void)pthread_mutex_lock(&s->lock);
        over = s->over || fd < 0;
        s->n_connections++;
        ssl = SSL_new(s->ctx);
        (void)pthread_mutex_unlock(&s->lock);
        if (!over && ssl) {
            (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
            (void)SSL_set_fd(ssl, fd);
            if (SSL_accept(ssl) == 1)
                serve(s, ssl);
        }
        SSL_free(ssl);
        if (fd >= 0)
            close(fd);
        if (over)
            return NULL;
    }
}

static void server_start(struct server *s)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    struct avow_error err = { 0 };

    memset(s, 0, sizeof *s);
    (void)pthread_mutex_init(&s->lock, NULL);
    assert_int_equal(avow_leaf_new("server", &s->leaf, &err), 0);
    assert_int_equal(avow_tls_server_ctx(s->leaf, AVOW_ALPN, &s->ctx, &err), 0);
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 8), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    (void)snprintf(s->address, sizeof s->address, "127.0.0.1:%d", ntohs(a.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

static void server_stop(struct server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->over = true;
    (void)pthread_mutex_unlock(&s->lock);
    (void)shutdown(s->listener, SHUT_RDWR);
    (void)pthread_join(s->thread, NULL);
    close(s->listener);
    SSL_CTX_free(s->ctx);
    avow_leaf_free(s->leaf);
}

static size_t n_requests(struct server *s)
{
    size_t n = 0;

    (void)pthread_mutex_lock(&s->lock);
    n = s->n_requests;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

/* ---- the client's side ---- */

struct side {
    struct server server;
    struct avow_leaf *leaf;
    atomic_bool stop;
    struct avow_wire *wire;
    struct avow_wire_reply reply;
    struct avow_error err;
};

static int set_up(void **state)
{
    struct side *t = calloc(1, sizeof *t);
    struct avow_error err = { 0 };

    assert_non_null(t);
    server_start(&t->server);
    t->reply.body = AVOW_BUF(1 << 16);
    assert_int_equal(avow_leaf_new("client", &t->leaf, &err), 0);
    assert_int_equal(avow_wire_new(t->server.address, t->leaf, &t->stop, &t->wire, &err), 0);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct side *t = *state;

    avow_wire_free(t->wire);
    server_stop(&t->server);
    avow_buf_done(&t->reply.body);
    avow_leaf_free(t->leaf);
    free(t);
    return 0;
}

static int job(struct side *t)
{
    struct avow_wire_request rq = { .kind = AVOW_WIRE_JOB,
                                    .method = "POST",
                                    .path = "/v1/job/submit",
                                    .body = avow_bytes_str("secret"),
                                    .timeout_ms = 5000 };

    avow_error_clear(&t->err);
    return avow_wire_do(t->wire, &rq, &t->reply, &t->err);
}

static int quote(struct side *t)
{
    struct avow_wire_request rq = { .kind = AVOW_WIRE_QUOTE,
                                    .nonce = { 1, 2, 3 },
                                    .timeout_ms = 5000 };

    memcpy(t->server.nonce, rq.nonce, 32);
    avow_error_clear(&t->err);
    return avow_wire_do(t->wire, &rq, &t->reply, &t->err);
}

static void test_nothing_before_attestation(void **state)
{
    struct side *t = *state;

    assert_int_equal(job(t), -AVOW_E_CHANNEL);
    assert_true(avow_wire_unsent(t->wire));
    assert_int_equal(job(t), -AVOW_E_CHANNEL);
    assert_int_equal(n_requests(&t->server), 0);
}

static void test_quote_then_job(void **state)
{
    struct side *t = *state;
    avow_auto(avow_buf_done) struct avow_buf mine = AVOW_BUF(4096);
    avow_auto(avow_buf_done) struct avow_buf theirs = AVOW_BUF(4096);
    uint8_t spki[32];

    assert_int_equal(quote(t), 0);
    assert_int_equal(t->reply.status, 200);
    assert_string_equal(avow_buf_cstr(&t->reply.body), "{\"ok\":true}");
    /* both sides compute the same statement from their own view of the connection */
    assert_int_equal(avow_wire_statement(t->wire, &mine, &t->err), 0);
    avow_leaf_spki(t->server.leaf, spki);
    assert_memory_equal(avow_wire_server_spki(t->wire), spki, 32);
    assert_int_equal(avow_channel_statement(AVOW_ROLE_SERVER, t->server.nonce, t->server.ekm, spki,
                                            t->server.peer_spki, &theirs, &t->err),
                     0);
    assert_string_equal(avow_buf_cstr(&mine), avow_buf_cstr(&theirs));
    assert_memory_equal(avow_wire_again_key(t->wire)->bytes, t->server.again.bytes, 32);
    /* a quote that was not accepted changes nothing */
    assert_int_equal(job(t), -AVOW_E_CHANNEL);
    assert_int_equal(quote(t), 0);
    avow_wire_attested(t->wire);
    assert_int_equal(job(t), 0);
    assert_int_equal(n_requests(&t->server), 3);
    assert_string_equal(t->server.requests[2], "POST /v1/job/submit secret");
}

/* The connection is replaced behind the client's back: the new one carries nothing. */
static void test_replaced_connection(void **state)
{
    struct side *t = *state;
    struct avow_key again;
    struct avow_wire_request rq = { .kind = AVOW_WIRE_AGAIN, .again = &again, .timeout_ms = 5000 };
    uint8_t mac[32];
    char want[256];
    char hex[65];

    assert_int_equal(quote(t), 0);
    avow_wire_attested(t->wire);
    again = *avow_wire_again_key(t->wire);
    t->server.drop = true;
    assert_int_equal(job(t), 0);
    assert_int_equal(job(t), -AVOW_E_CHANNEL);
    assert_int_equal(n_requests(&t->server), 2);
    /* tied to the attested one by its secret, the new one may be used */
    t->server.drop = false;
    assert_int_equal(avow_wire_do(t->wire, &rq, &t->reply, &t->err), 0);
    assert_int_equal(avow_channel_again_mac(&again, AVOW_ROLE_CLIENT, t->server.exporter, mac), 0);
    avow_hex(AVOW_BYTES_OF(mac), hex);
    (void)snprintf(want, sizeof want, "POST /v1/attestation/again {\"mac\":\"%s\"}", hex);
    assert_string_equal(t->server.requests[2], want);
    assert_int_equal(avow_wire_check_again(t->wire, mac, NULL), -AVOW_E_AUTH); /* the other role */
    assert_int_equal(avow_channel_again_mac(&again, AVOW_ROLE_SERVER, t->server.exporter, mac), 0);
    assert_int_equal(avow_wire_check_again(t->wire, mac, NULL), 0);
    avow_wire_attested(t->wire);
    assert_int_equal(job(t), 0);
    assert_int_equal(t->server.n_requests, 4);
}

static void test_other_key(void **state)
{
    struct side *t = *state;
    uint8_t other[32] = { 7 };

    avow_wire_pin(t->wire, other);
    assert_int_equal(quote(t), -AVOW_E_AUTH);
    assert_int_equal(job(t), -AVOW_E_AUTH);
    assert_int_equal(n_requests(&t->server), 0);
}

/* The kinds that may go anywhere say nothing but what they are for. */
static void test_open_kinds(void **state)
{
    struct side *t = *state;
    struct avow_wire_request rq = { .kind = AVOW_WIRE_HEALTH,
                                    .method = "POST",
                                    .path = "/v1/job/submit",
                                    .body = avow_bytes_str("secret"),
                                    .timeout_ms = 5000 };

    assert_int_equal(avow_wire_do(t->wire, &rq, &t->reply, &t->err), 0);
    assert_string_equal(t->server.requests[0], "GET /v1/healthz ");
    rq.kind = AVOW_WIRE_QUOTE;
    assert_int_equal(avow_wire_do(t->wire, &rq, &t->reply, &t->err), 0);
    assert_string_equal(
        t->server.requests[1],
        "POST /v1/attestation/quote {\"nonce\":\"000000000000000000000000000000000000"
        "0000000000000000000000000000\"}");
}

static void *stop_soon(void *arg)
{
    struct side *t = arg;
    struct timespec wait = { .tv_nsec = 20000000 };

    while (n_requests(&t->server) == 0)
        (void)nanosleep(&wait, NULL);
    atomic_store(&t->stop, true);
    avow_wire_wake(t->wire);
    return NULL;
}

static void test_stop(void **state)
{
    struct side *t = *state;
    struct timespec a;
    struct timespec b;
    pthread_t thread;

    t->server.silent = true;
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, t), 0);
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    assert_int_equal(quote(t), -AVOW_E_CANCELLED);
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true(b.tv_sec - a.tv_sec < 3);
    (void)pthread_join(thread, NULL);
}

static void test_timeout(void **state)
{
    struct side *t = *state;
    struct avow_wire_request rq = { .kind = AVOW_WIRE_HEALTH, .timeout_ms = 100 };

    t->server.silent = true;
    assert_int_equal(avow_wire_do(t->wire, &rq, &t->reply, &t->err), -AVOW_E_TIMEOUT);
}

static void test_nobody_there(void **state)
{
    struct avow_wire_request rq = { .kind = AVOW_WIRE_HEALTH, .timeout_ms = 1000 };
    struct side *t = *state;
    struct avow_wire *w = NULL;

    assert_int_equal(avow_wire_new("127.0.0.1:1", t->leaf, &t->stop, &w, &t->err), 0);
    assert_int_equal(avow_wire_do(w, &rq, &t->reply, &t->err), -AVOW_E_NETWORK);
    assert_true(avow_wire_unsent(w));
    avow_wire_free(w);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(test_nothing_before_attestation),
        WITH(test_quote_then_job),
        WITH(test_replaced_connection),
        WITH(test_other_key),
        WITH(test_open_kinds),
        WITH(test_stop),
        WITH(test_timeout),
        WITH(test_nobody_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
