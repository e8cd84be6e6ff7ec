#include "daemon/jobs_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

int64_t jobs_now_ms(void)
{
    struct timespec ts = { 0 };

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t jobs_mono_ms(void)
{
    struct timespec ts = { 0 };

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void jobs_after(struct event *ev, int64_t ms)
{
    const struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

    event_add(ev, &tv);
}

/* --- changing a job ----------------------------------------------------------------------- */

static void publish(struct job *job, const struct avow_job_event *e)
{
    json_t *data = NULL;
    const char *type = NULL;

    /* sync points are shown by telemetry.c, not one by one */
    if (e->type == AVOW_JOB_SYNC_BEGIN || e->type == AVOW_JOB_SYNC_END)
        return;
    type = avow_job_event_public(e, &data);
    if (type)
        avow_hub_publish(&job->hub, e->seq, type, data);
    json_decref(data);
}

static int record_event(struct job *job, const struct avow_job_event *e, enum emit how,
                        struct avow_error *err)
{
    avow_auto(avow_job_record_done) struct avow_job_record next = { 0 };
    struct avow_job_record old = { 0 };

    if (avow_job_record_copy(&job->rec, &next) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_job_record_apply(&next, e, err));
    if (how != EMIT_LIVE)
        AVOW_TRY(avow_journal_append(
            job->jobs->journal, e, how == EMIT_SYNC ? AVOW_JOURNAL_SYNC : AVOW_JOURNAL_LAZY, err));
    old = job->rec;
    job->rec = next;
    next = old;
    return 0;
}

int job_emit(struct job *job, enum avow_job_event_type type, json_t *take_data, enum emit how,
             struct avow_error *err)
{
    avow_autojson json_t *data = take_data ? take_data : json_object();
    struct avow_job_event e = {
        .type = type, .seq = job->seq + 1, .t = jobs_now_ms(), .data = data
    };

    memcpy(e.job, job->hub.job, sizeof e.job);
    AVOW_TRY(record_event(job, &e, how, err));
    job->seq = e.seq;
    publish(job, &e);
    return 0;
}

void job_publish(struct job *job, const char *type, json_t *take_data)
{
    avow_autojson json_t *data = take_data;

    if (!data)
        return;
    json_object_set_new(data, "t", json_integer(jobs_now_ms()));
    avow_hub_publish(&job->hub, ++job->seq, type, data);
}

void job_note(struct job *job, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    /* a note that cannot be kept is still nobody's failure */
    if (job_emit(job, AVOW_JOB_NOTE, json_pack("{s:s}", "text", text), EMIT_LAZY, NULL) < 0)
        avow_metrics_count(job->jobs->cfg.metrics, "job_notes_lost",
                           "Notes that could not be journaled.", NULL, 1);
}

/* --- look-up ------------------------------------------------------------------------------ */

struct job *job_known(struct avow_jobs *jobs, const char *uuid)
{
    struct job *job = NULL;

    TAILQ_FOREACH(job, &jobs->list, link) {
        if (strcmp(job->hub.job, uuid) == 0)
            return job;
    }
    return NULL;
}

struct job *job_new(struct avow_jobs *jobs)
{
    struct job *job = calloc(1, sizeof *job);

    if (!job)
        return NULL;
    job->jobs = jobs;
    job->dir = -1;
    return job;
}

void job_free(struct job *job)
{
    run_done(job);
    telemetry_done(job);
    upload_done(job);
    avow_hub_done(&job->hub);
    avow_manifest_done(&job->manifest);
    avow_job_record_done(&job->rec);
    if (job->dir >= 0)
        close(job->dir);
    free(job);
}

struct job *job_find(struct avow_jobs *jobs, const char *uuid, struct avow_error *err)
{
    struct job *job = avow_job_uuid_ok(uuid) ? job_known(jobs, uuid) : NULL;

    if (job)
        return job;
    job = job_new(jobs);
    if (!job) {
        AVOW_FAIL(err, NOMEM, "out of memory");
        return NULL;
    }
    if (avow_journal_load(jobs->journal, uuid, &job->rec, err) < 0) {
        free(job);
        return NULL;
    }
    avow_hub_init(&job->hub, jobs->cfg.base, jobs->journal, uuid, job->rec.seq);
    avow_hub_end(&job->hub); /* jobs that had not ended were, when the journal was opened */
    job->seq = job->rec.seq;
    job->wiped = true;
    if (!job->rec.deleted && avow_folder_open(jobs->jobs_dir, uuid, &job->dir, NULL) < 0)
        job->dir = -1;
    TAILQ_INSERT_TAIL(&jobs->list, job, link);
    return job;
}

static bool can_go(const struct job *job)
{
    return avow_job_ended(job->rec.state) && !job->run.shell && !job->digesting &&
           job->works == 0 && job->hub.n_followers == 0;
}

void jobs_trim(struct avow_jobs *jobs)
{
    struct job *job = NULL;
    struct job *next = NULL;
    unsigned kept = 0;
    size_t bytes = 0;

    for (job = TAILQ_FIRST(&jobs->list); job; job = next) {
        next = TAILQ_NEXT(job, link);
        if (!can_go(job))
            continue;
        avow_manifest_done(&job->manifest); /* up to 8 MiB that nobody asks for any more */
        upload_done(job);
        bytes += job->tel.out_bytes;
        if (bytes > JOBS_TAILS_KEPT)
            telemetry_forget(job);
        if (++kept > JOBS_ENDED_KEPT) {
            TAILQ_REMOVE(&jobs->list, job, link);
            job_free(job);
        }
    }
}

struct avow_formation *job_formation(const struct job *job)
{
    return avow_formation_find(job->jobs->cfg.formations, job->rec.formation);
}

const char *job_node_name(const struct job *job, uint32_t index)
{
    return index < job->manifest.n_nodes ? job->manifest.nodes[index].name : "";
}

void avow_jobs_auth_failed(void *jobs, const char *uuid, uint32_t peer_node, const char *text)
{
    struct job *job = uuid && *uuid ? job_known(jobs, uuid) : NULL;

    if (job)
        run_failf(job, true, AVOW_E_AUTH, job_node_name(job, peer_node), -1, "%s", text);
}

/* --- recovery ----------------------------------------------------------------------------- */

struct uuids {
    char (*list)[AVOW_JOB_UUID_LEN + 1];
    size_t n;
};

static int collect(void *ctx, const char *job)
{
    struct uuids *u = ctx;
    void *grown = realloc(u->list, (u->n + 1) * sizeof *u->list);

    if (!grown)
        return -AVOW_E_NOMEM;
    u->list = grown;
    memcpy(u->list[u->n++], job, AVOW_JOB_UUID_LEN + 1);
    return 0;
}

/* Keys of formations were in the memory of the process that is gone: nothing can go on. */
static int fail_interrupted(struct avow_jobs *jobs, const char *uuid, struct avow_error *err)
{
    avow_auto(avow_job_record_done) struct avow_job_record rec = { 0 };
    avow_autojson json_t *data = NULL;
    struct avow_job_reason reason = { .code = AVOW_E_STATE, .rank = -1 };
    struct avow_job_event e = { .type = AVOW_JOB_FAIL, .t = jobs_now_ms() };

    AVOW_TRY(avow_journal_load(jobs->journal, uuid, &rec, err));
    snprintf(reason.message, sizeof reason.message, "avowd was restarted while the job was %s",
             avow_job_state_name(rec.state));
    memcpy(reason.node, rec.node, sizeof reason.node);
    data = json_pack("{s:o}", "reason", avow_job_reason_json(&reason));
    memcpy(e.job, rec.job, sizeof e.job);
    e.seq = rec.seq + JOBS_SEQ_AFTER_RESTART;
    e.data = data;
    AVOW_TRY(avow_job_record_apply(&rec, &e, err));
    AVOW_TRY(avow_journal_append(jobs->journal, &e, AVOW_JOURNAL_SYNC, err));
    avow_metrics_count(jobs->cfg.metrics, "jobs", "Jobs by final state.", "state=FAILED", 1);
    avow_metrics_count(jobs->cfg.metrics, "job_failures", "Failed jobs by reason.", "code=state",
                       1);
    return 0;
}

static int recover(struct avow_jobs *jobs, struct avow_error *err)
{
    struct uuids open = { 0 };
    int rc = avow_journal_unended(jobs->journal, collect, &open, err);

    for (size_t i = 0; rc == 0 && i < open.n; i++)
        rc = fail_interrupted(jobs, open.list[i], err);
    free(open.list);
    return rc;
}

/* What the journal does not say is worth keeping goes. */
static int sweep_one(struct avow_jobs *jobs, const char *name, struct avow_error *err)
{
    avow_auto(avow_job_record_done) struct avow_job_record rec = { 0 };
    avow_autoclose int dir = -1;

    if (strncmp(name, ".removed-", 9) == 0)
        return avow_folder_remove(jobs->jobs_dir, name, err);
    if (!avow_job_uuid_ok(name))
        return 0; /* not ours */
    if (avow_journal_load(jobs->journal, name, &rec, NULL) < 0 || rec.deleted || !rec.files)
        return avow_folder_remove(jobs->jobs_dir, name, err);
    AVOW_TRY(avow_folder_open(jobs->jobs_dir, name, &dir, err));
    AVOW_TRY(avow_folder_remove(dir, "program", err));
    return avow_folder_remove(dir, "input", err);
}

static int sweep(struct avow_jobs *jobs, struct avow_error *err)
{
    int fd = openat(jobs->jobs_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e = NULL;
    int rc = 0;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return AVOW_FAIL_SYS(err, "cannot list %s", jobs->jobs_path);
    }
    while (rc == 0 && (e = readdir(d)) != NULL)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            rc = sweep_one(jobs, e->d_name, err);
    closedir(d);
    return rc;
}

/* --- opening ------------------------------------------------------------------------------ */

/* The ranks' own user must get through, and see no more than that. */
static int make_state(struct avow_jobs *jobs, struct avow_error *err)
{
    const char *state = jobs->cfg.state_dir;
    mode_t through = jobs->cfg.job_uid >= 0 ? 0711 : 0700;
    avow_autofree char *path = NULL;

    if (mkdir(state, through) < 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "cannot make the state folder %s", state);
    if (chmod(state, through) < 0)
        return AVOW_FAIL_SYS(err, "cannot set the mode of the state folder %s", state);
    path = realpath(state, NULL);
    if (!path || asprintf(&jobs->jobs_path, "%s/jobs", path) < 0) {
        jobs->jobs_path = NULL;
        return AVOW_FAIL_SYS(err, "cannot find the state folder %s", state);
    }
    if (mkdir(jobs->jobs_path, through) < 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "cannot make %s", jobs->jobs_path);
    jobs->jobs_dir = open(jobs->jobs_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (jobs->jobs_dir < 0 || fchmod(jobs->jobs_dir, through) < 0)
        return AVOW_FAIL_SYS(err, "cannot open %s", jobs->jobs_path);
    return 0;
}

static bool may_pass(const struct stat *st, int uid, int gid)
{
    if ((int64_t)st->st_uid == uid)
        return st->st_mode & S_IXUSR;
    if ((int64_t)st->st_gid == gid)
        return st->st_mode & S_IXGRP;
    return st->st_mode & S_IXOTH;
}

/* Every folder on the way: better said at the start than by a rank that cannot be executed. */
static int check_way(const struct avow_jobs *jobs, struct avow_error *err)
{
    const struct avow_jobs_config *cfg = &jobs->cfg;
    avow_autofree char *path = strdup(jobs->jobs_path);

    for (char *s = path; s && cfg->job_uid >= 0; s = strchr(s + 1, '/')) {
        char kept = s[1];
        struct stat st;

        s[1] = 0; /* "/", "/var/", "/var/lib/", ... */
        if (stat(path, &st) == 0 && !may_pass(&st, cfg->job_uid, cfg->job_gid)) {
            errno = EACCES;
            return AVOW_FAIL_SYS(err, "the jobs' user %d cannot pass through %s (mode %03o)",
                                 cfg->job_uid, path, (unsigned)st.st_mode & 0777u);
        }
        s[1] = kept;
    }
    return path ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int open_journal(struct avow_jobs *jobs, struct avow_error *err)
{
    avow_autofree char *path = NULL;

    if (asprintf(&path, "%s/journal.db", jobs->cfg.state_dir) < 0) {
        path = NULL;
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return avow_journal_open(path, &jobs->journal, err);
}

void jobs_count_active(struct avow_jobs *jobs, int change)
{
    jobs->n_active = (uint32_t)((int64_t)jobs->n_active + change);
    avow_metrics_set(jobs->cfg.metrics, "jobs_active", "Jobs that have not ended.", NULL,
                     jobs->n_active);
}

static int copy_config(struct avow_jobs *jobs, const struct avow_jobs_config *cfg)
{
    jobs->cfg = *cfg;
    jobs->cfg.state_dir = strdup(cfg->state_dir);
    jobs->cfg.shell_path = strdup(cfg->shell_path);
    jobs->cfg.preload_path = strdup(cfg->preload_path);
    jobs->cfg.node_name = strdup(cfg->node_name);
    return jobs->cfg.state_dir && jobs->cfg.shell_path && jobs->cfg.preload_path &&
                   jobs->cfg.node_name
               ? 0
               : -AVOW_E_NOMEM;
}

static int open_all(struct avow_jobs *jobs, const struct avow_jobs_config *cfg,
                    struct avow_error *err)
{
    if (copy_config(jobs, cfg) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(make_state(jobs, err));
    AVOW_TRY(check_way(jobs, err));
    AVOW_TRY(open_journal(jobs, err));
    AVOW_TRY(recover(jobs, err));
    AVOW_TRY(sweep(jobs, err));
    AVOW_TRY(avow_work_new(cfg->base, &jobs->work, err));
    jobs_count_active(jobs, 0);
    return 0;
}

int avow_jobs_new(const struct avow_jobs_config *cfg, struct avow_jobs **out,
                  struct avow_error *err)
{
    struct avow_jobs *jobs = calloc(1, sizeof *jobs);
    int rc = 0;

    if (!jobs)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    TAILQ_INIT(&jobs->list);
    jobs->jobs_dir = -1;
    rc = open_all(jobs, cfg, err);
    if (rc < 0) {
        avow_jobs_free(jobs);
        return rc;
    }
    run_register(jobs);
    jobs_register(jobs);
    upload_register(jobs);
    results_register(jobs);
    *out = jobs;
    return 0;
}

static void free_config(struct avow_jobs_config *cfg)
{
    free((void *)(uintptr_t)cfg->state_dir);
    free((void *)(uintptr_t)cfg->shell_path);
    free((void *)(uintptr_t)cfg->preload_path);
    free((void *)(uintptr_t)cfg->node_name);
}

void avow_jobs_free(struct avow_jobs *jobs)
{
    const struct avow_formation_user nobody = { 0 };
    struct job *job = NULL;

    if (!jobs)
        return;
    jobs->stopping = true;
    TAILQ_FOREACH(job, &jobs->list, link) {
        if (!avow_job_ended(job->rec.state))
            run_failf(job, true, AVOW_E_CANCELLED, jobs->cfg.node_name, -1,
                      "avowd on %s was stopped", jobs->cfg.node_name);
        run_done(job);
    }
    avow_formations_set_user(jobs->cfg.formations, &nobody);
    avow_work_free(jobs->work); /* its last results come in while the jobs are still there */
    while ((job = TAILQ_FIRST(&jobs->list)) != NULL) {
        TAILQ_REMOVE(&jobs->list, job, link);
        job_free(job);
    }
    avow_journal_close(jobs->journal);
    if (jobs->jobs_dir >= 0)
        close(jobs->jobs_dir);
    free(jobs->jobs_path);
    free_config(&jobs->cfg);
    free(jobs);
}
