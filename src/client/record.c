#include "client/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/read.h"

#define TYPE "avow/job-record/1"
#define SUFFIX ".json"
#define RECORDS_MAX 100000 /* read when listing */

/* $XDG_STATE_HOME/avow/jobs[/@file]; free() it. */
static int state_path(const char *file, char **out, struct avow_error *err)
{
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n = 0;

    if (state && state[0] == '/')
        n = asprintf(out, "%s/avow/jobs%s", state, file);
    else if (home && home[0] == '/')
        n = asprintf(out, "%s/.local/state/avow/jobs%s", home, file);
    else
        return AVOW_FAIL(err, MISSING, "neither XDG_STATE_HOME nor HOME is set");
    if (n < 0) {
        *out = NULL;
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return 0;
}

static int job_path(const char *job, const char *suffix, char **out, struct avow_error *err)
{
    char file[AVOW_JOB_UUID_LEN + 32];

    if (snprintf(file, sizeof file, "/%s%s", job, suffix) >= (int)sizeof file)
        return AVOW_FAIL(err, FORMAT, "\"%.64s\" is not a job's id", job);
    return state_path(file, out, err);
}

int avow_client_make_parents(const char *path, struct avow_error *err)
{
    avow_autofree char *dir = strdup(path);

    if (!dir)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (char *p = strchr(dir + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = 0;
        if (mkdir(dir, 0700) != 0 && errno != EEXIST)
            return AVOW_FAIL_SYS(err, "%s", dir);
        *p = '/';
    }
    return 0;
}

/* ---- save ---- */

static json_t *node_list(const struct avow_client *c)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < c->n; i++) {
        const struct avow_node *n = &c->nodes[i];

        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s*}", "name", n->name, "tee",
                                                    avow_tee_name(n->expect), "address", n->address,
                                                    "node-address", n->node_address));
    }
    return list;
}

/* As the job file has them: whoever asks later has the nodes judged by the same. A file's path is
 * kept as it is seen from everywhere. */
static int put_verifier(const struct avow_plan *p, json_t *doc)
{
    avow_autojson json_t *v = NULL;
    avow_autofree char *ca = p->verifier.ca ? realpath(p->verifier.ca, NULL) : NULL;
    struct avow_verifier_settings s = p->verifier; /* borrows */

    if (!s.azure)
        return 0;
    if (ca)
        s.ca = ca;
    v = avow_verifier_settings_json(&s);
    return v ? json_object_update(doc, v) : -1;
}

static json_t *describe(const struct avow_client *c, const char *state)
{
    const struct avow_plan *p = c->plan;
    avow_autofree char *roots = p->roots ? realpath(p->roots, NULL) : NULL;
    avow_autofree char *output = p->output ? realpath(p->output, NULL) : NULL;
    json_t *doc = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:I, s:o}", "type", TYPE, "job", c->job,
                            "name", p->name, "created", (json_int_t)c->began, "state", state,
                            "policy", avow_buf_cstr(&p->policy_text), "outputs_max",
                            (json_int_t)p->outputs_max, "nodes", node_list(c));

    if (doc && roots)
        (void)json_object_set_new(doc, "simulated-roots", json_string(roots));
    if (doc && p->output)
        (void)json_object_set_new(doc, "output", json_string(output ? output : p->output));
    if (doc && p->aggregate)
        (void)json_object_set(doc, "aggregate", p->aggregate);
    if (doc && put_verifier(p, doc) < 0) {
        json_decref(doc);
        return NULL;
    }
    return doc;
}

int avow_record_save(const struct avow_client *c, const char *state, struct avow_error *err)
{
    avow_autojson json_t *doc = describe(c, state);
    avow_autofree char *path = NULL;
    avow_autofree char *tmp = NULL;
    char suffix[32];

    (void)snprintf(suffix, sizeof suffix, ".%d.new", (int)getpid());
    if (!doc)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(job_path(c->job, SUFFIX, &path, err));
    AVOW_TRY(job_path(c->job, suffix, &tmp, err));
    AVOW_TRY(avow_client_make_parents(path, err));
    if (json_dump_file(doc, tmp, JSON_INDENT(1)) != 0 || rename(tmp, path) != 0) {
        (void)unlink(tmp);
        return AVOW_FAIL_SYS(err, "%s cannot be written", path);
    }
    return 0;
}

/* ---- load ---- */

static int read_record(const char *path, json_t **out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_RECORD_MAX);
    avow_autofclose FILE *f = fopen(path, "re");
    const char *type = NULL;

    if (!f)
        return AVOW_FAIL(err, NOTFOUND, "%s: %s", path, strerrordesc_np(errno));
    AVOW_TRY(avow_read_all(f, path, &text, err));
    AVOW_TRY(avow_json_parse(avow_buf_view(&text), out, err));
    AVOW_TRY(avow_json_get_str(*out, "type", &type, err));
    return strcmp(type, TYPE) == 0 ? 0 : AVOW_FAIL(err, VERSION, "%s: type %s", path, type);
}

static int load_node(const json_t *entry, struct avow_plan_node *n, struct avow_error *err)
{
    const char *name = NULL;
    const char *tee = NULL;
    const char *address = NULL;
    const char *node_address = NULL;

    AVOW_TRY(avow_json_get_str(entry, "name", &name, err));
    AVOW_TRY(avow_json_get_str(entry, "tee", &tee, err));
    AVOW_TRY(avow_json_get_str(entry, "address", &address, err));
    AVOW_TRY(avow_json_opt_str(entry, "node-address", &node_address, err));
    if (!avow_job_node_name_ok(name))
        return AVOW_FAIL(err, FORMAT, "\"%.64s\" is not a node's name", name);
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    n->tee = avow_tee_from_name(tee);
    n->address = strdup(address);
    n->node_address = node_address ? strdup(node_address) : NULL;
    return n->address ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int load_nodes(const json_t *doc, struct avow_plan *p, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *entry = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(doc, "nodes", AVOW_PLAN_NODES_MAX, &list, err));
    p->nodes = calloc(json_array_size(list) + 1, sizeof *p->nodes);
    if (!p->nodes)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_array_foreach(list, i, entry) {
        p->n_nodes++;
        AVOW_TRY(load_node(entry, &p->nodes[i], err));
    }
    return 0;
}

/* Records of before have none: judged here. */
static int load_verifier(const json_t *doc, struct avow_plan *p, struct avow_error *err)
{
    avow_autojson json_t *v = NULL;
    avow_autofree char *text = NULL;

    if (!json_object_get(doc, "verifier"))
        return 0;
    v = json_pack("{s:O, s:O*}", "verifier", json_object_get(doc, "verifier"), "require",
                  json_object_get(doc, "require"));
    text = v ? json_dumps(v, JSON_COMPACT) : NULL;
    if (!text)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    return avow_verifier_settings_parse(avow_bytes_str(text), "verifier", &p->verifier, err);
}

static int load_plan(const json_t *doc, struct avow_plan *p, struct avow_error *err)
{
    const char *name = NULL;
    const char *policy = NULL;
    const char *roots = NULL;
    const char *output = "./results";
    int64_t outputs_max = (int64_t)AVOW_PLAN_OUTPUTS_DEFAULT;

    AVOW_TRY(avow_json_get_str(doc, "name", &name, err));
    AVOW_TRY(avow_json_get_str(doc, "policy", &policy, err));
    AVOW_TRY(avow_json_opt_str(doc, "simulated-roots", &roots, err));
    AVOW_TRY(avow_json_opt_str(doc, "output", &output, err));
    AVOW_TRY(avow_json_opt_int(doc, "outputs_max", 1, (int64_t)AVOW_MANIFEST_FILE_MAX, &outputs_max,
                               err));
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    p->outputs_max = (uint64_t)outputs_max;
    p->policy_text = AVOW_BUF(AVOW_POLICY_MAX);
    AVOW_TRY(avow_buf_put_str(&p->policy_text, policy));
    AVOW_TRY(avow_policy_parse(avow_bytes_str(policy), &p->policy, err));
    avow_anchors_builtin(&p->anchors);
    if (roots)
        AVOW_TRY(avow_roots_load(roots, &p->anchors, err));
    p->output = strdup(output);
    p->roots = roots ? strdup(roots) : NULL;
    p->aggregate = json_incref(json_object_get(doc, "aggregate"));
    AVOW_TRY(load_verifier(doc, p, err));
    return load_nodes(doc, p, err);
}

int avow_record_load(const char *job, struct avow_plan **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_plan) struct avow_plan *p = calloc(1, sizeof *p);
    avow_autojson json_t *doc = NULL;
    avow_autofree char *path = NULL;
    struct avow_error e = { 0 };

    if (!p)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (!avow_job_uuid_ok(job))
        return AVOW_FAIL(err, FORMAT, "\"%.64s\" is not a job's id", job);
    AVOW_TRY(job_path(job, SUFFIX, &path, err));
    if (read_record(path, &doc, &e) < 0) {
        if (e.code == AVOW_E_NOTFOUND)
            return AVOW_FAIL(err, NOTFOUND, "no job %s was started from here (%s)", job, path);
        return AVOW_FAIL_CODE(err, e.code, "%s: %s", path, e.text);
    }
    if (load_plan(doc, p, err) < 0)
        return avow_error_prefix(err, "%s", path);
    *out = avow_steal(&p);
    return 0;
}

/* ---- list ---- */

static void cleanup_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int newest_first(const void *a, const void *b)
{
    json_int_t x = json_integer_value(json_object_get(*(json_t *const *)a, "created"));
    json_int_t y = json_integer_value(json_object_get(*(json_t *const *)b, "created"));

    return (x < y) - (x > y);
}

/* The lines of a list, sorted, the first @max. */
static json_t *sorted(const json_t *all, size_t max)
{
    size_t n = json_array_size(all);
    avow_autofree const json_t **rows = calloc(n + 1, sizeof *rows);
    json_t *out = json_array();

    if (!rows || !out)
        return out;
    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(all, i);
    qsort(rows, n, sizeof *rows, newest_first);
    for (size_t i = 0; i < n && i < max; i++)
        (void)json_array_append_new(out, json_deep_copy(rows[i]));
    return out;
}

int avow_record_list(size_t max, json_t **out, struct avow_error *err)
{
    avow_autojson json_t *all = json_array();
    avow_autofree char *dir = NULL;
    avow_auto(cleanup_dir) DIR *d = NULL;
    const struct dirent *e = NULL;
    size_t seen = 0;

    AVOW_TRY(state_path("", &dir, err));
    d = opendir(dir);
    while (d && seen++ < RECORDS_MAX && (e = readdir(d)) != NULL) {
        avow_autojson json_t *doc = NULL;
        avow_autofree char *path = NULL;
        size_t len = strlen(e->d_name);

        if (len != AVOW_JOB_UUID_LEN + strlen(SUFFIX) ||
            asprintf(&path, "%s/%s", dir, e->d_name) < 0)
            continue;
        if (read_record(path, &doc, NULL) == 0)
            (void)json_array_append_new(all, json_pack("{s:O?, s:O?, s:O?, s:O?}", "job",
                                                       json_object_get(doc, "job"), "name",
                                                       json_object_get(doc, "name"), "created",
                                                       json_object_get(doc, "created"), "state",
                                                       json_object_get(doc, "state")));
    }
    *out = sorted(all, max);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}
