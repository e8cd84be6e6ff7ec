#include "../test.h"

#include "client/sse.h"

struct seen {
    struct avow_buf text;
    int fail_at; /* event number that is answered with an error, from 1 */
    int n;
};

static int collect(void *ctx, const struct avow_sse_event *e)
{
    struct seen *s = ctx;

    (void)avow_buf_putf(&s->text, "[%llu %s %s]", (unsigned long long)e->id, e->type, e->data);
    return ++s->n == s->fail_at ? -AVOW_E_PROTOCOL : 0;
}

static const char stream[] = "id: 1\nevent: state\ndata: {\"state\":\"RUNNING\"}\n\n"
                             ": a comment\n\n"
                             "retry: 3000\n"
                             "id:2\ndata: a\ndata:\ndata:  b\n\n"
                             "event: empty\n\n"
                             "id: 3\r\nevent: crlf\r\ndata: x\r\n\r\n"
                             "id: 4\revent: cr\rdata: y\r\r"
                             "data: cut off";
static const char want[] = "[1 state {\"state\":\"RUNNING\"}][2 message a\n\n b][3 crlf x][4 cr y]";

/* However the network cuts the stream, the same events come out. */
static void test_any_cut(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < sizeof stream; cut++) {
        struct avow_sse s;
        struct seen seen = { .text = AVOW_BUF(4096) };

        avow_sse_init(&s);
        for (size_t at = 0; at < sizeof stream - 1; at += cut) {
            size_t n = sizeof stream - 1 - at;

            assert_int_equal(
                avow_sse_feed(&s, AVOW_BYTES(stream + at, n < cut ? n : cut), collect, &seen), 0);
        }
        assert_string_equal(avow_buf_cstr(&seen.text), want);
        avow_buf_done(&seen.text);
        avow_sse_done(&s);
    }
}

static void test_sink_stops(void **state)
{
    struct avow_sse s;
    struct seen seen = { .text = AVOW_BUF(4096), .fail_at = 2 };

    (void)state;
    avow_sse_init(&s);
    assert_int_equal(avow_sse_feed(&s, AVOW_BYTES(stream, sizeof stream - 1), collect, &seen),
                     -AVOW_E_PROTOCOL);
    assert_int_equal(seen.n, 2);
    avow_buf_done(&seen.text);
    avow_sse_done(&s);
}

static void test_limit(void **state)
{
    struct avow_sse s;
    struct seen seen = { .text = AVOW_BUF(4096) };
    char chunk[4096];
    int rc = 0;

    (void)state;
    memset(chunk, 'x', sizeof chunk);
    avow_sse_init(&s);
    for (int i = 0; rc == 0 && i < 1000; i++)
        rc = avow_sse_feed(&s, AVOW_BYTES_OF(chunk), collect, &seen);
    assert_int_equal(rc, -AVOW_E_LIMIT);
    avow_sse_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_cut),
        cmocka_unit_test(test_sink_stops),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
