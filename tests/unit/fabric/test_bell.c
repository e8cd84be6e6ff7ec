/* The doorbell, on this machine's own loopback. */
#include "../test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "fabric/bell.h"
#include "fabric/wire.h"

#define WAIT_MS 3000

struct fixture {
    int fd; /* the broker's end */
    pid_t pid;
    int listener;
    uint16_t port;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    f->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&a, &len), 0);
    f->port = ntohs(a.sin_port);
    f->pid = fork();
    if (f->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        close(f->listener);
        _exit(avow_bell_serve(pair[1]) == 0 ? 0 : 1);
    }
    close(pair[1]);
    f->fd = pair[0];
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    int status = -1;

    close(f->fd); /* which ends it, well */
    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    assert_int_equal(status, 0);
    if (f->listener >= 0)
        close(f->listener);
    free(f);
    return 0;
}

static void ring(struct fixture *f, uint32_t id, uint16_t port)
{
    struct avow_bell_request q = { .id = id, .addr = INADDR_LOOPBACK, .port = port };

    assert_int_equal(send(f->fd, &q, sizeof q, 0), sizeof q);
}

static struct avow_bell_reply hear(struct fixture *f)
{
    struct pollfd p = { .fd = f->fd, .events = POLLIN };
    struct avow_bell_reply r = { 0 };

    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    assert_int_equal(recv(f->fd, &r, sizeof r, 0), sizeof r);
    return r;
}

static void test_rings(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_in a = { 0 };
    socklen_t len = sizeof a;
    struct avow_bell_reply r = { 0 };
    int s = -1;

    for (uint32_t id = 40; id < 43; id++) {
        ring(f, id, f->port);
        r = hear(f);
        assert_true(r.id == id && r.event == AVOW_BELL_RANG && r.port != 0);
        s = accept(f->listener, (struct sockaddr *)&a, &len);
        assert_true(s >= 0);
        assert_int_equal(ntohl(a.sin_addr.s_addr), AVOW_FABRIC_BELL);
        assert_int_equal(ntohs(a.sin_port), r.port);
        close(s);
        r = hear(f);
        assert_true(r.id == id && r.event == AVOW_BELL_GONE);
    }
}

static void test_nobody(void **state)
{
    struct fixture *f = *state;
    struct avow_bell_reply r = { 0 };

    ring(f, 1, f->port);
    assert_int_equal(hear(f).event, AVOW_BELL_RANG);
    close(f->listener); /* with one in its queue */
    f->listener = -1;
    r = hear(f);
    assert_true(r.id == 1 && r.event == AVOW_BELL_GONE);
    ring(f, 2, f->port);
    r = hear(f);
    assert_true(r.id == 2 && r.event == AVOW_BELL_FAILED && r.error == ECONNREFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
