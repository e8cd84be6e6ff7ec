#include "client/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/read.h"
#include "codec/yaml.h"
#include "crypto/hash.h"

#define ADDRESS_MAX 300
#define ROOTS_MAX (1u << 20) /* bytes of a PEM file */

/* ---- schema ---- */

static const struct avow_schema text = { .type = AVOW_YAML_STRING };
static const struct avow_schema words = { .type = AVOW_YAML_LIST,
                                          .item = &text,
                                          .max = AVOW_MANIFEST_ARGS_MAX };
static const struct avow_schema path_value = {
    .type = AVOW_YAML_STRING, .what = "a path", .min = 1, .max = PATH_MAX - 1
};
static const struct avow_schema job_name = { .type = AVOW_YAML_STRING,
                                             .min = 1,
                                             .max = AVOW_JOB_NAME_MAX };
static const struct avow_schema node_name = { .type = AVOW_YAML_STRING,
                                              .min = 1,
                                              .max = AVOW_JOB_NODE_NAME_MAX };
static const struct avow_schema address = {
    .type = AVOW_YAML_STRING, .what = "host:port", .min = 3, .max = ADDRESS_MAX
};
static const struct avow_schema env = { .type = AVOW_YAML_DICT,
                                        .item = &text,
                                        .max = AVOW_MANIFEST_ENV_MAX };
static const struct avow_schema ranks = { .type = AVOW_YAML_INT,
                                          .min = 1,
                                          .max = AVOW_MANIFEST_RANKS_MAX };
static const struct avow_schema inputs = { .type = AVOW_YAML_DICT,
                                           .what = "a mapping of names on the node to files here",
                                           .item = &path_value,
                                           .max = AVOW_MANIFEST_INPUTS_MAX };
static const struct avow_schema time_limit = { .type = AVOW_YAML_DURATION,
                                               .min = 1000,
                                               .max = (int64_t)AVOW_MANIFEST_TIME_MAX_MS };
static const struct avow_schema outputs_max = { .type = AVOW_YAML_SIZE,
                                                .min = 1,
                                                .max = (int64_t)AVOW_MANIFEST_FILE_MAX };
static const struct avow_schema any = { .type = AVOW_YAML_ANY };
static const struct avow_schema any_map = { .type = AVOW_YAML_DICT, .item = &any };
static const struct avow_schema policy = {
    .type = AVOW_YAML_EITHER, .what = "a path or a policy", .scalar = &path_value, .map = &any_map
};

static const struct avow_schema_key program_keys[] = {
    { "path", &path_value, true },
    { "args", &words, false },
    { NULL, NULL, false },
};
static const struct avow_schema program = { .type = AVOW_YAML_MAP, .keys = program_keys };

static const struct avow_schema_key node_keys[] = {
    { "name", &node_name, true },   { "tee", &text, true },
    { "ranks", &ranks, false },     { "inputs", &inputs, false },
    { "address", &address, false }, { "node-address", &address, false },
    { NULL, NULL, false },
};
static const struct avow_schema node = { .type = AVOW_YAML_MAP, .keys = node_keys };
static const struct avow_schema nodes = {
    .type = AVOW_YAML_LIST, .item = &node, .min = 2, .max = AVOW_PLAN_NODES_MAX
};

static const struct avow_schema ratio_pair = {
    .type = AVOW_YAML_LIST, .what = "[numerator, denominator]", .item = &text, .min = 2, .max = 2
};
static const struct avow_schema ratio = { .type = AVOW_YAML_DICT, .item = &ratio_pair, .max = 64 };
static const struct avow_schema names = { .type = AVOW_YAML_LIST, .item = &text, .max = 256 };
static const struct avow_schema_key aggregate_keys[] = {
    { "file", &path_value, false }, { "sum", &names, false },        { "mean", &names, false },
    { "min", &names, false },       { "max", &names, false },        { "same", &names, false },
    { "ratio", &ratio, false },     { "same-files", &names, false }, { NULL, NULL, false },
};
static const struct avow_schema aggregate = { .type = AVOW_YAML_MAP, .keys = aggregate_keys };

static const struct avow_schema_key job_keys[] = {
    { "name", &job_name, true },
    { "program", &program, true },
    { "env", &env, false },
    { "policy", &policy, true },
    { "simulated-roots", &path_value, false },
    { "time-limit", &time_limit, false },
    { "outputs-max", &outputs_max, false },
    { "output", &path_value, false },
    { "cluster", &path_value, false },
    { "nodes", &nodes, true },
    { "aggregate", &aggregate, false },
    { "verifier", &avow_verifier_schema, false },
    { "require", &avow_require_schema, false },
    { NULL, NULL, false },
};
static const struct avow_schema job = { .type = AVOW_YAML_MAP, .keys = job_keys };

static const struct avow_schema_key place_keys[] = {
    { "address", &address, true },
    { "node-address", &address, false },
    { NULL, NULL, false },
};
static const struct avow_schema place = { .type = AVOW_YAML_MAP, .keys = place_keys };
static const struct avow_schema cluster_schema = {
    .type = AVOW_YAML_DICT, .item = &place, .min = 1, .max = AVOW_PLAN_NODES_MAX
};

/* ---- the parts ---- */

struct loader {
    const struct avow_yaml *yaml;
    const char *path;
    struct avow_plan *plan;
    json_t *cluster; /* or NULL; owned */
    struct avow_error *err;
};

#define AT(l, value, code, ...) \
    avow_yaml_fail((l)->yaml, (value), AVOW_E_##code, (l)->err, __VA_ARGS__)

bool avow_address_split(const char *addr, char *host, size_t n, uint16_t *port)
{
    const char *colon = strrchr(addr, ':');
    char *end = NULL;
    unsigned long v = 0;
    size_t len = 0;

    if (!colon || colon == addr || colon[1] < '0' || colon[1] > '9')
        return false;
    v = strtoul(colon + 1, &end, 10);
    len = (size_t)(colon - addr);
    if (*end || v == 0 || v > UINT16_MAX)
        return false;
    if (addr[0] == '[' && len >= 3 && addr[len - 1] == ']') {
        addr++;
        len -= 2;
    } else if (memchr(addr, ':', len) || memchr(addr, '[', len)) {
        return false;
    }
    if (len >= n || memchr(addr, '/', len) || memchr(addr, '@', len) || memchr(addr, ' ', len))
        return false;
    memcpy(host, addr, len);
    host[len] = 0;
    *port = (uint16_t)v;
    return true;
}

/* @file as seen from the folder of @from. Owned by the caller, NULL without memory. */
static char *resolve(const char *from, const char *file)
{
    const char *slash = strrchr(from, '/');
    char *out = NULL;

    if (file[0] == '/' || !slash)
        return strdup(file);
    if (asprintf(&out, "%.*s/%s", (int)(slash - from), from, file) < 0)
        return NULL;
    return out;
}

/* Resolve the path that stands at @value under @key; it must be a readable regular file. */
static int file_at(struct loader *l, const json_t *value, const char *key, char **out)
{
    avow_autofree char *full = resolve(l->path, json_string_value(value));
    avow_autoclose int fd = -1;
    struct stat st = { 0 };

    if (!full)
        return AVOW_FAIL(l->err, NOMEM, "out of memory");
    fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT)
        return AT(l, value, NOTFOUND, "%s: there is no file %s", key, full);
    if (fd < 0 || fstat(fd, &st) != 0)
        return AT(l, value, SYSTEM, "%s: %s: %s", key, full, strerrordesc_np(errno));
    if (!S_ISREG(st.st_mode))
        return AT(l, value, FORMAT, "%s: %s is not a regular file", key, full);
    *out = avow_steal(&full);
    return 0;
}

static int load_inputs(struct loader *l, const json_t *map, struct avow_plan_node *n)
{
    const char *name = NULL;
    json_t *value = NULL;

    if (!json_object_size(map))
        return 0;
    n->inputs = calloc(json_object_size(map), sizeof *n->inputs);
    if (!n->inputs)
        return AVOW_FAIL(l->err, NOMEM, "out of memory");
    json_object_foreach((json_t *)(uintptr_t)map, name, value) {
        struct avow_plan_input *in = &n->inputs[n->n_inputs];

        if (!avow_job_file_name_ok(name))
            return AT(l, value, FORMAT,
                      "inputs: \"%.64s\" is not a name for a file on a node (relative, "
                      "[A-Za-z0-9._-] and /)",
                      name);
        AVOW_TRY(file_at(l, value, name, &in->path));
        (void)snprintf(in->name, sizeof in->name, "%s", name);
        n->n_inputs++;
    }
    return 0;
}

/* An address of node @n: from its own entry or from the cluster file. */
static int load_address(struct loader *l, const json_t *entry, const struct avow_plan_node *n,
                        const char *key, char **out)
{
    const json_t *at = json_object_get(entry, key);
    const json_t *value = at ? at : json_object_get(json_object_get(l->cluster, n->name), key);
    char host[ADDRESS_MAX];
    uint16_t port = 0;

    if (!value)
        return AT(l, entry, MISSING, "key \"%s\" of node %s is missing, here and in %s", key,
                  n->name, l->cluster ? "the cluster file" : "a cluster file (--cluster)");
    if (!avow_address_split(json_string_value(value), host, sizeof host, &port))
        return AT(l, at ? at : entry, FORMAT, "%s: \"%.64s\" is not host:port", key,
                  json_string_value(value));
    *out = strdup(json_string_value(value));
    return *out ? 0 : AVOW_FAIL(l->err, NOMEM, "out of memory");
}

static int load_node(struct loader *l, const json_t *entry, struct avow_plan_node *n)
{
    const json_t *name = json_object_get(entry, "name");
    const json_t *tee = json_object_get(entry, "tee");
    const json_t *r = json_object_get(entry, "ranks");

    if (!avow_job_node_name_ok(json_string_value(name)))
        return AT(l, name, FORMAT,
                  "name: \"%s\" is not a node's name (lower-case letters, digits and -)",
                  json_string_value(name));
    if (strcmp(json_string_value(name), AVOW_PLAN_NAME_CLIENT) == 0)
        return AT(l, name, FORMAT, "name: \"%s\" is what reports call this side",
                  AVOW_PLAN_NAME_CLIENT);
    (void)snprintf(n->name, sizeof n->name, "%s", json_string_value(name));
    n->tee = avow_tee_from_name(json_string_value(tee));
    if (n->tee == AVOW_TEE_NONE)
        return AT(l, tee, FORMAT, "tee: \"%.32s\" is none of snp, tdx, az-snp, az-tdx",
                  json_string_value(tee));
    n->ranks = r ? (uint32_t)json_integer_value(r) : 1;
    AVOW_TRY(load_address(l, entry, n, "address", &n->address));
    AVOW_TRY(load_address(l, entry, n, "node-address", &n->node_address));
    return load_inputs(l, json_object_get(entry, "inputs"), n);
}

static int compare_nodes(const void *a, const void *b)
{
    const struct avow_plan_node *x = a;
    const struct avow_plan_node *y = b;

    return strcmp(x->name, y->name);
}

static int load_nodes(struct loader *l, const json_t *list)
{
    struct avow_plan *p = l->plan;
    size_t i = 0;
    json_t *entry = NULL;

    p->nodes = calloc(json_array_size(list), sizeof *p->nodes);
    if (!p->nodes)
        return AVOW_FAIL(l->err, NOMEM, "out of memory");
    json_array_foreach(list, i, entry) {
        p->n_nodes++;
        AVOW_TRY(load_node(l, entry, &p->nodes[i]));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(p->nodes[j].name, p->nodes[i].name) == 0)
                return AT(l, json_object_get(entry, "name"), EXISTS,
                          "name: two nodes are called %s", p->nodes[i].name);
            if (strcmp(p->nodes[j].address, p->nodes[i].address) == 0)
                return AT(l, entry, EXISTS, "address: nodes %s and %s have the same, %s",
                          p->nodes[j].name, p->nodes[i].name, p->nodes[i].address);
        }
    }
    qsort(p->nodes, p->n_nodes, sizeof *p->nodes, compare_nodes);
    return 0;
}

static int load_program(struct loader *l, const json_t *section)
{
    const json_t *path = json_object_get(section, "path");
    json_t *args = json_object_get(section, "args");
    const char *base = NULL;

    AVOW_TRY(file_at(l, path, "program", &l->plan->program));
    base = strrchr(l->plan->program, '/');
    if (!avow_job_file_name_ok(base ? base + 1 : l->plan->program))
        return AT(l, path, FORMAT, "program: the file's name may only have [A-Za-z0-9._-]");
    l->plan->args = args ? json_incref(args) : json_array();
    return l->plan->args ? 0 : AVOW_FAIL(l->err, NOMEM, "out of memory");
}

static int load_env(struct loader *l, json_t *section)
{
    const char *name = NULL;
    json_t *value = NULL;

    json_object_foreach(section, name, value)
        if (!avow_job_env_name_ok(name))
            return AT(l, value, FORMAT, "env: a job may not set \"%.64s\"", name);
    l->plan->env = section ? json_incref(section) : json_object();
    return l->plan->env ? 0 : AVOW_FAIL(l->err, NOMEM, "out of memory");
}

/* What is wrong is said with the place in @y where it stands. */
static int finish_policy(const struct avow_yaml *y, const json_t *doc, struct avow_policy **out,
                         struct avow_buf *canonical, struct avow_error *err)
{
    struct avow_error why = { 0 };
    const json_t *at = NULL;
    int rc = avow_policy_read(doc, out, &at, &why);

    if (rc < 0)
        return avow_yaml_fail(y, at, rc, err, "%s", why.text);
    return canonical ? avow_json_canonical(doc, canonical, err) : 0;
}

int avow_policy_load(const char *path, struct avow_policy **out, struct avow_buf *canonical,
                     struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;

    AVOW_TRY(avow_yaml_load_file(path, &any_map, &y, err));
    return finish_policy(y, avow_yaml_value(y), out, canonical, err);
}

static int load_policy(struct loader *l, const json_t *value)
{
    struct avow_plan *p = l->plan;
    avow_autofree char *path = NULL;

    p->policy_text = AVOW_BUF(AVOW_POLICY_MAX);
    if (json_is_string(value)) {
        AVOW_TRY(file_at(l, value, "policy", &path));
        return avow_policy_load(path, &p->policy, &p->policy_text, l->err);
    }
    return finish_policy(l->yaml, value, &p->policy, &p->policy_text, l->err);
}

int avow_roots_load(const char *path, struct avow_anchors *anchors, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(ROOTS_MAX);
    avow_autofclose FILE *f = fopen(path, "re");
    int rc = 0;

    if (!f)
        return errno == ENOENT ? AVOW_FAIL(err, NOTFOUND, "%s: there is no such file", path)
                               : AVOW_FAIL_SYS(err, "%s", path);
    AVOW_TRY(avow_read_all(f, path, &pem, err));
    rc = avow_anchors_add_simulated(anchors, avow_buf_view(&pem), err);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", path);
    return rc;
}

static int load_roots(struct loader *l, const json_t *value)
{
    avow_anchors_builtin(&l->plan->anchors);
    if (!value)
        return 0;
    AVOW_TRY(file_at(l, value, "simulated-roots", &l->plan->roots));
    return avow_roots_load(l->plan->roots, &l->plan->anchors, l->err);
}

int avow_cluster_load(const char *path, json_t **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;

    AVOW_TRY(avow_yaml_load_file(path, &cluster_schema, &y, err));
    *out = json_incref(avow_yaml_value(y));
    return 0;
}

static int load_cluster(struct loader *l, const char *given, const json_t *value)
{
    avow_autofree char *path = NULL;

    if (given)
        return avow_cluster_load(given, &l->cluster, l->err);
    if (!value)
        return 0;
    AVOW_TRY(file_at(l, value, "cluster", &path));
    return avow_cluster_load(path, &l->cluster, l->err);
}

static int load_output(struct loader *l, const json_t *value)
{
    struct avow_plan *p = l->plan;

    if (value)
        p->output = resolve(l->path, json_string_value(value));
    else if (asprintf(&p->output, "./results/%s", p->name) < 0)
        p->output = NULL;
    return p->output ? 0 : AVOW_FAIL(l->err, NOMEM, "out of memory");
}

static int load_aggregate(struct loader *l, json_t *section)
{
    size_t i = 0;
    json_t *file = NULL;

    if (!section)
        return 0;
    json_array_foreach(json_object_get(section, "same-files"), i, file)
        if (!avow_job_file_name_ok(json_string_value(file)))
            return AT(l, file, FORMAT, "same-files: \"%.64s\" is not the name of a result",
                      json_string_value(file));
    file = json_object_get(section, "file");
    if (file && !avow_job_file_name_ok(json_string_value(file)))
        return AT(l, file, FORMAT, "file: \"%.64s\" is not the name of a result",
                  json_string_value(file));
    l->plan->aggregate = json_incref(section);
    return 0;
}

/* Of the one that is of kind azure. */
static const json_t *verifier_ca(const json_t *verifier)
{
    const json_t *item = NULL;
    size_t i = 0;

    if (json_is_object(verifier))
        return json_object_get(verifier, "ca");
    json_array_foreach(verifier, i, item)
        if (json_object_get(item, "ca"))
            return json_object_get(item, "ca");
    return NULL;
}

static int load_verifier(struct loader *l, const json_t *doc)
{
    const json_t *ca = NULL;
    char *path = NULL;

    AVOW_TRY(avow_verifier_settings_read(l->yaml, json_object_get(doc, "verifier"),
                                         json_object_get(doc, "require"), &l->plan->verifier,
                                         l->err));
    if (!l->plan->verifier.ca)
        return 0;
    ca = verifier_ca(json_object_get(doc, "verifier"));
    AVOW_TRY(file_at(l, ca, "verifier.ca", &path));
    free(l->plan->verifier.ca);
    l->plan->verifier.ca = path;
    return 0;
}

static int load_job(struct loader *l, const char *cluster)
{
    json_t *doc = avow_yaml_value(l->yaml);
    const json_t *name = json_object_get(doc, "name");
    const json_t *limit = json_object_get(doc, "time-limit");
    const json_t *bytes = json_object_get(doc, "outputs-max");
    struct avow_plan *p = l->plan;

    if (!avow_job_name_ok(json_string_value(name)))
        return AT(l, name, FORMAT, "name: only [A-Za-z0-9._-] may be in a job's name");
    (void)snprintf(p->name, sizeof p->name, "%s", json_string_value(name));
    p->time_limit_ms = limit ? (uint64_t)json_integer_value(limit) : AVOW_PLAN_TIME_DEFAULT_MS;
    p->outputs_max = bytes ? (uint64_t)json_integer_value(bytes) : AVOW_PLAN_OUTPUTS_DEFAULT;
    AVOW_TRY(load_program(l, json_object_get(doc, "program")));
    AVOW_TRY(load_env(l, json_object_get(doc, "env")));
    AVOW_TRY(load_policy(l, json_object_get(doc, "policy")));
    AVOW_TRY(load_roots(l, json_object_get(doc, "simulated-roots")));
    AVOW_TRY(load_verifier(l, doc));
    AVOW_TRY(load_output(l, json_object_get(doc, "output")));
    AVOW_TRY(load_aggregate(l, json_object_get(doc, "aggregate")));
    AVOW_TRY(load_cluster(l, cluster, json_object_get(doc, "cluster")));
    return load_nodes(l, json_object_get(doc, "nodes"));
}

int avow_plan_load(const char *path, const char *cluster, struct avow_plan **out,
                   struct avow_error *err)
{
    avow_auto(avow_cleanup_yaml) struct avow_yaml *y = NULL;
    avow_auto(avow_cleanup_plan) struct avow_plan *p = calloc(1, sizeof *p);
    struct loader l = { .path = path, .plan = p, .err = err };
    int rc = 0;

    if (!p || !(p->path = strdup(path)))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_yaml_load_file(path, &job, &y, err));
    l.yaml = y;
    rc = load_job(&l, cluster);
    json_decref(l.cluster);
    AVOW_TRY(rc);
    *out = avow_steal(&p);
    return 0;
}

void avow_plan_free(struct avow_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct avow_plan_node *n = &p->nodes[i];

        for (size_t j = 0; n->inputs && j < n->n_inputs; j++)
            free(n->inputs[j].path);
        free(n->inputs);
        free(n->address);
        free(n->node_address);
    }
    free(p->nodes);
    free(p->path);
    free(p->program);
    free(p->roots);
    free(p->output);
    json_decref(p->args);
    json_decref(p->env);
    json_decref(p->aggregate);
    avow_policy_free(p->policy);
    avow_verifier_settings_done(&p->verifier);
    avow_buf_done(&p->policy_text);
    free(p);
}

/* ---- manifest ---- */

static int describe(const char *path, const char *name, struct avow_job_file *out,
                    struct avow_error *err)
{
    avow_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    AVOW_TRY(avow_sha256_fd(fd, out->sha256, &out->size, err));
    if (snprintf(out->name, sizeof out->name, "%s", name) >= (int)sizeof out->name)
        return AVOW_FAIL(err, LIMIT, "the name %s is too long", name);
    return 0;
}

static int manifest_node(const struct avow_plan_node *n, struct avow_job_node *out,
                         struct avow_error *err)
{
    (void)snprintf(out->name, sizeof out->name, "%s", n->name);
    (void)snprintf(out->tee, sizeof out->tee, "%s", avow_tee_name(n->tee));
    out->ranks = n->ranks;
    out->inputs = calloc(n->n_inputs ? n->n_inputs : 1, sizeof *out->inputs);
    if (!out->inputs)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (size_t i = 0; i < n->n_inputs; i++) {
        AVOW_TRY(describe(n->inputs[i].path, n->inputs[i].name, &out->inputs[i], err));
        out->n_inputs++;
    }
    return 0;
}

static int manifest_strings(const struct avow_plan *p, struct avow_manifest *m,
                            struct avow_error *err)
{
    size_t i = 0;
    const char *name = NULL;
    json_t *v = NULL;

    m->args = calloc(json_array_size(p->args) + 1, sizeof *m->args);
    m->env = calloc(json_object_size(p->env) + 1, sizeof *m->env);
    if (!m->args || !m->env)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    json_array_foreach(p->args, i, v) {
        if (!(m->args[m->n_args++] = strdup(json_string_value(v))))
            return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    json_object_foreach(p->env, name, v) {
        struct avow_job_env *e = &m->env[m->n_env++];

        e->name = strdup(name);
        e->value = strdup(json_string_value(v));
        if (!e->name || !e->value)
            return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return 0;
}

int avow_plan_manifest(const struct avow_plan *p, const char *uuid, struct avow_buf *out,
                       struct avow_error *err)
{
    avow_auto(avow_manifest_done) struct avow_manifest m = { 0 };
    const char *base = strrchr(p->program, '/');

    (void)snprintf(m.job, sizeof m.job, "%s", uuid);
    (void)snprintf(m.name, sizeof m.name, "%s", p->name);
    m.time_limit_ms = p->time_limit_ms;
    m.outputs_max = p->outputs_max;
    AVOW_TRY(describe(p->program, base ? base + 1 : p->program, &m.program, err));
    AVOW_TRY(manifest_strings(p, &m, err));
    m.nodes = calloc(p->n_nodes, sizeof *m.nodes);
    if (!m.nodes)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    for (size_t i = 0; i < p->n_nodes; i++) {
        m.n_nodes++;
        AVOW_TRY(manifest_node(&p->nodes[i], &m.nodes[i], err));
    }
    return avow_manifest_emit(&m, out, err);
}
