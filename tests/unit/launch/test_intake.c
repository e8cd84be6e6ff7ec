#include "job.h"

#include <sys/socket.h>

#include "launch/frame.h"
#include "launch/intake.h"

static int sv[2];

static int set_up(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_STREAM, 0, sv);
}

static int tear_down(void **state)
{
    (void)state;
    close(sv[0]);
    if (sv[1] >= 0)
        close(sv[1]);
    return 0;
}

/* Send @bytes with @n_fds copies of stdin. */
static void give(struct avow_bytes bytes, size_t n_fds)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(64 * sizeof(int))] = { 0 };
    struct iovec v = { .iov_base = (void *)(uintptr_t)bytes.data, .iov_len = bytes.len };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

    if (n_fds > 0) {
        struct cmsghdr *c = NULL;

        m.msg_control = control;
        m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        for (size_t i = 0; i < n_fds; i++)
            memcpy(CMSG_DATA(c) + i * sizeof(int), &(int){ 0 }, sizeof(int));
    }
    assert_int_equal(sendmsg(sv[1], &m, 0), (ssize_t)bytes.len);
}

static struct avow_buf frame(uint8_t type)
{
    struct avow_buf b = AVOW_BUF(AVOW_SHELL_FRAME_MAX);
    char text[4096];

    snprintf(text, sizeof text, TEST_CONFIG, "");
    assert_int_equal(avow_frame_put(&b, type, avow_bytes_str(text)), 0);
    return b;
}

static int read_it(struct avow_error *err)
{
    avow_auto(avow_intake_done) struct avow_intake in = { 0 };
    int rc = avow_intake_read(sv[0], &in, err);

    if (rc == 0)
        assert_int_equal(in.n_fds, 3);
    return rc;
}

static void test_good(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = frame(AVOW_SHELL_CONFIG);
    char next = 0;

    (void)state;
    /* descriptors on several bytes, and a frame after it that stays in the socket */
    give(AVOW_BYTES(b.data, 1), 1);
    give(AVOW_BYTES(b.data + 1, 1), 2);
    give(AVOW_BYTES(b.data + 2, b.len - 2), 0);
    give(avow_bytes_str("N"), 0);
    assert_int_equal(read_it(NULL), 0);
    assert_int_equal(recv(sv[0], &next, 1, 0), 1);
    assert_int_equal(next, 'N');
}

static void test_descriptors(void **state)
{
    (void)state;
    for (size_t n = 0; n < 6; n++) {
        avow_auto(avow_buf_done) struct avow_buf b = frame(AVOW_SHELL_CONFIG);

        give(avow_buf_view(&b), n);
        assert_int_equal(read_it(NULL), n == 3 ? 0 : -AVOW_E_PROTOCOL);
    }
}

static void test_not_config(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = frame(AVOW_SHELL_GO);

    (void)state;
    give(avow_buf_view(&b), 3);
    assert_int_equal(read_it(NULL), -AVOW_E_PROTOCOL);
    give(AVOW_BYTES("\xff\xff\xff\xff", 4), 0);
    assert_int_equal(read_it(NULL), -AVOW_E_PROTOCOL);
}

static void test_cut(void **state)
{
    avow_auto(avow_buf_done) struct avow_buf b = frame(AVOW_SHELL_CONFIG);

    (void)state;
    give(AVOW_BYTES(b.data, b.len - 1), 3);
    close(sv[1]);
    sv[1] = -1;
    assert_int_equal(read_it(NULL), -AVOW_E_NETWORK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_descriptors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_config, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cut, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
