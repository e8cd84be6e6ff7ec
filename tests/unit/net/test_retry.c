/* What is tried again, how often, and when. */
#include "net/retry.h"

#include "server.h"

#define BUSY "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct notes {
    int n;
    int64_t ms;
    char why[256];
};

static void note(void *ctx, const char *why, int64_t ms)
{
    struct notes *n = ctx;

    n->n++;
    n->ms = ms;
    (void)snprintf(n->why, sizeof n->why, "%s", why);
}

static int go(struct server *s, struct avow_retry *retry, struct avow_http_reply *r)
{
    char url[128];
    int rc = 0;

    server_start(s);
    server_url(s, "/", url);
    rc = avow_http_retry(&(struct avow_http_request){ .url = url, .plain = true, .direct = true },
                         retry, r, NULL);
    server_stop(s);
    return rc;
}

static void again_until_it_answers(void **state)
{
    struct server s = { .replies = { BUSY, BUSY, OK } };
    struct notes notes = { 0 };
    struct avow_retry retry = { .backoff = { .tries = 5, .base_ms = 1, .cap_ms = 4 },
                                .deadline_ms = 20000,
                                .note = note,
                                .ctx = &notes };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };

    (void)state;
    assert_int_equal(go(&s, &retry, &r), 0);
    assert_int_equal(r.status, 200);
    assert_int_equal(retry.n_tries, 3);
    assert_int_equal(notes.n, 2);
    assert_string_equal(notes.why, "HTTP 503");
}

static void an_answer_for_good_is_not_asked_again(void **state)
{
    struct server s = { .replies = { "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", OK } };
    struct avow_retry retry = { .backoff = { .tries = 5, .base_ms = 1, .cap_ms = 4 },
                                .deadline_ms = 20000 };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };

    (void)state;
    assert_int_equal(go(&s, &retry, &r), 0);
    assert_int_equal(r.status, 404);
    assert_int_equal(retry.n_tries, 1);
}

static void count(void *ctx, int rc, const struct avow_http_reply *r)
{
    int *seen = ctx;

    assert_int_equal(rc, 0);
    seen[r->status == 503 ? 0 : 1]++;
}

static void every_try_is_told(void **state)
{
    struct server s = { .replies = { BUSY, BUSY, OK } };
    int seen[2] = { 0 };
    struct avow_retry retry = { .backoff = { .tries = 5, .base_ms = 1, .cap_ms = 4 },
                                .deadline_ms = 20000,
                                .tried = count,
                                .ctx = seen };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };

    (void)state;
    assert_int_equal(go(&s, &retry, &r), 0);
    assert_int_equal(seen[0], 2);
    assert_int_equal(seen[1], 1);
}

static void tries_end(void **state)
{
    struct server s = { .replies = { BUSY, BUSY, BUSY, OK } };
    struct avow_retry retry = { .backoff = { .tries = 3, .base_ms = 1, .cap_ms = 4 },
                                .deadline_ms = 20000 };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };

    (void)state;
    assert_int_equal(go(&s, &retry, &r), 0);
    assert_int_equal(r.status, 503);
    assert_int_equal(atomic_load(&s.served), 3);
}

static void retry_after_is_honoured(void **state)
{
    struct server s = {
        .replies = { "HTTP/1.1 429 Slow\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
                     "HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n", OK }
    };
    struct notes notes = { .ms = -1 };
    struct avow_retry retry = { .backoff = { .tries = 5, .base_ms = 100000, .cap_ms = 100000 },
                                .deadline_ms = 20000,
                                .note = note,
                                .ctx = &notes };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };

    (void)state;
    assert_int_equal(go(&s, &retry, &r), 0);
    /* the first wait was of 0 ms, whatever the backoff says; the second would outlast the deadline
     */
    assert_int_equal(notes.n, 1);
    assert_int_equal(notes.ms, 0);
    assert_int_equal(r.status, 429);
    assert_int_equal(r.retry_after_ms, 60000);
}

static void no_connection_is_tried_again(void **state)
{
    struct notes notes = { 0 };
    struct avow_retry retry = { .backoff = { .tries = 3, .base_ms = 1, .cap_ms = 2 },
                                .deadline_ms = 5000,
                                .note = note,
                                .ctx = &notes };
    avow_auto(avow_http_reply_done) struct avow_http_reply r = { 0 };

    (void)state;
    assert_int_equal(avow_http_retry(&(struct avow_http_request){ .url = "http://127.0.0.1:1/",
                                                                  .plain = true,
                                                                  .direct = true },
                                     &retry, &r, NULL),
                     -AVOW_E_NETWORK);
    assert_int_equal(retry.n_tries, 3);
    assert_int_equal(notes.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(again_until_it_answers),
        cmocka_unit_test(an_answer_for_good_is_not_asked_again),
        cmocka_unit_test(tries_end),
        cmocka_unit_test(every_try_is_told),
        cmocka_unit_test(retry_after_is_honoured),
        cmocka_unit_test(no_connection_is_tried_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
