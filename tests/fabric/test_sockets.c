/* Sockets between two nodes, as programs use them, and as somebody on the path attacks them. */
#include "../unit/test.h"

#include <event2/buffer.h>
#include <sys/wait.h>

#include "two_nodes.h"

#define LIMIT_MS 30000

static char *side_program;
static char *static_program;
static const char *shim_path;

static struct two_nodes_result run_with(struct two_nodes t, char *program, const char *name)
{
    struct two_nodes_result r = { 0 };
    char copy[32];
    char *argv[] = { program, copy, NULL };

    snprintf(copy, sizeof copy, "%s", name);
    t.shim = shim_path;
    t.argv[0] = argv;
    t.argv[1] = argv;
    t.timeout_ms = LIMIT_MS;
    assert_int_equal(two_nodes_run(&t, &r), 0);
    return r;
}

/* Both sides of case @name end well. */
static void run(void **state)
{
    const char *name = *state;
    struct two_nodes_result r = run_with((struct two_nodes){ 0 }, side_program, name);

    assert_int_equal(r.status[0], strcmp(name, "killed") == 0 ? SIGKILL : 0);
    assert_int_equal(r.status[1], 0);
    assert_int_equal(r.auth_failures[0] + r.auth_failures[1], 0);
}

/* ---- ways in which nothing leaves ---- */

static void test_without_shim(void **state)
{
    struct two_nodes t = { .no_shim = { true, true } };
    struct two_nodes_result r = run_with(t, side_program, "blocked");

    (void)state;
    assert_int_equal(r.status[0], 0);
    assert_int_equal(r.stats[0].connects, 0);
}

static void test_static_program(void **state)
{
    struct two_nodes_result r = run_with((struct two_nodes){ 0 }, static_program, "blocked");

    (void)state;
    assert_int_equal(r.status[0], 0);
    assert_int_equal(r.stats[0].connects, 0);
}

static void test_without_broker(void **state)
{
    struct two_nodes t = { .no_fabric = { true, true } };
    struct two_nodes_result r = run_with(t, side_program, "blocked");

    (void)state;
    assert_int_equal(r.status[0], 0);
    assert_int_equal(r.stats[0].connects, 0);
}

static void test_wrong_secret(void **state)
{
    struct two_nodes t = { .wrong_secret = true };
    struct two_nodes_result r = run_with(t, side_program, "denied");

    (void)state;
    assert_int_equal(r.status[0], 0);
    assert_int_equal(r.stats[1].auth_failures, 1);
    assert_int_equal(r.stats[0].connects, 0);
    assert_non_null(strstr(r.text[1], "rank 10 on node 0"));
}

/* ---- somebody on the path ---- */

struct attack {
    enum { ATTACK_NONE, ATTACK_FLIP, ATTACK_DROP, ATTACK_SWAP, ATTACK_REPEAT, ATTACK_CUT } kind;
    int direction;
    size_t from;         /* leave so many bytes alone */
    unsigned connection; /* the one at work on: earlier ones found no listener yet */
    size_t seen[2];
    bool done;
    uint8_t held[4096]; /* what was sent before, or is held back */
    size_t n_held;
    bool found_plain; /* saw the text itself go by */
};

/* The client sends one record of 27 bytes at a time. */
#define ONE_RECORD (27 + 20)

static void pass(struct attack *a, int direction, struct evbuffer *in, struct evbuffer *out,
                 size_t n)
{
    a->seen[direction] += n;
    (void)evbuffer_remove_buffer(in, out, n);
}

static void work_on_record(struct attack *a, struct evbuffer *in, struct evbuffer *out)
{
    uint8_t record[ONE_RECORD];

    (void)evbuffer_remove(in, record, sizeof record);
    a->seen[a->direction] += sizeof record;
    if (a->kind == ATTACK_FLIP)
        record[20] ^= 1;
    if (a->kind == ATTACK_SWAP && !a->n_held) {
        memcpy(a->held, record, sizeof record);
        a->n_held = sizeof record;
        return;
    }
    a->done = true;
    if (a->kind == ATTACK_DROP)
        return;
    (void)evbuffer_add(out, record, sizeof record);
    if (a->kind == ATTACK_REPEAT)
        (void)evbuffer_add(out, record, sizeof record);
    if (a->kind == ATTACK_SWAP)
        (void)evbuffer_add(out, a->held, a->n_held);
}

static void tamper(void *ctx, unsigned connection, int direction, struct evbuffer *in,
                   struct evbuffer *out)
{
    struct attack *a = ctx;

    if (connection != a->connection) {
        a->connection = connection;
        a->seen[0] = a->seen[1] = 0;
        a->done = false;
    }
    if (evbuffer_search(in, "secret", 6, NULL).pos >= 0)
        a->found_plain = true;
    while (evbuffer_get_length(in)) {
        size_t have = evbuffer_get_length(in);

        if (a->kind == ATTACK_NONE || direction != a->direction || a->done) {
            pass(a, direction, in, out, have);
        } else if (a->seen[direction] < a->from) {
            size_t left = a->from - a->seen[direction];

            pass(a, direction, in, out, have < left ? have : left);
        } else if (a->kind == ATTACK_CUT) {
            (void)evbuffer_drain(in, have); /* and nothing more, until the end */
        } else if (have >= ONE_RECORD) {
            work_on_record(a, in, out);
        } else {
            return;
        }
    }
}

static struct two_nodes_result attack(struct attack *a)
{
    struct two_nodes t = { .tamper = tamper, .tamper_ctx = a };

    return run_with(t, side_program, "stream");
}

/* The proxy itself does no harm, and sees no word of the text. */
static void test_path_untouched(void **state)
{
    struct attack a = { .kind = ATTACK_NONE };
    struct two_nodes_result r = attack(&a);

    (void)state;
    assert_int_equal(r.status[0], 0);
    assert_int_equal(r.status[1], 0);
    assert_false(a.found_plain);
    assert_true(a.seen[0] > 50 * ONE_RECORD);
}

/* The third record is changed, left out, swapped with the next, repeated: the receiver ends with
 * the code for it and names both ends, on its stderr and to its broker. */
static void test_records_attacked(void **state)
{
    (void)state;
    for (int kind = ATTACK_FLIP; kind <= ATTACK_REPEAT; kind++) {
        struct attack a = { .kind = (unsigned)kind,
                            .from = AVOW_FABRIC_HEADER_LEN + 2 * ONE_RECORD };
        struct two_nodes_result r = attack(&a);

        assert_true(a.done);
        assert_true(WIFEXITED(r.status[1]));
        assert_int_equal(WEXITSTATUS(r.status[1]), AVOW_FABRIC_EXIT_AUTH);
        assert_int_equal(r.auth_failures[1], 1);
        assert_non_null(strstr(r.text[1], "6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
        assert_non_null(strstr(r.text[1], "rank 11 on node 1 and rank 10 on node 0"));
    }
}

/* What follows the second record never comes: an error, not an end. */
static void test_stream_cut(void **state)
{
    struct attack a = { .kind = ATTACK_CUT, .from = AVOW_FABRIC_HEADER_LEN + 2 * ONE_RECORD };
    struct two_nodes_result r = { 0 };

    (void)state;
    r = attack(&a);
    assert_true(WIFEXITED(r.status[1]));
    assert_int_equal(WEXITSTATUS(r.status[1]), 3);
}

/* A bit of the reply, or of the header, is flipped. */
static void test_handshake_attacked(void **state)
{
    (void)state;
    for (int direction = 0; direction < 2; direction++) {
        struct attack a = { .kind = ATTACK_FLIP, .direction = direction, .from = 20 };
        struct two_nodes t = { .tamper = tamper, .tamper_ctx = &a };
        struct two_nodes_result r = { 0 };

        r = run_with(t, side_program, "denied");
        assert_int_equal(r.status[0], 0);
        assert_int_equal(r.stats[0].connects, 0);
        assert_int_equal(r.auth_failures[1 - direction], 1);
    }
}

int main(int argc, char **argv)
{
    static const char *names[] = { "echo",    "nonblock", "refused", "ready", "before", "dup",
                                   "fork",    "exec",     "forms",   "bulk",  "full",   "half",
                                   "last",    "killed",   "threads", "deny",  "listen", "gone",
                                   "rawfork", "low",      "exit" };
    enum { N_NAMES = sizeof names / sizeof *names };
    struct CMUnitTest tests[N_NAMES + 8] = { 0 };
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_without_shim),   cmocka_unit_test(test_static_program),
        cmocka_unit_test(test_without_broker), cmocka_unit_test(test_wrong_secret),
        cmocka_unit_test(test_path_untouched), cmocka_unit_test(test_records_attacked),
        cmocka_unit_test(test_stream_cut),     cmocka_unit_test(test_handshake_attacked),
    };

    if (argc < 4) {
        fprintf(stderr, "usage: test_sockets SHIM SIDE STATIC-SIDE [CASE]\n");
        return 2;
    }
    shim_path = argv[1];
    side_program = argv[2];
    static_program = argv[3];
    if (!two_nodes_possible()) {
        fprintf(stderr, "\n*** SKIPPED: no network namespaces or no /dev/net/tun here ***\n\n");
        return 77;
    }
    for (size_t i = 0; i < N_NAMES; i++)
        tests[i] = (struct CMUnitTest){ .name = names[i],
                                        .test_func = run,
                                        .initial_state = (void *)(uintptr_t)names[i] };
    for (size_t i = 0; i < 8; i++)
        tests[N_NAMES + i] = others[i];
    if (argc > 4)
        cmocka_set_test_filter(argv[4]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
