#include <stdio.h>

#include "attest/ear.h"
#include "service/accept.h"
#include "service/appraise.h"

#define EAT_JWT "application/eat+jwt"

/* MAA's (docs/protocols/verifier.md): requests of the two types mean the same in all of them. */
static const char *const api_versions[] = { "2018-09-01-preview", "2020-08-01-preview",
                                            "2020-10-01",         "2022-08-01",
                                            "2022-09-01-preview", "2023-04-01-preview",
                                            "2025-06-01",         "2026-03-11-preview" };

/* A request that a worker has. */
struct waiting {
    struct avow_service *v;
    struct avow_request *r; /* NULL: the client left */
    struct appraisal a;
};

static void waiting_free(struct waiting *w)
{
    basis_unref(w->a.basis);
    avow_service_policy_unref(w->a.policy);
    avow_generation_unref(w->a.generation);
    avow_buf_done(&w->a.body);
    avow_buf_done(&w->a.token);
    free(w);
}
AVOW_DEFINE_CLEANUP(waiting, struct waiting, waiting_free)

static void work(void *ctx)
{
    appraise(&((struct waiting *)ctx)->a);
}

static void on_gone(void *ctx)
{
    ((struct waiting *)ctx)->r = NULL;
}

static void count(const struct waiting *w)
{
    char label[64];

    snprintf(label, sizeof label, "result=%s", w->a.code[0] ? w->a.code : "token");
    avow_metrics_count(w->v->metrics, "attestations", "Requests to attest by result", label, 1);
    if (w->a.simulated)
        avow_metrics_count(w->v->metrics, "simulated", "Tokens of simulated machines", NULL, 1);
}

static void on_done(void *ctx, bool ran)
{
    avow_auto(avow_cleanup_waiting) struct waiting *w = ctx;

    if (ran)
        count(w);
    if (!w->r)
        return;
    if (!ran)
        avow_request_fail(w->r, 503, "ServiceUnavailable", "the service is ending");
    else if (w->a.broken)
        avow_request_broken(w->r, w->a.status, w->a.text);
    else if (w->a.code[0])
        avow_request_fail(w->r, w->a.status, w->a.code, "%s", w->a.text);
    else if (w->a.ear)
        avow_request_reply(w->r, 200, APPRAISE_EAR_TYPE, avow_buf_view(&w->a.token));
    else
        avow_request_reply_json(w->r, 200, json_pack("{s:s}", "token", avow_buf_cstr(&w->a.token)));
}

static bool is_json(const char *type)
{
    const size_t n = sizeof "application/json" - 1;

    return type && strncasecmp(type, "application/json", n) == 0 &&
           (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}

bool verifier_check_version(struct avow_request *r)
{
    const char *version = avow_request_query(r, "api-version");

    for (size_t i = 0; version && i < sizeof api_versions / sizeof *api_versions; i++)
        if (strcmp(version, api_versions[i]) == 0)
            return true;
    if (version)
        avow_request_fail(r, 400, "InvalidParameter", "api-version %.40s is not served", version);
    else
        avow_request_fail(r, 400, "InvalidParameter", "the query has no api-version");
    return false;
}

/* False: it was answered. */
static bool check_head(struct avow_request *r)
{
    const char *coding = avow_request_header(r, "Content-Encoding");

    if (coding && strcasecmp(coding, "identity") != 0) {
        avow_request_answer_with(r, "Accept-Encoding", "identity"); /* RFC 9110, 12.5.3 */
        avow_request_fail(r, 415, "UnsupportedMediaType", "the body must not be compressed");
        return false;
    }
    if (is_json(avow_request_header(r, "Content-Type")))
        return verifier_check_version(r);
    avow_request_fail(r, 415, "UnsupportedMediaType", "the body must be application/json");
    return false;
}

static struct waiting *waiting_new(struct avow_service *v, struct avow_request *r,
                                   enum avow_maa_type type)
{
    avow_auto(avow_cleanup_waiting) struct waiting *w = calloc(1, sizeof *w);

    if (!w)
        return NULL;
    w->v = v;
    w->r = r;
    w->a =
        (struct appraisal){ .type = type,
                            .ear = avow_accept_prefers(avow_request_header(r, "Accept"), EAT_JWT,
                                                       "application/json"),
                            .body = AVOW_BUF(AVOW_MAA_REQUEST_MAX),
                            .now = verifier_now(),
                            .token_life_s = v->settings->token_life_s,
                            .issuer = v->issuer,
                            .audit = v->audit,
                            .nonces = v->nonces,
                            .kits = &v->kits,
                            .basis = basis_ref(v->basis),
                            .policy = avow_service_policy_ref(avow_policies_get(v->policies, type)),
                            .generation = avow_generation_ref(avow_keys_current(v->keys)) };
    (void)snprintf(w->a.id, sizeof w->a.id, "%s", avow_request_id(r));
    (void)snprintf(w->a.client, sizeof w->a.client, "%s", avow_request_from(r)->text);
    if (avow_buf_put_bytes(&w->a.body, avow_request_body(r)) < 0)
        return NULL;
    return avow_steal(&w);
}

static void attest(struct avow_service *v, struct avow_request *r, enum avow_maa_type type)
{
    struct waiting *w = NULL;

    if (!check_head(r))
        return;
    w = waiting_new(v, r, type);
    if (!w || avow_workers_submit(v->workers, work, on_done, w) < 0) {
        if (w)
            waiting_free(w);
        avow_request_answer_with(r, "Retry-After", "1");
        avow_request_fail(r, 503, "ServiceUnavailable", "too much is under way; try again");
        return;
    }
    avow_request_defer(r, on_gone, w);
}

static void on_sevsnpvm(void *ctx, struct avow_request *r)
{
    attest(ctx, r, AVOW_MAA_SEVSNPVM);
}

static void on_tdxvm(void *ctx, struct avow_request *r)
{
    attest(ctx, r, AVOW_MAA_TDXVM);
}

void attest_routes(struct avow_service *v)
{
    avow_server_route(v->server, "POST", "/attest/sevsnpvm", on_sevsnpvm, v);
    avow_server_route(v->server, "POST", "/attest/tdxvm", on_tdxvm, v);
}
