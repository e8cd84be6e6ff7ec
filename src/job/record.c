#include "job/record.h"

#include "codec/text.h"

#define TIME_MAX ((int64_t)1 << 53)
#define COUNT_MAX ((int64_t)1 << 53)

void avow_job_record_done(struct avow_job_record *r)
{
    free(r->ranks);
    json_decref(r->metrics);
    json_decref(r->verdicts);
    json_decref(r->sync);
    json_decref(r->files);
    *r = (struct avow_job_record){ 0 };
}

int avow_job_record_copy(const struct avow_job_record *r, struct avow_job_record *out)
{
    struct avow_job_record c = *r;

    c.ranks = NULL;
    if (r->n_ranks) {
        c.ranks = malloc(r->n_ranks * sizeof *c.ranks);
        if (!c.ranks)
            return -AVOW_E_NOMEM;
        memcpy(c.ranks, r->ranks, r->n_ranks * sizeof *c.ranks);
    }
    json_incref(c.metrics);
    json_incref(c.verdicts);
    json_incref(c.sync);
    json_incref(c.files);
    *out = c;
    return 0;
}

/* --- reason ------------------------------------------------------------------------------- */

json_t *avow_job_reason_json(const struct avow_job_reason *r)
{
    json_t *v = json_pack("{s:s,s:s}", "code", avow_err_name(r->code), "message", r->message);

    if (v && r->node[0])
        json_object_set_new(v, "node", json_string(r->node));
    if (v && r->rank >= 0)
        json_object_set_new(v, "rank", json_integer(r->rank));
    return v;
}

int avow_job_reason_parse(const json_t *v, struct avow_job_reason *out, struct avow_error *err)
{
    static const char *const keys[] = { "code", "message", "node", "rank", NULL };
    struct avow_job_reason r = { .rank = -1 };
    const char *code = NULL;
    const char *message = NULL;
    const char *node = "";

    if (!json_is_object(v))
        return AVOW_FAIL(err, FORMAT, "a reason is not an object");
    AVOW_TRY(avow_json_only(v, keys, err));
    AVOW_TRY(avow_json_get_str(v, "code", &code, err));
    AVOW_TRY(avow_json_get_str(v, "message", &message, err));
    AVOW_TRY(avow_json_opt_str(v, "node", &node, err));
    AVOW_TRY(avow_json_opt_int(v, "rank", 0, UINT32_MAX, &r.rank, err));
    r.code = avow_err_from_name(code);
    if (!r.code)
        return AVOW_FAIL(err, FORMAT, "\"code\": \"%.40s\" is not an error code", code);
    if (strlen(message) >= sizeof r.message)
        return AVOW_FAIL(err, LIMIT, "\"message\" of %zu bytes", strlen(message));
    if (node[0] && !avow_job_node_name_ok(node))
        return AVOW_FAIL(err, FORMAT, "\"node\": \"%.80s\" is not a node's name", node);
    memcpy(r.message, message, strlen(message) + 1);
    memcpy(r.node, node, strlen(node) + 1);
    *out = r;
    return 0;
}

/* --- apply -------------------------------------------------------------------------------- */

static int copy_name(const json_t *d, const char *key, char *out, bool (*ok)(const char *),
                     struct avow_error *err)
{
    const char *s = NULL;

    AVOW_TRY(avow_json_get_str(d, key, &s, err));
    if (!ok(s))
        return AVOW_FAIL(err, FORMAT, "\"%s\": \"%.80s\" is not an allowed name", key, s);
    memcpy(out, s, strlen(s) + 1);
    return 0;
}

static int apply_created(struct avow_job_record *r, const struct avow_job_event *e,
                         struct avow_error *err)
{
    const json_t *d = e->data;
    json_t *verdicts = NULL;
    int64_t first = 0;
    int64_t n = 0;

    AVOW_TRY(copy_name(d, "name", r->name, avow_job_name_ok, err));
    AVOW_TRY(copy_name(d, "formation", r->formation, avow_job_uuid_ok, err));
    AVOW_TRY(copy_name(d, "node", r->node, avow_job_node_name_ok, err));
    AVOW_TRY(avow_json_get_hex(d, "owner", r->owner, sizeof r->owner, err));
    AVOW_TRY(avow_json_opt_bool(d, "simulated", &r->simulated, err));
    AVOW_TRY(avow_json_get_int(d, "first_rank", 0, UINT32_MAX, &first, err));
    AVOW_TRY(avow_json_get_int(d, "ranks", 1, AVOW_JOB_RANKS_MAX, &n, err));
    AVOW_TRY(avow_json_get_obj(d, "verdicts", &verdicts, err));
    r->ranks = calloc((size_t)n, sizeof *r->ranks);
    r->metrics = json_object();
    if (!r->ranks || !r->metrics)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    r->n_ranks = (uint32_t)n;
    r->first_rank = (uint32_t)first;
    r->verdicts = json_incref(verdicts);
    memcpy(r->job, e->job, sizeof r->job);
    r->created = e->t;
    return 0;
}

static int apply_go(struct avow_job_record *r, const struct avow_job_event *e)
{
    r->started = e->t;
    for (uint32_t i = 0; i < r->n_ranks; i++)
        r->ranks[i].state = AVOW_RANK_RUNNING;
    return 0;
}

static int apply_progress(struct avow_job_record *r, const struct avow_job_event *e,
                          struct avow_error *err)
{
    int64_t iteration = r->iteration;
    int64_t total = r->total;
    json_t *metrics = json_object_get(e->data, "metrics");

    AVOW_TRY(avow_json_opt_int(e->data, "iteration", 0, COUNT_MAX, &iteration, err));
    AVOW_TRY(avow_json_opt_int(e->data, "total", 0, COUNT_MAX, &total, err));
    if (metrics && !json_is_object(metrics))
        return AVOW_FAIL(err, FORMAT, "\"metrics\" is not an object");
    r->iteration = iteration;
    r->total = total;
    if (metrics) {
        json_decref(r->metrics);
        r->metrics = json_incref(metrics);
    }
    return 0;
}

static int apply_rank(struct avow_job_record *r, const struct avow_job_event *e,
                      struct avow_error *err)
{
    int64_t rank = 0;
    int64_t code = 0;
    int64_t last = (int64_t)r->first_rank + r->n_ranks - 1;

    AVOW_TRY(avow_json_get_int(e->data, "rank", r->first_rank, last, &rank, err));
    AVOW_TRY(avow_json_get_int(e->data, "exit", 0, 255, &code, err));
    r->ranks[rank - r->first_rank] =
        (struct avow_job_rank){ .state = AVOW_RANK_EXITED, .exit = (int)code };
    return 0;
}

static int take_files(struct avow_job_record *r, const struct avow_job_event *e,
                      struct avow_error *err)
{
    json_t *files = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(e->data, "files", AVOW_JOB_RESULTS_MAX, &files, err));
    json_array_foreach(files, i, item) {
        uint8_t digest[32];
        const char *name = NULL;
        int64_t size = 0;

        AVOW_TRY(avow_json_get_str(item, "name", &name, err));
        AVOW_TRY(avow_json_get_int(item, "size", 0, INT64_MAX, &size, err));
        AVOW_TRY(avow_json_get_hex(item, "sha256", digest, sizeof digest, err));
        if (!avow_job_file_name_ok(name))
            return AVOW_FAIL(err, FORMAT, "\"files\": \"%.80s\" is not an allowed name", name);
    }
    json_decref(r->files);
    r->files = json_incref(files);
    return 0;
}

static int take_sync(struct avow_job_record *r, const struct avow_job_event *e,
                     struct avow_error *err)
{
    json_t *sync = json_object_get(e->data, "sync");

    if (!sync)
        return 0;
    if (!json_is_object(sync))
        return AVOW_FAIL(err, FORMAT, "\"sync\" is not an object");
    json_decref(r->sync);
    r->sync = json_incref(sync);
    return 0;
}

/* Ranks that were not heard of ended with the job. */
static void end_ranks(struct avow_job_record *r)
{
    for (uint32_t i = 0; i < r->n_ranks; i++)
        if (r->ranks[i].state != AVOW_RANK_EXITED)
            r->ranks[i] = (struct avow_job_rank){ .state = AVOW_RANK_EXITED, .exit = -1 };
}

static int apply_done(struct avow_job_record *r, const struct avow_job_event *e,
                      struct avow_error *err)
{
    AVOW_TRY(take_files(r, e, err));
    AVOW_TRY(take_sync(r, e, err));
    end_ranks(r);
    r->ended = e->t;
    return 0;
}

static int apply_fail(struct avow_job_record *r, const struct avow_job_event *e,
                      struct avow_error *err)
{
    json_t *reason = NULL;
    struct avow_job_reason parsed = { 0 };

    AVOW_TRY(avow_json_get_obj(e->data, "reason", &reason, err));
    AVOW_TRY(avow_job_reason_parse(reason, &parsed, err));
    AVOW_TRY(take_sync(r, e, err));
    r->reason = parsed;
    end_ranks(r);
    r->ended = e->t;
    return 0;
}

static int apply(struct avow_job_record *r, const struct avow_job_event *e, struct avow_error *err)
{
    switch (e->type) {
    case AVOW_JOB_CREATED:
        return apply_created(r, e, err);
    case AVOW_JOB_GO:
        return apply_go(r, e);
    case AVOW_JOB_PROGRESS:
        return apply_progress(r, e, err);
    case AVOW_JOB_RANK:
        return apply_rank(r, e, err);
    case AVOW_JOB_DONE:
        return apply_done(r, e, err);
    case AVOW_JOB_FAIL:
        return apply_fail(r, e, err);
    case AVOW_JOB_RESULTS:
        return take_files(r, e, err);
    case AVOW_JOB_DELETED:
        r->deleted = true;
        return 0;
    case AVOW_JOB_STARTED:
    case AVOW_JOB_SYNC_BEGIN:
    case AVOW_JOB_SYNC_END:
    case AVOW_JOB_NOTE:
        return 0;
    }
    return AVOW_FAIL(err, FORMAT, "unknown event %d", (int)e->type);
}

int avow_job_record_apply(struct avow_job_record *r, const struct avow_job_event *e,
                          struct avow_error *err)
{
    enum avow_job_state next = AVOW_JOB_NONE;
    int rc = 0;

    if (avow_job_next(r->state, e->type, &next) < 0)
        return AVOW_FAIL(err, STATE, "a job that is %s does not take \"%s\"",
                         avow_job_state_name(r->state), avow_job_event_name(e->type));
    if (e->seq <= r->seq)
        return AVOW_FAIL(err, STATE, "event %llu after event %llu", (unsigned long long)e->seq,
                         (unsigned long long)r->seq);
    if (!json_is_object(e->data) || e->t < 0 || e->t > TIME_MAX || !avow_job_uuid_ok(e->job))
        return AVOW_FAIL(err, FORMAT, "event without data, time or job");
    if (r->state != AVOW_JOB_NONE && strcmp(r->job, e->job) != 0)
        return AVOW_FAIL(err, STATE, "event of job %s for job %s", e->job, r->job);
    rc = apply(r, e, err);
    if (rc < 0) {
        if (r->state == AVOW_JOB_NONE)
            avow_job_record_done(r);
        return rc;
    }
    r->state = next;
    r->seq = e->seq;
    return 0;
}

/* --- as JSON ------------------------------------------------------------------------------ */

static json_t *ranks_json(const struct avow_job_record *r)
{
    static const char *const names[] = { "starting", "running", "exited" };
    json_t *list = json_array();

    for (uint32_t i = 0; list && i < r->n_ranks; i++) {
        json_t *v = json_pack("{s:I,s:s,s:s}", "rank", (json_int_t)r->first_rank + i, "node",
                              r->node, "state", names[r->ranks[i].state]);

        if (v && r->ranks[i].state == AVOW_RANK_EXITED && r->ranks[i].exit >= 0)
            json_object_set_new(v, "exit", json_integer(r->ranks[i].exit));
        json_array_append_new(list, v);
    }
    return list;
}

json_t *avow_job_record_json(const struct avow_job_record *r)
{
    json_t *v =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:b}", "job", r->job, "name", r->name,
                  "state", avow_job_state_name(r->state), "formation", r->formation, "node",
                  r->node, "created", (json_int_t)r->created, "started", (json_int_t)r->started,
                  "ended", (json_int_t)r->ended, "iteration", (json_int_t)r->iteration, "total",
                  (json_int_t)r->total, "simulated", r->simulated);

    if (!v)
        return NULL;
    json_object_set(v, "metrics", r->metrics);
    json_object_set_new(v, "ranks", ranks_json(r));
    if (r->reason.code)
        json_object_set_new(v, "reason", avow_job_reason_json(&r->reason));
    if (r->deleted)
        json_object_set_new(v, "deleted", json_true());
    return v;
}

static json_t *state_json(const struct avow_job_event *e, const char *state)
{
    json_t *v = json_pack("{s:s}", "state", state);
    json_t *reason = json_object_get(e->data, "reason");

    if (v && reason)
        json_object_set(v, "reason", reason);
    return v;
}

const char *avow_job_event_public(const struct avow_job_event *e, json_t **data)
{
    const char *type = NULL;
    json_t *v = NULL;

    switch (e->type) {
    case AVOW_JOB_CREATED:
    case AVOW_JOB_GO:
    case AVOW_JOB_SYNC_BEGIN:
    case AVOW_JOB_SYNC_END:
    case AVOW_JOB_DONE:
    case AVOW_JOB_FAIL:
        type = "state";
        v = state_json(e, e->type == AVOW_JOB_CREATED      ? "PENDING"
                          : e->type == AVOW_JOB_DONE       ? "COMPLETED"
                          : e->type == AVOW_JOB_FAIL       ? "FAILED"
                          : e->type == AVOW_JOB_SYNC_BEGIN ? "SYNCING"
                                                           : "RUNNING");
        break;
    case AVOW_JOB_PROGRESS:
    case AVOW_JOB_RANK:
    case AVOW_JOB_NOTE:
        type = avow_job_event_name(e->type);
        v = json_copy((json_t *)(uintptr_t)e->data);
        break;
    case AVOW_JOB_STARTED:
    case AVOW_JOB_RESULTS:
    case AVOW_JOB_DELETED:
        return NULL;
    }
    if (!v)
        return NULL;
    json_object_set_new(v, "t", json_integer(e->t));
    *data = v;
    return type;
}
