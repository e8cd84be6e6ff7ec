#include <arpa/inet.h>
#include <event2/buffer.h>
#include <inttypes.h>

#include "daemon/jobs_internal.h"

#define HEAD 0u /* node index: the first by name says when to go */

static bool is_head(const struct job *job)
{
    return job->self == HEAD;
}

const char *run_own_name(const struct job *job)
{
    return job->rec.node;
}

void run_wait(struct job *job, enum job_wait what, int64_t ms)
{
    struct run *r = &job->run;

    if (!r->deadline)
        return;
    r->wait = what;
    event_del(r->deadline);
    if (what != WAIT_NONE)
        jobs_after(r->deadline, ms);
}

/* --- other nodes -------------------------------------------------------------------------- */

int run_send(const struct job *job, uint32_t node, uint8_t type, struct avow_bytes body)
{
    avow_auto(avow_buf_done) struct avow_buf m = AVOW_BUF(AVOW_PEER_FRAME_MAX);
    struct avow_formation *f = job_formation(job);
    uint8_t uuid[16];

    if (!f)
        return -AVOW_E_PEERLOST;
    avow_job_uuid_bytes(job->rec.job, uuid);
    AVOW_TRY(avow_buf_put(&m, uuid, sizeof uuid));
    AVOW_TRY(avow_buf_put_bytes(&m, body));
    return avow_formation_send(f, node, type, avow_buf_view(&m));
}

/* A node that cannot be told is lost, and that is reported by itself. */
static void send_all(const struct job *job, uint8_t type, struct avow_bytes body)
{
    for (uint32_t i = 0; i < job->manifest.n_nodes; i++)
        if (i != job->self)
            (void)!run_send(job, i, type, body);
}

/* --- end ---------------------------------------------------------------------------------- */

static void count_end(struct job *job)
{
    struct avow_metrics *m = job->jobs->cfg.metrics;
    const char *state = avow_job_state_name(job->rec.state);
    char label[64];

    snprintf(label, sizeof label, "state=%s", state);
    avow_metrics_count(m, "jobs", "Jobs by final state.", label, 1);
    avow_metrics_observe(m, "job_duration", "From submission to end.", label,
                         (double)(job->rec.ended - job->rec.created) / 1000);
    if (job->rec.reason.code) {
        snprintf(label, sizeof label, "code=%s", avow_err_name(job->rec.reason.code));
        avow_metrics_count(m, "job_failures", "Failed jobs by reason.", label, 1);
    }
    avow_log(job->rec.reason.code ? AVOW_LOG_NOTICE : AVOW_LOG_INFO, "job-ended",
             "job=%s state=%s code=%s node=%s rank=%lld", job->rec.job, state,
             job->rec.reason.code ? avow_err_name(job->rec.reason.code) : "ok",
             job->rec.reason.node, job->rec.reason.code ? (long long)job->rec.reason.rank : -1);
}

/* What every end has in common; the record says already how it ended. */
static void settle(struct job *job)
{
    struct avow_formation *f = job_formation(job);
    struct run *r = &job->run;

    run_wait(job, WAIT_NONE, 0);
    if (r->again)
        event_del(r->again);
    avow_broker_job_remove(job->jobs->cfg.broker, job->rec.job);
    if (job->held && f)
        avow_formation_release(f);
    job->held = false;
    jobs_count_active(job->jobs, -1);
    avow_hub_end(&job->hub);
    count_end(job);
}

/* Where there is no time to lose, or nobody to talk to, the shell is not asked. */
static bool kill_at_once(int code)
{
    return code == AVOW_E_PEERLOST || code == AVOW_E_AUTH || code == AVOW_E_PROTOCOL ||
           code == AVOW_E_LIMIT || code == AVOW_E_SYSTEM || code == AVOW_E_STATE;
}

static void stop_shell(struct job *job, const struct avow_job_reason *reason)
{
    struct run *r = &job->run;

    if (!r->shell) {
        results_wipe_inputs(job);
        return;
    }
    if (!r->done && (kill_at_once(reason->code) ||
                     avow_shell_send(r->shell, AVOW_SHELL_KILL, avow_bytes_str(reason->message),
                                     AVOW_BYTES(NULL, 0)) < 0))
        avow_shell_kill(r->shell);
    run_wait(job, WAIT_GONE, JOBS_END_MS);
}

static void tell(const struct job *job, const struct avow_job_reason *reason)
{
    avow_autojson json_t *v = avow_job_reason_json(reason);
    avow_autofree char *text = v ? json_dumps(v, JSON_COMPACT) : NULL;

    if (text)
        send_all(job, JOB_MSG_FAILED, avow_bytes_str(text));
}

void run_fail(struct job *job, const struct avow_job_reason *reason, bool tell_others)
{
    struct avow_error err = { 0 };
    json_t *data = NULL;

    if (avow_job_ended(job->rec.state))
        return;
    telemetry_flush(job);
    data =
        json_pack("{s:o,s:o}", "reason", avow_job_reason_json(reason), "sync", telemetry_sync(job));
    if (job_emit(job, AVOW_JOB_FAIL, json_incref(data), EMIT_SYNC, &err) < 0) {
        /* it has failed whether or not the disk takes that; the next start journals an end */
        avow_log(AVOW_LOG_ERROR, "journal", "job=%s text=\"%s\"", job->rec.job, err.text);
        (void)!job_emit(job, AVOW_JOB_FAIL, json_incref(data), EMIT_LIVE, NULL);
    }
    json_decref(data);
    if (tell_others)
        tell(job, reason);
    settle(job);
    stop_shell(job, reason);
}

/* Texts come from programs and other nodes: only UTF-8 is kept, and as much as there is room for.
 */
static void set_message(struct avow_job_reason *r, const char *text)
{
    avow_auto(avow_buf_done) struct avow_buf clean = AVOW_BUF(4 * AVOW_JOB_MESSAGE_MAX);
    struct avow_utf8 u = { 0 };
    size_t n = strlen(text);

    n = n < sizeof r->message - 1 ? n : sizeof r->message - 1;
    if (avow_utf8_put(&u, AVOW_BYTES(text, n), &clean) < 0)
        return;
    n = clean.len < sizeof r->message - 1 ? clean.len : sizeof r->message - 1;
    while (n < clean.len && n && (clean.data[n] & 0xc0) == 0x80)
        n--;
    if (n)
        memcpy(r->message, clean.data, n);
    r->message[n] = 0;
}

struct avow_job_reason run_reason(int code, const char *node, int64_t rank, const char *text)
{
    struct avow_job_reason r = { .code = code < 0 ? -code : code, .rank = rank };

    if (avow_job_node_name_ok(node))
        memcpy(r.node, node, strlen(node) + 1);
    set_message(&r, text);
    return r;
}

void run_failf(struct job *job, bool tell_others, int code, const char *node, int64_t rank,
               const char *fmt, ...)
{
    char text[AVOW_JOB_MESSAGE_MAX];
    struct avow_job_reason r;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    r = run_reason(code, node, rank, text);
    run_fail(job, &r, tell_others);
}

void run_complete(struct job *job, json_t *take_files)
{
    struct avow_error err = { 0 };
    json_t *data = json_pack("{s:o,s:o}", "files", take_files, "sync", telemetry_sync(job));

    if (job_emit(job, AVOW_JOB_DONE, data, EMIT_SYNC, &err) < 0) {
        run_failf(job, true, err.code, run_own_name(job), -1, "results on %s: %s",
                  run_own_name(job), err.text);
        return;
    }
    settle(job);
    if (job->run.shell)
        run_wait(job, WAIT_GONE, JOBS_END_MS);
}

/* --- ready, go ---------------------------------------------------------------------------- */

static void flush_early(struct job *job)
{
    struct evbuffer *b = job->run.early;
    uint8_t len[4];

    while (b && evbuffer_remove(b, len, sizeof len) == (int)sizeof len) {
        size_t n = (size_t)len[0] << 24 | (size_t)len[1] << 16 | (size_t)len[2] << 8 | len[3];
        const uint8_t *p = evbuffer_pullup(b, (ssize_t)n);

        if (!p || avow_shell_send(job->run.shell, AVOW_SHELL_PEER_IN, AVOW_BYTES(p, n),
                                  AVOW_BYTES(NULL, 0)) < 0) {
            run_failf(job, true, AVOW_E_LIMIT, run_own_name(job), -1,
                      "avow-shell on %s does not take its messages", run_own_name(job));
            return;
        }
        evbuffer_drain(b, n);
    }
    if (b)
        evbuffer_free(b);
    job->run.early = NULL;
}

static void go(struct job *job)
{
    struct run *r = &job->run;
    struct avow_error err = { 0 };
    uint64_t limit = job->manifest.time_limit_ms;

    if (r->again)
        event_del(r->again);
    if (job_emit(job, AVOW_JOB_GO, NULL, EMIT_SYNC, &err) < 0) {
        run_failf(job, true, err.code, run_own_name(job), -1, "%s: %s", run_own_name(job),
                  err.text);
        return;
    }
    run_wait(job, limit ? WAIT_LIMIT : WAIT_NONE, (int64_t)limit + JOBS_LIMIT_GRACE_MS);
    if (avow_shell_send(r->shell, AVOW_SHELL_GO, AVOW_BYTES(NULL, 0), AVOW_BYTES(NULL, 0)) < 0) {
        run_failf(job, true, AVOW_E_LIMIT, run_own_name(job), -1,
                  "avow-shell on %s does not take its messages", run_own_name(job));
        return;
    }
    flush_early(job);
}

/* At the head: @node has its shell ready (again, perhaps). */
static void node_ready(struct job *job, uint32_t node)
{
    struct run *r = &job->run;

    if (!r->node_ready || node >= job->manifest.n_nodes || avow_job_ended(job->rec.state))
        return;
    if (!r->node_ready[node]) {
        r->node_ready[node] = true;
        r->n_ready++;
    }
    if (r->n_ready < job->manifest.n_nodes || job->rec.state != AVOW_JOB_STARTING || !r->shell)
        return;
    send_all(job, JOB_MSG_GO, AVOW_BYTES(NULL, 0));
    go(job);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;

    (void)fd;
    (void)what;
    (void)!run_send(job, HEAD, JOB_MSG_READY, AVOW_BYTES(NULL, 0));
    jobs_after(job->run.again, JOBS_READY_AGAIN_MS);
}

void run_shell_ready(struct job *job, const json_t *d)
{
    struct run *r = &job->run;
    bool namespace = false;

    if (r->ready || job->rec.state != AVOW_JOB_STARTING ||
        avow_json_opt_bool(d, "namespace", &namespace, NULL) < 0) {
        run_failf(job, true, AVOW_E_PROTOCOL, run_own_name(job), -1,
                  "avow-shell on %s was ready at the wrong time", run_own_name(job));
        return;
    }
    if (!namespace) {
        run_failf(job, true, AVOW_E_NAMESPACE, run_own_name(job), -1,
                  "%s cannot make the job's namespaces", run_own_name(job));
        return;
    }
    r->ready = true;
    run_wait(job, WAIT_ALL, JOBS_ALL_READY_MS);
    if (is_head(job))
        node_ready(job, job->self);
    else
        on_again(-1, 0, job);
}

/* --- deadlines ---------------------------------------------------------------------------- */

static void not_all_ready(struct job *job)
{
    struct run *r = &job->run;
    uint32_t missing = HEAD;

    if (is_head(job))
        while (missing + 1 < job->manifest.n_nodes && r->node_ready[missing])
            missing++;
    run_failf(job, true, AVOW_E_TIMEOUT, job_node_name(job, missing), -1,
              is_head(job) ? "%s was not ready to start within %d s"
                           : "%s did not say go within %d s",
              job_node_name(job, missing), JOBS_ALL_READY_MS / 1000);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct job *job = arg;
    struct run *r = &job->run;

    (void)fd;
    (void)what;
    switch (r->wait) {
    case WAIT_NONE:
        return;
    case WAIT_UPLOAD:
        run_failf(job, true, AVOW_E_TIMEOUT, run_own_name(job), -1,
                  "no file and no start came to %s for %d minutes", run_own_name(job),
                  JOBS_UPLOAD_IDLE_MS / 60000);
        return;
    case WAIT_SHELL:
        run_failf(job, true, AVOW_E_TIMEOUT, run_own_name(job), -1,
                  "avow-shell on %s was not ready within %d s", run_own_name(job),
                  JOBS_SHELL_READY_MS / 1000);
        return;
    case WAIT_ALL:
        not_all_ready(job);
        return;
    case WAIT_LIMIT:
        run_failf(job, true, AVOW_E_TIMEOUT, run_own_name(job), -1,
                  "over the time limit of %" PRIu64 " ms", job->manifest.time_limit_ms);
        return;
    case WAIT_GONE:
        if (r->shell)
            avow_shell_kill(r->shell);
        return;
    }
}

int run_init(struct job *job, struct avow_error *err)
{
    struct run *r = &job->run;

    r->deadline = event_new(job->jobs->cfg.base, -1, 0, on_deadline, job);
    r->again = event_new(job->jobs->cfg.base, -1, 0, on_again, job);
    r->node_ready = calloc(job->manifest.n_nodes, sizeof *r->node_ready);
    if (!r->deadline || !r->again || !r->node_ready)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return 0;
}

void run_done(struct job *job)
{
    struct run *r = &job->run;

    avow_shell_free(r->shell);
    if (r->deadline)
        event_free(r->deadline);
    if (r->again)
        event_free(r->again);
    if (r->early)
        evbuffer_free(r->early);
    free(r->node_ready);
    *r = (struct run){ 0 };
}

/* --- messages of other daemons ------------------------------------------------------------ */

static void keep_early(struct job *job, uint32_t from, struct avow_bytes blob)
{
    struct run *r = &job->run;
    uint32_t head[2] = { htonl((uint32_t)blob.len + 4), htonl(from) };

    if (!r->early)
        r->early = evbuffer_new();
    if (!r->early || evbuffer_get_length(r->early) + blob.len > JOBS_EARLY_MAX ||
        evbuffer_add(r->early, head, sizeof head) < 0 ||
        evbuffer_add(r->early, blob.data, blob.len) < 0)
        run_failf(job, true, AVOW_E_LIMIT, job_node_name(job, from), -1,
                  "%s sent too much before the start", job_node_name(job, from));
}

static void peer_blob(struct job *job, uint32_t from, struct avow_bytes blob)
{
    struct run *r = &job->run;
    uint8_t node[4] = { (uint8_t)(from >> 24), (uint8_t)(from >> 16), (uint8_t)(from >> 8),
                        (uint8_t)from };

    if (job->rec.state == AVOW_JOB_STARTING) {
        keep_early(job, from, blob);
        return;
    }
    if (!r->shell || r->done)
        return;
    if (avow_shell_send(r->shell, AVOW_SHELL_PEER_IN, AVOW_BYTES_OF(node), blob) < 0)
        run_failf(job, true, AVOW_E_LIMIT, run_own_name(job), -1,
                  "avow-shell on %s does not take its messages", run_own_name(job));
}

static void peer_failed(struct job *job, uint32_t from, struct avow_bytes text)
{
    avow_autojson json_t *v = NULL;
    struct avow_job_reason r = { 0 };
    struct avow_error err = { 0 };

    if (avow_json_parse(text, &v, &err) < 0 || avow_job_reason_parse(v, &r, &err) < 0)
        r = run_reason(AVOW_E_PROTOCOL, job_node_name(job, from), -1,
                       "another node ended the job without a proper reason");
    run_fail(job, &r, false);
}

static void on_message(void *ctx, struct avow_formation *f, uint32_t from, uint8_t type,
                       struct avow_bytes payload)
{
    struct avow_rd rd = avow_rd_init(payload);
    char uuid[AVOW_JOB_UUID_LEN + 1];
    uint8_t bytes[16];
    struct job *job = NULL;

    if (avow_rd_copy(&rd, bytes, sizeof bytes) < 0)
        return;
    avow_job_uuid_text(bytes, uuid);
    job = job_known(ctx, uuid);
    /* a message is about a job of the very formation that it came by */
    if (!job || avow_job_ended(job->rec.state) || from >= job->manifest.n_nodes ||
        strcmp(job->rec.formation, avow_formation_roster(f)->formation) != 0)
        return;
    switch (type) {
    case JOB_MSG_READY:
        if (is_head(job))
            node_ready(job, from);
        return;
    case JOB_MSG_GO:
        if (from == HEAD && job->rec.state == AVOW_JOB_STARTING && job->run.ready)
            go(job);
        return;
    case JOB_MSG_FAILED:
        peer_failed(job, from, rd.rest);
        return;
    case JOB_MSG_PEER:
        peer_blob(job, from, rd.rest);
        return;
    default:
        return; /* of a later version */
    }
}

static void on_lost(void *ctx, struct avow_formation *f, uint32_t node, const char *why)
{
    struct avow_jobs *jobs = ctx;
    const char *formation = avow_formation_roster(f)->formation;
    struct job *job = NULL;

    TAILQ_FOREACH(job, &jobs->list, link) {
        /* when the own shell says that all ranks of all nodes ended well, a peer may leave */
        if (avow_job_ended(job->rec.state) || job->digesting ||
            strcmp(job->rec.formation, formation) != 0)
            continue;
        run_failf(job, true, AVOW_E_PEERLOST, job_node_name(job, node), -1, "%s was lost: %s",
                  job_node_name(job, node), why);
    }
}

void run_register(struct avow_jobs *jobs)
{
    const struct avow_formation_user u = { .message = on_message, .lost = on_lost, .ctx = jobs };

    avow_formations_set_user(jobs->cfg.formations, &u);
}
