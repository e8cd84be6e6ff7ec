#include "fabric/broker.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "fabric/broker_internal.h"

static void job_free(struct job *j);
AVOW_DEFINE_CLEANUP(job, struct job, job_free)

int64_t broker_now_ms(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void broker_unwait(struct event **ev)
{
    if (*ev)
        event_free(*ev);
    *ev = NULL;
}

int broker_wait(struct avow_broker *b, struct event **ev, int fd, short what, int64_t deadline_ms,
                event_callback_fn cb, void *arg)
{
    int64_t left = deadline_ms - broker_now_ms();
    struct timeval tv = { 0 };

    if (left > 0)
        tv = (struct timeval){ .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };
    broker_unwait(ev);
    *ev = event_new(b->base, fd, what, cb, arg);
    if (!*ev || event_add(*ev, &tv) != 0)
        return -AVOW_E_NOMEM;
    return 0;
}

void broker_auth_failed(struct avow_broker *b, const struct job *job, uint32_t peer,
                        const char *fmt, ...)
{
    char text[BROKER_TEXT_MAX];
    char name[sizeof job->name] = "";
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (job)
        memcpy(name, job->name, sizeof name);
    b->stats.auth_failures++;
    if (b->events.auth_failed)
        b->events.auth_failed(b->events.ctx, name, peer, text);
}

int avow_broker_new(struct event_base *base, const struct avow_broker_events *ev,
                    struct avow_broker **out, struct avow_error *err)
{
    struct avow_broker *b = calloc(1, sizeof *b);

    if (!b)
        return AVOW_FAIL(err, NOMEM, "no memory for the broker");
    b->base = base;
    if (ev)
        b->events = *ev;
    *out = b;
    return 0;
}

void avow_broker_free(struct avow_broker *b)
{
    struct job *j = NULL;
    struct inbound *in = NULL;

    if (!b)
        return;
    while ((j = LIST_FIRST(&b->jobs)) != NULL)
        job_free(j);
    while ((in = LIST_FIRST(&b->greetings)) != NULL)
        inbound_free(in);
    free(b);
}

const struct avow_broker_stats *avow_broker_stats(const struct avow_broker *b)
{
    return &b->stats;
}

static struct job *find_job(const struct avow_broker *b, const char *name)
{
    uint8_t uuid[AVOW_FABRIC_UUID_LEN];
    struct job *j = NULL;

    if (avow_fabric_uuid_parse(name, uuid) < 0)
        return NULL;
    LIST_FOREACH(j, &b->jobs, entry)
        if (memcmp(j->uuid, uuid, sizeof uuid) == 0)
            return j;
    return NULL;
}

static void job_free(struct job *j)
{
    struct client *c = NULL;
    struct inbound *in = NULL;

    if (j->entry.le_prev)
        LIST_REMOVE(j, entry);
    while ((c = LIST_FIRST(&j->clients)) != NULL)
        client_free(c);
    while ((in = LIST_FIRST(&j->inbounds)) != NULL)
        inbound_free(in);
    broker_unwait(&j->bell_ev);
    if (j->bell_fd >= 0)
        close(j->bell_fd);
    avow_nonces_done(&j->seen);
    for (uint32_t i = 0; j->peers && i < j->n_peers; i++)
        avow_fabric_pair_wipe(&j->peers[i].pair);
    free(j->peers);
    free(j);
}

static void bell_gone(struct job *j)
{
    broker_unwait(&j->bell_ev);
    close(j->bell_fd);
    j->bell_fd = -1;
    inbound_bell(j, NULL);
}

static void on_bell(evutil_socket_t fd, short what, void *arg)
{
    struct job *j = arg;
    struct avow_bell_reply r = { 0 };
    ssize_t n = recv(fd, &r, sizeof r, MSG_DONTWAIT);

    (void)what;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != (ssize_t)sizeof r)
        bell_gone(j);
    else
        inbound_bell(j, &r);
}

static int job_peers(struct job *j, const struct avow_broker_job *from, struct avow_error *err)
{
    j->peers = calloc(from->n_nodes, sizeof *j->peers);
    if (!j->peers)
        return AVOW_FAIL(err, NOMEM, "no memory for %u nodes", from->n_nodes);
    j->n_peers = from->n_nodes;
    for (uint32_t i = 0; i < from->n_nodes; i++) {
        int rc = 0;

        if (i == from->self)
            continue;
        j->peers[i].addr = from->peers[i].addr;
        j->peers[i].addr_len = from->peers[i].addr_len;
        rc = avow_fabric_pair_init(&j->peers[i].pair, &from->peers[i].prk, j->uuid, j->epoch);
        if (rc < 0)
            return AVOW_FAIL_CODE(err, rc, "keys for node %u could not be derived", i);
    }
    return 0;
}

int avow_broker_job_add(struct avow_broker *b, const struct avow_broker_job *job,
                        struct avow_error *err)
{
    avow_autoclose int bell = job->bell_fd;
    avow_auto(avow_cleanup_job) struct job *j = calloc(1, sizeof *j);

    if (!j)
        return AVOW_FAIL(err, NOMEM, "no memory for a job");
    j->bell_fd = avow_steal_fd(&bell);
    j->broker = b;
    j->epoch = job->epoch;
    j->self = job->self;
    if (avow_fabric_uuid_parse(job->job, j->uuid) < 0)
        return AVOW_FAIL(err, INVAL, "the job's name is not a UUID: %.40s", job->job);
    memcpy(j->name, job->job, sizeof j->name);
    if (job->n_nodes == 0 || job->n_nodes > AVOW_FABRIC_NODES_MAX || job->self >= job->n_nodes)
        return AVOW_FAIL(err, INVAL, "node %u of %u is not possible", job->self, job->n_nodes);
    if (find_job(b, job->job))
        return AVOW_FAIL(err, EXISTS, "job %s is already known to the broker", job->job);
    AVOW_TRY(job_peers(j, job, err));
    j->bell_ev = event_new(b->base, j->bell_fd, EV_READ | EV_PERSIST, on_bell, j);
    if (!j->bell_ev || event_add(j->bell_ev, NULL) != 0)
        return AVOW_FAIL(err, NOMEM, "the bell of job %s cannot be watched", job->job);
    LIST_INSERT_HEAD(&b->jobs, j, entry);
    (void)avow_steal(&j);
    return 0;
}

void avow_broker_job_remove(struct avow_broker *b, const char *job)
{
    struct job *j = find_job(b, job);

    if (j)
        job_free(j);
}

int avow_broker_rank_add(struct avow_broker *b, const char *job, uint32_t rank, int take_fd,
                         struct avow_error *err)
{
    avow_autoclose int fd = take_fd;
    struct job *j = find_job(b, job);
    int rc = 0;

    if (!j)
        return AVOW_FAIL(err, NOTFOUND, "the broker knows no job %.40s", job);
    rc = client_new(j, rank, true, avow_steal_fd(&fd));
    if (rc < 0)
        return AVOW_FAIL_CODE(err, rc, "rank %u of job %s cannot be added", rank, job);
    return 0;
}

void avow_broker_accept(struct avow_broker *b, int take_fd)
{
    inbound_new(b, take_fd);
}
