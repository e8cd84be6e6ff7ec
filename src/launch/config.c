#include "launch/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "codec/json.h"
#include "launch/shell.h"

#define UUID_LEN 36
#define NODE_NAME_MAX 63 /* one label of a host name, RFC 1123 section 2.1 */

AVOW_DEFINE_CLEANUP(launch_config, struct avow_launch_config, avow_launch_config_free)

static void free_strings(char **v)
{
    for (size_t i = 0; v && v[i]; i++)
        free(v[i]);
    free(v);
}

void avow_launch_config_free(struct avow_launch_config *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; c->nodes && i < c->n_nodes; i++)
        free(c->nodes[i].name);
    free(c->nodes);
    free(c->program);
    free_strings(c->argv);
    free_strings(c->env);
    free(c->workdir);
    free(c->input);
    free(c->preload);
    free(c->hide);
    free(c);
}

uint32_t avow_launch_node_of(const struct avow_launch_config *c, uint32_t rank)
{
    uint32_t low = 0, high = c->n_nodes - 1;

    while (low < high) {
        uint32_t mid = low + (high - low + 1) / 2;

        if (c->nodes[mid].first <= rank)
            low = mid;
        else
            high = mid - 1;
    }
    return low;
}

static int copy_text(const char *s, char **out, struct avow_error *err)
{
    *out = strdup(s);
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "no memory for the job's configuration");
}

static bool is_uuid(const char *s)
{
    if (strlen(s) != UUID_LEN)
        return false;
    for (size_t i = 0; i < UUID_LEN; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? s[i] != '-' : !strchr("0123456789abcdef", s[i]))
            return false;
    }
    return true;
}

/* Names end up in PMIx's node lists, where ',' ';' '[' have a meaning. */
static bool is_node_name(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= NODE_NAME_MAX &&
           strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == n;
}

/* Absolute, no empty, "." or ".." component, so that a prefix test means what it seems to. */
static bool is_plain_path(const char *s)
{
    if (s[0] != '/' || strlen(s) >= 4096)
        return false;
    for (const char *p = s; *p;) {
        const char *part = p + 1;
        size_t n = strcspn(part, "/");

        if (n == 0 || (n == 1 && part[0] == '.') || (n == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        p = part + n;
    }
    return true;
}

static int get_path(const json_t *obj, const char *key, char **out, struct avow_error *err)
{
    const char *s = NULL;

    AVOW_TRY(avow_json_get_str(obj, key, &s, err));
    if (!is_plain_path(s))
        return AVOW_FAIL(err, FORMAT, "\"%s\" is not a plain absolute path: %.200s", key, s);
    return copy_text(s, out, err);
}

static int parse_node(const json_t *v, struct avow_launch_config *c, struct avow_error *err)
{
    static const char *const known[] = { "name", "ranks", NULL };
    struct avow_launch_node *n = &c->nodes[c->n_nodes];
    const char *name = NULL;
    int64_t ranks = 0;

    AVOW_TRY(avow_json_only(v, known, err));
    AVOW_TRY(avow_json_get_str(v, "name", &name, err));
    if (!is_node_name(name))
        return AVOW_FAIL(err, FORMAT, "\"%.100s\" is not a node name", name);
    for (uint32_t i = 0; i < c->n_nodes; i++)
        if (strcmp(c->nodes[i].name, name) == 0)
            return AVOW_FAIL(err, FORMAT, "the node name \"%s\" occurs twice", name);
    AVOW_TRY(avow_json_get_int(v, "ranks", 1, AVOW_SHELL_RANKS_MAX, &ranks, err));
    if (c->n_ranks + (uint32_t)ranks > AVOW_LAUNCH_RANKS_MAX)
        return AVOW_FAIL(err, LIMIT, "more than %d ranks", AVOW_LAUNCH_RANKS_MAX);
    AVOW_TRY(copy_text(name, &n->name, err));
    n->ranks = (uint32_t)ranks;
    n->first = c->n_ranks;
    c->n_ranks += n->ranks;
    c->n_nodes++;
    return 0;
}

static int parse_nodes(const json_t *doc, struct avow_launch_config *c, struct avow_error *err)
{
    json_t *list = NULL, *v = NULL;
    const char *name = NULL;
    int64_t node = 0;
    size_t i = 0, n = 0;

    AVOW_TRY(avow_json_get_array(doc, "nodes", AVOW_LAUNCH_NODES_MAX, &list, err));
    n = json_array_size(list);
    if (n == 0)
        return AVOW_FAIL(err, FORMAT, "\"nodes\" is empty");
    c->nodes = calloc(n, sizeof *c->nodes);
    if (!c->nodes)
        return AVOW_FAIL(err, NOMEM, "no memory for %zu nodes", n);
    json_array_foreach(list, i, v)
        AVOW_TRY(parse_node(v, c, err));
    AVOW_TRY(avow_json_get_int(doc, "node", 0, (int64_t)n - 1, &node, err));
    c->node = (uint32_t)node;
    AVOW_TRY(avow_json_get_str(doc, "name", &name, err));
    if (strcmp(name, avow_launch_self(c)->name) != 0)
        return AVOW_FAIL(err, FORMAT, "\"name\" is \"%.100s\", but node %u is \"%s\"", name,
                         c->node, avow_launch_self(c)->name);
    return 0;
}

static int parse_args(const json_t *doc, struct avow_launch_config *c, struct avow_error *err)
{
    json_t *list = NULL, *v = NULL;
    size_t i = 0;

    AVOW_TRY(avow_json_get_array(doc, "args", AVOW_LAUNCH_ARGS_MAX, &list, err));
    c->argv = calloc(json_array_size(list) + 2, sizeof *c->argv);
    if (!c->argv)
        return AVOW_FAIL(err, NOMEM, "no memory for the arguments");
    AVOW_TRY(copy_text(c->program, &c->argv[0], err));
    json_array_foreach(list, i, v) {
        if (!json_is_string(v))
            return AVOW_FAIL(err, FORMAT, "\"args\" item %zu is not a string", i);
        AVOW_TRY(copy_text(json_string_value(v), &c->argv[i + 1], err));
    }
    return 0;
}

static int parse_env(const json_t *doc, struct avow_launch_config *c, struct avow_error *err)
{
    json_t *obj = NULL;
    void *it = NULL;
    size_t n = 0;

    AVOW_TRY(avow_json_get_obj(doc, "env", &obj, err));
    if (json_object_size(obj) > AVOW_LAUNCH_ENV_MAX)
        return AVOW_FAIL(err, LIMIT, "more than %d environment variables", AVOW_LAUNCH_ENV_MAX);
    c->env = calloc(json_object_size(obj) + 1, sizeof *c->env);
    if (!c->env)
        return AVOW_FAIL(err, NOMEM, "no memory for the environment");
    for (it = json_object_iter(obj); it; it = json_object_iter_next(obj, it)) {
        const char *key = json_object_iter_key(it);
        json_t *v = json_object_iter_value(it);

        if (!key[0] || strchr(key, '='))
            return AVOW_FAIL(err, FORMAT, "\"env\": \"%.100s\" is not a variable's name", key);
        if (!json_is_string(v))
            return AVOW_FAIL(err, FORMAT, "\"env\": the value of %.100s is not a string", key);
        if (asprintf(&c->env[n], "%s=%s", key, json_string_value(v)) < 0) {
            c->env[n] = NULL;
            return AVOW_FAIL(err, NOMEM, "no memory for the environment");
        }
        n++;
    }
    return 0;
}

static int parse_net(const json_t *doc, struct avow_launch_config *c, struct avow_error *err)
{
    const char *vaddr = NULL, *net = NULL;
    char base[INET_ADDRSTRLEN];
    const char *slash = NULL;
    char *end = NULL;
    unsigned long prefix = 0;
    uint32_t mask = 0;

    AVOW_TRY(avow_json_get_str(doc, "vaddr", &vaddr, err));
    AVOW_TRY(avow_json_get_str(doc, "net", &net, err));
    if (inet_pton(AF_INET, vaddr, &c->vaddr) != 1)
        return AVOW_FAIL(err, FORMAT, "\"vaddr\" is not an IPv4 address: %.60s", vaddr);
    slash = strchr(net, '/');
    if (!slash || (size_t)(slash - net) >= sizeof base || strspn(slash + 1, "0123456789") == 0)
        return AVOW_FAIL(err, FORMAT, "\"net\" is not ADDRESS/PREFIX: %.60s", net);
    snprintf(base, sizeof base, "%.*s", (int)(slash - net), net);
    prefix = strtoul(slash + 1, &end, 10);
    if (inet_pton(AF_INET, base, &c->net) != 1 || *end || prefix < 8 || prefix > 30)
        return AVOW_FAIL(err, FORMAT, "\"net\" is not ADDRESS/PREFIX (8 to 30): %.60s", net);
    mask = 0xffffffffu << (32 - prefix);
    c->prefix = (unsigned)prefix;
    if ((ntohl(c->net.s_addr) & ~mask) || (ntohl(c->vaddr.s_addr) & mask) != ntohl(c->net.s_addr))
        return AVOW_FAIL(err, FORMAT, "%.40s is not an address of %.40s", vaddr, net);
    snprintf(c->net_text, sizeof c->net_text, "%s/%u", base, c->prefix);
    return 0;
}

static int parse_paths(const json_t *doc, struct avow_launch_config *c, struct avow_error *err)
{
    const char *preload = "";
    const char *hide = "";
    const char *slash = NULL;

    AVOW_TRY(get_path(doc, "program", &c->program, err));
    AVOW_TRY(get_path(doc, "workdir", &c->workdir, err));
    slash = strrchr(c->workdir, '/');
    if (slash == c->workdir)
        return AVOW_FAIL(err, FORMAT, "\"workdir\" needs a folder above it: %s", c->workdir);
    if (asprintf(&c->input, "%.*s/input", (int)(slash - c->workdir), c->workdir) < 0) {
        c->input = NULL;
        return AVOW_FAIL(err, NOMEM, "no memory for a path");
    }
    AVOW_TRY(avow_json_opt_str(doc, "preload", &preload, err));
    /* ld.so separates the entries of LD_PRELOAD by blanks and colons */
    if (preload[0] && (!is_plain_path(preload) || strpbrk(preload, " :")))
        return AVOW_FAIL(err, FORMAT, "\"preload\" is not a usable path: %.200s", preload);
    AVOW_TRY(copy_text(preload, &c->preload, err));
    AVOW_TRY(avow_json_opt_str(doc, "hide", &hide, err));
    if (hide[0] && !is_plain_path(hide))
        return AVOW_FAIL(err, FORMAT, "\"hide\" is not a usable path: %.200s", hide);
    return copy_text(hide, &c->hide, err);
}

static int parse_options(const json_t *doc, struct avow_launch_config *c, struct avow_error *err)
{
    c->uid = c->gid = -1;
    c->require_namespace = true;
    c->pmi1_stall_ms = AVOW_LAUNCH_STALL_DEFAULT_MS;
    AVOW_TRY(avow_json_get_int(doc, "uid", -1, 0xfffffffe, &c->uid, err));
    AVOW_TRY(avow_json_get_int(doc, "gid", -1, 0xfffffffe, &c->gid, err));
    AVOW_TRY(avow_json_opt_int(doc, "time_limit_ms", 0, AVOW_LAUNCH_TIME_MAX_MS, &c->time_limit_ms,
                               err));
    AVOW_TRY(avow_json_opt_int(doc, "file_max", 0, INT64_MAX, &c->file_max, err));
    AVOW_TRY(avow_json_opt_int(doc, "pmi1_stall_ms", 0, 3600000, &c->pmi1_stall_ms, err));
    AVOW_TRY(avow_json_opt_bool(doc, "require_namespace", &c->require_namespace, err));
    return avow_json_opt_bool(doc, "allow_non_mpi", &c->allow_non_mpi, err);
}

int avow_launch_config_parse(struct avow_bytes text, struct avow_launch_config **out,
                             struct avow_error *err)
{
    static const char *const known[] = { "job",
                                         "node",
                                         "name",
                                         "nodes",
                                         "program",
                                         "args",
                                         "env",
                                         "workdir",
                                         "vaddr",
                                         "net",
                                         "uid",
                                         "gid",
                                         "preload",
                                         "time_limit_ms",
                                         "file_max",
                                         "pmi1_stall_ms",
                                         "require_namespace",
                                         "allow_non_mpi",
                                         "hide",
                                         NULL };
    __attribute__((cleanup(avow_cleanup_launch_config))) struct avow_launch_config *c = NULL;
    avow_autojson json_t *doc = NULL;
    const char *job = NULL;

    c = calloc(1, sizeof *c);
    if (!c)
        return AVOW_FAIL(err, NOMEM, "no memory for the job's configuration");
    AVOW_TRY(avow_json_parse(text, &doc, err));
    AVOW_TRY(avow_json_only(doc, known, err));
    AVOW_TRY(avow_json_get_str(doc, "job", &job, err));
    if (!is_uuid(job))
        return AVOW_FAIL(err, FORMAT, "\"job\" is not a UUID in lower case: %.60s", job);
    memcpy(c->job, job, UUID_LEN + 1);
    AVOW_TRY(parse_nodes(doc, c, err));
    AVOW_TRY(parse_paths(doc, c, err));
    AVOW_TRY(parse_args(doc, c, err));
    AVOW_TRY(parse_env(doc, c, err));
    AVOW_TRY(parse_net(doc, c, err));
    AVOW_TRY(parse_options(doc, c, err));
    *out = avow_steal(&c);
    return 0;
}
