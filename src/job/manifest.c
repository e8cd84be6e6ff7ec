#include "job/manifest.h"

#include <inttypes.h>

#include "codec/json.h"
#include "codec/text.h"

#define TYPE "avow/manifest/1"

static void node_done(struct avow_job_node *n)
{
    free(n->inputs);
}

void avow_manifest_done(struct avow_manifest *m)
{
    for (size_t i = 0; i < m->n_args; i++)
        free(m->args[i]);
    for (size_t i = 0; i < m->n_env; i++) {
        free(m->env[i].name);
        free(m->env[i].value);
    }
    for (size_t i = 0; i < m->n_nodes; i++)
        node_done(&m->nodes[i]);
    free(m->args);
    free(m->env);
    free(m->nodes);
    *m = (struct avow_manifest){ 0 };
}

/* --- parse -------------------------------------------------------------------------------- */

static int copy_name(const json_t *obj, const char *key, char *out, size_t max,
                     bool (*ok)(const char *), struct avow_error *err)
{
    const char *s = NULL;

    AVOW_TRY(avow_json_get_str(obj, key, &s, err));
    if (!ok(s) || strlen(s) > max)
        return AVOW_FAIL(err, FORMAT, "\"%s\": \"%.80s\" is not an allowed name", key, s);
    memcpy(out, s, strlen(s) + 1);
    return 0;
}

static int get_u64(const json_t *obj, const char *key, uint64_t min, uint64_t max, uint64_t *out,
                   struct avow_error *err)
{
    int64_t v = 0;

    AVOW_TRY(avow_json_get_int(obj, key, (int64_t)min, (int64_t)max, &v, err));
    *out = (uint64_t)v;
    return 0;
}

static int parse_file(const json_t *v, struct avow_job_file *out, struct avow_error *err)
{
    char again[2 * sizeof out->sha256 + 1];

    AVOW_TRY(copy_name(v, "name", out->name, AVOW_JOB_FILE_NAME_MAX, avow_job_file_name_ok, err));
    AVOW_TRY(get_u64(v, "size", 0, AVOW_MANIFEST_FILE_MAX, &out->size, err));
    AVOW_TRY(avow_json_get_hex(v, "sha256", out->sha256, sizeof out->sha256, err));
    avow_hex(AVOW_BYTES_OF(out->sha256), again);
    if (strcmp(json_string_value(json_object_get(v, "sha256")), again) != 0)
        return AVOW_FAIL(err, FORMAT, "\"sha256\" is not in lower case"); /* one way to write it */
    return 0;
}

static int parse_args(const json_t *v, struct avow_manifest *m, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(v, "args", AVOW_MANIFEST_ARGS_MAX, &list, err));
    m->args = calloc(json_array_size(list) + 1, sizeof *m->args);
    if (!m->args)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_array_foreach(list, i, item) {
        if (!json_is_string(item) || json_string_length(item) > AVOW_MANIFEST_STRING_MAX)
            return AVOW_FAIL(err, FORMAT, "argument %zu is not a string of at most %d bytes", i,
                             AVOW_MANIFEST_STRING_MAX);
        m->args[i] = strdup(json_string_value(item));
        if (!m->args[i])
            return AVOW_FAIL(err, NOMEM, "out of memory");
        m->n_args = i + 1;
    }
    return 0;
}

static int parse_program(const json_t *v, struct avow_manifest *m, struct avow_error *err)
{
    static const char *const keys[] = { "name", "size", "sha256", "args", NULL };

    AVOW_TRY(avow_json_only(v, keys, err));
    AVOW_TRY(parse_file(v, &m->program, err));
    if (strchr(m->program.name, '/'))
        return AVOW_FAIL(err, FORMAT, "\"name\": the program \"%s\" is a path", m->program.name);
    return parse_args(v, m, err);
}

static int parse_env(const json_t *v, struct avow_manifest *m, struct avow_error *err)
{
    const char *key = NULL;
    json_t *item = NULL;

    if (json_object_size(v) > AVOW_MANIFEST_ENV_MAX)
        return AVOW_FAIL(err, LIMIT, "\"env\" has %zu variables (at most %d)", json_object_size(v),
                         AVOW_MANIFEST_ENV_MAX);
    m->env = calloc(json_object_size(v) + 1, sizeof *m->env);
    if (!m->env)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_object_foreach((json_t *)(uintptr_t)v, key, item) {
        struct avow_job_env *e = &m->env[m->n_env];

        if (!avow_job_env_name_ok(key))
            return AVOW_FAIL(err, FORMAT, "\"env\": \"%.80s\" may not be set by a job", key);
        if (!json_is_string(item) || json_string_length(item) > AVOW_MANIFEST_STRING_MAX)
            return AVOW_FAIL(err, FORMAT, "\"env\": \"%s\" is not a string of at most %d bytes",
                             key, AVOW_MANIFEST_STRING_MAX);
        m->n_env++;
        e->name = strdup(key);
        e->value = strdup(json_string_value(item));
        if (!e->name || !e->value)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return 0;
}

static int find_input(const struct avow_job_node *n, const char *name, size_t len)
{
    size_t lo = 0;
    size_t hi = n->n_inputs;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strncmp(n->inputs[mid].name, name, len);

        if (c == 0)
            c = n->inputs[mid].name[len] != 0;
        if (c == 0)
            return (int)mid;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

/* Sorted, no name twice, none that is also a folder of another. */
static int check_inputs(const struct avow_job_node *n, struct avow_error *err)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        const char *name = n->inputs[i].name;

        if (i && strcmp(n->inputs[i - 1].name, name) >= 0)
            return AVOW_FAIL(err, FORMAT, "node %s: inputs are not sorted, or \"%s\" is twice",
                             n->name, name);
        for (const char *s = strchr(name, '/'); s; s = strchr(s + 1, '/'))
            if (find_input(n, name, (size_t)(s - name)) >= 0)
                return AVOW_FAIL(err, FORMAT, "node %s: \"%s\" lies below another input's name",
                                 n->name, name);
    }
    return 0;
}

static bool tee_ok(const char *tee)
{
    static const char *const known[] = { "snp", "tdx", "az-snp", "az-tdx" };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i], tee) == 0)
            return true;
    return false;
}

static int parse_node(const json_t *v, struct avow_job_node *n, struct avow_error *err)
{
    static const char *const keys[] = { "name", "tee", "ranks", "inputs", NULL };
    static const char *const file_keys[] = { "name", "size", "sha256", NULL };
    const char *tee = NULL;
    json_t *list = NULL;
    json_t *item = NULL;
    uint64_t ranks = 0;
    size_t i = 0;

    AVOW_TRY(avow_json_only(v, keys, err));
    AVOW_TRY(copy_name(v, "name", n->name, AVOW_JOB_NODE_NAME_MAX, avow_job_node_name_ok, err));
    AVOW_TRY(avow_json_get_str(v, "tee", &tee, err));
    if (!tee_ok(tee))
        return AVOW_FAIL(err, FORMAT, "\"tee\": \"%.20s\" is none of snp, tdx, az-snp, az-tdx",
                         tee);
    memcpy(n->tee, tee, strlen(tee) + 1);
    AVOW_TRY(get_u64(v, "ranks", 1, AVOW_MANIFEST_RANKS_MAX, &ranks, err));
    n->ranks = (uint32_t)ranks;
    AVOW_TRY(avow_json_get_array(v, "inputs", AVOW_MANIFEST_INPUTS_MAX, &list, err));
    n->inputs = calloc(json_array_size(list) + 1, sizeof *n->inputs);
    if (!n->inputs)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_array_foreach(list, i, item) {
        AVOW_TRY(avow_json_only(item, file_keys, err));
        AVOW_TRY(parse_file(item, &n->inputs[i], err));
        n->n_inputs = i + 1;
    }
    return check_inputs(n, err);
}

static int parse_nodes(const json_t *v, struct avow_manifest *m, struct avow_error *err)
{
    json_t *list = NULL;
    json_t *item = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(v, "nodes", AVOW_MANIFEST_NODES_MAX, &list, err));
    if (json_array_size(list) == 0)
        return AVOW_FAIL(err, FORMAT, "\"nodes\" is empty");
    m->nodes = calloc(json_array_size(list), sizeof *m->nodes);
    if (!m->nodes)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_array_foreach(list, i, item) {
        m->n_nodes = i + 1;
        if (parse_node(item, &m->nodes[i], err) < 0)
            return avow_error_prefix(err, "nodes[%zu]: ", i);
        if (i && strcmp(m->nodes[i - 1].name, m->nodes[i].name) >= 0)
            return AVOW_FAIL(err, FORMAT, "\"nodes\" are not sorted, or \"%s\" is twice",
                             m->nodes[i].name);
    }
    return 0;
}

static int parse_root(const json_t *v, struct avow_manifest *m, struct avow_error *err)
{
    static const char *const keys[] = { "type",          "job",         "name",  "program", "env",
                                        "time_limit_ms", "outputs_max", "nodes", NULL };
    const char *type = NULL;
    json_t *sub = NULL;

    AVOW_TRY(avow_json_get_str(v, "type", &type, err));
    if (strcmp(type, TYPE) != 0)
        return AVOW_FAIL(err, VERSION, "\"type\" is \"%.60s\", not \"" TYPE "\"", type);
    AVOW_TRY(avow_json_only(v, keys, err));
    AVOW_TRY(copy_name(v, "job", m->job, AVOW_JOB_UUID_LEN, avow_job_uuid_ok, err));
    AVOW_TRY(copy_name(v, "name", m->name, AVOW_JOB_NAME_MAX, avow_job_name_ok, err));
    AVOW_TRY(avow_json_get_obj(v, "program", &sub, err));
    if (parse_program(sub, m, err) < 0)
        return avow_error_prefix(err, "program: ");
    AVOW_TRY(avow_json_get_obj(v, "env", &sub, err));
    AVOW_TRY(parse_env(sub, m, err));
    AVOW_TRY(get_u64(v, "time_limit_ms", 0, AVOW_MANIFEST_TIME_MAX_MS, &m->time_limit_ms, err));
    AVOW_TRY(get_u64(v, "outputs_max", 0, AVOW_MANIFEST_FILE_MAX, &m->outputs_max, err));
    return parse_nodes(v, m, err);
}

int avow_manifest_parse(struct avow_bytes text, struct avow_manifest *out, struct avow_error *err)
{
    avow_autojson json_t *v = NULL;
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };
    struct avow_error local = { 0 };

    if (!err)
        err = &local;
    if (text.len > AVOW_MANIFEST_MAX)
        return AVOW_FAIL(err, LIMIT, "manifest of %zu bytes (at most %u)", text.len,
                         AVOW_MANIFEST_MAX);
    AVOW_TRY(avow_json_parse(text, &v, err));
    if (!json_is_object(v))
        return AVOW_FAIL(err, FORMAT, "a manifest is an object");
    if (parse_root(v, &m, err) < 0)
        return avow_error_prefix(err, "manifest: ");
    AVOW_TRY(avow_json_check_canonical(text, err));
    *out = m;
    m = (struct avow_manifest){ 0 };
    return 0;
}

/* --- emit --------------------------------------------------------------------------------- */

static json_t *file_json(const struct avow_job_file *f)
{
    char hex[65];

    avow_hex(AVOW_BYTES_OF(f->sha256), hex);
    return json_pack("{s:s,s:I,s:s}", "name", f->name, "size", (json_int_t)f->size, "sha256", hex);
}

static json_t *program_json(const struct avow_manifest *m)
{
    json_t *v = file_json(&m->program);
    avow_autojson json_t *args = json_array();

    for (size_t i = 0; i < m->n_args; i++)
        json_array_append_new(args, json_string(m->args[i]));
    if (json_array_size(args) != m->n_args) {
        json_decref(v);
        return NULL;
    }
    json_object_set(v, "args", args);
    return v;
}

static json_t *env_json(const struct avow_manifest *m)
{
    json_t *v = json_object();

    for (size_t i = 0; i < m->n_env; i++)
        json_object_set_new(v, m->env[i].name, json_string(m->env[i].value));
    if (json_object_size(v) != m->n_env) {
        json_decref(v);
        return NULL;
    }
    return v;
}

static json_t *node_json(const struct avow_job_node *n)
{
    avow_autojson json_t *inputs = json_array();

    for (size_t i = 0; i < n->n_inputs; i++)
        json_array_append_new(inputs, file_json(&n->inputs[i]));
    return json_pack("{s:s,s:s,s:I,s:O}", "name", n->name, "tee", n->tee, "ranks",
                     (json_int_t)n->ranks, "inputs", inputs);
}

static int by_file(const void *a, const void *b)
{
    const struct avow_job_file *x = a;
    const struct avow_job_file *y = b;

    return strcmp(x->name, y->name);
}

static int by_node(const void *a, const void *b)
{
    const struct avow_job_node *x = a;
    const struct avow_job_node *y = b;

    return strcmp(x->name, y->name);
}

static void sort_all(struct avow_manifest *m)
{
    if (m->n_nodes)
        qsort(m->nodes, m->n_nodes, sizeof *m->nodes, by_node);
    for (size_t i = 0; i < m->n_nodes; i++)
        if (m->nodes[i].n_inputs)
            qsort(m->nodes[i].inputs, m->nodes[i].n_inputs, sizeof *m->nodes[i].inputs, by_file);
}

int avow_manifest_emit(struct avow_manifest *m, struct avow_buf *out, struct avow_error *err)
{
    avow_autojson json_t *program = NULL;
    avow_autojson json_t *env = NULL;
    avow_autojson json_t *nodes = json_array();
    avow_autojson json_t *root = NULL;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_MANIFEST_MAX);
    avow_auto(avow_manifest_done) struct avow_manifest again = { 0 };

    sort_all(m);
    program = program_json(m);
    env = env_json(m);
    for (size_t i = 0; i < m->n_nodes; i++)
        json_array_append_new(nodes, node_json(&m->nodes[i]));
    if (!program || !env)
        return AVOW_FAIL(err, FORMAT, "manifest: an argument or variable is not UTF-8, or twice");
    root =
        json_pack("{s:s,s:s,s:s,s:O,s:O,s:I,s:I,s:O}", "type", TYPE, "job", m->job, "name", m->name,
                  "program", program, "env", env, "time_limit_ms", (json_int_t)m->time_limit_ms,
                  "outputs_max", (json_int_t)m->outputs_max, "nodes", nodes);
    if (!root)
        return AVOW_FAIL(err, FORMAT, "manifest: a name is not UTF-8");
    AVOW_TRY(avow_json_canonical(root, &text, err));
    AVOW_TRY(avow_manifest_parse(avow_buf_view(&text), &again, err));
    AVOW_TRY(avow_buf_put_bytes(out, avow_buf_view(&text)));
    return avow_buf_ok(out, err);
}

/* --- look-ups ----------------------------------------------------------------------------- */

int avow_manifest_node(const struct avow_manifest *m, const char *name)
{
    for (size_t i = 0; i < m->n_nodes; i++)
        if (strcmp(m->nodes[i].name, name) == 0)
            return (int)i;
    return -1;
}

uint32_t avow_manifest_first_rank(const struct avow_manifest *m, size_t index)
{
    uint32_t n = 0;

    for (size_t i = 0; i < index && i < m->n_nodes; i++)
        n += m->nodes[i].ranks;
    return n;
}

int avow_manifest_rank_node(const struct avow_manifest *m, uint32_t rank)
{
    for (size_t i = 0; i < m->n_nodes; i++) {
        if (rank < m->nodes[i].ranks)
            return (int)i;
        rank -= m->nodes[i].ranks;
    }
    return -1;
}

uint64_t avow_manifest_bytes(const struct avow_manifest *m, size_t index)
{
    uint64_t sum = m->program.size;

    for (size_t i = 0; i < m->nodes[index].n_inputs; i++)
        sum += m->nodes[index].inputs[i].size; /* at most 2^44 * 4097: cannot wrap */
    return sum;
}
