#include <inttypes.h>

#include "daemon/jobs_internal.h"
#include "sdk/wire.h"

#define SHOW_MS 100        /* progress and sync state: at most ten of each a second */
#define ROW_MS 1000        /* progress in the journal: one a second, ... */
#define ROWS_OF_A_LIFE 256 /* ... or one in 1/256 of the time the job has run, if that is more */
#define OUTPUT_PER_S ((size_t)64 << 10) /* bytes of output in the event stream */
#define TAIL_MAX ((size_t)1 << 20)      /* of one rank and stream */
#define TAILS_MAX ((size_t)128 << 20)   /* of one job */
#define TAIL_MIN ((size_t)64 << 10)
#define NOTES_PER_S 10

static void on_tick(evutil_socket_t fd, short what, void *arg);

int telemetry_init(struct job *job, struct avow_error *err)
{
    struct telemetry *t = &job->tel;
    uint32_t n = job->manifest.nodes[job->self].ranks;
    size_t max = TAILS_MAX / (2u * n);

    t->in_sync = calloc(n, sizeof *t->in_sync);
    t->out = calloc((size_t)n * 2, sizeof *t->out);
    t->tick = event_new(job->jobs->cfg.base, -1, 0, on_tick, job);
    t->metrics = json_object();
    if (!t->in_sync || !t->out || !t->tick || !t->metrics)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (size_t i = 0; i < (size_t)n * 2; i++)
        t->out[i].tail = AVOW_TAIL(max > TAIL_MAX ? TAIL_MAX : max < TAIL_MIN ? TAIL_MIN : max);
    t->budget = OUTPUT_PER_S;
    t->shown = AVOW_JOB_RUNNING;
    return 0;
}

void telemetry_forget(struct job *job)
{
    struct telemetry *t = &job->tel;

    for (size_t i = 0; t->out && i < (size_t)job->rec.n_ranks * 2; i++)
        avow_tail_done(&t->out[i].tail);
    free(t->out);
    t->out = NULL;
    t->out_bytes = 0;
}

void telemetry_done(struct job *job)
{
    struct telemetry *t = &job->tel;

    telemetry_forget(job);
    if (t->tick)
        event_free(t->tick);
    free(t->in_sync);
    json_decref(t->metrics);
    json_decref(t->last);
    *t = (struct telemetry){ 0 };
}

static bool running(const struct job *job)
{
    return job->rec.state == AVOW_JOB_RUNNING || job->rec.state == AVOW_JOB_SYNCING;
}

/* --- showing ------------------------------------------------------------------------------ */

static void show_progress(struct job *job, int64_t now, bool last)
{
    struct telemetry *t = &job->tel;
    int64_t life = jobs_now_ms() - job->rec.started;
    int64_t every = life / ROWS_OF_A_LIFE > ROW_MS ? life / ROWS_OF_A_LIFE : ROW_MS;
    bool row = last || now - t->row_at >= every;
    json_t *data = json_pack("{s:I,s:I,s:o,s:I}", "iteration", (json_int_t)t->iteration, "total",
                             (json_int_t)t->total, "metrics", json_copy(t->metrics), "sync_ns",
                             (json_int_t)t->sync_ns);

    t->dirty = false;
    t->progress_at = now;
    if (row)
        t->row_at = now;
    if (data && job_emit(job, AVOW_JOB_PROGRESS, data, row ? EMIT_LAZY : EMIT_LIVE, NULL) < 0)
        avow_metrics_count(job->jobs->cfg.metrics, "journal_errors",
                           "Events that could not be journaled.", NULL, 1);
}

static void show_state(struct job *job, int64_t now)
{
    struct telemetry *t = &job->tel;

    t->shown = job->rec.state;
    t->shown_at = now;
    job_publish(job, "state", json_pack("{s:s}", "state", avow_job_state_name(t->shown)));
}

static void show_unshown(struct job *job)
{
    struct telemetry *t = &job->tel;

    job_publish(job, "note",
                json_pack("{s:o}", "text",
                          json_sprintf("%" PRIu64 " bytes of output are not shown here: see the "
                                       "ranks' output",
                                       t->unshown)));
    t->unshown = 0;
}

static void refill(struct telemetry *t, int64_t now)
{
    if (now - t->refill_at >= 1000) {
        t->budget = OUTPUT_PER_S;
        t->refill_at = now;
    }
}

/* Show what may be shown now; come back for the rest. */
static void show(struct job *job)
{
    struct telemetry *t = &job->tel;
    int64_t now = jobs_mono_ms();
    int64_t next = INT64_MAX;

    if (!running(job))
        return;
    if (t->dirty && now - t->progress_at >= SHOW_MS)
        show_progress(job, now, false);
    if (job->rec.state != t->shown && now - t->shown_at >= SHOW_MS)
        show_state(job, now);
    refill(t, now);
    if (t->unshown && t->budget == OUTPUT_PER_S)
        show_unshown(job);
    if (t->dirty)
        next = t->progress_at + SHOW_MS - now;
    if (job->rec.state != t->shown && t->shown_at + SHOW_MS - now < next)
        next = t->shown_at + SHOW_MS - now;
    if (t->unshown && t->refill_at + 1000 - now < next)
        next = t->refill_at + 1000 - now;
    if (next < INT64_MAX && !event_pending(t->tick, EV_TIMEOUT, NULL))
        jobs_after(t->tick, next > 1 ? next : 1);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    show(arg);
}

void telemetry_flush(struct job *job)
{
    struct telemetry *t = &job->tel;

    if (t->tick)
        event_del(t->tick);
    if (!running(job))
        return;
    if (t->unshown)
        show_unshown(job);
    /* also what was shown but not journaled: the last values are the ones to keep */
    if (t->dirty || t->progress_at > t->row_at)
        show_progress(job, jobs_mono_ms(), true);
}

/* --- sync points -------------------------------------------------------------------------- */

static void set_syncing(struct job *job, bool on)
{
    enum avow_job_event_type e = on ? AVOW_JOB_SYNC_BEGIN : AVOW_JOB_SYNC_END;

    if ((job->rec.state == AVOW_JOB_SYNCING) != on && job_emit(job, e, NULL, EMIT_LIVE, NULL) < 0)
        avow_metrics_count(job->jobs->cfg.metrics, "telemetry_dropped",
                           "Messages of ranks that were not taken.", NULL, 1);
}

static void leave_sync(struct job *job, uint32_t local)
{
    struct telemetry *t = &job->tel;

    if (!t->in_sync[local])
        return;
    t->in_sync[local] = false;
    if (--t->n_in_sync == 0)
        set_syncing(job, false);
}

void telemetry_rank_ended(struct job *job, uint32_t rank)
{
    if (running(job) && rank >= job->rec.first_rank &&
        rank - job->rec.first_rank < job->rec.n_ranks)
        leave_sync(job, rank - job->rec.first_rank);
}

static void sync_begin(struct job *job, uint32_t local)
{
    struct telemetry *t = &job->tel;

    if (t->in_sync[local])
        return;
    t->in_sync[local] = true;
    if (t->n_in_sync++ == 0)
        set_syncing(job, true);
}

static void take_metrics(struct telemetry *t, const json_t *m)
{
    const char *key = NULL;
    json_t *v = NULL;

    if (!json_is_object(m) || json_object_size(m) > AVOW_JOB_METRICS_MAX)
        return;
    json_object_clear(t->metrics);
    json_object_foreach((json_t *)(uintptr_t)m, key, v) {
        if (json_is_number(v) && strlen(key) <= AVOW_JOB_METRIC_NAME_MAX)
            json_object_set(t->metrics, key, v);
    }
}

static int sync_end(struct job *job, uint32_t local, const json_t *d)
{
    struct telemetry *t = &job->tel;
    int64_t iteration = t->iteration;
    int64_t ns = 0;

    AVOW_TRY(avow_json_get_int(d, "i", 0, (int64_t)1 << 53, &iteration, NULL));
    AVOW_TRY(avow_json_get_int(d, "ns", 0, (int64_t)1 << 53, &ns, NULL));
    leave_sync(job, local);
    t->iteration = iteration;
    t->sync_ns = (uint64_t)ns;
    take_metrics(t, json_object_get(d, "m"));
    avow_latency_add(&t->sync, (uint64_t)ns);
    avow_metrics_observe(job->jobs->cfg.metrics, "sync", "Sync points of local ranks.", NULL,
                         (double)ns / 1e9);
    json_decref(t->last);
    t->last = json_pack("{s:I,s:I,s:o}", "iteration", (json_int_t)iteration, "ns", (json_int_t)ns,
                        "metrics", json_copy(t->metrics));
    t->dirty = true;
    return 0;
}

static int progress(struct job *job, const json_t *d)
{
    struct telemetry *t = &job->tel;

    AVOW_TRY(avow_json_get_int(d, "i", 0, (int64_t)1 << 53, &t->iteration, NULL));
    AVOW_TRY(avow_json_opt_int(d, "n", 0, (int64_t)1 << 53, &t->total, NULL));
    t->dirty = true;
    return 0;
}

static int note(struct job *job, uint32_t rank, const json_t *d)
{
    struct telemetry *t = &job->tel;
    const char *text = NULL;
    int64_t second = jobs_mono_ms() / 1000;

    AVOW_TRY(avow_json_get_str(d, "text", &text, NULL));
    if (t->notes_at != second)
        t->notes = 0;
    t->notes_at = second;
    if (t->notes++ >= NOTES_PER_S)
        return -AVOW_E_LIMIT;
    job_note(job, "rank %u: %.400s", rank, text);
    return 0;
}

static int sdk(struct job *job, uint32_t rank, struct avow_bytes text)
{
    avow_autojson json_t *d = NULL;
    uint32_t local = rank - job->rec.first_rank;
    const char *kind = NULL;

    if (text.len > AVOW_JOB_DATAGRAM_MAX)
        return -AVOW_E_LIMIT;
    AVOW_TRY(avow_json_parse(text, &d, NULL));
    AVOW_TRY(avow_json_get_str(d, "t", &kind, NULL));
    if (strcmp(kind, "begin") == 0)
        sync_begin(job, local);
    else if (strcmp(kind, "end") == 0)
        AVOW_TRY(sync_end(job, local, d));
    else if (strcmp(kind, "progress") == 0)
        AVOW_TRY(progress(job, d));
    else if (strcmp(kind, "note") == 0)
        AVOW_TRY(note(job, rank, d));
    else if (strcmp(kind, "dropped") != 0)
        return -AVOW_E_FORMAT;
    return 0;
}

static int local_rank(const struct job *job, struct avow_rd *r, uint32_t *rank)
{
    AVOW_TRY(avow_rd_u32be(r, rank));
    if (*rank < job->rec.first_rank || *rank - job->rec.first_rank >= job->rec.n_ranks)
        return -AVOW_E_FORMAT;
    return 0;
}

void telemetry_sdk(struct job *job, struct avow_bytes payload)
{
    struct avow_rd r = avow_rd_init(payload);
    uint32_t rank = 0;

    /* what a rank says of itself is advice: a mistake in it ends nothing */
    if (!running(job) || local_rank(job, &r, &rank) < 0 || sdk(job, rank, r.rest) < 0)
        avow_metrics_count(job->jobs->cfg.metrics, "telemetry_dropped",
                           "Messages of ranks that were not taken.", NULL, 1);
    show(job);
}

json_t *telemetry_sync(const struct job *job)
{
    const struct telemetry *t = &job->tel;
    json_t *v = NULL;

    if (job->rec.sync)
        return json_incref(job->rec.sync);
    v = json_pack("{s:I,s:I,s:I,s:I,s:I}", "count", (json_int_t)t->sync.count, "min_ns",
                  (json_int_t)t->sync.min, "median_ns",
                  (json_int_t)avow_latency_quantile(&t->sync, 0.5), "p99_ns",
                  (json_int_t)avow_latency_quantile(&t->sync, 0.99), "max_ns",
                  (json_int_t)t->sync.max);
    if (v && t->last)
        json_object_set(v, "last", t->last);
    return v;
}

/* --- output ------------------------------------------------------------------------------- */

static void show_output(struct job *job, uint32_t rank, struct stream_out *s, unsigned stream,
                        struct avow_bytes bytes)
{
    struct telemetry *t = &job->tel;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4 * AVOW_SHELL_OUTPUT_CHUNK);

    refill(t, jobs_mono_ms());
    if (bytes.len > t->budget) {
        t->unshown += bytes.len;
        s->utf8.n = 0;
        return;
    }
    t->budget -= bytes.len;
    if (avow_utf8_put(&s->utf8, bytes, &text) < 0 || text.len == 0)
        return;
    job_publish(job, "output",
                json_pack("{s:I,s:s,s:s%}", "rank", (json_int_t)rank, "stream",
                          stream == 2 ? "stderr" : "stdout", "text", avow_buf_cstr(&text),
                          text.len));
}

void telemetry_output(struct job *job, struct avow_bytes payload)
{
    struct avow_rd r = avow_rd_init(payload);
    struct stream_out *s = NULL;
    size_t before = 0;
    uint32_t rank = 0;
    uint8_t stream = 0;

    if (local_rank(job, &r, &rank) < 0 || avow_rd_u8(&r, &stream) < 0 || stream < 1 || stream > 2 ||
        r.rest.len > AVOW_SHELL_OUTPUT_CHUNK || !job->tel.out) {
        avow_metrics_count(job->jobs->cfg.metrics, "telemetry_dropped",
                           "Messages of ranks that were not taken.", NULL, 1);
        return;
    }
    s = &job->tel.out[(size_t)(rank - job->rec.first_rank) * 2 + stream - 1];
    before = s->tail.cap;
    if (avow_tail_put(&s->tail, r.rest) < 0)
        job->tel.unshown += r.rest.len;
    job->tel.out_bytes += s->tail.cap - before;
    show_output(job, rank, s, stream, r.rest);
    show(job);
}
