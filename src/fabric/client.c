/* Ranks' processes: their control sockets, what they ask and what they get. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "fabric/broker_internal.h"

#define REQUEST_FDS_MAX 4 /* room for descriptors in one message; more than 1 is refused */

struct message {
    struct avow_ctl_request q;
    char text[AVOW_CTL_TEXT_MAX + 1]; /* NUL-terminated */
    int fd;                           /* -1: none; owned */
};

void client_free(struct client *c)
{
    LIST_REMOVE(c, entry);
    c->job->n_clients--;
    if (c->out)
        outbound_free(c->out);
    broker_unwait(&c->fetch_timer);
    broker_unwait(&c->ev);
    close(c->fd);
    free(c);
}

/* Descriptors of @h: one is handed out, any beyond it are closed and make the message invalid. */
static int take_fds(struct msghdr *h, int *fd)
{
    int rc = h->msg_flags & MSG_CTRUNC ? -AVOW_E_PROTOCOL : 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
        size_t n = 0;

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int one = -1;

            memcpy(&one, CMSG_DATA(c) + i * sizeof one, sizeof one);
            if (*fd < 0) {
                *fd = one;
            } else {
                close(one);
                rc = -AVOW_E_PROTOCOL;
            }
        }
    }
    return rc;
}

/* 1: a message; 0: nothing there; negative: the client is to go. */
static int read_message(const struct client *c, struct message *m)
{
    uint8_t buf[sizeof m->q + AVOW_CTL_TEXT_MAX];
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(REQUEST_FDS_MAX * sizeof(int))];
    } control = { 0 };
    struct iovec v = { .iov_base = buf, .iov_len = sizeof buf };
    struct msghdr h = { .msg_iov = &v,
                        .msg_iovlen = 1,
                        .msg_control = control.room,
                        .msg_controllen = sizeof control.room };
    ssize_t n = recvmsg(c->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0)
        return -AVOW_E_SYSTEM; /* nobody holds the other end any more */
    AVOW_TRY(take_fds(&h, &m->fd));
    if (n < (ssize_t)sizeof m->q || h.msg_flags & MSG_TRUNC)
        return -AVOW_E_PROTOCOL;
    memcpy(&m->q, buf, sizeof m->q);
    memcpy(m->text, buf + sizeof m->q, (size_t)n - sizeof m->q);
    if (m->q.version != AVOW_CTL_VERSION)
        return -AVOW_E_VERSION;
    return 1;
}

static bool is_seqpacket(int fd)
{
    int domain = 0;
    int type = 0;
    socklen_t len = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

/* Reports what a rank found on its connection. The rank's own words, made printable. */
static void auth_failed(struct client *c, struct message *m)
{
    struct job *j = c->job;

    for (char *p = m->text; *p; p++)
        if (*p < ' ' || *p > '~')
            *p = '?';
    broker_auth_failed(j->broker, j, m->q.addr, "%s", m->text);
}

/* Negative: the client broke the protocol. Nothing of the client may be used after a 0. */
static int handle(struct client *c, struct message *m)
{
    if (c->shared) {
        if (m->q.type != AVOW_CTL_HELLO || m->fd < 0 || !is_seqpacket(m->fd))
            return -AVOW_E_PROTOCOL;
        return client_new(c->job, c->rank, false, avow_steal_fd(&m->fd));
    }
    if (m->fd >= 0 || c->out || c->fetching)
        return -AVOW_E_PROTOCOL;
    if (m->q.type == AVOW_CTL_CONNECT)
        outbound_start(c, &m->q);
    else if (m->q.type == AVOW_CTL_FETCH)
        inbound_fetch(c, m->q.id, m->q.port);
    else if (m->q.type == AVOW_CTL_AUTH_FAILED)
        auth_failed(c, m);
    else
        return -AVOW_E_PROTOCOL;
    return 0;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    bool shared = c->shared;
    struct message m = { .fd = -1 };
    int rc = read_message(c, &m);

    (void)fd;
    (void)what;
    if (rc > 0)
        rc = handle(c, &m);
    if (m.fd >= 0)
        close(m.fd);
    /* a bad message on the shared socket does not take it from the rank's other processes */
    if (rc < 0 && (!shared || rc == -AVOW_E_SYSTEM))
        client_free(c);
}

int client_new(struct job *job, uint32_t rank, bool shared, int take_fd)
{
    avow_autoclose int fd = take_fd;
    struct client *c = NULL;

    if (job->n_clients >= BROKER_CLIENTS_MAX)
        return -AVOW_E_LIMIT;
    c = calloc(1, sizeof *c);
    if (!c)
        return -AVOW_E_NOMEM;
    *c = (struct client){ .job = job, .rank = rank, .shared = shared };
    c->ev = event_new(job->broker->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    if (!c->ev || event_add(c->ev, NULL) != 0) {
        broker_unwait(&c->ev);
        free(c);
        return -AVOW_E_NOMEM;
    }
    c->fd = avow_steal_fd(&fd);
    LIST_INSERT_HEAD(&job->clients, c, entry);
    job->n_clients++;
    return 0;
}

static void describe(const struct client *c, const struct avow_fabric_header *h,
                     const struct avow_key keys[2], struct avow_ctl_answer *a)
{
    bool connector = h->connector == c->job->self;

    a->own_node = c->job->self;
    a->own_rank = c->rank;
    a->peer_node = connector ? h->acceptor : h->connector;
    a->peer_rank = connector ? -1 : (int32_t)h->connector_rank;
    a->own_addr = avow_fabric_vaddr(a->own_node);
    a->peer_addr = avow_fabric_vaddr(a->peer_node);
    a->own_port = connector ? h->connector_port : h->acceptor_port;
    a->peer_port = connector ? h->acceptor_port : h->connector_port;
    memcpy(a->send_key, keys[connector ? 0 : 1].bytes, sizeof a->send_key);
    memcpy(a->recv_key, keys[connector ? 1 : 0].bytes, sizeof a->recv_key);
}

void client_answer(struct client *c, uint32_t id, enum avow_fabric_status status,
                   const struct avow_fabric_header *h, const struct avow_key keys[2], int fd)
{
    struct avow_ctl_answer a = {
        .version = AVOW_CTL_VERSION, .type = AVOW_CTL_ANSWER, .id = id, .status = (uint32_t)status
    };
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec v = { .iov_base = &a, .iov_len = sizeof a };
    struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
    ssize_t n = 0;

    if (fd >= 0) {
        struct cmsghdr *cm = NULL;

        m.msg_control = control.room;
        m.msg_controllen = sizeof control.room;
        cm = CMSG_FIRSTHDR(&m);
        cm->cmsg_level = SOL_SOCKET;
        cm->cmsg_type = SCM_RIGHTS;
        cm->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(cm), &fd, sizeof fd);
        describe(c, h, keys, &a);
    }
    do {
        n = sendmsg(c->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    avow_wipe(&a, sizeof a);
    if (n != (ssize_t)sizeof a) /* one answer fits any socket buffer: the process has gone */
        client_free(c);
}
