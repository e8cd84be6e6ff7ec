#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "codec/json.h"
#include "launch/host_internal.h"
#include "launch/shell.h"
#include "launch/spawn.h"
#include "sdk/wire.h"

#define LAST_READS 4096 /* of a dead rank's socket: more than its buffer holds */

static void rank_arm(struct avow_host_rank *r, int ms)
{
    struct timeval t = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

    event_add(r->timer, &t);
}

static void send_exit(struct avow_host *h, const struct avow_host_rank *r, const char *text)
{
    avow_autofree char *body = NULL;
    avow_autojson json_t *doc = NULL;
    const struct avow_rank_end *e = &r->end;
    /* one that called MPI_Abort may have been killed by us: that is not what it ended of */
    bool killed = !e->exec_errno && !e->aborted && WIFSIGNALED(e->status);
    int signal = killed ? WTERMSIG(e->status) : 0;

    doc = json_pack("{s:i,s:i,s:i,s:i,s:b,s:b,s:b,s:s}", "rank", (int)e->rank, "status", e->status,
                    "exit", avow_rank_exit_code(e), "signal", signal, "finalized", e->finalized,
                    "aborted", e->aborted, "connected", e->connected, "text", text);
    body = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    if (body)
        avow_link_send(h->link, AVOW_SHELL_RANK_EXIT, AVOW_BYTES(NULL, 0), avow_bytes_str(body));
}

/* Ended, and all it said is forwarded. */
static void rank_finish(struct avow_host_rank *r)
{
    struct avow_host *h = r->host;
    struct avow_outcome o;
    struct avow_rank_job job = { .n_ranks = h->config->n_ranks,
                                 .allow_non_mpi = h->config->allow_non_mpi,
                                 .node = avow_launch_self(h->config)->name,
                                 .program = h->config->program };

    if (r->finished || !r->reaped || r->out[0].fd >= 0 || r->out[1].fd >= 0)
        return;
    r->finished = true;
    h->n_finished++;
    event_del(r->timer);
    avow_rank_judge(&r->end, &job, avow_tail_view(&r->tail), &o);
    if (r->ended_by_us)
        snprintf(o.text, sizeof o.text, "rank %u on %s was ended with the job", r->end.rank,
                 job.node);
    send_exit(h, r, o.text);
    if (o.ok)
        avow_host_exited(h, r->end.rank);
    else
        avow_host_fail(h, &o);
    avow_host_check_done(h);
}

/* Output ------------------------------------------------------------------------------------------
 */

static void pipe_close(struct avow_host_pipe *p)
{
    if (p->fd < 0)
        return;
    event_free(p->readable);
    p->readable = NULL;
    close(p->fd);
    p->fd = -1;
    rank_finish(p->owner);
}

static void send_output(struct avow_host *h, const struct avow_host_pipe *p,
                        struct avow_bytes bytes)
{
    uint32_t rank = p->owner->end.rank;
    uint8_t head[5] = { (uint8_t)(rank >> 24), (uint8_t)(rank >> 16), (uint8_t)(rank >> 8),
                        (uint8_t)rank, (uint8_t)(p->stream + 1) };

    avow_link_send(h->link, AVOW_SHELL_OUTPUT, AVOW_BYTES_OF(head), bytes);
}

/* Forward one chunk. 1: there may be more, 0: nothing now, -1: the end. */
static int pipe_forward(struct avow_host_pipe *p)
{
    uint8_t chunk[AVOW_SHELL_OUTPUT_CHUNK];
    ssize_t n = read(p->fd, chunk, sizeof chunk);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    if (n == 0)
        return -1;
    if (p->stream == AVOW_STREAM_ERR)
        avow_tail_add(&p->owner->tail, AVOW_BYTES(chunk, (size_t)n));
    send_output(p->owner->host, p, AVOW_BYTES(chunk, (size_t)n));
    return 1;
}

static void pause_output(struct avow_host *h)
{
    h->paused = true;
    for (uint32_t i = 0; i < h->n_ranks; i++)
        for (int s = 0; s < 2; s++)
            if (h->ranks[i].out[s].readable)
                event_del(h->ranks[i].out[s].readable);
}

void avow_host_ranks_resume(struct avow_host *h)
{
    if (!h->paused)
        return;
    h->paused = false;
    for (uint32_t i = 0; i < h->n_ranks; i++)
        for (int s = 0; s < 2; s++)
            if (h->ranks[i].out[s].readable)
                event_add(h->ranks[i].out[s].readable, NULL);
}

static void on_output(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_host_pipe *p = ctx;
    struct avow_host *h = p->owner->host;

    (void)fd, (void)what;
    if (pipe_forward(p) < 0)
        pipe_close(p);
    else if (avow_link_congested(h->link) && !h->paused)
        pause_output(h);
}

/* Processes that the rank left behind may hold its pipes open for ever: take what is there, then
 * close. While avowd is slow nothing is given up. */
static void drain_rest(struct avow_host_rank *r)
{
    for (int s = 0; s < 2; s++) {
        struct avow_host_pipe *p = &r->out[s];
        int more = 1;

        while (p->fd >= 0 && more == 1 && !avow_link_congested(r->host->link))
            more = pipe_forward(p);
        if (more == 1 && p->fd >= 0) {
            rank_arm(r, AVOW_HOST_DRAIN_MS);
            return;
        }
    }
    for (int s = 0; s < 2; s++)
        pipe_close(&r->out[s]);
}

static void on_rank_timer(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_host_rank *r = ctx;

    (void)fd, (void)what;
    if (r->reaped)
        drain_rest(r);
    else if (r->pid > 0)
        kill(-r->pid, SIGKILL); /* it called MPI_Abort and went on */
}

/* Sockets -----------------------------------------------------------------------------------------
 */

static void pmi_close(struct avow_host_rank *r)
{
    if (r->pmi < 0)
        return;
    event_free(r->pmi_readable);
    r->pmi_readable = NULL;
    close(r->pmi);
    r->pmi = -1;
}

/* False when there is nothing more now, or ever. */
static bool pmi_read(struct avow_host_rank *r)
{
    struct avow_error err = { 0 };
    uint8_t chunk[AVOW_PMI1_LINE_MAX];
    ssize_t n = r->pmi >= 0 ? recv(r->pmi, chunk, sizeof chunk, MSG_DONTWAIT) : 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        pmi_close(r);
        return false;
    }
    if (avow_pmi1_input(r->host->pmi1, r->local, AVOW_BYTES(chunk, (size_t)n), avow_host_now_ms(),
                        &err) < 0) {
        avow_host_log(r->host, "rank %u: %s", r->end.rank, err.text);
        pmi_close(r);
    }
    return true;
}

static void on_pmi(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    (void)pmi_read(ctx);
}

void avow_host_rank_reply(struct avow_host *h, uint32_t local, struct avow_bytes line)
{
    struct avow_host_rank *r = &h->ranks[local];

    if (r->pmi < 0)
        return;
    /* a rank waits for each reply, so there is room; one that does not read is on its own */
    if (send(r->pmi, line.data, line.len, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)line.len)
        avow_host_log(h, "rank %u does not read its PMI socket", r->end.rank);
}

/* False when there is nothing more now, or ever. */
static bool job_read(struct avow_host_rank *r)
{
    struct avow_host *h = r->host;
    uint8_t datagram[AVOW_JOB_DATAGRAM_MAX];
    uint32_t rank = r->end.rank;
    uint8_t head[4] = { (uint8_t)(rank >> 24), (uint8_t)(rank >> 16), (uint8_t)(rank >> 8),
                        (uint8_t)rank };
    ssize_t n = recv(r->job, datagram, sizeof datagram, MSG_DONTWAIT | MSG_TRUNC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        event_del(r->job_readable);
        return false;
    }
    /* telemetry: dropped rather than queued behind more than a slow reader takes */
    if ((size_t)n > sizeof datagram || avow_link_congested(h->link))
        h->sdk_dropped++;
    else
        avow_link_send(h->link, AVOW_SHELL_SDK, AVOW_BYTES_OF(head),
                       AVOW_BYTES(datagram, (size_t)n));
    return true;
}

static void on_job(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what;
    (void)job_read(ctx);
}

/* Life --------------------------------------------------------------------------------------------
 */

int avow_host_ranks_new(struct avow_host *h, struct avow_error *err)
{
    const struct avow_launch_node *self = avow_launch_self(h->config);

    h->ranks = calloc(self->ranks, sizeof *h->ranks);
    if (!h->ranks)
        return AVOW_FAIL(err, NOMEM, "no memory for %u ranks", self->ranks);
    h->n_ranks = self->ranks;
    for (uint32_t i = 0; i < h->n_ranks; i++) {
        struct avow_host_rank *r = &h->ranks[i];

        r->host = h;
        r->local = i;
        r->end.rank = self->first + i;
        r->pmi = r->job = r->out[0].fd = r->out[1].fd = -1;
        r->timer = event_new(h->base, -1, EV_TIMEOUT, on_rank_timer, r);
        if (!r->timer)
            return AVOW_FAIL(err, NOMEM, "no memory for %u ranks", self->ranks);
    }
    return 0;
}

void avow_host_ranks_free(struct avow_host *h)
{
    for (uint32_t i = 0; h->ranks && i < h->n_ranks; i++) {
        struct avow_host_rank *r = &h->ranks[i];
        struct event *events[] = { r->timer, r->pmi_readable, r->job_readable, r->out[0].readable,
                                   r->out[1].readable };
        int fds[] = { r->pmi, r->job, r->out[0].fd, r->out[1].fd };

        for (size_t k = 0; k < sizeof events / sizeof events[0]; k++)
            if (events[k])
                event_free(events[k]);
        for (size_t k = 0; k < sizeof fds / sizeof fds[0]; k++)
            if (fds[k] >= 0)
                close(fds[k]);
    }
    free(h->ranks);
    h->ranks = NULL;
}

static int watch(struct avow_host_rank *r, const struct avow_spawned *s, struct avow_error *err)
{
    struct event_base *base = r->host->base;
    int rc = 0;

    for (int i = 0; i < 2; i++) {
        struct avow_host_pipe *p = &r->out[i];

        *p = (struct avow_host_pipe){ .owner = r,
                                      .stream = (enum avow_host_stream)i,
                                      .fd = s->out[i] };
        p->readable = event_new(base, p->fd, EV_READ | EV_PERSIST, on_output, p);
        rc |= p->readable ? event_add(p->readable, NULL) : -1;
    }
    r->pmi = s->pmi;
    r->job = s->job;
    r->pmi_readable = event_new(base, r->pmi, EV_READ | EV_PERSIST, on_pmi, r);
    r->job_readable = event_new(base, r->job, EV_READ | EV_PERSIST, on_job, r);
    rc |= r->pmi_readable ? event_add(r->pmi_readable, NULL) : -1;
    rc |= r->job_readable ? event_add(r->job_readable, NULL) : -1;
    return rc < 0 ? AVOW_FAIL(err, NOMEM, "no memory to watch rank %u", r->end.rank) : 0;
}

static int spawn_one(struct avow_host *h, struct avow_host_rank *r, struct avow_error *err)
{
    avow_auto(avow_environ_done) struct avow_environ env = { 0 };
    struct avow_spawned s = { 0 };
    int fabric = h->start.fabric[r->local];

    h->start.fabric[r->local] = -1;
    if (avow_environ_base(h->config, &env) < 0) {
        close(fabric);
        return AVOW_FAIL(err, NOMEM, "no memory for the environment of rank %u", r->end.rank);
    }
    if (avow_pmix_env(r->end.rank, &env.list, err) < 0) {
        close(fabric);
        return -AVOW_E_SYSTEM;
    }
    AVOW_TRY(avow_spawn(h->config, r->end.rank, fabric, &env, &s, err));
    r->pid = s.pid;
    r->started = true;
    r->end.exec_errno = s.exec_errno;
    return watch(r, &s, err);
}

int avow_host_ranks_spawn(struct avow_host *h, struct avow_error *err)
{
    for (uint32_t i = 0; i < h->n_ranks; i++)
        AVOW_TRY(spawn_one(h, &h->ranks[i], err));
    return 0;
}

void avow_host_ranks_signal(struct avow_host *h, int sig)
{
    for (uint32_t i = 0; i < h->n_ranks; i++)
        if (h->ranks[i].pid > 0)
            kill(-h->ranks[i].pid, sig);
}

bool avow_host_ranks_reaped(struct avow_host *h, pid_t pid, int status)
{
    for (uint32_t i = 0; i < h->n_ranks; i++) {
        struct avow_host_rank *r = &h->ranks[i];

        if (r->pid != pid)
            continue;
        r->pid = 0;
        r->reaped = true;
        r->end.status = status;
        r->ended_by_us = h->ended && !r->end.aborted && WIFSIGNALED(status);
        /* what it said before its end is still in the sockets; they hold a bounded amount, and
         * nobody else writes once the rank's process group is gone */
        for (int k = 0; k < LAST_READS && pmi_read(r); k++)
            ;
        for (int k = 0; k < LAST_READS && job_read(r); k++)
            ;
        rank_arm(r, AVOW_HOST_DRAIN_MS);
        rank_finish(r);
        return true;
    }
    return false;
}

struct avow_host_rank *avow_host_rank_find(struct avow_host *h, uint32_t rank)
{
    uint32_t first = avow_launch_self(h->config)->first;

    return rank >= first && rank - first < h->n_ranks ? &h->ranks[rank - first] : NULL;
}

void avow_host_rank_aborted(struct avow_host *h, uint32_t rank, int code)
{
    struct avow_host_rank *r = avow_host_rank_find(h, rank);

    if (!r || r->end.aborted)
        return;
    r->end.aborted = true;
    r->end.abort_code = code;
    if (!r->reaped)
        rank_arm(r, AVOW_HOST_ABORT_MS);
}

void avow_host_rank_spawned(struct avow_host *h, uint32_t rank)
{
    struct avow_outcome o;

    avow_outcome_fail(&o, "unsupported", 1, (int32_t)rank,
                      "rank %u called MPI_Comm_spawn, which is not supported: a job's ranks are "
                      "those that its manifest names",
                      rank);
    avow_host_fail(h, &o);
}
