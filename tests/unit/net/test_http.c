/* One request, its limits and its failures, against a server on loopback. */
#include "net/http.h"

#include <sys/eventfd.h>

#include "server.h"

/* What came of one GET answered by @s. */
static void get(struct server *s, struct avow_http_reply *r)
{
    char url[128];

    server_start(s);
    server_url(s, "/", url);
    assert_int_equal(
        avow_http(&(struct avow_http_request){ .url = url, .plain = true, .direct = true }, r,
                  NULL),
        0);
    server_stop(s);
}

static void replies_whole(void **state)
{
    struct server s = { .replies = { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Chain: a%20b\r\n"
                                     "X-CHAIN-2:  two \r\n\r\nhello" } };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf v = AVOW_BUF(64);
    static const char *const headers[] = { "Metadata: true", NULL };
    char url[128];
    struct avow_error err = { 0 };

    (void)state;
    server_start(&s);
    server_url(&s, "/x?y=1", url);
    assert_int_equal(avow_http(
                         &(struct avow_http_request){
                             .url = url, .plain = true, .direct = true, .headers = headers },
                         &r, &err),
                     0);
    server_stop(&s);
    assert_int_equal(r.status, 200);
    assert_string_equal(avow_buf_cstr(&r.body), "hello");
    assert_true(avow_http_header(&r, "x-chain", &v));
    assert_string_equal(avow_buf_cstr(&v), "a%20b");
    avow_buf_reset(&v);
    assert_true(avow_http_header(&r, "x-chain-2", &v));
    assert_string_equal(avow_buf_cstr(&v), "two ");
    assert_false(avow_http_header(&r, "x-cha", &v));
    assert_int_equal(r.retry_after_ms, -1);
    assert_non_null(strstr(s.seen, "GET /x?y=1 HTTP/1.1"));
    assert_non_null(strstr(s.seen, "Metadata: true"));
}

static void posts_a_body(void **state)
{
    struct server s = { .replies = {
                            "HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n" } };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };
    char url[128];

    (void)state;
    server_start(&s);
    server_url(&s, "/p", url);
    assert_int_equal(avow_http(&(struct avow_http_request){ .url = url,
                                                            .plain = true,
                                                            .direct = true,
                                                            .body = avow_bytes_str("{\"a\":1}") },
                               &r, NULL),
                     0);
    server_stop(&s);
    assert_int_equal(r.status, 429);
    assert_int_equal(r.retry_after_ms, 7000);
    assert_true(avow_http_transient(r.status));
    assert_non_null(strstr(s.seen, "POST /p"));
    assert_non_null(strstr(s.seen, "\r\n\r\n{\"a\":1}"));
}

/* What is no number of seconds and no date says nothing: the pause is our own. */
static void odd_pauses_are_not_taken(void **state)
{
    static const struct {
        const char *value;
        int64_t ms;
    } rows[] = {
        { "-5", -1 },
        { "1e9", -1 },
        { "soon", -1 },
        { "", -1 },
        { "0", 0 },
        { "99999999999999999999", 86400000 },
        { "Thu, 01 Jan 1970 00:00:01 GMT", 0 },
        { "Fri, 31 Dec 2100 23:59:59 GMT", 86400000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };
        char reply[256];
        struct server s = { .replies = { reply } };

        (void)snprintf(reply, sizeof reply,
                       "HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
                       rows[i].value);
        get(&s, &r);
        if (r.retry_after_ms != rows[i].ms)
            fail_msg("%s: %lld ms", rows[i].value, (long long)r.retry_after_ms);
    }
}

static void redirects_are_an_answer(void **state)
{
    struct server s = { .replies = { "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                                     "Content-Length: 0\r\n\r\n" } };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };

    (void)state;
    get(&s, &r);
    assert_int_equal(r.status, 302);
}

static void limits_hold(void **state)
{
    struct server s = { .replies = { "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" },
                        .flood = 1 << 20 };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };
    char url[128];
    struct avow_error err = { 0 };

    (void)state;
    server_start(&s);
    server_url(&s, "/", url);
    assert_int_equal(avow_http(
                         &(struct avow_http_request){
                             .url = url, .plain = true, .direct = true, .body_max = 10000 },
                         &r, &err),
                     -AVOW_E_LIMIT);
    assert_non_null(strstr(err.text, "10000"));
    assert_true(r.body.len <= 10000);
    server_stop(&s);
}

/* A listener that takes connections and says nothing. */
static int mute(int *port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void failures_have_their_codes(void **state)
{
    int port = 0;
    avow_autoclose int quiet = mute(&port);
    avow_autoclose int stop = eventfd(1, EFD_CLOEXEC);
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };
    char url[128];
    struct avow_http_request rq = { .url = url, .plain = true, .direct = true, .timeout_ms = 50 };

    (void)state;
    assert_true(quiet >= 0);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d/", port);
    assert_int_equal(avow_http(&rq, &r, NULL), -AVOW_E_TIMEOUT);
    avow_http_reply_done(&r);
    rq.timeout_ms = 0;
    rq.stop_fd = stop; /* readable from the start */
    assert_int_equal(avow_http(&rq, &r, NULL), -AVOW_E_CANCELLED);
    avow_http_reply_done(&r);
    rq.stop_fd = 0;
    rq.plain = false; /* http:// only where it is allowed */
    assert_int_equal(avow_http(&rq, &r, NULL), -AVOW_E_FORMAT);
    avow_http_reply_done(&r);
    rq.plain = true;
    (void)snprintf(url, sizeof url, "http://127.0.0.1:1/");
    assert_int_equal(avow_http(&rq, &r, NULL), -AVOW_E_NETWORK);
    avow_http_reply_done(&r);
    (void)snprintf(url, sizeof url, "file:///etc/passwd");
    assert_int_equal(avow_http(&rq, &r, NULL), -AVOW_E_FORMAT);
}

static void urls(void **state)
{
    char host[32];

    (void)state;
    assert_int_equal(avow_url_host("https://kdsintf.amd.com/vcek", host, sizeof host, NULL), 0);
    assert_string_equal(host, "kdsintf.amd.com");
    assert_int_equal(avow_url_host("http://127.0.0.1:80", host, sizeof host, NULL), 0);
    assert_string_equal(host, "127.0.0.1:80");
    assert_int_equal(avow_url_host("kdsintf.amd.com", host, sizeof host, NULL), -AVOW_E_FORMAT);
    assert_int_equal(avow_url_host("https:///x", host, sizeof host, NULL), -AVOW_E_FORMAT);
    assert_int_equal(
        avow_url_host("https://0123456789.0123456789.0123456789/", host, sizeof host, NULL),
        -AVOW_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_whole),
        cmocka_unit_test(posts_a_body),
        cmocka_unit_test(odd_pauses_are_not_taken),
        cmocka_unit_test(redirects_are_an_answer),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(failures_have_their_codes),
        cmocka_unit_test(urls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
