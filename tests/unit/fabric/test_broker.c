/*
 * The broker against liars: a node, a rank and a bell made by hand around one real broker. Node 0
 * is the broker under test; what plays node 1 speaks to its port with headers of its own making.
 */
#include "../test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <poll.h>
#include <sys/socket.h>

#include "fabric/broker.h"
#include "fabric/keys.h"

#define JOB "00112233-4455-6677-8899-aabbccddeeff"
#define EPOCH 3
#define WAIT_MS 3000

static const struct avow_key secret = { { 1, 2, 3, 4 } };

struct fixture {
    struct event_base *base;
    struct avow_broker *broker;
    struct evconnlistener *listener; /* the broker's node port */
    struct sockaddr_in addr;
    int node1; /* listening: what the broker takes for node 1's port */
    struct sockaddr_in node1_addr;
    int bell; /* the bell's end */
    int rank; /* shared end of rank 5 */
    int proc; /* end of its process */
    unsigned failures;
    char failure_job[40];
    char failure_text[512];
};

static void on_auth_failed(void *ctx, const char *job, uint32_t peer, const char *text)
{
    struct fixture *f = ctx;

    (void)peer;
    f->failures++;
    snprintf(f->failure_job, sizeof f->failure_job, "%s", job);
    snprintf(f->failure_text, sizeof f->failure_text, "%s", text);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg)
{
    struct fixture *f = arg;

    (void)l;
    (void)sa;
    (void)len;
    avow_broker_accept(f->broker, fd);
}

/* Runs the loop until something can be read on @fd (true) or WAIT_MS have gone. */
static bool readable(struct fixture *f, int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    for (int i = 0; i < WAIT_MS / 5; i++) {
        (void)event_base_loop(f->base, EVLOOP_NONBLOCK);
        if (poll(&p, 1, 5) == 1)
            return true;
    }
    return false;
}

/* Whether @fd stays silent for a while. */
static bool silent(struct fixture *f, int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    for (int i = 0; i < 20; i++) {
        (void)event_base_loop(f->base, EVLOOP_NONBLOCK);
        if (poll(&p, 1, 5) == 1)
            return false;
    }
    return true;
}

static void send_request(int fd, struct avow_ctl_request q, const char *text, int pass)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    char words[300];
    struct iovec v[2] = { { .iov_base = &q, .iov_len = sizeof q },
                          { .iov_base = words, .iov_len = text ? strlen(text) : 0 } };
    struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };

    q.version = AVOW_CTL_VERSION;
    snprintf(words, sizeof words, "%s", text ? text : "");
    if (pass >= 0) {
        m.msg_control = control.room;
        m.msg_controllen = sizeof control.room;
        control.align = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                          .cmsg_type = SCM_RIGHTS,
                                          .cmsg_len = CMSG_LEN(sizeof pass) };
        memcpy(CMSG_DATA(&control.align), &pass, sizeof pass);
    }
    assert_int_equal(sendmsg(fd, &m, MSG_NOSIGNAL), sizeof q + v[1].iov_len);
}

/* One answer to the rank's process; its descriptor, or -1. */
static int read_answer(struct fixture *f, struct avow_ctl_answer *a)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec v = { .iov_base = a, .iov_len = sizeof *a };
    struct msghdr m = { .msg_iov = &v,
                        .msg_iovlen = 1,
                        .msg_control = control.room,
                        .msg_controllen = sizeof control.room };
    int fd = -1;

    assert_true(readable(f, f->proc));
    assert_int_equal(recvmsg(f->proc, &m, MSG_CMSG_CLOEXEC), sizeof *a);
    if (CMSG_FIRSTHDR(&m))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof fd);
    return fd;
}

static void add_job(struct fixture *f, int bell, int rank)
{
    struct avow_broker_peer peers[2] = { 0 };
    struct avow_broker_job job = {
        .job = JOB, .epoch = EPOCH, .self = 0, .n_nodes = 2, .peers = peers, .bell_fd = bell
    };

    memcpy(&peers[1].addr, &f->node1_addr, sizeof f->node1_addr);
    peers[1].addr_len = sizeof f->node1_addr;
    peers[1].prk = secret;
    assert_int_equal(avow_broker_job_add(f->broker, &job, NULL), 0);
    assert_int_equal(avow_broker_rank_add(f->broker, JOB, 5, rank, NULL), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct avow_broker_events ev = { .auth_failed = on_auth_failed, .ctx = f };
    socklen_t len = sizeof f->addr;
    int bell[2];
    int rank[2];
    int proc[2];

    f->base = event_base_new();
    assert_int_equal(avow_broker_new(f->base, &ev, &f->broker, NULL), 0);
    f->addr =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    f->node1_addr = f->addr;
    f->listener = evconnlistener_new_bind(f->base, on_accept, f, LEV_OPT_CLOSE_ON_FREE, 64,
                                          (struct sockaddr *)&f->addr, sizeof f->addr);
    assert_non_null(f->listener);
    assert_int_equal(
        getsockname(evconnlistener_get_fd(f->listener), (struct sockaddr *)&f->addr, &len), 0);
    f->node1 = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(f->node1, (struct sockaddr *)&f->node1_addr, len), 0);
    assert_int_equal(listen(f->node1, 16), 0);
    assert_int_equal(getsockname(f->node1, (struct sockaddr *)&f->node1_addr, &len), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, bell), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, rank), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, proc), 0);
    f->bell = bell[1];
    f->rank = rank[1];
    f->proc = proc[1];
    add_job(f, bell[0], rank[0]);
    send_request(f->rank, (struct avow_ctl_request){ .type = AVOW_CTL_HELLO }, NULL, proc[0]);
    close(proc[0]);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    avow_broker_free(f->broker);
    evconnlistener_free(f->listener);
    event_base_free(f->base);
    close(f->node1);
    close(f->bell);
    close(f->rank);
    close(f->proc);
    free(f);
    return 0;
}

/* ---- node 1 by hand ---- */

static struct avow_fabric_pair the_pair(const struct avow_fabric_header *h)
{
    struct avow_fabric_pair p = { 0 };

    assert_int_equal(avow_fabric_pair_init(&p, &secret, h->job, h->epoch), 0);
    return p;
}

static struct avow_fabric_header good_header(uint8_t nonce)
{
    struct avow_fabric_header h = { .epoch = EPOCH,
                                    .connector = 1,
                                    .connector_rank = 9,
                                    .acceptor = 0,
                                    .acceptor_port = 1024,
                                    .connector_port = 4000 };
    struct avow_fabric_pair p = { 0 };

    assert_int_equal(avow_fabric_uuid_parse(JOB, h.job), 0);
    memset(h.nonce, nonce, sizeof h.nonce);
    p = the_pair(&h);
    assert_int_equal(avow_fabric_header_sign(&p, &h), 0);
    return h;
}

static int dial(struct fixture *f)
{
    int s = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(s, (struct sockaddr *)&f->addr, sizeof f->addr), 0);
    return s;
}

static int send_header(struct fixture *f, const struct avow_fabric_header *h)
{
    uint8_t wire[AVOW_FABRIC_HEADER_LEN];
    int s = dial(f);

    avow_fabric_header_emit(h, wire);
    assert_int_equal(send(s, wire, sizeof wire, 0), sizeof wire);
    return s;
}

static struct avow_bell_request rung(struct fixture *f)
{
    struct avow_bell_request q = { 0 };

    assert_true(readable(f, f->bell));
    assert_int_equal(recv(f->bell, &q, sizeof q, 0), sizeof q);
    return q;
}

static void bell_says(struct fixture *f, uint32_t id, enum avow_bell_event event, uint16_t port,
                      int error)
{
    struct avow_bell_reply r = { .id = id, .event = (uint16_t)event, .port = port, .error = error };

    assert_int_equal(send(f->bell, &r, sizeof r, 0), sizeof r);
}

static struct avow_fabric_reply read_reply(struct fixture *f, int s,
                                           const struct avow_fabric_header *h)
{
    struct avow_fabric_pair p = the_pair(h);
    struct avow_fabric_reply r = { 0 };
    uint8_t wire[AVOW_FABRIC_REPLY_LEN];

    assert_true(readable(f, s));
    assert_int_equal(recv(s, wire, sizeof wire, MSG_WAITALL), sizeof wire);
    assert_int_equal(avow_fabric_reply_parse(AVOW_BYTES_OF(wire), &r), 0);
    assert_int_equal(avow_fabric_reply_check(&p, h, &r), 0);
    return r;
}

/* The broker hung up without a word. */
static void expect_hang_up(struct fixture *f, int s)
{
    char byte = 0;

    assert_true(readable(f, s));
    assert_true(recv(s, &byte, 1, 0) <= 0);
    close(s);
}

/* ---- in ---- */

static void fetch(struct fixture *f, uint16_t port)
{
    send_request(f->proc,
                 (struct avow_ctl_request){ .type = AVOW_CTL_FETCH, .id = 8, .port = port }, NULL,
                 -1);
}

/* The whole way in; both ends have the same keys, and the descriptor is the connection. */
static void test_accept(void **state)
{
    struct fixture *f = *state;
    struct avow_fabric_header h = good_header(1);
    struct avow_fabric_pair p = the_pair(&h);
    struct avow_fabric_reply r = { 0 };
    struct avow_ctl_answer a = { 0 };
    struct avow_key keys[2];
    char byte = 0;
    int s = send_header(f, &h);
    struct avow_bell_request q = rung(f);
    int fd = -1;

    assert_int_equal(q.addr, avow_fabric_vaddr(0));
    assert_int_equal(q.port, 1024);
    bell_says(f, q.id, AVOW_BELL_RANG, 777, 0);
    r = read_reply(f, s, &h);
    assert_int_equal(r.status, AVOW_FABRIC_CONNECTED);
    fetch(f, 777);
    fd = read_answer(f, &a);
    assert_int_equal(a.status, AVOW_FABRIC_CONNECTED);
    assert_int_equal(a.id, 8);
    assert_true(a.own_node == 0 && a.own_rank == 5 && a.peer_node == 1 && a.peer_rank == 9);
    assert_true(a.own_addr == avow_fabric_vaddr(0) && a.peer_addr == avow_fabric_vaddr(1));
    assert_true(a.own_port == 1024 && a.peer_port == 4000);
    assert_int_equal(avow_fabric_connection_keys(&p, &h, &r, keys), 0);
    assert_memory_equal(a.recv_key, keys[0].bytes, 32);
    assert_memory_equal(a.send_key, keys[1].bytes, 32);
    assert_int_equal(send(s, "x", 1, 0), 1);
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    close(fd);
    fetch(f, 777); /* only once */
    assert_int_equal(read_answer(f, &a), -1);
    assert_int_equal(a.status, AVOW_FABRIC_UNKNOWN);
    close(s);
}

/* accept may be faster than the bell's word: the fetch waits for it. */
static void test_fetch_first(void **state)
{
    struct fixture *f = *state;
    struct avow_fabric_header h = good_header(2);
    struct avow_ctl_answer a = { 0 };
    int s = send_header(f, &h);
    struct avow_bell_request q = rung(f);
    int fd = -1;

    fetch(f, 778);
    assert_true(silent(f, f->proc));
    bell_says(f, q.id, AVOW_BELL_RANG, 778, 0);
    fd = read_answer(f, &a);
    assert_true(fd >= 0);
    close(fd);
    close(s);
}

static void test_replay(void **state)
{
    struct fixture *f = *state;
    struct avow_fabric_header h = good_header(3);
    int s = send_header(f, &h);

    (void)rung(f);
    expect_hang_up(f, send_header(f, &h));
    assert_int_equal(avow_broker_stats(f->broker)->replays, 1);
    assert_int_equal(f->failures, 0);
    assert_true(silent(f, f->bell));
    close(s);
}

/* Every member of the header changed after it was signed; and a header signed with another secret.
 */
static void test_forged_headers(void **state)
{
    struct fixture *f = *state;
    struct avow_fabric_header h[6];
    struct avow_fabric_pair p = { 0 };
    const struct avow_key other = { { 9 } };

    for (unsigned i = 0; i < 6; i++)
        h[i] = good_header((uint8_t)(20 + i));
    h[0].connector_rank++;
    h[1].acceptor_port++;
    h[2].connector_port++;
    h[3].nonce[0]++;
    h[4].mac[31] ^= 1;
    assert_int_equal(avow_fabric_pair_init(&p, &other, h[5].job, EPOCH), 0);
    assert_int_equal(avow_fabric_header_sign(&p, &h[5]), 0);
    for (unsigned i = 0; i < 6; i++) {
        expect_hang_up(f, send_header(f, &h[i]));
        assert_int_equal(f->failures, i + 1);
        assert_string_equal(f->failure_job, JOB);
        assert_non_null(strstr(f->failure_text, "node 0 refused"));
        assert_non_null(strstr(f->failure_text, "on node 1 does not authenticate"));
    }
    assert_true(silent(f, f->bell));
}

/* Signed rightly, but not meant for here: other node, own reflection, no such node; unknown job. */
static void test_misdirected_headers(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 5; i++) {
        struct avow_fabric_header h = good_header((uint8_t)(40 + i));
        struct avow_fabric_pair p = { 0 };

        if (i == 0)
            h.acceptor = 1;
        if (i == 1) /* what node 0 itself would send to node 1, sent back */
            h.connector = 0;
        if (i == 1)
            h.acceptor = 1;
        if (i == 2)
            h.connector = 2;
        if (i == 3)
            h.epoch++;
        if (i == 4)
            h.job[0]++;
        p = the_pair(&h);
        assert_int_equal(avow_fabric_header_sign(&p, &h), 0);
        expect_hang_up(f, send_header(f, &h));
        assert_int_equal(f->failures, i + 1);
        assert_string_equal(f->failure_job, i < 3 ? JOB : "");
    }
    assert_true(silent(f, f->bell));
}

static void test_bad_beginnings(void **state)
{
    struct fixture *f = *state;
    struct avow_fabric_header h = good_header(60);
    uint8_t wire[AVOW_FABRIC_HEADER_LEN];
    int s = -1;

    avow_fabric_header_emit(&h, wire);
    for (size_t n = 0; n < sizeof wire; n += 27) { /* cut, and closed */
        s = dial(f);
        assert_int_equal(send(s, wire, n, 0), n);
        assert_int_equal(shutdown(s, SHUT_WR), 0);
        expect_hang_up(f, s);
    }
    wire[3] = 9; /* version */
    s = dial(f);
    assert_int_equal(send(s, wire, sizeof wire, 0), sizeof wire);
    expect_hang_up(f, s);
    wire[3] = AVOW_FABRIC_VERSION;
    s = dial(f); /* a byte at a time is slow, not wrong */
    for (size_t i = 0; i < sizeof wire; i++) {
        assert_int_equal(send(s, wire + i, 1, 0), 1);
        (void)event_base_loop(f->base, EVLOOP_NONBLOCK);
    }
    (void)rung(f);
    close(s);
    assert_int_equal(f->failures, 0);
}

/* What the bell finds is what the connector hears; and a waiting connection goes with its listener.
 */
static void test_bell_refuses(void **state)
{
    static const struct {
        int error;
        uint32_t status;
    } rows[] = { { ECONNREFUSED, AVOW_FABRIC_NO_LISTENER },
                 { ETIMEDOUT, AVOW_FABRIC_NO_ANSWER },
                 { ENOBUFS, AVOW_FABRIC_FULL } };
    struct fixture *f = *state;
    struct avow_fabric_header h = good_header(70);
    struct avow_bell_request q = { 0 };
    char byte = 0;
    int s = -1;

    for (size_t i = 0; i < 3; i++) {
        h = good_header((uint8_t)(71 + i));
        s = send_header(f, &h);
        q = rung(f);
        bell_says(f, q.id, AVOW_BELL_FAILED, 0, rows[i].error);
        assert_int_equal(read_reply(f, s, &h).status, rows[i].status);
        expect_hang_up(f, s);
    }
    h = good_header(80);
    s = send_header(f, &h);
    q = rung(f);
    bell_says(f, q.id, AVOW_BELL_RANG, 779, 0);
    assert_int_equal(read_reply(f, s, &h).status, AVOW_FABRIC_CONNECTED);
    bell_says(f, q.id, AVOW_BELL_GONE, 779, 0);
    assert_true(readable(f, s));
    assert_int_equal(recv(s, &byte, 1, 0), 0);
    close(s);
    shutdown(f->bell, SHUT_RDWR); /* no bell any more: nobody listens */
    assert_true(silent(f, f->proc));
    h = good_header(81);
    s = send_header(f, &h);
    assert_int_equal(read_reply(f, s, &h).status, AVOW_FABRIC_NO_LISTENER);
    close(s);
}

/* ---- out ---- */

static int connect_out(struct fixture *f, uint32_t addr, struct avow_fabric_header *h)
{
    uint8_t wire[AVOW_FABRIC_HEADER_LEN];
    int s = -1;

    send_request(f->proc,
                 (struct avow_ctl_request){
                     .type = AVOW_CTL_CONNECT, .id = 4, .addr = addr, .port = 2000, .own_port = 3 },
                 NULL, -1);
    if (!h)
        return -1;
    assert_true(readable(f, f->node1));
    s = accept(f->node1, NULL, NULL);
    assert_true(s >= 0 && readable(f, s));
    assert_int_equal(recv(s, wire, sizeof wire, MSG_WAITALL), sizeof wire);
    assert_int_equal(avow_fabric_header_parse(AVOW_BYTES_OF(wire), h), 0);
    return s;
}

static void send_reply(int s, const struct avow_fabric_reply *r)
{
    uint8_t wire[AVOW_FABRIC_REPLY_LEN];

    avow_fabric_reply_emit(r, wire);
    assert_int_equal(send(s, wire, sizeof wire, 0), sizeof wire);
}

static void test_connect(void **state)
{
    struct fixture *f = *state;
    struct avow_fabric_header h = { 0 };
    struct avow_fabric_reply r = { .status = AVOW_FABRIC_CONNECTED, .nonce = { 1 } };
    struct avow_fabric_pair p = { 0 };
    struct avow_ctl_answer a = { 0 };
    struct avow_key keys[2];
    int s = connect_out(f, avow_fabric_vaddr(1), &h);
    int fd = -1;

    assert_true(h.connector == 0 && h.connector_rank == 5 && h.acceptor == 1);
    assert_true(h.acceptor_port == 2000 && h.connector_port == 3 && h.epoch == EPOCH);
    p = the_pair(&h);
    assert_int_equal(avow_fabric_header_check(&p, &h), 0);
    assert_int_equal(avow_fabric_reply_sign(&p, &h, &r), 0);
    send_reply(s, &r);
    fd = read_answer(f, &a);
    assert_true(fd >= 0 && a.status == AVOW_FABRIC_CONNECTED && a.id == 4);
    assert_true(a.peer_node == 1 && a.peer_rank == -1 && a.peer_port == 2000);
    assert_int_equal(avow_fabric_connection_keys(&p, &h, &r, keys), 0);
    assert_memory_equal(a.send_key, keys[0].bytes, 32);
    assert_memory_equal(a.recv_key, keys[1].bytes, 32);
    close(fd);
    close(s);
}

static void test_connect_refused(void **state)
{
    struct fixture *f = *state;
    struct avow_fabric_header h = { 0 };
    struct avow_fabric_reply r = { .status = AVOW_FABRIC_NO_LISTENER };
    struct avow_fabric_pair p = { 0 };
    struct avow_ctl_answer a = { 0 };
    const uint32_t nowhere[] = { avow_fabric_vaddr(2), avow_fabric_vaddr(0), AVOW_FABRIC_NET, 0 };
    int s = -1;

    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        (void)connect_out(f, nowhere[i], NULL);
        assert_int_equal(read_answer(f, &a), -1);
        assert_int_equal(a.status, AVOW_FABRIC_NO_NODE);
    }
    s = connect_out(f, avow_fabric_vaddr(1), &h);
    p = the_pair(&h);
    assert_int_equal(avow_fabric_reply_sign(&p, &h, &r), 0);
    send_reply(s, &r);
    assert_int_equal(read_answer(f, &a), -1);
    assert_int_equal(a.status, AVOW_FABRIC_NO_LISTENER);
    close(s);
    s = connect_out(f, avow_fabric_vaddr(1), &h); /* hangs up */
    close(s);
    assert_int_equal(read_answer(f, &a), -1);
    assert_int_equal(a.status, AVOW_FABRIC_BROKEN);
    assert_int_equal(f->failures, 0);
}

/* A reply that was changed, that answers another header, or that is no reply. */
static void test_forged_replies(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 4; i++) {
        struct avow_fabric_header h = { 0 };
        struct avow_fabric_reply r = { .status = AVOW_FABRIC_CONNECTED, .nonce = { 1 } };
        struct avow_fabric_pair p = { 0 };
        struct avow_ctl_answer a = { 0 };
        int s = connect_out(f, avow_fabric_vaddr(1), &h);

        p = the_pair(&h);
        if (i == 2)
            h.nonce[0] ^= 1;
        assert_int_equal(avow_fabric_reply_sign(&p, &h, &r), 0);
        if (i == 0)
            r.nonce[0] ^= 1;
        if (i == 1)
            r.status = AVOW_FABRIC_NO_LISTENER;
        if (i == 3)
            assert_int_equal(send(s, &h, AVOW_FABRIC_REPLY_LEN, 0), AVOW_FABRIC_REPLY_LEN);
        else
            send_reply(s, &r);
        assert_int_equal(read_answer(f, &a), -1);
        assert_int_equal(a.status, AVOW_FABRIC_NOT_AUTHENTIC);
        (void)event_base_loop(f->base, EVLOOP_NONBLOCK);
        assert_int_equal(f->failures, i + 1);
        assert_non_null(strstr(f->failure_text, "node 1 answered the connect of rank 5 on node 0"));
        close(s);
    }
}

/* ---- ranks ---- */

static void test_rank_reports(void **state)
{
    struct fixture *f = *state;

    send_request(f->proc, (struct avow_ctl_request){ .type = AVOW_CTL_AUTH_FAILED, .addr = 1 },
                 "between rank 5 and\nrank 9", -1);
    assert_true(silent(f, f->proc));
    assert_int_equal(f->failures, 1);
    assert_string_equal(f->failure_text, "between rank 5 and?rank 9");
}

/* A process that breaks the protocol loses its socket; the rank's other processes do not. */
static void test_rank_nonsense(void **state)
{
    struct fixture *f = *state;
    char byte = 0;
    int proc[2];

    assert_int_equal(send(f->rank, "nonsense", 8, 0), 8);
    send_request(f->rank, (struct avow_ctl_request){ .type = AVOW_CTL_CONNECT }, NULL, -1);
    send_request(f->rank, (struct avow_ctl_request){ .type = AVOW_CTL_HELLO }, NULL, f->node1);
    assert_int_equal(send(f->proc, "nonsense", 8, 0), 8);
    assert_true(readable(f, f->proc));
    assert_int_equal(recv(f->proc, &byte, 1, 0), 0);
    close(f->proc);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, proc), 0);
    f->proc = proc[1];
    send_request(f->rank, (struct avow_ctl_request){ .type = AVOW_CTL_HELLO }, NULL, proc[0]);
    close(proc[0]);
    fetch(f, 1);
    {
        struct avow_ctl_answer a = { 0 };

        assert_int_equal(read_answer(f, &a), -1);
        assert_int_equal(a.status, AVOW_FABRIC_UNKNOWN);
    }
}

static void test_job_removed(void **state)
{
    struct fixture *f = *state;
    struct avow_fabric_header h = good_header(90);
    char byte = 0;
    int s = send_header(f, &h);

    (void)rung(f);
    avow_broker_job_remove(f->broker, "00000000-0000-0000-0000-000000000000");
    avow_broker_job_remove(f->broker, JOB);
    expect_hang_up(f, s);
    assert_int_equal(recv(f->proc, &byte, 1, 0), 0);
    assert_int_equal(recv(f->bell, &byte, 1, 0), 0);
    h = good_header(91);
    expect_hang_up(f, send_header(f, &h));
    assert_string_equal(f->failure_job, "");
}

static void test_bad_jobs(void **state)
{
    struct fixture *f = *state;
    struct avow_broker_peer peers[2] = { 0 };
    struct avow_broker_job job = {
        .job = JOB, .epoch = 1, .self = 0, .n_nodes = 2, .peers = peers
    };

    job.bell_fd = dup(f->node1);
    assert_int_equal(avow_broker_job_add(f->broker, &job, NULL), -AVOW_E_EXISTS);
    snprintf(job.job, sizeof job.job, "not a uuid");
    job.bell_fd = dup(f->node1);
    assert_int_equal(avow_broker_job_add(f->broker, &job, NULL), -AVOW_E_INVAL);
    snprintf(job.job, sizeof job.job, "10112233-4455-6677-8899-aabbccddeeff");
    job.self = 2;
    job.bell_fd = dup(f->node1);
    assert_int_equal(avow_broker_job_add(f->broker, &job, NULL), -AVOW_E_INVAL);
    assert_int_equal(avow_broker_rank_add(f->broker, job.job, 1, dup(f->node1), NULL),
                     -AVOW_E_NOTFOUND);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_accept),
        T(test_fetch_first),
        T(test_replay),
        T(test_forged_headers),
        T(test_misdirected_headers),
        T(test_bad_beginnings),
        T(test_bell_refuses),
        T(test_connect),
        T(test_connect_refused),
        T(test_forged_replies),
        T(test_rank_reports),
        T(test_rank_nonsense),
        T(test_job_removed),
        T(test_bad_jobs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
