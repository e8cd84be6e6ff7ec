/*
 * A connection on its way in: header, doorbell, reply, hand-over to the rank that accepts. Once the
 * listener has the bell's connection there is no deadline: as with any listen queue it waits until
 * it is accepted, or until the listener goes.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "crypto/hash.h"
#include "fabric/broker_internal.h"

static void on_event(evutil_socket_t fd, short what, void *arg);

void inbound_free(struct inbound *in)
{
    LIST_REMOVE(in, entry);
    if (in->job)
        in->job->n_inbounds--;
    else
        in->broker->n_greetings--;
    broker_unwait(&in->ev);
    if (in->fd >= 0)
        close(in->fd);
    avow_wipe(in, sizeof *in);
    free(in);
}

void inbound_new(struct avow_broker *b, int take_fd)
{
    avow_autoclose int fd = take_fd;
    struct inbound *in = NULL;

    if (b->n_greetings >= BROKER_GREETING_MAX || (in = calloc(1, sizeof *in)) == NULL) {
        b->stats.refused++;
        return;
    }
    *in = (struct inbound){ .broker = b,
                            .fd = avow_steal_fd(&fd),
                            .deadline_ms = broker_now_ms() + BROKER_HEADER_MS };
    LIST_INSERT_HEAD(&b->greetings, in, entry);
    b->n_greetings++;
    if (broker_wait(b, &in->ev, in->fd, EV_READ, in->deadline_ms, on_event, in) < 0)
        inbound_free(in);
}

static const struct avow_fabric_pair *pair_of(const struct inbound *in)
{
    return &in->job->peers[in->header.connector].pair;
}

/* Sends the reply with @status; keeps it in @in. */
static int reply(struct inbound *in, enum avow_fabric_status status)
{
    uint8_t wire[AVOW_FABRIC_REPLY_LEN];

    in->reply = (struct avow_fabric_reply){ .status = (uint32_t)status };
    AVOW_TRY(avow_random(in->reply.nonce, sizeof in->reply.nonce));
    AVOW_TRY(avow_fabric_reply_sign(pair_of(in), &in->header, &in->reply));
    avow_fabric_reply_emit(&in->reply, wire);
    if (send(in->fd, wire, sizeof wire, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)sizeof wire)
        return -AVOW_E_NETWORK;
    return 0;
}

static void refuse(struct inbound *in, enum avow_fabric_status status)
{
    in->broker->stats.refused++;
    if (status == AVOW_FABRIC_NO_ANSWER)
        in->broker->stats.timeouts++;
    (void)reply(in, status); /* a peer that has gone needs no answer */
    inbound_free(in);
}

/* Asks the bell to connect to the listener that the header names. */
static void ring(struct inbound *in)
{
    struct job *j = in->job;
    struct avow_bell_request q = { .id = j->next_ring++,
                                   .addr = avow_fabric_vaddr(j->self),
                                   .port = in->header.acceptor_port };

    in->state = INBOUND_RINGING;
    in->ring = q.id;
    in->deadline_ms = broker_now_ms() + BROKER_RING_MS;
    if (j->bell_fd < 0)
        refuse(in, AVOW_FABRIC_NO_LISTENER);
    else if (j->n_inbounds > AVOW_BELL_MAX ||
             send(j->bell_fd, &q, sizeof q, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)sizeof q ||
             broker_wait(in->broker, &in->ev, -1, EV_TIMEOUT, in->deadline_ms, on_event, in) < 0)
        refuse(in, AVOW_FABRIC_FULL);
}

static struct job *job_of(const struct inbound *in)
{
    struct job *j = NULL;

    LIST_FOREACH(j, &in->broker->jobs, entry)
        if (memcmp(j->uuid, in->header.job, sizeof j->uuid) == 0 && j->epoch == in->header.epoch)
            return j;
    return NULL;
}

static void not_authentic(struct inbound *in, const struct job *j)
{
    struct avow_broker *b = in->broker;
    struct avow_fabric_header h = in->header;

    inbound_free(in);
    b->stats.refused++;
    if (!j)
        broker_auth_failed(b, NULL, h.connector,
                           "a connection from node %u was refused: its header names no job and "
                           "epoch known here",
                           h.connector);
    else
        broker_auth_failed(b, j, h.connector,
                           "node %u refused a connection to its port %u: the header that claims to "
                           "come from rank %u on node %u does not authenticate",
                           j->self, h.acceptor_port, h.connector_rank, h.connector);
}

/* The header is whole: whoever sent it must hold the pair's secret, and must not have used it
 * before. */
static void greet(struct inbound *in)
{
    struct job *j = NULL;
    int rc = 0;

    if (avow_fabric_header_parse(AVOW_BYTES_OF(in->wire), &in->header) < 0) {
        in->broker->stats.refused++;
        inbound_free(in);
        return;
    }
    j = job_of(in);
    if (!j || in->header.connector >= j->n_peers || in->header.connector == j->self ||
        in->header.acceptor != j->self ||
        avow_fabric_header_check(&j->peers[in->header.connector].pair, &in->header) < 0) {
        not_authentic(in, j);
        return;
    }
    rc = avow_nonces_add(&j->seen, in->header.nonce);
    if (rc == -AVOW_E_EXISTS || rc == -AVOW_E_INVAL) {
        in->broker->stats.replays++;
        in->broker->stats.refused++;
        inbound_free(in);
        return;
    }
    LIST_REMOVE(in, entry);
    in->broker->n_greetings--;
    in->job = j;
    LIST_INSERT_HEAD(&j->inbounds, in, entry);
    j->n_inbounds++;
    if (rc < 0)
        refuse(in, AVOW_FABRIC_FULL);
    else
        ring(in);
}

static void read_header(struct inbound *in)
{
    ssize_t n = recv(in->fd, in->wire + in->got, sizeof in->wire - in->got, MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        in->broker->stats.refused++;
        inbound_free(in);
        return;
    }
    if (n > 0)
        in->got += (size_t)n;
    if (in->got == sizeof in->wire)
        greet(in);
    else if (broker_wait(in->broker, &in->ev, in->fd, EV_READ, in->deadline_ms, on_event, in) < 0)
        inbound_free(in);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct inbound *in = arg;

    (void)fd;
    if (!(what & EV_TIMEOUT)) {
        read_header(in);
    } else if (in->state == INBOUND_RINGING) {
        refuse(in, AVOW_FABRIC_NO_ANSWER);
    } else {
        in->broker->stats.timeouts++;
        in->broker->stats.refused++;
        inbound_free(in);
    }
}

static void hand_over(struct inbound *in, struct client *c, uint32_t id)
{
    struct avow_key keys[2] = { 0 };
    enum avow_fabric_status status = AVOW_FABRIC_CONNECTED;
    struct avow_fabric_header h = in->header;
    avow_autoclose int fd = -1;

    if (avow_fabric_connection_keys(pair_of(in), &in->header, &in->reply, keys) < 0) {
        status = AVOW_FABRIC_BROKEN;
    } else {
        fd = avow_steal_fd(&in->fd);
        in->broker->stats.accepts++;
    }
    inbound_free(in);
    client_answer(c, id, status, &h, keys, fd);
    avow_wipe(keys, sizeof keys);
}

static struct client *fetcher_of(const struct job *j, uint16_t port)
{
    struct client *c = NULL;

    LIST_FOREACH(c, &j->clients, entry)
        if (c->fetching && c->fetch_port == port)
            return c;
    return NULL;
}

static void fetch_done(struct client *c)
{
    broker_unwait(&c->fetch_timer);
    c->fetching = false;
}

/* The reply goes out before the rank can get the connection: its first record follows the reply. */
static void rang(struct inbound *in, uint16_t port)
{
    struct client *c = fetcher_of(in->job, port);

    if (reply(in, AVOW_FABRIC_CONNECTED) < 0) {
        in->broker->stats.refused++;
        inbound_free(in);
        return;
    }
    broker_unwait(&in->ev);
    in->state = INBOUND_WAITING;
    in->port = port;
    if (c) {
        fetch_done(c);
        hand_over(in, c, c->fetch_id);
    }
}

static enum avow_fabric_status status_of(int error)
{
    if (error == ETIMEDOUT)
        return AVOW_FABRIC_NO_ANSWER;
    if (error == ENOBUFS || error == EMFILE || error == ENFILE || error == EADDRINUSE)
        return AVOW_FABRIC_FULL;
    return AVOW_FABRIC_NO_LISTENER;
}

static void all_gone(struct job *j)
{
    struct inbound *in = NULL;

    while ((in = LIST_FIRST(&j->inbounds)) != NULL) {
        if (in->state == INBOUND_RINGING)
            refuse(in, AVOW_FABRIC_NO_LISTENER);
        else
            inbound_free(in);
    }
}

void inbound_bell(struct job *job, const struct avow_bell_reply *r)
{
    struct inbound *in = NULL;

    if (!r) {
        all_gone(job);
        return;
    }
    LIST_FOREACH(in, &job->inbounds, entry)
        if (in->ring == r->id)
            break;
    if (!in) /* fetched, or given up, before */
        return;
    if (in->state == INBOUND_RINGING && r->event == AVOW_BELL_RANG)
        rang(in, r->port);
    else if (in->state == INBOUND_RINGING)
        refuse(in, status_of(r->error));
    else if (r->event == AVOW_BELL_GONE)
        inbound_free(in);
}

static void on_fetch_timeout(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;

    (void)fd;
    (void)what;
    fetch_done(c);
    c->job->broker->stats.timeouts++;
    client_answer(c, c->fetch_id, AVOW_FABRIC_UNKNOWN, NULL, NULL, -1);
}

void inbound_fetch(struct client *c, uint32_t id, uint16_t port)
{
    struct inbound *in = NULL;
    bool ringing = false;

    LIST_FOREACH(in, &c->job->inbounds, entry) {
        if (in->state == INBOUND_WAITING && in->port == port) {
            hand_over(in, c, id);
            return;
        }
        ringing = ringing || in->state == INBOUND_RINGING;
    }
    c->fetch_id = id;
    c->fetch_port = port;
    c->fetching = true;
    /* accept may be faster than the bell's answer: then the port is not known here yet */
    if (!ringing || broker_wait(c->job->broker, &c->fetch_timer, -1, EV_TIMEOUT,
                                broker_now_ms() + BROKER_FETCH_MS, on_fetch_timeout, c) < 0) {
        fetch_done(c);
        client_answer(c, id, AVOW_FABRIC_UNKNOWN, NULL, NULL, -1);
    }
}
