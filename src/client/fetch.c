/* Results: every node's files, checked, and what they add up to. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "client/aggregate.h"
#include "client/client.h"
#include "codec/text.h"
#include "crypto/hash.h"

#define PART_MAX (4u << 20) /* bytes that one GET gives */
#define FILES_MAX 10000     /* results of one node */
#define SUMMARY_MAX (16u << 20)
#define PATH_BYTES 512
#define DIGEST_MS 600000     /* how long a node may take to digest its results */
#define PARTIAL ".avow-part" /* suffix while a file is on its way */

struct fetch {
    int dir; /* the output folder */
};

/* Make and open the folder @name below @dir; no symbolic link is followed. */
static int open_folder(int dir, const char *name, struct avow_error *err)
{
    int fd = -1;

    if (mkdirat(dir, name, 0755) != 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "folder %s", name);
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 ? fd : AVOW_FAIL_SYS(err, "folder %s", name);
}

/* The folder that the last component of @name is in, made as needed; *@last points into @name. */
static int open_parent(int dir, const char *name, const char **last, struct avow_error *err)
{
    avow_autoclose int at = dup(dir);
    const char *slash = NULL;

    if (at < 0)
        return AVOW_FAIL_SYS(err, "dup");
    while ((slash = strchr(name, '/')) != NULL) {
        char part[AVOW_JOB_FILE_NAME_MAX + 1];
        int next = -1;

        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
        next = open_folder(at, part, err);
        AVOW_TRY(next);
        close(at);
        at = next;
        name = slash + 1;
    }
    *last = name;
    return avow_steal_fd(&at);
}

static int write_all(int fd, struct avow_bytes b)
{
    while (b.len) {
        ssize_t n = write(fd, b.data, b.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        b.data += n;
        b.len -= (size_t)n;
    }
    return 0;
}

static int download(struct avow_node *n, const char *name, uint64_t size, int fd,
                    struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf part = AVOW_BUF(PART_MAX);
    uint64_t have = 0;

    while (have < size) {
        char path[PATH_BYTES];
        struct avow_node_call call = { .method = "GET", .path = path, .raw_reply = &part };

        (void)snprintf(path, sizeof path, "/v1/jobs/%s/results/%s?offset=%llu", n->client->job,
                       name, (unsigned long long)have);
        AVOW_TRY(avow_node_call(n, &call, NULL, err));
        if (part.len == 0 || part.len > size - have)
            return AVOW_FAIL(err, PROTOCOL, "%s: %zu bytes at %llu of %llu", name, part.len,
                             (unsigned long long)have, (unsigned long long)size);
        if (write_all(fd, avow_buf_view(&part)) != 0)
            return AVOW_FAIL_SYS(err, "%s", name);
        have += part.len;
    }
    return 0;
}

static int check_digest(int fd, const char *name, const uint8_t want[32], struct avow_error *err)
{
    uint8_t got[32];
    char a[65];
    char b[65];

    if (lseek(fd, 0, SEEK_SET) != 0)
        return AVOW_FAIL_SYS(err, "%s", name);
    AVOW_TRY(avow_sha256_fd(fd, got, NULL, err));
    if (avow_ct_equal(got, want, 32))
        return 0;
    avow_hex(AVOW_BYTES_OF(got), a);
    avow_hex(AVOW_BYTES(want, 32), b);
    return AVOW_FAIL(err, DIGEST, "%s: SHA-256 is %.16s..., the node said %.16s...", name, a, b);
}

/* Appears under its name only when it is whole and right. */
static int fetch_file(struct avow_node *n, int dir, const json_t *entry, struct avow_error *err)
{
    const char *name = NULL;
    const char *last = NULL;
    char partial[AVOW_JOB_FILE_NAME_MAX + sizeof PARTIAL];
    avow_autoclose int parent = -1;
    avow_autoclose int fd = -1;
    uint8_t digest[32];
    int64_t size = 0;

    AVOW_TRY(avow_json_get_str(entry, "name", &name, err));
    AVOW_TRY(avow_json_get_hex(entry, "sha256", digest, sizeof digest, err));
    AVOW_TRY(avow_json_get_int(entry, "size", 0, (int64_t)AVOW_MANIFEST_FILE_MAX, &size, err));
    if (!avow_job_file_name_ok(name))
        return AVOW_FAIL(err, PROTOCOL, "\"%.64s\" is not a name for a result", name);
    parent = open_parent(dir, name, &last, err);
    AVOW_TRY(parent);
    (void)snprintf(partial, sizeof partial, "%s" PARTIAL, last);
    (void)unlinkat(parent, partial, 0);
    fd = openat(parent, partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return AVOW_FAIL_SYS(err, "%s", name);
    AVOW_TRY(download(n, name, (uint64_t)size, fd, err));
    AVOW_TRY(check_digest(fd, name, digest, err));
    if (renameat(parent, partial, parent, last) != 0)
        return AVOW_FAIL_SYS(err, "%s", name);
    avow_client_emit(n->client, n->name, "fetched",
                     json_pack("{s:s, s:I}", "name", name, "size", (json_int_t)size));
    return 0;
}

static int within_limit(const struct avow_node *n, const json_t *files, struct avow_error *err)
{
    uint64_t max = n->client->plan ? n->client->plan->outputs_max : AVOW_MANIFEST_FILE_MAX;
    uint64_t sum = 0;
    size_t i = 0;
    json_t *f = NULL;

    json_array_foreach(files, i, f) {
        int64_t size = 0;

        AVOW_TRY(avow_json_get_int(f, "size", 0, (int64_t)AVOW_MANIFEST_FILE_MAX, &size, err));
        sum += (uint64_t)size;
        if (sum > max)
            return AVOW_FAIL(err, LIMIT, "its results have more than %llu bytes (outputs-max)",
                             (unsigned long long)max);
    }
    return 0;
}

static int fetch_node(struct avow_node *n, void *ctx, struct avow_error *err)
{
    struct fetch *f = ctx;
    char path[96];
    struct avow_node_call call = { .method = "GET", .path = path, .busy_ms = DIGEST_MS };
    avow_autojson json_t *reply = NULL;
    avow_autoclose int dir = open_folder(f->dir, n->name, err);
    json_t *files = NULL;
    json_t *entry = NULL;
    size_t i = 0;

    AVOW_TRY(dir);
    (void)snprintf(path, sizeof path, "/v1/jobs/%s/results", n->client->job);
    AVOW_TRY(avow_node_call(n, &call, &reply, err));
    AVOW_TRY(avow_json_get_array(reply, "files", FILES_MAX, &files, err));
    AVOW_TRY(within_limit(n, files, err));
    json_array_foreach(files, i, entry)
        AVOW_TRY(fetch_file(n, dir, entry, err));
    json_decref(n->results);
    n->results = json_incref(files);
    return 0;
}

/* ---- aggregation ---- */

static int read_summary(int dir, const char *node, const char *file, json_t **out,
                        struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(SUMMARY_MAX);
    avow_autofree char *path = NULL;
    avow_autoclose int fd = -1;
    uint8_t chunk[8192];
    ssize_t n = 0;

    if (asprintf(&path, "%s/%s", node, file) < 0) {
        path = NULL;
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return 0; /* avow_aggregate says so, if it needs it */
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        if (avow_buf_put(&text, chunk, (size_t)n) < 0)
            return AVOW_FAIL(err, LIMIT, "%s has more than %u bytes", path, SUMMARY_MAX);
    if (avow_json_parse(avow_buf_view(&text), out, err) < 0)
        return avow_error_prefix(err, "%s", path);
    return 0;
}

static void free_inputs(struct avow_aggregate_in *in, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_decref((json_t *)(uintptr_t)in[i].summary);
    free(in);
}

static int aggregate(struct avow_client *c, int dir, const json_t *spec, struct avow_error *err)
{
    const char *file = json_string_value(json_object_get(spec, "file"));
    struct avow_aggregate_in *in = calloc(c->n, sizeof *in);
    int rc = in ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");

    for (size_t i = 0; rc == 0 && i < c->n; i++) {
        json_t *doc = NULL;

        rc = read_summary(dir, c->nodes[i].name, file ? file : AVOW_AGGREGATE_FILE, &doc, err);
        in[i] = (struct avow_aggregate_in){ .node = c->nodes[i].name,
                                            .summary = doc,
                                            .results = c->nodes[i].results };
    }
    json_decref(c->aggregate);
    c->aggregate = NULL;
    if (rc == 0)
        rc = avow_aggregate(spec, in, c->n, &c->aggregate, err);
    if (in)
        free_inputs(in, c->n);
    return rc;
}

static int check_same(const struct avow_client *c, struct avow_error *err)
{
    const json_t *first = json_array_get(json_object_get(c->aggregate, "differs"), 0);

    if (!first)
        return 0;
    return AVOW_FAIL(err, DIGEST,
                     "%s should be the same on all nodes but differs between %s and %s",
                     json_string_value(json_object_get(first, "what")),
                     json_string_value(json_object_get(first, "a")),
                     json_string_value(json_object_get(first, "b")));
}

/* mkdir -p; the folder may be a link that the user made. */
static int make_output(const char *path, struct avow_error *err)
{
    avow_autofree char *copy = strdup(path);
    int fd = -1;

    if (!copy || !*path)
        return AVOW_FAIL(err, INVAL, "no folder for results");
    for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            return AVOW_FAIL_SYS(err, "%s", copy);
        *p = '/';
    }
    if (mkdir(copy, 0755) != 0 && errno != EEXIST)
        return AVOW_FAIL_SYS(err, "%s", copy);
    fd = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 ? fd : AVOW_FAIL_SYS(err, "%s", copy);
}

int avow_client_fetch(struct avow_client *c, const char *dir, struct avow_error *err)
{
    double began = avow_now_ms();
    avow_autoclose int fd = make_output(dir, err);
    struct fetch f = { .dir = fd };

    AVOW_TRY(fd);
    AVOW_TRY(avow_client_each(c, false, fetch_node, &f, err));
    if (c->plan && c->plan->aggregate)
        AVOW_TRY(aggregate(c, fd, c->plan->aggregate, err));
    c->phases.fetch_ms = avow_now_ms() - began;
    return check_same(c, err);
}
