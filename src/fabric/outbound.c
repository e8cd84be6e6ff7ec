/* A connection on its way out: TCP to the peer's daemon, header, reply, hand-over to the rank. */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "crypto/hash.h"
#include "fabric/broker_internal.h"

static void on_event(evutil_socket_t fd, short what, void *arg);

void outbound_free(struct outbound *o)
{
    o->client->out = NULL;
    broker_unwait(&o->ev);
    if (o->fd >= 0)
        close(o->fd);
    avow_wipe(o, sizeof *o);
    free(o);
}

/* Ends @o without a connection. */
static void fail(struct outbound *o, enum avow_fabric_status status)
{
    struct client *c = o->client;
    uint32_t id = o->id;

    o->job->broker->stats.refused++;
    if (status == AVOW_FABRIC_NO_ANSWER)
        o->job->broker->stats.timeouts++;
    outbound_free(o);
    client_answer(c, id, status, NULL, NULL, -1);
}

static void wait_for(struct outbound *o, short what)
{
    if (broker_wait(o->job->broker, &o->ev, o->fd, what, o->deadline_ms, on_event, o) < 0)
        fail(o, AVOW_FABRIC_FULL);
}

static void send_header(struct outbound *o)
{
    uint8_t wire[AVOW_FABRIC_HEADER_LEN];
    int error = 0;
    socklen_t len = sizeof error;

    if (getsockopt(o->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error) {
        fail(o, error == ETIMEDOUT ? AVOW_FABRIC_NO_ANSWER : AVOW_FABRIC_NO_NODE);
        return;
    }
    avow_fabric_header_emit(&o->header, wire);
    /* the first bytes on a fresh connection always fit its buffer whole */
    if (send(o->fd, wire, sizeof wire, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof wire) {
        fail(o, AVOW_FABRIC_BROKEN);
        return;
    }
    o->sent = true;
    o->deadline_ms = broker_now_ms() + BROKER_REPLY_MS;
    wait_for(o, EV_READ);
}

static void not_authentic(struct outbound *o)
{
    struct job *j = o->job;
    uint32_t peer = o->peer;
    uint32_t rank = o->header.connector_rank;
    uint16_t port = o->header.acceptor_port;

    fail(o, AVOW_FABRIC_NOT_AUTHENTIC);
    broker_auth_failed(j->broker, j, peer,
                       "node %u answered the connect of rank %u on node %u to its port %u with a "
                       "reply that does not authenticate",
                       peer, rank, j->self, port);
}

static void finish(struct outbound *o)
{
    const struct avow_fabric_pair *pair = &o->job->peers[o->peer].pair;
    struct avow_key keys[2] = { 0 };
    struct avow_fabric_reply r = { 0 };
    struct client *c = o->client;

    if (avow_fabric_reply_parse(AVOW_BYTES_OF(o->reply), &r) < 0) {
        not_authentic(o);
        return;
    }
    if (avow_fabric_reply_check(pair, &o->header, &r) < 0) {
        not_authentic(o);
        return;
    }
    if (r.status != AVOW_FABRIC_CONNECTED) {
        fail(o, r.status <= AVOW_FABRIC_BROKEN ? (enum avow_fabric_status)r.status
                                               : AVOW_FABRIC_BROKEN);
        return;
    }
    if (avow_fabric_connection_keys(pair, &o->header, &r, keys) < 0) {
        fail(o, AVOW_FABRIC_BROKEN);
    } else {
        struct avow_fabric_header h = o->header;
        avow_autoclose int fd = avow_steal_fd(&o->fd);
        uint32_t id = o->id;

        o->job->broker->stats.connects++;
        outbound_free(o);
        client_answer(c, id, AVOW_FABRIC_CONNECTED, &h, keys, fd);
    }
    avow_wipe(keys, sizeof keys);
}

static void read_reply(struct outbound *o)
{
    ssize_t n = recv(o->fd, o->reply + o->got, sizeof o->reply - o->got, MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        fail(o, AVOW_FABRIC_BROKEN);
        return;
    }
    if (n > 0)
        o->got += (size_t)n;
    if (o->got == sizeof o->reply)
        finish(o);
    else
        wait_for(o, EV_READ);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct outbound *o = arg;

    (void)fd;
    if (what & EV_TIMEOUT)
        fail(o, AVOW_FABRIC_NO_ANSWER);
    else if (!o->sent)
        send_header(o);
    else
        read_reply(o);
}

static int make_header(struct outbound *o, const struct avow_ctl_request *q)
{
    const struct job *j = o->job;

    o->header = (struct avow_fabric_header){ .epoch = j->epoch,
                                             .connector = j->self,
                                             .connector_rank = o->client->rank,
                                             .acceptor = o->peer,
                                             .acceptor_port = q->port,
                                             .connector_port = q->own_port };
    memcpy(o->header.job, j->uuid, sizeof o->header.job);
    AVOW_TRY(avow_random(o->header.nonce, sizeof o->header.nonce));
    return avow_fabric_header_sign(&j->peers[o->peer].pair, &o->header);
}

void outbound_start(struct client *c, const struct avow_ctl_request *q)
{
    struct job *j = c->job;
    uint32_t node = q->addr - avow_fabric_vaddr(0);
    struct outbound *o = NULL;
    const struct peer *p = NULL;

    if (node >= j->n_peers || node == j->self || j->peers[node].addr_len == 0) {
        j->broker->stats.refused++;
        client_answer(c, q->id, AVOW_FABRIC_NO_NODE, NULL, NULL, -1);
        return;
    }
    o = calloc(1, sizeof *o);
    if (!o) {
        client_answer(c, q->id, AVOW_FABRIC_FULL, NULL, NULL, -1);
        return;
    }
    *o = (struct outbound){ .job = j, .client = c, .id = q->id, .peer = node };
    c->out = o;
    p = &j->peers[node];
    o->fd = socket(p->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (o->fd < 0 || make_header(o, q) < 0)
        fail(o, AVOW_FABRIC_FULL);
    else if (connect(o->fd, (const struct sockaddr *)&p->addr, p->addr_len) != 0 &&
             errno != EINPROGRESS)
        fail(o, AVOW_FABRIC_NO_NODE);
    else {
        o->deadline_ms = broker_now_ms() + BROKER_CONNECT_MS;
        wait_for(o, EV_WRITE);
    }
}
