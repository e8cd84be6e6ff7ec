#include <errno.h>
#include <inttypes.h>

#include "daemon/jobs_internal.h"

/* --- digests ------------------------------------------------------------------------------ */

struct collect {
    struct job *job;
    uint64_t bytes_max;
    struct avow_folder_list list;
    int rc;
    struct avow_error err;
};

static void collect_run(void *ctx)
{
    struct collect *c = ctx;

    c->rc = avow_folder_digest(c->job->dir, "output", AVOW_JOB_RESULTS_MAX, c->bytes_max, &c->list,
                               &c->err);
}

static void note_skipped(struct job *job, uint32_t n)
{
    if (n && !avow_job_ended(job->rec.state))
        job_note(job, "%u entries of output/ on %s are not plain files with plain names: left out",
                 n, job->rec.node);
}

/* A job that failed keeps what it wrote; if that cannot be listed, there is just nothing to fetch.
 */
static void collected_failed(struct job *job, struct collect *c)
{
    json_t *files = c->rc == 0 ? c->list.files : json_array();
    struct avow_error err = { 0 };

    if (job_emit(job, AVOW_JOB_RESULTS, json_pack("{s:o}", "files", files), EMIT_SYNC, &err) < 0)
        avow_metrics_count(job->jobs->cfg.metrics, "journal_errors",
                           "Events that could not be journaled.", NULL, 1);
}

static void collect_done(void *ctx)
{
    struct collect *c = ctx;
    struct job *job = c->job;

    job->works--;
    job->digesting = false;
    if (c->rc == 0)
        note_skipped(job, c->list.skipped);
    if (avow_job_ended(job->rec.state))
        collected_failed(job, c);
    else if (c->rc < 0)
        run_failf(job, true, c->err.code, job->rec.node, -1, "results on %s: %s", job->rec.node,
                  c->err.text);
    else
        run_complete(job, c->list.files);
    free(c);
    results_wipe_inputs(job);
}

void results_collect(struct job *job)
{
    struct collect *c = NULL;

    if (job->digesting || job->dir < 0 || job->rec.files)
        return;
    c = calloc(1, sizeof *c);
    if (c)
        *c = (struct collect){ .job = job, .bytes_max = job->manifest.outputs_max };
    if (!c || avow_work_submit(job->jobs->work, collect_run, collect_done, c) < 0) {
        free(c);
        run_failf(job, true, AVOW_E_BUSY, job->rec.node, -1,
                  "results on %s cannot be read now: too much to do", job->rec.node);
        return;
    }
    job->digesting = true;
    job->works++;
}

/* --- removal ------------------------------------------------------------------------------ */

struct removal {
    struct job *job;
    struct avow_call *call; /* of DELETE; NULL once its client left */
    int rc;
    struct avow_error err;
};

static void wipe_run(void *ctx)
{
    struct removal *r = ctx;

    r->rc = avow_folder_remove(r->job->dir, "program", &r->err);
    if (r->rc == 0)
        r->rc = avow_folder_remove(r->job->dir, "input", &r->err);
}

static void wipe_done(void *ctx)
{
    struct removal *r = ctx;
    struct avow_jobs *jobs = r->job->jobs;

    r->job->works--;
    if (r->rc < 0)
        avow_metrics_count(jobs->cfg.metrics, "file_errors",
                           "Files of jobs that could not be removed.", NULL, 1);
    free(r);
    if (!jobs->stopping) /* then the list is being walked */
        jobs_trim(jobs);
}

void results_wipe_inputs(struct job *job)
{
    struct removal *r = NULL;

    /* ranks that still end may read them; a job that is completing is not ended yet */
    if (job->wiped || job->dir < 0 || job->run.shell || job->digesting ||
        !avow_job_ended(job->rec.state))
        return;
    r = calloc(1, sizeof *r);
    if (r)
        r->job = job;
    if (!r || avow_work_submit(job->jobs->work, wipe_run, wipe_done, r) < 0) {
        free(r); /* the next start of the daemon does it */
        return;
    }
    job->wiped = true;
    job->works++;
}

static void delete_run(void *ctx)
{
    struct removal *r = ctx;

    r->rc = avow_folder_remove(r->job->jobs->jobs_dir, r->job->hub.job, &r->err);
}

static void delete_done(void *ctx)
{
    struct removal *r = ctx;

    r->job->works--;
    if (r->call && r->rc < 0)
        avow_call_fail(r->call, &r->err);
    else if (r->call)
        avow_call_reply(r->call, 200, json_object());
    free(r);
}

static void delete_gone(void *ctx)
{
    struct removal *r = ctx;

    r->call = NULL;
}

static int delete (struct job *job, struct avow_call *call, struct avow_error *err)
{
    struct removal *r = NULL;

    if (!avow_job_ended(job->rec.state))
        return AVOW_FAIL(err, STATE, "the job is %s: cancel it first",
                         avow_job_state_name(job->rec.state));
    /* ranks of a failed job may still write; of a completed one there are none */
    if (job->rec.state == AVOW_JOB_FAILED && (job->run.shell || job->digesting))
        return AVOW_FAIL(err, BUSY, "the job is being tidied up");
    r = calloc(1, sizeof *r);
    if (!r)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    *r = (struct removal){ .job = job, .call = call };
    /* first the record, then the files: the other way round, a crash would leave a wrong record */
    if (!job->rec.deleted) {
        int rc = job_emit(job, AVOW_JOB_DELETED, NULL, EMIT_SYNC, err);

        if (rc < 0) {
            free(r);
            return rc;
        }
    }
    if (avow_work_submit(job->jobs->work, delete_run, delete_done, r) < 0) {
        free(r);
        return AVOW_FAIL(err, BUSY, "too much to do");
    }
    job->works++;
    telemetry_forget(job);
    avow_call_defer(call, delete_gone, r);
    return 0;
}

static void on_delete(void *ctx, struct avow_call *call)
{
    struct job *job = call_job(ctx, call);
    struct avow_error err = { 0 };

    if (job && delete (job, call, &err) < 0)
        avow_call_fail(call, &err);
}

/* --- reading ------------------------------------------------------------------------------ */

static int check_readable(const struct job *job, struct avow_error *err)
{
    if (!avow_job_ended(job->rec.state))
        return AVOW_FAIL(err, STATE, "the job is %s: it has no results yet",
                         avow_job_state_name(job->rec.state));
    if (job->rec.deleted)
        return AVOW_FAIL(err, NOTFOUND, "the files of job %s were deleted", job->rec.job);
    if (!job->rec.files && (job->run.shell || job->digesting))
        return AVOW_FAIL(err, BUSY, "the results are being digested");
    return 0;
}

static void on_results(void *ctx, struct avow_call *call)
{
    struct job *job = call_job(ctx, call);
    struct avow_error err = { 0 };

    if (!job)
        return;
    if (check_readable(job, &err) < 0) {
        avow_call_fail(call, &err);
        return;
    }
    avow_call_reply(
        call, 200,
        json_pack("{s:o}", "files", job->rec.files ? json_incref(job->rec.files) : json_array()));
}

static const json_t *listed(const struct job *job, const char *name)
{
    json_t *item = NULL;
    size_t i = 0;

    json_array_foreach(job->rec.files, i, item) {
        if (name && strcmp(json_string_value(json_object_get(item, "name")), name) == 0)
            return item;
    }
    return NULL;
}

static int open_result(const struct job *job, const char *name, int *fd, struct avow_error *err)
{
    avow_autoclose int output = -1;

    AVOW_TRY(check_readable(job, err));
    if (!listed(job, name) || job->dir < 0)
        return AVOW_FAIL(err, NOTFOUND, "no result %.255s", name ? name : "");
    AVOW_TRY(avow_folder_open(job->dir, "output", &output, err));
    return avow_folder_read(output, name, fd, err);
}

static int read_at(int fd, uint64_t offset, size_t n, struct avow_buf *out, struct avow_error *err)
{
    avow_autofree uint8_t *p = malloc(n ? n : 1);
    size_t got = 0;

    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    while (got < n) {
        ssize_t k = pread(fd, p + got, n - got, (off_t)(offset + got));

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return AVOW_FAIL_SYS(err, "cannot read the result");
        if (k == 0)
            return AVOW_FAIL(err, DIGEST, "the result is shorter than when it was digested");
        got += (size_t)k;
    }
    AVOW_TRY(avow_buf_put(out, p, n));
    return 0;
}

static int read_result(const struct job *job, const struct avow_call *call, struct avow_buf *out,
                       struct avow_error *err)
{
    const char *name = avow_call_param(call, "name");
    avow_autoclose int fd = -1;
    uint64_t offset = 0;
    uint64_t size = 0;

    AVOW_TRY(call_number(call, "offset", 0, &offset, err));
    AVOW_TRY(open_result(job, name, &fd, err));
    size = (uint64_t)json_integer_value(json_object_get(listed(job, name), "size"));
    if (offset > size)
        return AVOW_FAIL(err, LIMIT, "offset %" PRIu64 " in a file of %" PRIu64 " bytes", offset,
                         size);
    size -= offset;
    return read_at(fd, offset, size < JOBS_PART_MAX ? (size_t)size : JOBS_PART_MAX, out, err);
}

static void on_result(void *ctx, struct avow_call *call)
{
    struct avow_jobs *jobs = ctx;
    struct job *job = call_job(jobs, call);
    avow_auto(avow_buf_done) struct avow_buf out = AVOW_BUF(JOBS_PART_MAX);
    struct avow_error err = { 0 };

    if (!job)
        return;
    if (read_result(job, call, &out, &err) < 0) {
        avow_call_fail(call, &err);
        return;
    }
    avow_metrics_count(jobs->cfg.metrics, "sent_bytes", "Bytes of results sent.", NULL, out.len);
    avow_call_reply_bytes(call, 200, "application/octet-stream", avow_buf_view(&out));
}

void results_register(struct avow_jobs *jobs)
{
    struct avow_http *h = jobs->cfg.http;

    avow_http_route(h, "GET", "/v1/jobs/{job}/results", 0, on_results, jobs);
    avow_http_route(h, "GET", "/v1/jobs/{job}/results/{name...}", 0, on_result, jobs);
    avow_http_route(h, "DELETE", "/v1/jobs/{job}", 0, on_delete, jobs);
}
