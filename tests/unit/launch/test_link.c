#include "../test.h"

#include <sys/socket.h>

#include "launch/link.h"

static struct {
    struct event_base *base;
    struct avow_link *link;
    int other;
    int n_frames;
    uint8_t last;
    bool closed, closed_with_error;
    int n_drained;
} t;

static void on_frame(void *ctx, const struct avow_frame *f)
{
    (void)ctx;
    t.n_frames++;
    t.last = f->type;
}

static void on_closed(void *ctx, const struct avow_error *err)
{
    (void)ctx;
    assert_false(t.closed);
    t.closed = true;
    t.closed_with_error = err != NULL;
}

static void on_drained(void *ctx)
{
    (void)ctx;
    t.n_drained++;
}

static int set_up(void **state)
{
    static const struct avow_link_ops ops = { on_frame, on_closed, on_drained, NULL };
    int sv[2];

    (void)state;
    memset(&t, 0, sizeof t);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
    t.other = sv[1];
    t.base = event_base_new();
    assert_non_null(t.base);
    return avow_link_new(t.base, sv[0], &ops, &t.link, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    avow_link_free(t.link);
    event_base_free(t.base);
    if (t.other >= 0)
        close(t.other);
    return 0;
}

static void turn(void)
{
    event_base_loop(t.base, EVLOOP_NONBLOCK);
}

static void give(const void *p, size_t n)
{
    assert_int_equal(send(t.other, p, n, 0), n);
    turn();
}

static void test_frames_in(void **state)
{
    (void)state;
    give("\0\0\0\x03\x07"
         "ab"
         "\0\0",
         9);
    assert_int_equal(t.n_frames, 1);
    assert_int_equal(t.last, 7);
    give("\0\x01", 2);
    assert_int_equal(t.n_frames, 1);
    give("\x09\0\0\0\x01\x0a", 6);
    assert_int_equal(t.n_frames, 3);
    assert_int_equal(t.last, 10);
    assert_false(t.closed);
    close(t.other);
    t.other = -1;
    turn();
    assert_true(t.closed);
    assert_false(t.closed_with_error);
}

static void test_bad_frame(void **state)
{
    (void)state;
    give("\xff\0\0\0\x01", 5);
    assert_true(t.closed_with_error);
    avow_link_send(t.link, 1, AVOW_BYTES(NULL, 0), AVOW_BYTES(NULL, 0)); /* no effect */
}

/* Nothing is lost when the other end is slow; congestion comes and goes once. */
static void test_slow_reader(void **state)
{
    static uint8_t block[16384];
    size_t want = 0, got = 0;
    uint8_t in[65536];

    (void)state;
    while (!avow_link_congested(t.link)) {
        avow_link_send(t.link, 18, AVOW_BYTES("head", 4), AVOW_BYTES_OF(block));
        want += AVOW_FRAME_HEAD + 4 + sizeof block;
    }
    assert_int_equal(t.n_drained, 0);
    assert_true(avow_link_flush(t.link, 10, NULL) < 0);
    while (got < want) {
        ssize_t n = recv(t.other, in, sizeof in, MSG_DONTWAIT);

        if (n > 0)
            got += (size_t)n;
        turn();
    }
    assert_int_equal(got, want);
    assert_int_equal(t.n_drained, 1);
    assert_false(avow_link_congested(t.link));
    assert_int_equal(avow_link_flush(t.link, 10, NULL), 0);
}

static void test_queue_has_an_end(void **state)
{
    avow_autofree uint8_t *big = calloc(1, 4u << 20);

    (void)state;
    assert_non_null(big);
    for (int i = 0; i < 30 && !t.closed; i++)
        avow_link_send(t.link, 17, AVOW_BYTES(NULL, 0), AVOW_BYTES(big, 4u << 20));
    assert_true(t.closed_with_error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frames_in, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bad_frame, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_slow_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_queue_has_an_end, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
