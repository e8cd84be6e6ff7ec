#include "service/verifier.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "serve/address.h"
#include "service/tls.h"
#include "service/verifier_internal.h"

#define TICK_S 60
#define PORT_MAX 8

int64_t verifier_now(void)
{
    return (int64_t)time(NULL);
}

struct basis *basis_ref(struct basis *b)
{
    __atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

void basis_unref(struct basis *b)
{
    if (!b || __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (b->store)
        avow_store_close(b->store);
    avow_paravisors_free(b->paravisors);
    free(b);
}

bool verifier_is_admin(const struct avow_service *v, const struct avow_request *r)
{
    const uint8_t *spki = avow_request_spki(r);

    return spki && avow_clients_has(v->admins, spki);
}

/* ---- the server's questions ---- */

static bool on_admit(void *ctx, const struct avow_client_address *from)
{
    struct avow_service *v = ctx;

    return avow_throttle_take(v->throttle, from->key, avow_now_ns());
}

static void on_answered(void *ctx, const struct avow_answered *a)
{
    struct avow_service *v = ctx;
    char label[64];

    snprintf(label, sizeof label, "status=%d", a->status);
    avow_metrics_count(v->metrics, "requests", "Requests by status", label, 1);
    snprintf(label, sizeof label, "path=%s", a->pattern);
    avow_metrics_observe(v->metrics, "request", "Time to answer a request", label, a->seconds);
    if (!a->code[0])
        return;
    snprintf(label, sizeof label, "code=%s", a->code);
    avow_metrics_count(v->metrics, "errors", "Refused or failed requests by code", label, 1);
    avow_quiet_log(&v->failed, "id=%s client=%s request=\"%s %s\" status=%d code=%s text=\"%s\"",
                   a->id, a->client, a->method, a->pattern, a->status, a->code, a->text);
}

/* ---- the state folder ---- */

static int open_basis(const struct avow_settings *s, struct basis **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_basis) struct basis *b = calloc(1, sizeof *b);
    avow_autofree char *path = NULL;

    if (!b)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    b->refs = 1;
    b->serial = avow_now_ns();
    AVOW_TRY(avow_settings_anchors(s, &b->anchors, err));
    AVOW_TRY(avow_settings_paravisors(s, &b->paravisors, err));
    AVOW_TRY(avow_settings_path(s, "collateral.db", &path, err));
    if (s->collateral || access(path, F_OK) == 0)
        AVOW_TRY(
            avow_store_open(s->collateral ? s->collateral : path, AVOW_STORE_READ, &b->store, err));
    *out = avow_steal(&b);
    return 0;
}

static int open_audit(struct avow_service *v, struct avow_error *err)
{
    avow_autofree char *path = NULL;

    AVOW_TRY(avow_settings_path(v->settings, "audit.db", &path, err));
    return avow_audit_open(path, AVOW_AUDIT_WRITE, v->settings->audit_max, &v->audit, err);
}

static int open_policies(struct avow_service *v, struct avow_error *err)
{
    avow_autofree char *path = NULL;

    AVOW_TRY(avow_settings_path(v->settings, "policies", &path, err));
    AVOW_TRY(avow_settings_policy_signers(v->settings, &v->signers, err));
    AVOW_TRY(avow_policies_open(path, &v->policies, err));
    return avow_policies_signed(v->policies, v->signers, err);
}

static int open_keys(struct avow_service *v, struct avow_error *err)
{
    avow_autofree char *path = NULL;
    const int64_t now = verifier_now();
    bool made = false;

    AVOW_TRY(avow_settings_path(v->settings, "keys", &path, err));
    AVOW_TRY(avow_keys_open(path, v->issuer, now, &v->keys, &made, err));
    AVOW_TRY(rotation_attest(v, err));
    AVOW_TRY(rotation_publish(v, err));
    return avow_audit_put(v->audit, now, made ? "first-key" : "key",
                          json_pack("{s:s}", "kid", avow_keys_current(v->keys)->rsa_kid), err);
}

/* ---- the address ---- */

/* Who tokens say made them, unless it is configured: the address; of a wildcard, our host name. */
static int name_issuer(struct avow_service *v, const char *host, uint16_t port,
                       struct avow_error *err)
{
    char name[64] = "localhost";
    bool any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "[::]") == 0;
    int n = 0;

    if (any && gethostname(name, sizeof name - 1) != 0)
        return AVOW_FAIL_SYS(err, "host name");
    if (asprintf(&v->address, "%s:%u", host, port) < 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (v->settings->issuer)
        return avow_settings_set(&v->issuer, v->settings->issuer, err);
    n = asprintf(&v->issuer, "https://%s:%u", any ? name : host, port);
    if (n > 64)
        return AVOW_FAIL(err, LIMIT, "%s is too long for an issuer: set \"issuer\"", v->issuer);
    return n < 0 ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}

static int tls_files(struct avow_service *v, const struct avow_settings *s, const char *host,
                     struct avow_error *err)
{
    if (s->tls_cert) {
        AVOW_TRY(avow_settings_set(&v->tls_cert, s->tls_cert, err));
        return avow_settings_set(&v->tls_key, s->tls_key, err);
    }
    AVOW_TRY(avow_settings_path(s, "tls.crt", &v->tls_cert, err));
    AVOW_TRY(avow_settings_path(s, "tls.key", &v->tls_key, err));
    return avow_server_tls_make(v->tls_cert, v->tls_key, host, verifier_now(), err);
}

static int make_server(struct avow_service *v, struct avow_error *err)
{
    const struct avow_settings *s = v->settings;
    struct sockaddr_storage addr = { 0 };
    socklen_t len = 0;
    uint16_t port = 0;
    char host[256];
    struct avow_server_config cfg = {
        .base = v->base,
        .ask_clients = s->administrators != NULL,
        .conns_max = s->connections,
        .conns_per_client = s->connections_per_client,
        .admit = on_admit,
        .answered = on_answered,
        .ctx = v,
    };

    AVOW_TRY(avow_address_parse(s->listen, &addr, &len, host, err));
    AVOW_TRY(tls_files(v, s, host, err));
    cfg.cert = v->tls_cert;
    cfg.key = v->tls_key;
    AVOW_TRY(avow_server_new(&cfg, &v->server, err));
    if (avow_server_listen(v->server, (struct sockaddr *)&addr, len, &port, err) < 0)
        return avow_error_prefix(err, "%s", s->listen);
    return name_issuer(v, host, port, err);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    rotation_tick(arg);
}

static int make_parts(struct avow_service *v, struct avow_error *err)
{
    const struct avow_settings *s = v->settings;
    const struct timeval minute = { .tv_sec = TICK_S };

    v->metrics = avow_metrics_new();
    v->admins = calloc(1, sizeof *v->admins);
    v->tick = event_new(v->base, -1, EV_PERSIST, on_tick, v);
    if (!v->metrics || !v->admins || !v->tick || event_add(v->tick, &minute) != 0)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_source_settings_copy(&s->tee, &v->device, err));
    AVOW_TRY(avow_settings_administrators(s, v->admins, err));
    AVOW_TRY(open_basis(s, &v->basis, err));
    AVOW_TRY(avow_throttle_new(s->rate, &v->throttle, err));
    AVOW_TRY(avow_nonces_new(s->nonce_life_s, &v->nonces, err));
    return avow_workers_new(v->base, s->workers, &v->workers, err);
}

static int start(struct avow_service *v, struct avow_error *err)
{
    AVOW_TRY(make_parts(v, err));
    AVOW_TRY(make_server(v, err));
    AVOW_TRY(open_audit(v, err));
    AVOW_TRY(avow_audit_put(v->audit, verifier_now(), "start",
                            json_pack("{s:s, s:s, s:I, s:b}", "build", VERIFIER_BUILD, "issuer",
                                      v->issuer, "paravisors",
                                      (json_int_t)avow_paravisors_count(v->basis->paravisors),
                                      "simulated-roots", v->settings->simulated_roots != NULL),
                            err));
    AVOW_TRY(open_keys(v, err));
    AVOW_TRY(open_policies(v, err));
    public_routes(v);
    attest_routes(v);
    policy_routes(v);
    return 0;
}

int avow_service_new(struct event_base *base, const struct avow_settings *settings,
                     struct avow_service **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_service) struct avow_service *v = calloc(1, sizeof *v);

    if (!v)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    avow_kits_init(&v->kits);
    v->base = base;
    v->settings = settings;
    v->since_ns = avow_now_ns();
    avow_quiet_init(&v->failed, base, AVOW_LOG_INFO, "failed");
    AVOW_TRY(start(v, err));
    *out = avow_steal(&v);
    return 0;
}

void avow_service_free(struct avow_service *v)
{
    if (!v)
        return;
    avow_server_free(v->server); /* what waits for workers is gone() then */
    avow_workers_free(v->workers);
    if (v->audit)
        (void)!avow_audit_put(v->audit, verifier_now(), "stop", json_object(), NULL);
    if (v->tick)
        event_free(v->tick);
    avow_quiet_done(&v->failed);
    avow_audit_close(v->audit);
    avow_keys_free(v->keys);
    avow_policies_free(v->policies);
    avow_throttle_free(v->throttle);
    avow_nonces_free(v->nonces);
    avow_metrics_free(v->metrics);
    basis_unref(v->basis);
    json_decref(v->jwks);
    avow_kits_done(&v->kits);
    avow_source_settings_done(&v->device);
    free(v->admins);
    free(v->signers);
    free(v->issuer);
    free(v->address);
    free(v->tls_cert);
    free(v->tls_key);
    free(v);
}

int avow_service_ready(const struct avow_service *v, struct avow_buf *out, struct avow_error *err)
{
    avow_autojson json_t *j = json_pack("{s:s, s:s, s:s}", "certificate", v->tls_cert, "issuer",
                                        v->issuer, "listen", v->address);

    if (!j)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_json_canonical(j, out, err));
    return avow_buf_put_str(out, "\n");
}

int avow_service_reload(struct avow_service *v, const struct avow_settings *fresh,
                        struct avow_error *err)
{
    avow_auto(avow_cleanup_basis) struct basis *basis = NULL;
    avow_autofree struct avow_clients *admins = calloc(1, sizeof *admins);
    avow_autofree struct avow_clients *signers = NULL;
    const char *cert = fresh->tls_cert ? fresh->tls_cert : v->tls_cert;
    const char *key = fresh->tls_key ? fresh->tls_key : v->tls_key;
    struct basis *before = v->basis;

    if (!admins)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_settings_administrators(fresh, admins, err));
    AVOW_TRY(avow_settings_policy_signers(fresh, &signers, err));
    AVOW_TRY(avow_policies_signed(v->policies, signers, err));
    AVOW_TRY(open_basis(fresh, &basis, err));
    AVOW_TRY(
        avow_audit_put(v->audit, verifier_now(), "reload",
                       json_pack("{s:I, s:I, s:I, s:b}", "administrators", (json_int_t)admins->n,
                                 "paravisors", (json_int_t)avow_paravisors_count(basis->paravisors),
                                 "policy-signers", (json_int_t)(signers ? signers->n : 0),
                                 "simulated-roots", fresh->simulated_roots != NULL),
                       err));
    AVOW_TRY(avow_server_reload(v->server, cert, key, fresh->administrators != NULL, err));
    *v->admins = *admins;
    free(v->signers);
    v->signers = avow_steal(&signers);
    v->basis = avow_steal(&basis);
    basis_unref(before);
    avow_throttle_set(v->throttle, fresh->rate);
    v->settings = fresh;
    avow_log(AVOW_LOG_NOTICE, "reloaded", "administrators=%zu", admins->n);
    return 0;
}
