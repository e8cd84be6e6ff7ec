/*
 * The broker's sockets on its own machine: messages of ranks and of the bell, in any order. Input:
 * for each message one byte for who sends it (0 shared, 1 process, 2 bell, 3 node port), one for
 * its length, then the message. Nothing of it may reach the network: the peers have no address.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fabric/broker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define JOB "00112233-4455-6677-8899-aabbccddeeff"
#define ROLES 4
#define INPUT_MAX 2048

static void pair_of(int type, int fd[2])
{
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) != 0)
        abort();
}

/* The process's own socket, announced over the shared one. */
static int hello(int shared)
{
    struct avow_ctl_request q = { .version = AVOW_CTL_VERSION, .type = AVOW_CTL_HELLO };
    struct iovec v = { .iov_base = &q, .iov_len = sizeof q };
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct msghdr m = { .msg_iov = &v,
                        .msg_iovlen = 1,
                        .msg_control = control.room,
                        .msg_controllen = sizeof control.room };
    int proc[2];

    pair_of(SOCK_SEQPACKET, proc);
    control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS,
                                      .cmsg_len = CMSG_LEN(sizeof(int)) };
    memcpy(CMSG_DATA(&control.align), &proc[0], sizeof proc[0]);
    if (sendmsg(shared, &m, MSG_NOSIGNAL) < 0)
        abort();
    close(proc[0]);
    return proc[1];
}

static void add_job(struct avow_broker *b, int bell, int shared)
{
    struct avow_broker_peer peers[2] = { 0 };
    const struct avow_broker_job job = {
        .job = JOB, .epoch = 1, .self = 0, .n_nodes = 2, .peers = peers, .bell_fd = bell
    };

    if (avow_broker_job_add(b, &job, NULL) < 0 || avow_broker_rank_add(b, JOB, 1, shared, NULL) < 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct event_base *base = event_base_new();
    struct avow_broker *b = NULL;
    int bell[2], shared[2], node[2];
    int role[ROLES];

    if (!base || avow_broker_new(base, NULL, &b, NULL) < 0)
        abort();
    pair_of(SOCK_SEQPACKET, bell);
    pair_of(SOCK_SEQPACKET, shared);
    pair_of(SOCK_STREAM, node);
    add_job(b, bell[0], shared[0]);
    avow_broker_accept(b, node[0]);
    role[0] = shared[1];
    role[1] = hello(shared[1]);
    role[2] = bell[1];
    role[3] = node[1];
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
    if (size > INPUT_MAX)
        size = INPUT_MAX;
    while (size >= 2) {
        size_t n = data[1] < size - 2 ? data[1] : size - 2;

        (void)!send(role[data[0] % ROLES], data + 2, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
        data += 2 + n;
        size -= 2 + n;
    }
    avow_broker_free(b);
    event_base_free(base);
    for (int i = 0; i < ROLES; i++)
        close(role[i]);
    return 0;
}
