/* Step two, second half: program and inputs go to the nodes, then the job starts. */
#include <errno.h>
#include <fcntl.h>

#include "client/client.h"
#include "codec/text.h"

#define PART_MAX (4u << 20) /* bytes of one PUT */
#define STALLS_MAX 8        /* replies in a row that take nothing */
#define PATH_BYTES 512
#define INPUT_PREFIX "input/"

/* The local file behind a name that a node needs, or NULL. */
static const char *local_path(const struct avow_node *n, const char *need)
{
    const struct avow_plan *p = n->client->plan;

    if (strcmp(need, "program") == 0)
        return p->program;
    if (strncmp(need, INPUT_PREFIX, strlen(INPUT_PREFIX)) != 0)
        return NULL;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct avow_plan_node *pn = &p->nodes[i];

        if (strcmp(pn->name, n->name) != 0)
            continue;
        for (size_t j = 0; j < pn->n_inputs; j++)
            if (strcmp(pn->inputs[j].name, need + strlen(INPUT_PREFIX)) == 0)
                return pn->inputs[j].path;
    }
    return NULL;
}

static ssize_t read_at(int fd, uint8_t *to, size_t n, uint64_t offset)
{
    size_t done = 0;

    while (done < n) {
        ssize_t got = pread(fd, to + done, n - done, (off_t)(offset + done));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

struct upload {
    struct avow_node *node;
    const char *name; /* on the node */
    const char *path; /* here */
    int fd;
    uint8_t *part; /* PART_MAX bytes */
    uint64_t size;
    uint64_t have; /* bytes that the node has */
    bool complete;
};

/* Send the part at ->have; the node says how much it has now. */
static int send_part(struct upload *u, struct avow_error *err)
{
    char url[PATH_BYTES];
    uint64_t left = u->size - u->have;
    ssize_t n = read_at(u->fd, u->part, left < PART_MAX ? (size_t)left : PART_MAX, u->have);
    struct avow_node_call call = { .method = "PUT", .path = url, .also = 409 };
    avow_autojson json_t *reply = NULL;
    const char *why = "no reason given";
    int64_t have = -1;

    if (n < 0)
        return AVOW_FAIL_SYS(err, "%s", u->path);
    if (n == 0 && left)
        return AVOW_FAIL(err, DIGEST, "%s became shorter while it was sent", u->path);
    call.raw = AVOW_BYTES(u->part, (size_t)n);
    (void)snprintf(url, sizeof url, "/v1/jobs/%s/files/%s?offset=%llu", u->node->client->job,
                   u->name, (unsigned long long)u->have);
    AVOW_TRY(avow_node_call(u->node, &call, &reply, err));
    AVOW_TRY(avow_json_opt_int(reply, "have", 0, (int64_t)u->size, &have, err));
    AVOW_TRY(avow_json_opt_int(json_object_get(reply, "error"), "have", 0, (int64_t)u->size, &have,
                               err));
    AVOW_TRY(avow_json_opt_str(json_object_get(reply, "error"), "message", &why, err));
    if (have < 0)
        return AVOW_FAIL(err, STATE, "%s is not taken: %s", u->name, why);
    u->have = (uint64_t)have;
    u->complete = json_is_true(json_object_get(reply, "complete"));
    return 0;
}

static int send_file(struct upload *u, struct avow_error *err)
{
    struct avow_client *c = u->node->client;
    unsigned stalls = 0;

    while (!u->complete) {
        uint64_t before = u->have;

        AVOW_TRY(send_part(u, err));
        if (u->have <= before && !u->complete && ++stalls > STALLS_MAX)
            return AVOW_FAIL(err, PROTOCOL, "%s: takes no more after %llu bytes", u->name,
                             (unsigned long long)u->have);
        if (u->have > before) {
            stalls = 0;
            (void)pthread_mutex_lock(&c->lock);
            c->uploaded += u->have - before;
            (void)pthread_mutex_unlock(&c->lock);
        }
        avow_client_emit(c, u->node->name, "upload",
                         json_pack("{s:s, s:I, s:I}", "name", u->name, "have", (json_int_t)u->have,
                                   "size", (json_int_t)u->size));
    }
    return 0;
}

static int upload_need(struct avow_node *n, const json_t *need, uint8_t *part,
                       struct avow_error *err)
{
    struct upload u = { .node = n, .part = part };
    avow_autoclose int fd = -1;
    int64_t size = 0;
    int64_t have = 0;

    AVOW_TRY(avow_json_get_str(need, "name", &u.name, err));
    AVOW_TRY(avow_json_get_int(need, "size", 0, (int64_t)AVOW_MANIFEST_FILE_MAX, &size, err));
    AVOW_TRY(avow_json_get_int(need, "have", 0, size, &have, err));
    u.path = local_path(n, u.name);
    if (!u.path)
        return AVOW_FAIL(err, PROTOCOL, "asks for \"%.64s\", which is not in the job file", u.name);
    u.size = (uint64_t)size;
    u.have = (uint64_t)have;
    u.complete = size > 0 && have == size; /* an empty file is made by its one, empty part */
    fd = open(u.path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return AVOW_FAIL_SYS(err, "%s", u.path);
    u.fd = fd;
    return send_file(&u, err);
}

static int submit_one(struct avow_node *n, void *ctx, struct avow_error *err)
{
    avow_autojson json_t *reply = NULL;
    avow_autofree uint8_t *part = malloc(PART_MAX);
    struct avow_node_call call = { .method = "POST", .path = "/v1/job/submit", .json = ctx };
    json_t *needs = NULL;
    json_t *need = NULL;
    size_t i = 0;

    if (!part)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_node_call(n, &call, &reply, err));
    AVOW_TRY(avow_json_get_array(reply, "needs", AVOW_MANIFEST_INPUTS_MAX + 1, &needs, err));
    json_array_foreach(needs, i, need)
        AVOW_TRY(upload_need(n, need, part, err));
    return 0;
}

static int start_one(struct avow_node *n, void *ctx, struct avow_error *err)
{
    struct avow_node_call call = { .method = "POST", .path = ctx };
    avow_autojson json_t *body = json_object();

    call.json = body;
    return avow_node_call(n, &call, NULL, err);
}

int avow_client_submit(struct avow_client *c, struct avow_error *err)
{
    avow_autojson json_t *body = json_pack("{s:s, s:s}", "job", c->job, "formation", c->formation);
    double began = avow_now_ms();
    char path[96];

    if (!body)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_client_each(c, false, submit_one, body, err));
    (void)snprintf(path, sizeof path, "/v1/jobs/%s/start", c->job);
    /* all at once: a node may wait for the others before it answers */
    AVOW_TRY(avow_client_each(c, true, start_one, path, err));
    c->phases.submit_ms = avow_now_ms() - began;
    avow_client_emit(c, NULL, "started", json_object());
    return 0;
}

static int cancel_one(struct avow_node *n, void *ctx, struct avow_error *err)
{
    char path[96];
    struct avow_node_call call = {
        .method = "POST", .path = path, .json = ctx, .timeout_ms = 5000
    };

    (void)snprintf(path, sizeof path, "/v1/jobs/%s/cancel", n->client->job);
    return avow_node_call(n, &call, NULL, err);
}

int avow_client_cancel(struct avow_client *c, const char *reason, struct avow_error *err)
{
    avow_autojson json_t *body = json_pack("{s:s}", "reason", reason);

    if (!body)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    /* relaxed: as in avow_client_stop; no other thread of this client runs now */
    atomic_store_explicit(&c->stop, false, memory_order_relaxed);
    return avow_client_each(c, false, cancel_one, body, err);
}
