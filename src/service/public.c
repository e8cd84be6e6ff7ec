#include <stdio.h>

#include "base/clock.h"
#include "maa/keys.h"
#include "service/verifier_internal.h"

#define METRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define METRICS_MAX (1u << 20)
#define CERTS_AGE "max-age=60" /* a new key signs as soon as it is listed */

static void on_certs(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;
    avow_autofree char *text = json_dumps(v->jwks, JSON_COMPACT);

    if (!text) {
        avow_request_broken(r, 500, "out of memory");
        return;
    }
    avow_request_answer_with(r, "Cache-Control", CERTS_AGE);
    avow_request_reply(r, 200, "application/jwk+json", avow_bytes_str(text));
}

static void on_configuration(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;

    avow_request_reply_json(r, 200, avow_maa_openid(v->issuer));
}

static void on_health(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;

    avow_request_reply_json(r, 200,
                            json_pack("{s:s, s:s, s:s, s:I}", "status", "ok", "version",
                                      AVOW_VERSION, "issuer", v->issuer, "uptime_s",
                                      (json_int_t)((avow_now_ns() - v->since_ns) / 1000000000u)));
}

static bool is_loopback(const struct avow_client_address *from)
{
    static const uint8_t v4[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    return strcmp(from->text, "::1") == 0 ||
           (avow_bytes_equal(AVOW_BYTES(from->key, 12), AVOW_BYTES_OF(v4)) && from->key[12] == 127);
}

/* For those who look after the service; false: it was answered. */
static bool admit(const struct avow_service *v, struct avow_request *r, const char *what)
{
    if (is_loopback(avow_request_from(r)) || verifier_is_admin(v, r))
        return true;
    avow_request_fail(r, 401, "Unauthorized",
                      "%s for this machine and for administrators' certificates", what);
    return false;
}

static void on_audit_head(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;
    struct avow_audit_head head = { 0 };

    if (!admit(v, r, "the head of the audit log is"))
        return;
    avow_audit_head(v->audit, &head);
    avow_request_reply_json(r, 200, avow_audit_head_json(&head));
}

static void on_metrics(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(METRICS_MAX);
    struct avow_audit_head head = { 0 };

    if (!admit(v, r, "metrics are"))
        return;
    avow_audit_head(v->audit, &head);
    avow_metrics_set(v->metrics, "audit_rows", "Rows of the audit log", NULL, (double)head.id);
    avow_metrics_set(v->metrics, "connections", "Connections that are open", NULL,
                     (double)avow_server_connections(v->server));
    avow_metrics_set(v->metrics, "key_generations", "Generations of keys that /certs lists", NULL,
                     (double)avow_keys_count(v->keys));
    if (avow_metrics_text(v->metrics, &text) < 0)
        avow_request_broken(r, 500, "out of memory");
    else
        avow_request_reply(r, 200, METRICS_TYPE, avow_buf_view(&text));
}

static void on_nonce(void *ctx, struct avow_request *r)
{
    struct avow_service *v = ctx;
    struct avow_error err = { 0 };
    char text[AVOW_NONCE_TEXT];
    int64_t expires = 0;

    if (avow_nonces_make(v->nonces, verifier_now(), text, &expires, &err) < 0) {
        avow_request_broken(r, 500, err.text);
        return;
    }
    avow_metrics_count(v->metrics, "nonces", "Nonces handed out", NULL, 1);
    avow_request_reply_json(r, 200,
                            json_pack("{s:s, s:I}", "nonce", text, "expires", (json_int_t)expires));
}

void public_routes(struct avow_service *v)
{
    avow_server_route(v->server, "GET", "/certs", on_certs, v);
    avow_server_route(v->server, "GET", "/.well-known/openid-configuration", on_configuration, v);
    avow_server_route(v->server, "GET", "/healthz", on_health, v);
    avow_server_route(v->server, "GET", "/metrics", on_metrics, v);
    avow_server_route(v->server, "GET", "/audit/head", on_audit_head, v);
    avow_server_route(v->server, "POST", "/nonce", on_nonce, v);
}
