#include "daemon/node.h"

#include <stdlib.h>

#include "codec/text.h"
#include "daemon/attestation.h"
#include "daemon/formation.h"
#include "daemon/jobs.h"
#include "daemon/peer.h"
#include "daemon/status.h"
#include "fabric/broker.h"
#include "serve/address.h"
#include "serve/log.h"
#include "serve/quiet.h"
#include "serve/workers.h"
#include "store/store.h"

#define REQUEST_FAILED "method=%s route=%s status=%d code=%s text=\"%s\""

struct avow_node {
    const struct avow_config *cfg;
    struct event_base *base;
    struct avow_leaf *leaf;
    struct avow_clients clients;
    struct avow_anchors anchors;
    struct avow_policy *minimum;
    struct avow_store *collateral; /* or NULL */
    struct avow_verifier *verifier;
    struct avow_identity identity;
    struct avow_metrics *metrics;
    struct avow_http *http;
    struct avow_workers *pool;
    struct avow_peers *peers;
    struct avow_broker *broker;
    struct avow_attestation *attestation;
    struct avow_formations *formations;
    struct avow_jobs *jobs;
    struct avow_status *status;
    char api[300], nodes[300]; /* where it listens */
    /* what strangers cause */
    struct avow_quiet dropped, not_fabric, not_trusted;
};

static bool on_authorised(void *ctx, const uint8_t spki[32])
{
    return avow_clients_has(&((struct avow_node *)ctx)->clients, spki);
}

static void on_served(void *ctx, const struct avow_served *s)
{
    struct avow_node *n = ctx;
    char label[32];

    snprintf(label, sizeof label, "status=%d", s->status);
    avow_metrics_count(n->metrics, "requests", "API requests by status", label, 1);
    avow_metrics_observe(n->metrics, "request", "Time to answer an API request", NULL, s->seconds);
    if (!s->code)
        return;
    snprintf(label, sizeof label, "code=%s", avow_err_name(s->code));
    avow_metrics_count(n->metrics, "errors", "Refused or failed requests by code", label, 1);
    if (s->code == AVOW_E_UNTRUSTED)
        avow_quiet_log(&n->not_trusted, REQUEST_FAILED, s->method, s->pattern, s->status,
                       avow_err_name(s->code), s->text);
    else
        avow_log(AVOW_LOG_NOTICE, "request-failed", REQUEST_FAILED, s->method, s->pattern,
                 s->status, avow_err_name(s->code), s->text);
}

static void on_incoming(void *ctx, struct avow_link *l, const struct avow_hello *hello,
                        const uint8_t mac[32])
{
    avow_formations_incoming(((struct avow_node *)ctx)->formations, l, hello, mac);
}

static void on_fabric(void *ctx, int take_fd)
{
    avow_broker_accept(((struct avow_node *)ctx)->broker, take_fd);
}

static void on_dropped(void *ctx, const char *why)
{
    struct avow_node *n = ctx;

    avow_metrics_count(n->metrics, "node_port_dropped",
                       "Connections to the node port that came to nothing", NULL, 1);
    avow_quiet_log(&n->dropped, "text=\"%s\"", why);
}

static void on_auth_failed(void *ctx, const char *job, uint32_t peer_node, const char *text)
{
    struct avow_node *n = ctx;

    avow_quiet_log(&n->not_fabric, "job=%s peer=%u text=\"%s\"", job[0] ? job : "none", peer_node,
                   text);
    if (n->jobs)
        avow_jobs_auth_failed(n->jobs, job, peer_node, text);
}

static void set_total(struct avow_node *n, const char *name, const char *help, const char *key,
                      const char *value, uint64_t total)
{
    char label[AVOW_AZURE_CODE_MAX + 16];

    (void)snprintf(label, sizeof label, "%s=%s", key, value);
    avow_metrics_total(n->metrics, name, help, label, total);
}

static void refresh_errors(struct avow_node *n, const struct avow_azure_stats *s)
{
    static const char replies[] = "Answers of the verification service by HTTP status";
    static const char failures[] = "Tokens and keys that it did not give after all tries";
    static const char errors[] = "Errors of the verification service by its own code";

    for (size_t i = 0; i < AVOW_AZURE_CLASSES; i++)
        set_total(n, "verifier_replies", replies, "status", avow_azure_class_names[i],
                  s->replies[i]);
    for (size_t i = 0; i < AVOW_AZURE_FAILURES; i++)
        set_total(n, "verifier_failures", failures, "kind", avow_azure_failure_names[i],
                  s->failures[i]);
    for (size_t i = 0; i < s->n_codes; i++)
        set_total(n, "verifier_errors", errors, "code", s->codes[i].name, s->codes[i].n);
    if (s->other_codes)
        set_total(n, "verifier_errors", errors, "code", AVOW_AZURE_REST, s->other_codes);
}

/* What the service that judges besides was asked, if there is one: its threads count for
 * themselves. */
static void refresh_verifier(struct avow_node *n)
{
    static const char help[] = "Requests to the verification service by what became of them";
    struct avow_azure_stats s = { 0 };

    if (!avow_verifier_stats(n->verifier, &s))
        return;
    set_total(n, "verifier_requests", help, "kind", "sent", s.requests);
    set_total(n, "verifier_requests", help, "kind", "tokens", s.tokens);
    set_total(n, "verifier_requests", help, "kind", "reused", s.reused);
    set_total(n, "verifier_requests", help, "kind", "throttled", s.throttled);
    set_total(n, "verifier_requests", help, "kind", "denied", s.denied);
    set_total(n, "verifier_requests", help, "kind", "failed", s.failed);
    set_total(n, "verifier_requests", help, "kind", "keys", s.key_fetches);
    refresh_errors(n, &s);
    avow_metrics_histogram(n->metrics, "verifier_request", "Time of one request to it", NULL,
                           &s.request.histogram);
    avow_metrics_histogram(n->metrics, "verifier_token", "Time of one token, retries included",
                           NULL, &s.token.histogram);
}

static void on_refresh(void *ctx)
{
    struct avow_node *n = ctx;
    const struct avow_broker_stats *s = avow_broker_stats(n->broker);
    static const char help[] = "Fabric connections by what became of them";

    avow_metrics_set(n->metrics, "fabric_connections", help, "kind=connects", (double)s->connects);
    avow_metrics_set(n->metrics, "fabric_connections", help, "kind=accepts", (double)s->accepts);
    avow_metrics_set(n->metrics, "fabric_connections", help, "kind=refused", (double)s->refused);
    avow_metrics_set(n->metrics, "fabric_connections", help, "kind=auth_failures",
                     (double)s->auth_failures);
    avow_metrics_set(n->metrics, "fabric_connections", help, "kind=replays", (double)s->replays);
    avow_metrics_set(n->metrics, "fabric_connections", help, "kind=timeouts", (double)s->timeouts);
    refresh_verifier(n);
}

/* In the quoter's thread. What the store lacks is left missing: who judges says so. */
static int endorse(void *ctx, struct avow_bundle *b, struct avow_error *err)
{
    return avow_store_complete(ctx, time(NULL), b, err);
}

/* Who we are and whom we trust. */
static int make_identity(struct avow_node *n, struct avow_error *err)
{
    const struct avow_config *cfg = n->cfg;

    AVOW_TRY(avow_clients_load(cfg->authorized_clients, &n->clients, err));
    AVOW_TRY(avow_config_anchors(cfg->simulated_roots, &n->anchors, err));
    AVOW_TRY(avow_config_policy(cfg->policy, &n->minimum, err));
    AVOW_TRY(avow_leaf_new(cfg->name, &n->leaf, err));
    AVOW_TRY(avow_source_settings_open(&cfg->tee, &n->identity.source, err));
    AVOW_TRY(avow_verifier_new(&cfg->verifier, -1, &n->verifier, err));
    if (cfg->collateral) {
        AVOW_TRY(avow_store_open(cfg->collateral, AVOW_STORE_READ, &n->collateral, err));
        avow_source_endorse(n->identity.source, endorse, n->collateral);
    }
    n->identity.name = cfg->name;
    n->identity.leaf = n->leaf;
    avow_rate_init(&n->identity.quotes, cfg->quote_rate, avow_now_ns());
    n->metrics = avow_metrics_new();
    return n->metrics ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static int make_ports(struct avow_node *n, struct avow_error *err)
{
    const struct avow_http_config http = {
        .base = n->base,
        .leaf = n->leaf,
        .authorised = on_authorised,
        .served = on_served,
        .ctx = n,
    };
    const struct avow_peers_config peers = {
        .base = n->base,
        .leaf = n->leaf,
        .incoming = on_incoming,
        .fabric = on_fabric,
        .dropped = on_dropped,
        .ctx = n,
    };
    const struct avow_broker_events events = { .auth_failed = on_auth_failed, .ctx = n };

    AVOW_TRY(avow_http_new(&http, &n->http, err));
    AVOW_TRY(avow_peers_new(&peers, &n->peers, err));
    AVOW_TRY(avow_broker_new(n->base, &events, &n->broker, err));
    AVOW_TRY(avow_workers_new(n->base, 1, &n->identity.quoter, err));
    return avow_workers_new(n->base, 0, &n->pool, err);
}

static int make_services(struct avow_node *n, struct avow_error *err)
{
    const struct avow_config *cfg = n->cfg;
    const struct avow_source_ops *tee = avow_source_ops(n->identity.source);
    const struct avow_formations_config formations = {
        .base = n->base,
        .http = n->http,
        .peers = n->peers,
        .pool = n->pool,
        .identity = &n->identity,
        .metrics = n->metrics,
        .anchors = &n->anchors,
        .minimum = n->minimum,
        .verifier = n->verifier,
    };
    const struct avow_status_config status = {
        .base = n->base,
        .http = n->http,
        .metrics = n->metrics,
        .node = cfg->name,
        .tee = avow_tee_name(tee->tee),
        .simulated = tee->simulated,
        .refresh = on_refresh,
        .ctx = n,
    };

    AVOW_TRY(avow_attestation_new(n->http, &n->identity, n->metrics,
                                  cfg->attestation_period_ms * 1000000u, &n->attestation, err));
    AVOW_TRY(avow_formations_new(&formations, &n->formations, err));
    return avow_status_new(&status, &n->status, err);
}

static int make_jobs(struct avow_node *n, struct avow_error *err)
{
    const struct avow_config *cfg = n->cfg;
    const struct avow_jobs_config jobs = {
        .base = n->base,
        .http = n->http,
        .formations = n->formations,
        .broker = n->broker,
        .metrics = n->metrics,
        .state_dir = cfg->state_dir,
        .shell_path = cfg->shell,
        .preload_path = cfg->preload,
        .node_name = cfg->name,
        .job_uid = cfg->job_uid,
        .job_gid = cfg->job_gid,
        .files_max = cfg->files_max,
        .jobs_max = cfg->jobs_max,
    };

    return avow_jobs_new(&jobs, &n->jobs, err);
}

static int listen_on(struct avow_node *n, struct avow_error *err)
{
    const struct avow_config *cfg = n->cfg;
    struct sockaddr_storage addr = { 0 };
    const struct sockaddr *sa = (const struct sockaddr *)&addr;
    socklen_t len = 0;
    char host[256];
    uint16_t port = 0;

    AVOW_TRY(avow_address_parse(cfg->listen, &addr, &len, host, err));
    if (avow_http_listen(n->http, sa, len, &port, err) < 0)
        return avow_error_prefix(err, "listen: %s", cfg->listen);
    snprintf(n->api, sizeof n->api, "%s:%u", host, port);
    AVOW_TRY(avow_address_parse(cfg->listen_nodes, &addr, &len, host, err));
    if (avow_peers_listen(n->peers, sa, len, &port, err) < 0)
        return avow_error_prefix(err, "listen-nodes: %s", cfg->listen_nodes);
    snprintf(n->nodes, sizeof n->nodes, "%s:%u", host, port);
    if (!cfg->listen_metrics)
        return 0;
    AVOW_TRY(avow_address_parse(cfg->listen_metrics, &addr, &len, host, err));
    if (avow_status_listen(n->status, sa, len, NULL, err) < 0)
        return avow_error_prefix(err, "listen-metrics: %s", cfg->listen_metrics);
    return 0;
}

int avow_node_new(struct event_base *base, const struct avow_config *cfg, struct avow_node **out,
                  struct avow_error *err)
{
    avow_auto(avow_cleanup_node) struct avow_node *n = calloc(1, sizeof *n);

    if (!n)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    n->cfg = cfg;
    n->base = base;
    avow_quiet_init(&n->dropped, base, AVOW_LOG_INFO, "connection-dropped");
    avow_quiet_init(&n->not_fabric, base, AVOW_LOG_WARNING, "fabric-auth-failed");
    avow_quiet_init(&n->not_trusted, base, AVOW_LOG_NOTICE, "request-failed");
    AVOW_TRY(make_identity(n, err));
    AVOW_TRY(make_ports(n, err));
    AVOW_TRY(make_services(n, err));
    AVOW_TRY(make_jobs(n, err));
    AVOW_TRY(listen_on(n, err));
    *out = avow_steal(&n);
    return 0;
}

void avow_node_free(struct avow_node *n)
{
    if (!n)
        return;
    avow_jobs_free(n->jobs);
    n->jobs = NULL;
    /* users before what they use; the pools report to formations, formations answer calls */
    avow_workers_free(n->pool);
    avow_workers_free(n->identity.quoter);
    avow_formations_free(n->formations);
    avow_broker_free(n->broker);
    avow_peers_free(n->peers);
    avow_http_free(n->http);
    avow_status_free(n->status);
    avow_attestation_free(n->attestation);
    avow_metrics_free(n->metrics);
    avow_source_free(n->identity.source);
    if (n->verifier)
        avow_verifier_free(n->verifier);
    if (n->collateral)
        avow_store_close(n->collateral);
    avow_policy_free(n->minimum);
    /* libevent lets go of TLS connections from its loop */
    event_base_loop(n->base, EVLOOP_NONBLOCK);
    avow_leaf_free(n->leaf);
    avow_quiet_done(&n->dropped);
    avow_quiet_done(&n->not_fabric);
    avow_quiet_done(&n->not_trusted);
    free(n);
}

int avow_node_ready(const struct avow_node *n, struct avow_buf *out, struct avow_error *err)
{
    const struct avow_source_ops *tee = avow_source_ops(n->identity.source);
    uint8_t spki[32];
    char hex[65];

    avow_leaf_spki(n->leaf, spki);
    avow_hex(AVOW_BYTES_OF(spki), hex);
    avow_buf_putf(out,
                  "{\"api\":\"%s\",\"name\":\"%s\",\"nodes\":\"%s\",\"simulated\":%s,"
                  "\"spki\":\"%s\",\"tee\":\"%s\"}\n",
                  n->api, n->cfg->name, n->nodes, tee->simulated ? "true" : "false", hex,
                  avow_tee_name(tee->tee));
    return avow_buf_ok(out, err);
}

int avow_node_reload(struct avow_node *n, struct avow_error *err)
{
    avow_autofree struct avow_clients *fresh = calloc(1, sizeof *fresh);

    if (!fresh)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_clients_load(n->cfg->authorized_clients, fresh, err));
    n->clients = *fresh;
    avow_log(AVOW_LOG_NOTICE, "clients-reloaded", "clients=%zu", n->clients.n);
    return 0;
}
