/* Step three: follow the job on every node to its end. */
#include <time.h>

#include "client/client.h"
#include "client/sse.h"

/* A node that has not heard yet of a failure elsewhere is given this long to say so itself. */
#define GRACE_MS 2500

struct monitor {
    struct avow_client *c;
    pthread_mutex_t lock; /* protects done and failed */
    pthread_cond_t changed;
    size_t done; /* watchers that have ended */
    bool failed; /* some node's job has FAILED */
};

struct watcher {
    struct monitor *m;
    struct avow_node *n;
    struct avow_sse sse;
    bool heard; /* an event came on this connection */
    pthread_t thread;
};

static bool final(const char *state)
{
    return strcmp(state, "COMPLETED") == 0 || strcmp(state, "FAILED") == 0;
}

static void note_failure(struct monitor *m)
{
    (void)pthread_mutex_lock(&m->lock);
    m->failed = true;
    (void)pthread_cond_signal(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
}

static int take_event(void *ctx, const struct avow_sse_event *e)
{
    struct watcher *w = ctx;
    struct avow_node *n = w->n;
    avow_autojson json_t *data = NULL;
    const char *state = NULL;

    w->heard = true;
    if (e->id)
        n->last_event = e->id;
    if (avow_json_parse(avow_bytes_str(e->data), &data, NULL) < 0 || !json_is_object(data))
        return -AVOW_E_PROTOCOL;
    state = json_string_value(json_object_get(data, "state"));
    if (strcmp(e->type, "state") == 0 && state && final(state)) {
        n->ended = true;
        json_decref(n->job);
        n->job = json_incref(data);
        if (strcmp(state, "FAILED") == 0)
            note_failure(w->m);
    }
    avow_client_emit(n->client, n->name, e->type, json_incref(data));
    return 0;
}

static int take_piece(void *ctx, struct avow_bytes piece)
{
    struct watcher *w = ctx;

    return avow_sse_feed(&w->sse, piece, take_event, w);
}

/* What the node knows at the end: the whole job, and its sync latencies. */
static int ask_last(struct avow_node *n, struct avow_error *err)
{
    char path[96];
    struct avow_node_call call = { .method = "GET", .path = path };
    avow_autojson json_t *job = NULL;
    avow_autojson json_t *sync = NULL;

    (void)snprintf(path, sizeof path, "/v1/jobs/%s", n->client->job);
    AVOW_TRY(avow_node_call(n, &call, &job, err));
    json_decref(n->job);
    n->job = avow_steal(&job);
    (void)snprintf(path, sizeof path, "/v1/jobs/%s/sync", n->client->job);
    AVOW_TRY(avow_node_call(n, &call, &sync, err));
    json_decref(n->sync);
    n->sync = avow_steal(&sync);
    return 0;
}

static int follow(struct watcher *w, struct avow_error *err)
{
    struct avow_node *n = w->n;
    unsigned failed = 0;

    while (!n->ended) {
        char path[128];
        int rc = 0;

        (void)snprintf(path, sizeof path, "/v1/jobs/%s/events?since=%llu", n->client->job,
                       (unsigned long long)n->last_event);
        w->heard = false;
        avow_error_clear(err);
        avow_sse_init(&w->sse);
        rc = avow_node_stream(n, path, take_piece, w, err);
        avow_sse_done(&w->sse);
        if (n->ended)
            break;
        if (rc == 0)
            rc = AVOW_FAIL(err, NETWORK, "%s ended the event stream too early", n->address);
        if (w->heard)
            failed = 0;
        if (!avow_node_backoff(n, n->stream, "watch", ++failed, err))
            return rc;
    }
    avow_error_clear(err);
    return 0;
}

static void *watch(void *arg)
{
    struct watcher *w = arg;
    struct avow_error err = { 0 };

    if (follow(w, &err) < 0 || ask_last(w->n, &err) < 0) {
        w->n->lost = !w->n->ended;
        w->n->error = err;
    }
    (void)pthread_mutex_lock(&w->m->lock);
    w->m->done++;
    (void)pthread_cond_signal(&w->m->changed);
    (void)pthread_mutex_unlock(&w->m->lock);
    return NULL;
}

static void after_ms(struct timespec *t, unsigned ms)
{
    (void)clock_gettime(CLOCK_MONOTONIC, t);
    t->tv_sec += ms / 1000;
    t->tv_nsec += (long)(ms % 1000) * 1000000;
    if (t->tv_nsec >= 1000000000) {
        t->tv_nsec -= 1000000000;
        t->tv_sec++;
    }
}

/* Until all watchers have ended, or the grace after a failure is over: then the rest is stopped. */
static void wait_for(struct monitor *m, size_t n)
{
    struct timespec until = { 0 };
    bool timed = false;
    bool late = false;

    (void)pthread_mutex_lock(&m->lock);
    while (m->done < n && !late) {
        if (m->failed && !timed) {
            after_ms(&until, GRACE_MS);
            timed = true;
        }
        if (timed)
            late = pthread_cond_timedwait(&m->changed, &m->lock, &until) != 0;
        else
            (void)pthread_cond_wait(&m->changed, &m->lock);
    }
    (void)pthread_mutex_unlock(&m->lock);
    if (late)
        avow_client_stop_streams(m->c);
}

/* ---- what came of it ---- */

static const json_t *reason_of(const struct avow_node *n)
{
    return json_object_get(n->job, "reason");
}

static bool is_failed(const struct avow_node *n)
{
    const char *state = json_string_value(json_object_get(n->job, "state"));

    return n->ended && (!state || strcmp(state, "COMPLETED") != 0);
}

/* The node that knows best: one whose reason is its own, not that a peer went away. */
static const struct avow_node *best_witness(const struct avow_client *c)
{
    const struct avow_node *best = NULL;

    for (size_t i = 0; i < c->n; i++) {
        const char *code = json_string_value(json_object_get(reason_of(&c->nodes[i]), "code"));

        if (!is_failed(&c->nodes[i]))
            continue;
        if (!best)
            best = &c->nodes[i];
        if (code && strcmp(code, "peerlost") != 0 && strcmp(code, "cancelled") != 0)
            return &c->nodes[i];
    }
    return best;
}

static int conclude(struct avow_client *c, struct avow_error *err)
{
    const struct avow_node *witness = best_witness(c);
    const struct avow_node *lost = NULL;
    json_t *reason = NULL;
    size_t n_lost = 0;

    for (size_t i = 0; i < c->n; i++) {
        if (c->nodes[i].lost && !lost)
            lost = &c->nodes[i];
        n_lost += c->nodes[i].lost;
    }
    json_decref(c->outcome);
    c->outcome = NULL;
    if (n_lost == c->n)
        return AVOW_FAIL_CODE(err, lost->error.code, "no node can be reached any more; node %s: %s",
                              lost->name, lost->error.text);
    if (witness) {
        reason = json_deep_copy(reason_of(witness));
        if (reason && !json_object_get(reason, "node"))
            (void)json_object_set_new(reason, "node", json_string(witness->name));
    } else if (lost) {
        reason = json_pack("{s:s, s:s, s:s}", "code", avow_err_name(lost->error.code), "message",
                           lost->error.text, "node", lost->name);
    } else {
        c->outcome = json_pack("{s:s}", "state", "COMPLETED");
        return c->outcome ? AVOW_CLIENT_OK : AVOW_FAIL(err, NOMEM, "out of memory");
    }
    c->outcome = json_pack("{s:s, s:o*}", "state", "FAILED", "reason", reason);
    return c->outcome ? AVOW_CLIENT_FAILED : AVOW_FAIL(err, NOMEM, "out of memory");
}

static size_t start_watchers(struct monitor *m, struct watcher *ws)
{
    size_t started = 0;

    for (; started < m->c->n; started++) {
        struct watcher *w = &ws[started];

        *w = (struct watcher){ .m = m, .n = &m->c->nodes[started] };
        if (pthread_create(&w->thread, NULL, watch, w) != 0)
            break;
    }
    return started;
}

int avow_client_monitor(struct avow_client *c, struct avow_error *err)
{
    avow_autofree struct watcher *ws = calloc(c->n, sizeof *ws);
    struct monitor m = { .c = c };
    pthread_condattr_t attr;
    double began = avow_now_ms();
    size_t started = 0;

    if (!ws)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&m.lock, NULL);
    (void)pthread_cond_init(&m.changed, &attr);
    started = start_watchers(&m, ws);
    if (started < c->n)
        avow_client_stop(c);
    else
        wait_for(&m, c->n);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(ws[i].thread, NULL);
    (void)pthread_cond_destroy(&m.changed);
    (void)pthread_mutex_destroy(&m.lock);
    (void)pthread_condattr_destroy(&attr);
    c->phases.run_ms = avow_now_ms() - began;
    if (started < c->n)
        return AVOW_FAIL(err, NOMEM, "no thread for each of %zu nodes", c->n);
    if (atomic_load_explicit(&c->stop, memory_order_relaxed)) /* threads are joined */
        return AVOW_FAIL(err, CANCELLED, "interrupted");
    return conclude(c, err);
}
