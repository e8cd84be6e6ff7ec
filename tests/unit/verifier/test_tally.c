/* What a service was asked, counted: bounded whatever it says, and shown as it was. */
#include "verifier/tally.h"

#include <pthread.h>

#include "../test.h"

#define MS 1000000u

static void try_with(struct tally *t, long status, const char *body, uint64_t ns)
{
    struct avow_http_reply r = { .status = status, .body = AVOW_BUF(4096) };

    assert_int_equal(avow_buf_put_str(&r.body, body), 0);
    tally_try(t, 0, &r, ns);
    avow_buf_done(&r.body);
}

static void try_code(struct tally *t, long status, const char *code)
{
    char body[256];

    (void)snprintf(body, sizeof body, "{\"error\":{\"code\":\"%s\",\"message\":\"no\"}}", code);
    try_with(t, status, body, 2 * MS);
}

static int64_t number(const json_t *o, const char *key, const char *inner)
{
    const json_t *v = json_object_get(o, key);

    if (inner)
        v = json_object_get(v, inner);
    return v ? json_integer_value(v) : -1;
}

static void counts(void **state)
{
    struct tally *t = calloc(1, sizeof *t);
    struct avow_http_reply none = { 0 };
    struct avow_azure_stats s;
    avow_autojson json_t *j = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4096);

    (void)state;
    tally_init(t);
    try_with(t, 200, "{\"token\":\"x\"}", 3 * MS);
    try_code(t, 429, "TooManyRequests");
    try_code(t, 429, "TooManyRequests");
    try_code(t, 400, "PolicyEvaluationError");
    try_with(t, 502, "<html>", 40 * MS);
    tally_try(t, -AVOW_E_TIMEOUT, &none, 900 * MS);
    tally_token(t, true, 5 * MS);
    tally_token(t, false, 50 * MS);
    tally_failed(t, -AVOW_E_TIMEOUT);
    tally_failed(t, -AVOW_E_UNTRUSTED);
    tally_failed(t, -AVOW_E_BUSY);
    tally_failed(t, -AVOW_E_NETWORK);
    tally_failed(t, -AVOW_E_PROTOCOL);
    tally_failed(t, -AVOW_E_CANCELLED);
    tally_count(t, &t->s.reused);
    tally_read(t, &s);
    assert_int_equal(s.request.histogram.count, 5);   /* what was not answered took no time */
    assert_int_equal(s.token.histogram.bucket[4], 1); /* up to 10 ms */
    j = avow_azure_stats_json(&s);
    assert_int_equal(number(j, "requests", NULL), 6);
    assert_int_equal(number(j, "tokens", NULL), 1);
    assert_int_equal(number(j, "reused", NULL), 1);
    assert_int_equal(number(j, "throttled", NULL), 2);
    assert_int_equal(number(j, "failed", NULL), 6);
    assert_int_equal(number(j, "replies", "2xx"), 1);
    assert_int_equal(number(j, "replies", "3xx"), -1);
    assert_int_equal(number(j, "replies", "4xx"), 3);
    assert_int_equal(number(j, "replies", "5xx"), 1);
    for (size_t i = 0; i < AVOW_AZURE_FAILURES; i++)
        assert_int_equal(number(j, "failures", avow_azure_failure_names[i]), 1);
    assert_int_equal(number(j, "errors", "TooManyRequests"), 2);
    assert_int_equal(number(j, "errors", "PolicyEvaluationError"), 1);
    assert_int_equal(number(j, "errors", "other"), -1);
    assert_true(json_number_value(json_object_get(json_object_get(j, "latency_ms"), "max")) > 39);
    assert_true(json_number_value(json_object_get(json_object_get(j, "latency_ms"), "p50")) < 3);
    assert_true(json_number_value(json_object_get(json_object_get(j, "token_ms"), "p99")) > 49);
    avow_azure_stats_text(&s, &text);
    assert_string_equal(
        avow_buf_cstr(&text),
        "6 requests, 1 token, 1 reused, 2 throttled; a token takes 5.0 ms (p50), 50.0 (p99), 50.0 "
        "(max); errors: TooManyRequests 2, PolicyEvaluationError 1; without an answer for good: "
        "network 1, timeout 1, tls 1, busy 1, protocol 1, other 1");
    tally_done(t);
    free(t);
}

/* Names come from outside: neither their number nor what is in them is the service's to choose. */
static void names_are_bounded(void **state)
{
    static const char *const strange[] = { "a b", "x=\\\"y\\\"", "\\u001b[31m", "\\u00e4",
                                           "0123456789012345678901234567890123456789012345678" };
    struct tally *t = calloc(1, sizeof *t);
    struct avow_azure_stats s;

    (void)state;
    tally_init(t);
    for (size_t i = 0; i < 5; i++)
        try_code(t, 400, strange[i]);
    try_code(t, 400, ""); /* no code is none */
    tally_read(t, &s);
    assert_int_equal(s.n_codes, 0);
    assert_int_equal(s.other_codes, 5);
    for (int i = 0; i < 100; i++) {
        char code[16];

        (void)snprintf(code, sizeof code, "Code%d", i);
        try_code(t, 400, code);
        try_code(t, 500, "Code3");
    }
    tally_read(t, &s);
    assert_int_equal(s.n_codes, AVOW_AZURE_CODES_MAX);
    assert_int_equal(s.other_codes, 5 + 100 - AVOW_AZURE_CODES_MAX);
    assert_string_equal(s.codes[1].name, "Code3");
    assert_int_equal(s.codes[1].n, 101);
    tally_done(t);
    free(t);
}

static void *hammer(void *ctx)
{
    for (int i = 0; i < 2000; i++) {
        try_code(ctx, 503, "ServerBusy");
        tally_token(ctx, true, MS);
    }
    return NULL;
}

static void threads_count_together(void **state)
{
    struct tally *t = calloc(1, sizeof *t);
    struct avow_azure_stats s;
    pthread_t threads[4];

    (void)state;
    tally_init(t);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, t), 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    tally_read(t, &s);
    assert_int_equal(s.requests, 8000);
    assert_int_equal(s.codes[0].n, 8000);
    assert_int_equal(s.token.histogram.count, 8000);
    tally_done(t);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts),
        cmocka_unit_test(names_are_bounded),
        cmocka_unit_test(threads_count_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
