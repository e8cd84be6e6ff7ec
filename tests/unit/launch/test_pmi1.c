#include "job.h"

#include "launch/pmi1.h"

/* What the server said and asked for. */
static struct {
    char reply[2][4096];
    bool connected[2], finalized[2], spawn;
    int aborted[2];
    struct avow_buf barrier;
    int n_barriers;
} seen;

static void on_reply(void *ctx, uint32_t local, struct avow_bytes line)
{
    size_t n = strlen(seen.reply[local]);

    (void)ctx;
    assert_true(n + line.len < sizeof seen.reply[local]);
    memcpy(seen.reply[local] + n, line.data, line.len);
    seen.reply[local][n + line.len] = '\0';
}

static void on_connected(void *ctx, uint32_t local)
{
    (void)ctx;
    seen.connected[local] = true;
}

static void on_finalized(void *ctx, uint32_t local)
{
    (void)ctx;
    seen.finalized[local] = true;
}

static void on_aborted(void *ctx, uint32_t local, int code)
{
    (void)ctx;
    seen.aborted[local] = code;
}

static void on_barrier(void *ctx, struct avow_bytes data)
{
    (void)ctx;
    avow_buf_done(&seen.barrier);
    seen.barrier = AVOW_BUF(1u << 20);
    avow_buf_put_bytes(&seen.barrier, data);
    seen.n_barriers++;
}

static void on_spawn(void *ctx, uint32_t local)
{
    (void)ctx, (void)local;
    seen.spawn = true;
}

static struct avow_launch_config *config;

static struct avow_pmi1 *server(void)
{
    struct avow_pmi1_ops ops = { .reply = on_reply,
                                 .connected = on_connected,
                                 .finalized = on_finalized,
                                 .aborted = on_aborted,
                                 .barrier = on_barrier,
                                 .spawn = on_spawn };
    struct avow_pmi1 *p = NULL;

    config = test_config();
    avow_buf_done(&seen.barrier);
    memset(&seen, 0, sizeof seen);
    assert_int_equal(avow_pmi1_new(config, &ops, &p, NULL), 0);
    return p;
}

static void end(struct avow_pmi1 *p)
{
    avow_pmi1_free(p);
    avow_launch_config_free(config);
    avow_buf_done(&seen.barrier);
}

/* Rank @local says @line at @now; its answer must be @expected. */
static void say(struct avow_pmi1 *p, uint32_t local, const char *line, uint64_t now,
                const char *expected)
{
    seen.reply[local][0] = '\0';
    assert_int_equal(avow_pmi1_input(p, local, avow_bytes_str(line), now, NULL), 0);
    assert_string_equal(seen.reply[local], expected);
}

static void test_talk(void **state)
{
    struct avow_pmi1 *p = server();

    (void)state;
    say(p, 0, "cmd=init pmi_version=1 pmi_sub", 0, "");
    assert_false(seen.connected[0]);
    say(p, 0, "version=1\n", 0, "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n");
    assert_true(seen.connected[0]);
    assert_false(seen.connected[1]);
    say(p, 0, "cmd=get_maxes\n", 0, "cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024\n");
    say(p, 0, "cmd=get_universe_size\n", 0, "cmd=universe_size size=5\n");
    say(p, 0, "cmd=get kvsname=kvs_avow key=PMI_process_mapping\n", 0,
        "cmd=get_result rc=0 msg=success value=(vector,(0,2,2),(2,1,1))\n");
    say(p, 0, "cmd=get kvsname=kvs_avow key=nothing\n", 0,
        "cmd=get_result rc=-1 msg=key_not_found value=unknown\n");
    say(p, 0, "cmd=dance\n", 0, "cmd=dance_result rc=-1 msg=not_supported\n");
    say(p, 0, "cmd=finalize\n", 0, "cmd=finalize_ack\n");
    assert_true(seen.finalized[0]);
    say(p, 1, "cmd=abort exitcode=42\n", 0, "");
    assert_int_equal(seen.aborted[1], 42);
    end(p);
}

static void test_barrier(void **state)
{
    struct avow_pmi1 *p = server();
    static const char all[] = "k0\0v0\0k9\0v9";

    (void)state;
    say(p, 0, "cmd=put kvsname=kvs_avow key=k0 value=v0\n", 0, "cmd=put_result rc=0 msg=success\n");
    say(p, 0, "cmd=barrier_in\n", 0, "");
    assert_int_equal(seen.n_barriers, 0);
    say(p, 1, "cmd=barrier_in\n", 0, "");
    assert_int_equal(seen.n_barriers, 1);
    assert_true(avow_bytes_equal(avow_buf_view(&seen.barrier), AVOW_BYTES("k0\0v0", 6)));
    seen.reply[0][0] = seen.reply[1][0] = '\0';
    assert_int_equal(avow_pmi1_release(p, AVOW_BYTES_OF(all), 0, NULL), 0);
    assert_string_equal(seen.reply[0], "cmd=barrier_out rc=0\n");
    assert_string_equal(seen.reply[1], "cmd=barrier_out rc=0\n");
    say(p, 1, "cmd=get key=k9\n", 0, "cmd=get_result rc=0 msg=success value=v9\n");
    /* what was exchanged is not exchanged again */
    say(p, 1, "cmd=barrier_in\n", 0, "");
    say(p, 0, "cmd=barrier_in\n", 0, "");
    assert_int_equal(seen.n_barriers, 2);
    assert_int_equal(seen.barrier.len, 0);
    end(p);
}

/* A stalled barrier without new pairs lets those go who have read; one with new pairs does not. */
static void test_stall(void **state)
{
    struct avow_pmi1 *p = server();
    static const char all[] = "k\0v";

    (void)state;
    say(p, 0, "cmd=put key=k value=v\n", 0, "cmd=put_result rc=0 msg=success\n");
    say(p, 0, "cmd=barrier_in\n", 1000, "");
    avow_pmi1_tick(p, 100000);
    assert_string_equal(seen.reply[0], "");
    say(p, 1, "cmd=barrier_in\n", 100000, "");
    assert_int_equal(avow_pmi1_release(p, AVOW_BYTES_OF(all), 100000, NULL), 0);
    say(p, 0, "cmd=get key=k\n", 100000, "cmd=get_result rc=0 msg=success value=v\n");
    say(p, 0, "cmd=barrier_in\n", 100000, "");
    say(p, 1, "cmd=barrier_in\n", 100000, "");
    avow_pmi1_tick(p, 101999);
    assert_string_equal(seen.reply[0], "");
    avow_pmi1_tick(p, 102000);
    assert_string_equal(seen.reply[0], "cmd=barrier_out rc=0\n");
    assert_string_equal(seen.reply[1], ""); /* it has read nothing */
    avow_pmi1_tick(p, 103000);
    assert_string_equal(seen.reply[0], "cmd=barrier_out rc=0\n"); /* once */
    /* the early one may already come to the next; nothing is lost of what it puts */
    say(p, 0, "cmd=put key=late value=x\n", 103000, "cmd=put_result rc=0 msg=success\n");
    say(p, 0, "cmd=barrier_in\n", 103000, "");
    assert_int_equal(avow_pmi1_release(p, AVOW_BYTES(NULL, 0), 103000, NULL), 0);
    assert_string_equal(seen.reply[0], "");
    assert_string_equal(seen.reply[1], "cmd=barrier_out rc=0\n");
    say(p, 1, "cmd=barrier_in\n", 103000, "");
    assert_int_equal(seen.n_barriers, 3);
    assert_true(avow_bytes_equal(avow_buf_view(&seen.barrier), AVOW_BYTES("late\0x", 7)));
    end(p);
}

static void test_bad_lines(void **state)
{
    static const char *const bad[] = { "\n", "nonsense\n", "cmd=\x01\n", "cmd=\xff\n", "cmd\r\n" };
    struct avow_pmi1 *p = NULL;
    char line[AVOW_PMI1_LINE_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct avow_pmi1 *q = server();

        assert_true(avow_pmi1_input(q, 0, avow_bytes_str(bad[i]), 0, NULL) < 0);
        end(q);
    }
    p = server();
    memset(line, 'a', sizeof line);
    assert_int_equal(avow_pmi1_input(p, 0, AVOW_BYTES(line, AVOW_PMI1_LINE_MAX), 0, NULL),
                     -AVOW_E_LIMIT);
    assert_int_equal(avow_pmi1_input(p, 2, avow_bytes_str("x"), 0, NULL), -AVOW_E_INVAL);
    assert_true(avow_pmi1_input(p, 1, avow_bytes_str("mcmd=spawn\n"), 0, NULL) < 0);
    assert_true(seen.spawn);
    end(p);
}

static void test_bad_pairs(void **state)
{
    char value[2000], line[2100];
    struct avow_pmi1 *p = server();

    (void)state;
    memset(value, 'v', sizeof value);
    value[1025] = '\0';
    snprintf(line, sizeof line, "cmd=put key=k value=%s\n", value);
    say(p, 0, line, 0, "cmd=put_result rc=-1 msg=bad_key_or_value\n");
    say(p, 0, "cmd=put key= value=x\n", 0, "cmd=put_result rc=-1 msg=bad_key_or_value\n");
    value[1024] = '\0';
    snprintf(line, sizeof line, "cmd=put key=k value=%s\n", value);
    say(p, 0, line, 0, "cmd=put_result rc=0 msg=success\n");
    /* from other nodes */
    assert_true(avow_pmi1_release(p, AVOW_BYTES("k", 1), 0, NULL) < 0);
    assert_true(avow_pmi1_release(p, AVOW_BYTES("k\0v", 3), 0, NULL) < 0);
    assert_true(avow_pmi1_release(p, AVOW_BYTES("k\0", 2), 0, NULL) < 0);
    assert_true(avow_pmi1_release(p, AVOW_BYTES("k\0v\nw\0", 6), 0, NULL) < 0);
    assert_true(avow_pmi1_release(p, AVOW_BYTES("k k\0v\0", 6), 0, NULL) < 0);
    end(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talk),      cmocka_unit_test(test_barrier),
        cmocka_unit_test(test_stall),     cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_bad_pairs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
