#include "launch/host.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "codec/json.h"
#include "launch/host_internal.h"
#include "launch/shell.h"

#define LOG_MAX 1024

uint64_t avow_host_now_ms(void)
{
    struct timespec t = { 0 };

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct timeval in_ms(int64_t ms)
{
    return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

void avow_host_log(struct avow_host *h, const char *fmt, ...)
{
    char text[LOG_MAX], line[LOG_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    avow_text_clean(avow_bytes_str(text), line, sizeof line);
    avow_link_send(h->link, AVOW_SHELL_LOG, AVOW_BYTES(NULL, 0), avow_bytes_str(line));
}

int avow_outcome_json(const struct avow_outcome *o, struct avow_buf *out)
{
    avow_autofree char *text = NULL;
    avow_autojson json_t *doc = json_pack("{s:b,s:i,s:s,s:i,s:s}", "ok", o->ok, "exit", o->exit,
                                          "code", o->code, "rank", (int)o->rank, "text", o->text);

    text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    return text ? avow_buf_put_str(out, text) : -AVOW_E_NOMEM;
}

/* End ---------------------------------------------------------------------------------------------
 */

static void on_kill(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_host *h = ctx;

    (void)fd, (void)what;
    /* as init of the PID namespace: everything in it but this process (kill(2)) */
    if (h->start.in_namespace)
        kill(-1, SIGKILL);
    else
        avow_host_ranks_signal(h, SIGKILL);
}

void avow_host_end(struct avow_host *h, const struct avow_outcome *o)
{
    struct timeval grace = in_ms(AVOW_HOST_TERM_MS);

    if (h->ended)
        return;
    h->ended = true;
    h->outcome = *o;
    if (!o->ok) {
        avow_host_ranks_signal(h, SIGTERM);
        event_add(h->on_kill, &grace);
    }
    avow_host_check_done(h);
}

void avow_host_check_done(struct avow_host *h)
{
    avow_auto(avow_buf_done) struct avow_buf json = AVOW_BUF(AVOW_SHELL_FRAME_MAX / 2);

    if (h->reported || !h->ended || (h->going && h->n_finished < h->n_ranks))
        return;
    h->reported = true;
    if (h->sdk_dropped)
        avow_host_log(h, "%llu telemetry datagrams were dropped",
                      (unsigned long long)h->sdk_dropped);
    if (avow_outcome_json(&h->outcome, &json) == 0)
        avow_link_send(h->link, AVOW_SHELL_DONE, AVOW_BYTES(NULL, 0), avow_buf_view(&json));
    event_base_loopbreak(h->base);
}

static void on_limit(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_host *h = ctx;
    struct avow_outcome o;

    (void)fd, (void)what;
    avow_outcome_fail(
        &o, "timeout", AVOW_EXIT_TIMEOUT, -1, "the job's time limit of %lld.%03lld s has passed",
        (long long)h->config->time_limit_ms / 1000, (long long)h->config->time_limit_ms % 1000);
    avow_host_fail(h, &o);
}

static void on_monitor(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_host *h = ctx;

    (void)fd, (void)what;
    h->link_lost = true;
    event_base_loopbreak(h->base);
}

/* Frames ------------------------------------------------------------------------------------------
 */

static void on_go(struct avow_host *h)
{
    struct timeval limit = in_ms(h->config->time_limit_ms);
    struct avow_error err = { 0 };

    if (h->going || h->ended)
        return;
    h->going = true;
    if (h->config->time_limit_ms > 0)
        event_add(h->on_limit, &limit);
    if (avow_host_ranks_spawn(h, &err) == 0)
        return;
    avow_host_fail_err(h, "system", &err);
    /* ranks that were not started do not end: count them as finished */
    for (uint32_t i = 0; i < h->n_ranks; i++)
        if (!h->ranks[i].started && !h->ranks[i].finished) {
            h->ranks[i].finished = true;
            h->n_finished++;
        }
    avow_host_check_done(h);
}

/* avowd's word counts here at once, whatever becomes of the head; the others hear of it from the
 * head, or from their own avowd. */
static void on_kill_frame(struct avow_host *h, struct avow_bytes reason)
{
    char text[AVOW_OUTCOME_TEXT_MAX];
    struct avow_outcome o;

    avow_text_clean(reason, text, sizeof text);
    avow_outcome_fail(&o, "cancelled", AVOW_EXIT_CANCELLED, -1, "%s",
                      text[0] ? text : "ended by avowd");
    avow_host_fail(h, &o);
    avow_host_end(h, &o);
}

static void on_frame(void *ctx, const struct avow_frame *f)
{
    struct avow_host *h = ctx;
    struct avow_rd r = avow_rd_init(f->body);
    uint32_t from = 0;

    switch (f->type) {
    case AVOW_SHELL_GO:
        on_go(h);
        return;
    case AVOW_SHELL_PEER_IN:
        if (avow_rd_u32be(&r, &from) == 0)
            avow_host_peer_in(h, from, r.rest);
        return;
    case AVOW_SHELL_KILL:
        on_kill_frame(h, f->body);
        return;
    default:
        avow_host_log(h, "a frame of type %u from avowd is not known", f->type);
        return;
    }
}

static void on_link_closed(void *ctx, const struct avow_error *err)
{
    struct avow_host *h = ctx;

    if (err)
        fprintf(stderr, "avow-shell: job %s: %s\n", h->config->job, err->text);
    h->link_lost = true;
    event_base_loopbreak(h->base);
}

static void on_link_drained(void *ctx)
{
    avow_host_ranks_resume(ctx);
}

/* Children ----------------------------------------------------------------------------------------
 */

static void on_bell_gone(struct avow_host *h)
{
    struct avow_error err = { 0 };

    h->start.bell = 0;
    if (h->ended)
        return;
    (void)AVOW_FAIL(&err, SYSTEM, "the doorbell process has ended");
    avow_host_fail_err(h, "fabric", &err);
}

static void reap_all(struct avow_host *h)
{
    for (;;) {
        siginfo_t si = { 0 };
        int status = 0;

        if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || si.si_pid == 0)
            return;
        /* while it is a zombie its number is taken: end what it left in its process group */
        for (uint32_t i = 0; i < h->n_ranks; i++)
            if (h->ranks[i].pid == si.si_pid)
                kill(-si.si_pid, SIGKILL);
        if (waitpid(si.si_pid, &status, WNOHANG) != si.si_pid)
            return;
        if (si.si_pid == h->start.bell)
            on_bell_gone(h);
        else
            avow_host_ranks_reaped(h, si.si_pid, status);
    }
}

static void on_child(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_host *h = ctx;
    struct signalfd_siginfo si;

    (void)what;
    while (read(fd, &si, sizeof si) > 0)
        ;
    /* what a rank told PMIx before its end must be known when its end is judged */
    avow_pmix_dispatch();
    reap_all(h);
}

/* PMIx and PMI-1 ----------------------------------------------------------------------------------
 */

static void on_pmix(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd, (void)what, (void)ctx;
    avow_pmix_dispatch();
}

static void pmix_connected(void *ctx, uint32_t rank)
{
    struct avow_host_rank *r = avow_host_rank_find(ctx, rank);

    if (r)
        r->end.connected = true;
}

static void pmix_finalized(void *ctx, uint32_t rank)
{
    struct avow_host_rank *r = avow_host_rank_find(ctx, rank);

    if (r)
        r->end.finalized = true;
}

static void pmix_aborted(void *ctx, uint32_t rank, int code)
{
    avow_host_rank_aborted(ctx, rank, code);
}

static void pmix_spawn(void *ctx, uint32_t rank)
{
    avow_host_rank_spawned(ctx, rank);
}

static void pmix_fence(void *ctx, struct avow_pmix_call *call, const uint32_t *ranks, size_t n,
                       struct avow_bytes data)
{
    avow_host_collect(ctx, call, ranks, n, data);
}

static void pmix_modex(void *ctx, struct avow_pmix_call *call, uint32_t rank)
{
    avow_host_ask(ctx, call, rank);
}

static void pmix_local_modex(void *ctx, uint32_t id, uint32_t node, uint32_t rank, int status,
                             struct avow_bytes data)
{
    avow_host_answer(ctx, id, node, rank, status, data);
}

static uint32_t global_rank(const struct avow_host *h, uint32_t local)
{
    return avow_launch_self(h->config)->first + local;
}

static void pmi_reply(void *ctx, uint32_t local, struct avow_bytes line)
{
    avow_host_rank_reply(ctx, local, line);
}

static void pmi_connected(void *ctx, uint32_t local)
{
    struct avow_host *h = ctx;
    struct timeval tick = in_ms(h->config->pmi1_stall_ms / 4 + 1);

    h->ranks[local].end.connected = true;
    if (h->config->pmi1_stall_ms > 0 && !event_pending(h->on_tick, EV_TIMEOUT, NULL))
        event_add(h->on_tick, &tick);
}

static void pmi_finalized(void *ctx, uint32_t local)
{
    ((struct avow_host *)ctx)->ranks[local].end.finalized = true;
}

static void pmi_aborted(void *ctx, uint32_t local, int code)
{
    avow_host_rank_aborted(ctx, global_rank(ctx, local), code);
}

static void pmi_spawn(void *ctx, uint32_t local)
{
    avow_host_rank_spawned(ctx, global_rank(ctx, local));
}

static void pmi_barrier(void *ctx, struct avow_bytes data)
{
    uint32_t all = AVOW_RANK_ALL;

    avow_host_collect(ctx, NULL, &all, 1, data);
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct avow_host *h = ctx;

    (void)fd, (void)what;
    avow_pmi1_tick(h->pmi1, avow_host_now_ms());
}

static int start_servers(struct avow_host *h, struct avow_error *err)
{
    struct avow_pmi1_ops pmi = { .reply = pmi_reply,
                                 .connected = pmi_connected,
                                 .finalized = pmi_finalized,
                                 .aborted = pmi_aborted,
                                 .barrier = pmi_barrier,
                                 .spawn = pmi_spawn,
                                 .ctx = h };
    struct avow_pmix_ops pmix = { .connected = pmix_connected,
                                  .finalized = pmix_finalized,
                                  .aborted = pmix_aborted,
                                  .spawn = pmix_spawn,
                                  .fence = pmix_fence,
                                  .modex = pmix_modex,
                                  .local_modex = pmix_local_modex,
                                  .ctx = h };

    AVOW_TRY(avow_pmi1_new(h->config, &pmi, &h->pmi1, err));
    AVOW_TRY(avow_coll_local_new(&h->waiting, err));
    if (avow_host_is_head(h)) {
        AVOW_TRY(avow_coll_head_new(h->config, &h->head, err));
        h->exited = calloc(h->config->n_ranks, 1);
        if (!h->exited)
            return AVOW_FAIL(err, NOMEM, "no memory for %u ranks", h->config->n_ranks);
    }
    return avow_pmix_start(h->config, h->start.session_dir, &pmix, err);
}

/* Setting up --------------------------------------------------------------------------------------
 */

static int make_events(struct avow_host *h, struct avow_error *err)
{
    h->on_child = event_new(h->base, h->child_fd, EV_READ | EV_PERSIST, on_child, h);
    h->on_pmix = event_new(h->base, avow_pmix_fd(), EV_READ | EV_PERSIST, on_pmix, h);
    h->on_monitor = event_new(h->base, h->start.monitor, EV_READ, on_monitor, h);
    h->on_limit = event_new(h->base, -1, EV_TIMEOUT, on_limit, h);
    h->on_kill = event_new(h->base, -1, EV_TIMEOUT, on_kill, h);
    h->on_cause = event_new(h->base, -1, EV_TIMEOUT, avow_host_on_cause, h);
    h->on_tick = event_new(h->base, -1, EV_TIMEOUT | EV_PERSIST, on_tick, h);
    if (!h->on_child || !h->on_pmix || !h->on_monitor || !h->on_limit || !h->on_kill ||
        !h->on_tick || !h->on_cause || event_add(h->on_child, NULL) < 0 ||
        event_add(h->on_pmix, NULL) < 0 || event_add(h->on_monitor, NULL) < 0)
        return AVOW_FAIL(err, NOMEM, "no memory for events");
    return 0;
}

static int set_up(struct avow_host *h, struct avow_error *err)
{
    struct avow_link_ops ops = {
        .frame = on_frame, .closed = on_link_closed, .drained = on_link_drained, .ctx = h
    };
    sigset_t set;

    h->base = event_base_new();
    if (!h->base)
        return AVOW_FAIL(err, NOMEM, "no memory for an event loop");
    AVOW_TRY(avow_link_new(h->base, avow_steal_fd(&h->start.link), &ops, &h->link, err));
    /* before libpmix makes its thread, which inherits the mask */
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return AVOW_FAIL_SYS(err, "cannot block SIGCHLD");
    h->child_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (h->child_fd < 0)
        return AVOW_FAIL_SYS(err, "cannot watch children");
    AVOW_TRY(avow_host_ranks_new(h, err));
    AVOW_TRY(start_servers(h, err));
    return make_events(h, err);
}

static void send_ready(struct avow_host *h)
{
    avow_autofree char *text = NULL;
    avow_autojson json_t *doc =
        json_pack("{s:i,s:b}", "pid", (int)h->start.shown_pid, "namespace", h->start.in_namespace);

    text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    if (text)
        avow_link_send(h->link, AVOW_SHELL_READY, AVOW_BYTES(NULL, 0), avow_bytes_str(text));
}

static void tear_down(struct avow_host *h)
{
    struct event *events[] = { h->on_child, h->on_pmix, h->on_monitor, h->on_limit,
                               h->on_kill,  h->on_tick, h->on_cause };

    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i])
            event_free(events[i]);
    avow_host_ranks_free(h);
    avow_pmi1_free(h->pmi1);
    avow_coll_local_free(h->waiting);
    avow_coll_head_free(h->head);
    avow_link_free(h->link);
    free(h->exited);
    free(h->asked);
    if (h->child_fd >= 0)
        close(h->child_fd);
    if (h->start.monitor >= 0)
        close(h->start.monitor);
    if (h->base)
        event_base_free(h->base);
    free(h);
}

AVOW_DEFINE_CLEANUP(host, struct avow_host, tear_down)

int avow_host_run(const struct avow_host_start *start, struct avow_error *err)
{
    __attribute__((cleanup(avow_cleanup_host))) struct avow_host *h = calloc(1, sizeof *h);

    if (!h)
        return AVOW_FAIL(err, NOMEM, "no memory for the launch host");
    h->start = *start;
    h->config = start->config;
    h->child_fd = -1;
    if (set_up(h, err) < 0) {
        avow_auto(avow_buf_done) struct avow_buf json = AVOW_BUF(AVOW_SHELL_FRAME_MAX / 2);
        struct avow_outcome o;

        avow_outcome_fail(&o, "system", 1, -1, "node %s: %s", avow_launch_self(h->config)->name,
                          err->text);
        if (h->link && avow_outcome_json(&o, &json) == 0)
            avow_link_send(h->link, AVOW_SHELL_DONE, AVOW_BYTES(NULL, 0), avow_buf_view(&json));
        return h->link ? avow_link_flush(h->link, AVOW_HOST_FLUSH_MS, NULL) : -err->code;
    }
    send_ready(h);
    if (event_base_dispatch(h->base) < 0)
        return AVOW_FAIL(err, SYSTEM, "the event loop failed");
    avow_host_ranks_signal(h, SIGKILL);
    if (h->link_lost)
        return AVOW_FAIL(err, NETWORK, "avowd is gone");
    return avow_link_flush(h->link, AVOW_HOST_FLUSH_MS, err);
}
