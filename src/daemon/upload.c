#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "crypto/hash.h"
#include "daemon/jobs_internal.h"

/* The last part of a file is in: is it the file that the manifest names? */
struct check {
    struct job *job;
    struct upload *upload;
    struct avow_call *call; /* NULL once its client left */
    int fd;
    int rc;
    struct avow_error err;
};

static int add(struct job *job, const struct avow_job_file *file, const char *prefix,
               const char *name, struct avow_error *err)
{
    struct upload *u = &job->uploads[job->n_uploads];
    int n = snprintf(u->name, sizeof u->name, "%s%s", prefix, name);

    if (n < 0 || (size_t)n >= sizeof u->name || !avow_job_file_name_ok(u->name))
        return AVOW_FAIL(err, LIMIT, "the name %s%.80s... is too long or too deep", prefix, name);
    u->file = file;
    job->n_uploads++;
    return 0;
}

static bool has_digest(const struct upload *u, const uint8_t digest[32])
{
    return avow_bytes_equal(AVOW_BYTES(digest, 32), AVOW_BYTES_OF(u->file->sha256));
}

/* Nobody sends an empty file: make it now, if it is one. */
static int make_empty(struct job *job, struct upload *u, struct avow_error *err)
{
    const struct avow_folder_owner owner = { job->jobs->cfg.job_uid, job->jobs->cfg.job_gid };
    avow_autoclose int fd = -1;
    uint8_t digest[32];

    if (avow_sha256(AVOW_BYTES("", 0), digest) < 0 || !has_digest(u, digest))
        return AVOW_FAIL(err, DIGEST, "%s is empty but has another digest in the manifest",
                         u->name);
    AVOW_TRY(avow_folder_write(job->dir, u->name, u == job->uploads, &owner, &fd, err));
    u->complete = true;
    return 0;
}

int upload_init(struct job *job, struct avow_error *err)
{
    const struct avow_job_node *node = &job->manifest.nodes[job->self];

    job->uploads = calloc(node->n_inputs + 1, sizeof *job->uploads);
    if (!job->uploads)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(add(job, &job->manifest.program, "", "program", err)); /* always the first */
    for (size_t i = 0; i < node->n_inputs; i++)
        AVOW_TRY(add(job, &node->inputs[i], "input/", node->inputs[i].name, err));
    for (size_t i = 0; i < job->n_uploads; i++)
        if (job->uploads[i].file->size == 0)
            AVOW_TRY(make_empty(job, &job->uploads[i], err));
    return 0;
}

void upload_done(struct job *job)
{
    free(job->uploads);
    job->uploads = NULL;
    job->n_uploads = 0;
}

json_t *upload_needs(const struct job *job)
{
    json_t *list = json_array();

    for (size_t i = 0; i < job->n_uploads; i++) {
        const struct upload *u = &job->uploads[i];
        char hex[65];

        for (size_t k = 0; k < 32; k++)
            snprintf(hex + 2 * k, 3, "%02x", u->file->sha256[k]);
        json_array_append_new(list, json_pack("{s:s,s:I,s:s,s:I}", "name", u->name, "size",
                                              (json_int_t)u->file->size, "sha256", hex, "have",
                                              (json_int_t)u->have));
    }
    return list;
}

const struct upload *upload_missing(const struct job *job)
{
    for (size_t i = 0; i < job->n_uploads; i++)
        if (!job->uploads[i].complete)
            return &job->uploads[i];
    return NULL;
}

static struct upload *find(const struct job *job, const char *name)
{
    for (size_t i = 0; name && i < job->n_uploads; i++)
        if (strcmp(job->uploads[i].name, name) == 0)
            return &job->uploads[i];
    return NULL;
}

static void reply_have(struct avow_call *call, const struct upload *u)
{
    avow_call_reply(call, 200,
                    json_pack("{s:s,s:I,s:b}", "name", u->name, "have", (json_int_t)u->have,
                              "complete", u->complete));
}

/* --- the last part ------------------------------------------------------------------------ */

static int verify(struct check *c)
{
    uint8_t digest[32];
    uint64_t size = 0;

    if (fsync(c->fd) < 0)
        return AVOW_FAIL_SYS(&c->err, "cannot keep %s", c->upload->name);
    if (lseek(c->fd, 0, SEEK_SET) < 0)
        return AVOW_FAIL_SYS(&c->err, "cannot read %s", c->upload->name);
    AVOW_TRY(avow_sha256_fd(c->fd, digest, &size, &c->err));
    if (size != c->upload->file->size || !has_digest(c->upload, digest))
        return AVOW_FAIL(&c->err, DIGEST, "%s is not the file that the manifest names",
                         c->upload->name);
    return 0;
}

static void check_run(void *ctx)
{
    struct check *c = ctx;

    c->rc = verify(c);
}

static void check_done(void *ctx)
{
    struct check *c = ctx;
    struct upload *u = c->upload;

    c->job->works--;
    u->busy = false;
    u->complete = c->rc == 0;
    if (c->rc < 0 && ftruncate(c->fd, 0) == 0)
        u->have = 0; /* it may be sent again */
    close(c->fd);
    if (c->call && c->rc < 0)
        avow_call_fail(c->call, &c->err);
    else if (c->call)
        reply_have(c->call, u);
    free(c);
}

static void check_gone(void *ctx)
{
    struct check *c = ctx;

    c->call = NULL;
}

static int check_start(struct job *job, struct upload *u, int *fd, struct avow_call *call,
                       struct avow_error *err)
{
    struct check *c = calloc(1, sizeof *c);

    if (!c)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    *c = (struct check){ .job = job, .upload = u, .call = call, .fd = *fd };
    if (avow_work_submit(job->jobs->work, check_run, check_done, c) < 0) {
        free(c);
        return AVOW_FAIL(err, BUSY, "too many files are being verified");
    }
    *fd = -1;
    u->busy = true;
    job->works++;
    avow_call_defer(call, check_gone, c);
    return 0;
}

/* --- a part ------------------------------------------------------------------------------- */

static int write_all(int fd, struct avow_bytes b, uint64_t at)
{
    while (b.len) {
        ssize_t n = pwrite(fd, b.data, b.len, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        b = avow_bytes_sub(b, (size_t)n, b.len - (size_t)n);
        at += (uint64_t)n;
    }
    return 0;
}

/* 0: more parts are to come, and the call was answered; 1: an error that has `have`. */
static int put_part(struct job *job, struct upload *u, struct avow_call *call,
                    struct avow_error *err)
{
    const struct avow_folder_owner owner = { job->jobs->cfg.job_uid, job->jobs->cfg.job_gid };
    struct avow_bytes body = avow_call_body(call);
    avow_autoclose int fd = -1;
    uint64_t offset = 0;

    AVOW_TRY(call_number(call, "offset", 0, &offset, err));
    if (u->busy)
        return AVOW_FAIL(err, BUSY, "%s is being verified", u->name);
    if (offset != u->have) {
        AVOW_FAIL(err, STATE, "the part of %s starts at %" PRIu64 ", but the node has %" PRIu64,
                  u->name, offset, u->have);
        return 1;
    }
    if (body.len > u->file->size - u->have || body.len > JOBS_PART_MAX)
        return AVOW_FAIL(err, LIMIT, "a part of %zu bytes for %s, which has %" PRIu64 " to come",
                         body.len, u->name, u->file->size - u->have);
    if (u->complete || (body.len == 0 && u->have < u->file->size)) {
        reply_have(call, u);
        return 0;
    }
    AVOW_TRY(avow_folder_write(job->dir, u->name, u == job->uploads, &owner, &fd, err));
    if (write_all(fd, body, u->have) < 0)
        return AVOW_FAIL_SYS(err, "cannot write %s", u->name);
    if (u->have + body.len == u->file->size) {
        AVOW_TRY(check_start(job, u, &fd, call, err));
        u->have += body.len;
        return 0;
    }
    u->have += body.len;
    reply_have(call, u);
    return 0;
}

static void reply_offset(struct avow_call *call, const struct upload *u,
                         const struct avow_error *err)
{
    avow_call_reply(call, 409,
                    json_pack("{s:{s:s,s:s,s:s},s:I}", "error", "code", avow_err_name(err->code),
                              "message", err->text, "hint", avow_err_hint(err->code), "have",
                              (json_int_t)u->have));
}

static void on_put(void *ctx, struct avow_call *call)
{
    struct avow_jobs *jobs = ctx;
    struct job *job = call_job(jobs, call);
    struct upload *u = NULL;
    struct avow_error err = { 0 };
    size_t n = 0;
    int rc = 0;

    if (!job)
        return;
    u = find(job, avow_call_param(call, "name"));
    n = avow_call_body(call).len;
    if (job->rec.state != AVOW_JOB_PENDING)
        rc = AVOW_FAIL(&err, STATE, "the job takes no more files");
    else if (!u)
        rc = AVOW_FAIL(&err, NOTFOUND, "the manifest has no such file for this node");
    else
        rc = put_part(job, u, call, &err);
    if (rc < 0) {
        avow_call_fail(call, &err);
        return;
    }
    if (rc > 0) {
        reply_offset(call, u, &err);
        return;
    }
    run_wait(job, WAIT_UPLOAD, JOBS_UPLOAD_IDLE_MS);
    avow_metrics_count(jobs->cfg.metrics, "received_bytes", "Bytes of job files received.", NULL,
                       n);
}

void upload_register(struct avow_jobs *jobs)
{
    avow_http_route(jobs->cfg.http, "PUT", "/v1/jobs/{job}/files/{name...}", AVOW_ROUTE_RAW, on_put,
                    jobs);
}
