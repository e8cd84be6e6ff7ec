#include <inttypes.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "daemon/jobs_internal.h"

static bool owns(const struct job *job, const struct avow_call *call)
{
    return avow_ct_equal(job->rec.owner, avow_call_client_spki(call), sizeof job->rec.owner);
}

static void fail_notfound(struct avow_call *call, const char *uuid)
{
    struct avow_error err = { 0 };

    AVOW_FAIL(&err, NOTFOUND, "no job %.40s", uuid);
    avow_call_fail(call, &err);
}

struct job *call_job(struct avow_jobs *jobs, struct avow_call *call)
{
    const char *uuid = avow_call_param(call, "job");
    struct avow_error err = { 0 };
    struct job *job = job_find(jobs, uuid ? uuid : "", &err);

    if (job && owns(job, call))
        return job;
    if (job || err.code == AVOW_E_NOTFOUND) /* another client's: it does not exist for this one */
        fail_notfound(call, uuid ? uuid : "");
    else
        avow_call_fail(call, &err);
    return NULL;
}

int call_number(const struct avow_call *call, const char *name, uint64_t fallback, uint64_t *out,
                struct avow_error *err)
{
    const char *s = avow_call_query(call, name);
    uint64_t v = 0;

    if (!s) {
        *out = fallback;
        return 0;
    }
    for (const char *c = s; *c || c == s; c++) {
        if (*c < '0' || *c > '9' || v > (uint64_t)INT64_MAX / 10 - 1)
            return AVOW_FAIL(err, FORMAT, "\"%s\" is not a number", name);
        v = v * 10 + (uint64_t)(*c - '0');
    }
    *out = v;
    return 0;
}

static void reply_job(struct avow_call *call, int status, const struct job *job)
{
    avow_call_reply(call, status, avow_job_record_json(&job->rec));
}

/* --- submit ------------------------------------------------------------------------------- */

struct submission {
    const char *job;
    const char *formation;
    struct avow_formation *f;
};

static int read_submission(const struct avow_call *call, struct submission *s,
                           struct avow_error *err)
{
    static const char *const keys[] = { "job", "formation", NULL };
    const json_t *body = avow_call_json(call);

    AVOW_TRY(avow_json_only(body, keys, err));
    AVOW_TRY(avow_json_get_str(body, "job", &s->job, err));
    AVOW_TRY(avow_json_get_str(body, "formation", &s->formation, err));
    if (!avow_job_uuid_ok(s->job))
        return AVOW_FAIL(err, FORMAT, "\"job\" is not a UUID");
    if (!avow_job_uuid_ok(s->formation))
        return AVOW_FAIL(err, FORMAT, "\"formation\" is not a UUID");
    return 0;
}

static int find_formation(struct avow_jobs *jobs, const struct avow_call *call,
                          struct submission *s, struct avow_error *err)
{
    const struct job *other = NULL;

    s->f = avow_formation_find(jobs->cfg.formations, s->formation);
    if (!s->f || !avow_ct_equal(avow_formation_owner(s->f), avow_call_client_spki(call), 32))
        return AVOW_FAIL(err, NOTFOUND, "no formation %s", s->formation);
    if (!avow_formation_formed(s->f))
        return AVOW_FAIL(err, STATE, "formation %s is not formed", s->formation);
    TAILQ_FOREACH(other, &jobs->list, link) {
        if (!avow_job_ended(other->rec.state) && strcmp(other->rec.formation, s->formation) == 0)
            return AVOW_FAIL(err, BUSY, "formation %s runs job %s", s->formation, other->rec.job);
    }
    if (jobs->n_active >= jobs->cfg.jobs_max)
        return AVOW_FAIL(err, BUSY, "this node has %u jobs that have not ended (at most %u)",
                         jobs->n_active, jobs->cfg.jobs_max);
    return 0;
}

/* The roster's members and the manifest's nodes are both sorted by name: they must be the same. */
static int match_roster(struct job *job, const struct submission *s, struct avow_error *err)
{
    const struct avow_roster *r = avow_formation_roster(s->f);
    const struct avow_manifest *m = &job->manifest;

    if (strcmp(m->job, s->job) != 0)
        return AVOW_FAIL(err, FORMAT, "the formation's manifest is of job %s", m->job);
    if (m->n_nodes != r->n)
        return AVOW_FAIL(err, FORMAT, "the manifest has %zu nodes, the formation %zu members",
                         m->n_nodes, r->n);
    for (size_t i = 0; i < r->n; i++)
        if (strcmp(m->nodes[i].name, r->members[i].name) != 0 ||
            strcmp(m->nodes[i].tee, avow_tee_name(r->members[i].tee)) != 0)
            return AVOW_FAIL(err, FORMAT, "the manifest's node %s (%s) is not the formation's %s",
                             m->nodes[i].name, m->nodes[i].tee, r->members[i].name);
    job->self = avow_formation_self(s->f);
    return 0;
}

static int check_size(const struct job *job, struct avow_error *err)
{
    uint64_t bytes = avow_manifest_bytes(&job->manifest, job->self);

    if (bytes > job->jobs->cfg.files_max)
        return AVOW_FAIL(err, LIMIT,
                         "program and inputs have %" PRIu64 " bytes (at most %" PRIu64
                         " on this node)",
                         bytes, job->jobs->cfg.files_max);
    return 0;
}

static json_t *created_json(const struct job *job, const struct submission *s,
                            const struct avow_call *call)
{
    struct avow_bytes text = avow_formation_manifest(s->f);
    char owner[65];
    char digest[65];
    uint8_t sha[32];

    avow_hex(AVOW_BYTES(avow_call_client_spki(call), 32), owner);
    if (avow_sha256(text, sha) < 0)
        return NULL;
    avow_hex(AVOW_BYTES_OF(sha), digest);
    return json_pack("{s:s,s:s,s:s,s:s,s:b,s:I,s:I,s:O,s:s%,s:s,s:I}", "name", job->manifest.name,
                     "formation", s->formation, "node", job->manifest.nodes[job->self].name,
                     "owner", owner, "simulated", avow_formation_simulated(s->f), "first_rank",
                     (json_int_t)avow_manifest_first_rank(&job->manifest, job->self), "ranks",
                     (json_int_t)job->manifest.nodes[job->self].ranks, "verdicts",
                     avow_formation_verdicts(s->f), "manifest", (const char *)text.data, text.len,
                     "manifest_sha256", digest, "roster_epoch",
                     (json_int_t)avow_formation_roster(s->f)->epoch);
}

static int create_folder(struct job *job, const char *uuid, struct avow_error *err)
{
    const struct avow_folder_owner owner = { job->jobs->cfg.job_uid, job->jobs->cfg.job_gid };

    return avow_folder_new(job->jobs->jobs_dir, uuid, &owner, &job->dir, err);
}

static int create(struct avow_jobs *jobs, const struct avow_call *call, const struct submission *s,
                  struct job *job, struct avow_error *err)
{
    AVOW_TRY(avow_manifest_parse(avow_formation_manifest(s->f), &job->manifest, err));
    AVOW_TRY(match_roster(job, s, err));
    AVOW_TRY(check_size(job, err));
    avow_hub_init(&job->hub, jobs->cfg.base, jobs->journal, s->job, 0);
    AVOW_TRY(create_folder(job, s->job, err));
    AVOW_TRY(upload_init(job, err));
    AVOW_TRY(telemetry_init(job, err));
    AVOW_TRY(run_init(job, err));
    return job_emit(job, AVOW_JOB_CREATED, created_json(job, s, call), EMIT_SYNC, err);
}

static void reply_needs(struct avow_call *call, int status, const struct job *job)
{
    avow_call_reply(call, status,
                    json_pack("{s:s,s:s,s:o}", "job", job->rec.job, "state",
                              avow_job_state_name(job->rec.state), "needs", upload_needs(job)));
}

static int submit_new(struct avow_jobs *jobs, struct avow_call *call, struct submission *s,
                      struct avow_error *err)
{
    struct job *job = NULL;
    int rc = 0;

    AVOW_TRY(find_formation(jobs, call, s, err));
    job = job_new(jobs);
    if (!job)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    TAILQ_INIT(&job->hub.kept); /* create may fail before it makes the hub */
    rc = create(jobs, call, s, job, err);
    if (rc < 0) {
        bool made = job->dir >= 0;

        job_free(job);
        if (made)
            (void)!avow_folder_remove(jobs->jobs_dir, s->job, NULL); /* or the next start does */
        return rc;
    }
    avow_formation_hold(s->f);
    job->held = true;
    jobs_count_active(jobs, 1);
    TAILQ_INSERT_HEAD(&jobs->list, job, link);
    run_wait(job, WAIT_UPLOAD, JOBS_UPLOAD_IDLE_MS);
    avow_metrics_count(jobs->cfg.metrics, "jobs_submitted", "Jobs accepted.", NULL, 1);
    reply_needs(call, 201, job);
    return 0;
}

static int submit(struct avow_jobs *jobs, struct avow_call *call, struct avow_error *err)
{
    struct submission s = { 0 };
    const struct job *job = NULL;
    struct avow_error none = { 0 };

    AVOW_TRY(read_submission(call, &s, err));
    job = job_find(jobs, s.job, &none);
    if (!job && none.code != AVOW_E_NOTFOUND)
        return AVOW_FAIL_CODE(err, none.code, "%s", none.text);
    if (!job)
        return submit_new(jobs, call, &s, err);
    if (!owns(job, call) || strcmp(job->rec.formation, s.formation) != 0)
        return AVOW_FAIL(err, EXISTS, "job %s exists in another formation", s.job);
    reply_needs(call, 200, job);
    return 0;
}

static void on_submit(void *ctx, struct avow_call *call)
{
    struct avow_error err = { 0 };

    if (submit(ctx, call, &err) < 0)
        avow_call_fail(call, &err);
    jobs_trim(ctx);
}

/* --- start, cancel ------------------------------------------------------------------------ */

static int start(struct job *job, struct avow_error *err)
{
    const struct upload *missing = NULL;

    if (avow_job_ended(job->rec.state))
        return AVOW_FAIL(err, STATE, "the job is %s", avow_job_state_name(job->rec.state));
    if (job->rec.state != AVOW_JOB_PENDING)
        return 0; /* a repeated request */
    missing = upload_missing(job);
    if (missing)
        return AVOW_FAIL(err, STATE, "%s is not complete: %" PRIu64 " of %" PRIu64 " bytes",
                         missing->name, missing->have, missing->file->size);
    AVOW_TRY(job_emit(job, AVOW_JOB_STARTED, NULL, EMIT_SYNC, err));
    return run_start(job, err);
}

static void on_start(void *ctx, struct avow_call *call)
{
    struct job *job = call_job(ctx, call);
    struct avow_error err = { 0 };

    if (!job)
        return;
    if (start(job, &err) < 0) {
        if (job->rec.state == AVOW_JOB_STARTING)
            run_failf(job, true, err.code, job->rec.node, -1, "%s", err.text);
        avow_call_fail(call, &err);
        return;
    }
    avow_call_reply(call, 202, json_pack("{s:s}", "state", avow_job_state_name(job->rec.state)));
}

static void on_cancel(void *ctx, struct avow_call *call)
{
    struct job *job = call_job(ctx, call);
    const char *reason = "the client asked for it";
    struct avow_error err = { 0 };

    if (!job)
        return;
    if (avow_json_opt_str(avow_call_json(call), "reason", &reason, &err) < 0) {
        avow_call_fail(call, &err);
        return;
    }
    run_failf(job, true, AVOW_E_CANCELLED, "", -1, "cancelled: %.200s", reason);
    reply_job(call, 202, job);
}

/* --- reading ------------------------------------------------------------------------------ */

static int add_uuid(void *ctx, const char *job)
{
    return json_array_append_new(ctx, json_string(job)) == 0 ? 0 : -AVOW_E_NOMEM;
}

static void on_list(void *ctx, struct avow_call *call)
{
    struct avow_jobs *jobs = ctx;
    avow_autojson json_t *uuids = json_array();
    json_t *list = json_array();
    json_t *item = NULL;
    struct avow_error err = { 0 };
    size_t i = 0;

    if (avow_journal_jobs(jobs->journal, avow_call_client_spki(call), JOBS_LIST_MAX, add_uuid,
                          uuids, &err) < 0) {
        json_decref(list);
        avow_call_fail(call, &err);
        return;
    }
    json_array_foreach(uuids, i, item) {
        const struct job *job = job_find(jobs, json_string_value(item), NULL);

        if (job)
            json_array_append_new(list, avow_job_record_json(&job->rec));
    }
    avow_call_reply(call, 200, json_pack("{s:o}", "jobs", list));
    jobs_trim(jobs);
}

static void on_get(void *ctx, struct avow_call *call)
{
    struct job *job = call_job(ctx, call);

    if (job)
        reply_job(call, 200, job);
    jobs_trim(ctx);
}

static void on_events(void *ctx, struct avow_call *call)
{
    struct job *job = call_job(ctx, call);
    struct avow_error err = { 0 };
    uint64_t since = 0;

    if (!job)
        return;
    if (call_number(call, "since", 0, &since, &err) < 0) {
        avow_call_fail(call, &err);
        return;
    }
    avow_hub_follow(&job->hub, call, since);
}

static void on_sync(void *ctx, struct avow_call *call)
{
    struct job *job = call_job(ctx, call);

    if (job)
        avow_call_reply(call, 200, telemetry_sync(job));
}

static int read_output(const struct job *job, const struct avow_call *call, struct avow_buf *out,
                       struct avow_error *err)
{
    const char *stream = avow_call_query(call, "stream");
    const struct job *j = job;
    uint64_t rank = 0;
    uint64_t offset = 0;
    uint64_t from = 0;
    size_t which = 0;

    AVOW_TRY(call_number(call, "rank", job->rec.first_rank, &rank, err));
    AVOW_TRY(call_number(call, "offset", 0, &offset, err));
    if (stream && strcmp(stream, "stdout") != 0 && strcmp(stream, "stderr") != 0)
        return AVOW_FAIL(err, FORMAT, "\"stream\" is neither stdout nor stderr");
    if (rank < job->rec.first_rank || rank - job->rec.first_rank >= job->rec.n_ranks)
        return AVOW_FAIL(err, NOTFOUND, "rank %" PRIu64 " is not on node %s", rank, job->rec.node);
    if (!j->tel.out)
        return AVOW_FAIL(err, NOTFOUND, "the output of job %s is no longer kept", job->rec.job);
    which = (size_t)(rank - job->rec.first_rank) * 2 + (stream && strcmp(stream, "stderr") == 0);
    AVOW_TRY(avow_tail_read(&j->tel.out[which].tail, offset, JOBS_PART_MAX, &from, out));
    return 0;
}

static void on_output(void *ctx, struct avow_call *call)
{
    struct job *job = call_job(ctx, call);
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(JOBS_PART_MAX);
    struct avow_error err = { 0 };

    if (!job)
        return;
    if (read_output(job, call, &out, &err) < 0) {
        avow_call_fail(call, &err);
        return;
    }
    avow_call_reply_bytes(call, 200, "application/octet-stream", avow_buf_view(&out));
}

void jobs_register(struct avow_jobs *jobs)
{
    struct avow_http *h = jobs->cfg.http;

    avow_http_route(h, "POST", "/v1/job/submit", 0, on_submit, jobs);
    avow_http_route(h, "GET", "/v1/jobs", 0, on_list, jobs);
    avow_http_route(h, "GET", "/v1/jobs/{job}", 0, on_get, jobs);
    avow_http_route(h, "POST", "/v1/jobs/{job}/start", 0, on_start, jobs);
    avow_http_route(h, "POST", "/v1/jobs/{job}/cancel", 0, on_cancel, jobs);
    avow_http_route(h, "GET", "/v1/jobs/{job}/events", 0, on_events, jobs);
    avow_http_route(h, "GET", "/v1/jobs/{job}/output", 0, on_output, jobs);
    avow_http_route(h, "GET", "/v1/jobs/{job}/sync", 0, on_sync, jobs);
}
