#include "client/client.h"

#include <errno.h>
#include <sys/stat.h>
#include <time.h>

#include "client/fanout.h"
#include "client/record.h"
#include "crypto/hash.h"

double avow_now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

int64_t avow_unix_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int avow_uuid_new(char out[AVOW_JOB_UUID_LEN + 1], struct avow_error *err)
{
    uint8_t b[16];

    if (avow_random(b, sizeof b) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 9562, 5.4: version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    avow_job_uuid_text(b, out);
    return 0;
}

/* ---- identity ---- */

int avow_client_identity_path(const char *given, char **out, struct avow_error *err)
{
    const char *env = getenv("AVOW_IDENTITY");
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int n = 0;

    *out = NULL;
    if (given || (env && *env))
        n = asprintf(out, "%s", given ? given : env);
    else if (config && config[0] == '/')
        n = asprintf(out, "%s/avow/client.pem", config);
    else if (home && home[0] == '/')
        n = asprintf(out, "%s/.config/avow/client.pem", home);
    else
        return AVOW_FAIL(err, MISSING, "no identity: HOME is not set, nor --identity given");
    if (n < 0) {
        *out = NULL;
        return AVOW_FAIL(err, NOMEM, "out of memory");
    }
    return 0;
}

int avow_client_new(const struct avow_client_options *options, struct avow_client **out,
                    struct avow_error *err)
{
    avow_auto(avow_cleanup_client) struct avow_client *c = calloc(1, sizeof *c);

    if (!c)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    c->options = *options;
    if (!c->options.backoff.tries)
        c->options.backoff = AVOW_BACKOFF_DEFAULT;
    (void)pthread_mutex_init(&c->lock, NULL);
    c->manifest = AVOW_BUF(AVOW_MANIFEST_MAX);
    c->roster = AVOW_BUF(1u << 20);
    c->pairs = json_array();
    c->links = json_array();
    if (!c->pairs || !c->links)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    avow_anchors_builtin(&c->anchors);
    AVOW_TRY(avow_client_identity_path(options->identity, &c->identity, err));
    AVOW_TRY(avow_client_make_parents(c->identity, err));
    AVOW_TRY(avow_leaf_load_or_make(c->identity, "avow client", &c->leaf, err));
    c->began = avow_unix_ms();
    *out = avow_steal(&c);
    return 0;
}

static void node_done(struct avow_node *n)
{
    avow_wire_free(n->wire);
    avow_wire_free(n->stream);
    free(n->address);
    free(n->node_address);
    json_decref(n->claims);
    json_decref(n->formation);
    json_decref(n->job);
    json_decref(n->sync);
    json_decref(n->results);
    avow_buf_done(&n->bundle);
    avow_key_wipe(&n->again);
    avow_verify_cache_free(n->cache);
    (void)pthread_mutex_destroy(&n->lock);
}

void avow_client_free(struct avow_client *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        node_done(&c->nodes[i]);
    free(c->nodes);
    if (c->verifier)
        avow_verifier_free(c->verifier);
    avow_leaf_free(c->leaf);
    free(c->identity);
    avow_buf_done(&c->manifest);
    avow_buf_done(&c->roster);
    json_decref(c->pairs);
    json_decref(c->links);
    json_decref(c->outcome);
    json_decref(c->aggregate);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void avow_client_spki(const struct avow_client *c, uint8_t out[32])
{
    avow_leaf_spki(c->leaf, out);
}

/* ---- nodes ---- */

void avow_client_use_policy(struct avow_client *c, const struct avow_policy *policy,
                            const struct avow_anchors *anchors)
{
    c->policy = policy;
    c->anchors = *anchors;
}

int avow_client_reserve(struct avow_client *c, size_t n, struct avow_error *err)
{
    if (c->nodes || n > AVOW_PLAN_NODES_MAX)
        return AVOW_FAIL(err, LIMIT, "%zu nodes (at most %d)", n, AVOW_PLAN_NODES_MAX);
    c->nodes = calloc(n, sizeof *c->nodes);
    return c->nodes ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

int avow_client_add_node(struct avow_client *c, const char *name, enum avow_tee tee,
                         const char *address, const char *node_address, struct avow_error *err)
{
    struct avow_node *n = &c->nodes[c->n++];

    (void)pthread_mutex_init(&n->lock, NULL);
    n->client = c;
    n->expect = tee;
    n->bundle = AVOW_BUF(AVOW_BUNDLE_MAX);
    (void)snprintf(n->name, sizeof n->name, "%s", name);
    n->address = strdup(address);
    n->node_address = node_address ? strdup(node_address) : NULL;
    if (!n->address || (node_address && !n->node_address))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &n->cache, err));
    AVOW_TRY(avow_wire_new(n->address, c->leaf, &c->stop, &n->wire, err));
    return avow_wire_new(n->address, c->leaf, &c->stop_streams, &n->stream, err);
}

int avow_client_use_plan(struct avow_client *c, const struct avow_plan *plan,
                         struct avow_error *err)
{
    c->plan = plan;
    avow_client_use_policy(c, plan->policy, &plan->anchors);
    if (plan->verifier.azure)
        AVOW_TRY(avow_verifier_new(&plan->verifier, -1, &c->verifier, err));
    AVOW_TRY(avow_client_reserve(c, plan->n_nodes, err));
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const struct avow_plan_node *n = &plan->nodes[i];

        AVOW_TRY(avow_client_add_node(c, n->name, n->tee, n->address, n->node_address, err));
    }
    return 0;
}

/* relaxed, both: nothing else is published by them, and the wake-up makes the other side look */
void avow_client_stop_streams(struct avow_client *c)
{
    atomic_store_explicit(&c->stop_streams, true, memory_order_relaxed);
    for (size_t i = 0; i < c->n; i++)
        avow_wire_wake(c->nodes[i].stream);
}

void avow_client_stop(struct avow_client *c)
{
    atomic_store_explicit(&c->stop, true, memory_order_relaxed);
    for (size_t i = 0; i < c->n; i++)
        avow_wire_wake(c->nodes[i].wire);
    avow_client_stop_streams(c);
}

/* ---- parallel work and the observer ---- */

void avow_client_emit(struct avow_client *c, const char *node, const char *type, json_t *take_data)
{
    if (c->options.event && take_data) {
        (void)pthread_mutex_lock(&c->lock);
        c->options.event(c->options.ctx, node, type, take_data);
        (void)pthread_mutex_unlock(&c->lock);
    }
    json_decref(take_data);
}

struct each {
    struct avow_client *c;
    int (*fn)(struct avow_node *n, void *ctx, struct avow_error *err);
    void *ctx;
    int *rcs;
    struct avow_error *errors;
};

static void each_node(void *ctx, size_t i)
{
    struct each *e = ctx;

    e->rcs[i] = e->fn(&e->c->nodes[i], e->ctx, &e->errors[i]);
}

int avow_client_each(struct avow_client *c, bool all,
                     int (*fn)(struct avow_node *n, void *ctx, struct avow_error *err), void *ctx,
                     struct avow_error *err)
{
    avow_autofree int *rcs = calloc(c->n, sizeof *rcs);
    avow_autofree struct avow_error *errors = calloc(c->n, sizeof *errors);
    struct each e = { .c = c, .fn = fn, .ctx = ctx, .rcs = rcs, .errors = errors };
    int best = 0;

    if (!rcs || !errors)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    avow_fanout(c->n, all, each_node, &e);
    for (size_t i = 0; i < c->n; i++) {
        if (rcs[i] < 0) {
            if (err && !err->code) {
                *err = errors[i];
                (void)avow_error_prefix(err, "node %s", c->nodes[i].name);
            }
            return rcs[i];
        }
        best = rcs[i] > best ? rcs[i] : best;
    }
    return best;
}
