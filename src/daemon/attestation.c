#include "daemon/attestation.h"

#include <stdlib.h>
#include <time.h>

#include "codec/text.h"
#include "daemon/log.h"

struct avow_attestation {
    struct avow_identity *id;
    struct avow_metrics *metrics;
    struct avow_again *again;
};

uint64_t avow_now_ns(void)
{
    struct timespec t = { 0 };

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int avow_identity_bundle(struct avow_identity *id, struct avow_metrics *metrics,
                         struct avow_bytes statement, struct avow_buf *out, struct avow_error *err)
{
    uint64_t began = avow_now_ns();
    int rc = 0;

    if (!avow_rate_take(&id->quotes, began))
        return AVOW_FAIL(err, BUSY, "more than %u quotes a second", id->quotes.per_second);
    rc = avow_source_bundle(id->source, statement, out, err);
    avow_metrics_count(metrics, "quotes", "Quotes asked of the TEE",
                       rc < 0 ? "result=failed" : "result=made", 1);
    avow_metrics_observe(metrics, "quote", "Time of one quote", NULL,
                         (double)(avow_now_ns() - began) / 1e9);
    return rc;
}

/* The bundle over this connection's statement: docs/protocols/channel.md, "Quote". */
static int channel_bundle(struct avow_attestation *a, struct avow_call *c, const uint8_t nonce[32],
                          struct avow_buf *bundle, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    const uint8_t *client = avow_call_client_spki(c);
    uint8_t own[32];
    uint8_t ekm[32];

    avow_leaf_spki(a->id->leaf, own);
    AVOW_TRY(
        avow_tls_channel_ekm(avow_call_ssl(c), AVOW_ROLE_SERVER, nonce, own, client, ekm, err));
    AVOW_TRY(avow_channel_statement(AVOW_ROLE_SERVER, nonce, ekm, own, client, &statement, err));
    return avow_identity_bundle(a->id, a->metrics, avow_buf_view(&statement), bundle, err);
}

static int quote(struct avow_attestation *a, struct avow_call *c, json_t **reply,
                 struct avow_error *err)
{
    static const char *const known[] = { "nonce", NULL };
    avow_auto(avow_buf_done) struct avow_buf bundle = AVOW_BUF(AVOW_BUNDLE_MAX);
    avow_auto(avow_key_wipe) struct avow_key again = { 0 };
    uint8_t nonce[32];

    AVOW_TRY(avow_json_only(avow_call_json(c), known, err));
    AVOW_TRY(avow_json_get_hex(avow_call_json(c), "nonce", nonce, sizeof nonce, err));
    AVOW_TRY(channel_bundle(a, c, nonce, &bundle, err));
    AVOW_TRY(avow_tls_export(avow_call_ssl(c), AVOW_EXPORTER_AGAIN, AVOW_BYTES(NULL, 0),
                             again.bytes, err));
    *reply = json_pack("{s:s%}", "bundle", avow_buf_cstr(&bundle), bundle.len);
    if (!*reply)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    avow_again_put(a->again, avow_call_client_spki(c), &again, avow_now_ns());
    return 0;
}

static void on_quote(void *ctx, struct avow_call *c)
{
    struct avow_error err = { 0 };
    json_t *reply = NULL;

    if (quote(ctx, c, &reply, &err) < 0) {
        avow_log(AVOW_LOG_WARNING, "quote-failed", "code=%s text=\"%s\"", avow_err_name(err.code),
                 err.text);
        avow_call_fail(c, &err);
        return;
    }
    avow_call_set_attested(c);
    avow_call_reply(c, 200, reply);
}

static int again(struct avow_attestation *a, struct avow_call *c, json_t **reply,
                 struct avow_error *err)
{
    static const char *const known[] = { "mac", NULL };
    const struct avow_key *key = NULL;
    uint8_t got[32];
    uint8_t mac[32];
    uint8_t exporter[32];
    char hex[65];

    AVOW_TRY(avow_json_only(avow_call_json(c), known, err));
    AVOW_TRY(avow_json_get_hex(avow_call_json(c), "mac", got, sizeof got, err));
    key = avow_again_get(a->again, avow_call_client_spki(c), avow_now_ns());
    if (!key)
        return AVOW_FAIL(err, AUTH, "no attestation of an earlier connection is in date");
    AVOW_TRY(avow_tls_export(avow_call_ssl(c), AVOW_EXPORTER_CONNECTION, AVOW_BYTES(NULL, 0),
                             exporter, err));
    if (avow_channel_again_mac(key, AVOW_ROLE_CLIENT, exporter, mac) < 0)
        return AVOW_FAIL(err, CRYPTO, "HMAC failed");
    if (!avow_ct_equal(mac, got, sizeof mac))
        return AVOW_FAIL(err, AUTH, "the client does not hold the earlier connection's secret");
    if (avow_channel_again_mac(key, AVOW_ROLE_SERVER, exporter, mac) < 0)
        return AVOW_FAIL(err, CRYPTO, "HMAC failed");
    avow_hex(AVOW_BYTES_OF(mac), hex);
    *reply = json_pack("{s:s}", "mac", hex);
    return *reply ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}

static void on_again(void *ctx, struct avow_call *c)
{
    struct avow_error err = { 0 };
    json_t *reply = NULL;

    if (again(ctx, c, &reply, &err) < 0) {
        avow_call_fail(c, &err);
        return;
    }
    avow_call_set_attested(c);
    avow_call_reply(c, 200, reply);
}

int avow_attestation_new(struct avow_http *http, struct avow_identity *id,
                         struct avow_metrics *metrics, uint64_t period_ns,
                         struct avow_attestation **out, struct avow_error *err)
{
    struct avow_attestation *a = calloc(1, sizeof *a);
    int rc = 0;

    if (!a)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    rc = avow_again_new(period_ns, &a->again, err);
    if (rc < 0) {
        free(a);
        return rc;
    }
    a->id = id;
    a->metrics = metrics;
    avow_http_route(http, "POST", "/v1/attestation/quote", AVOW_ROUTE_UNATTESTED, on_quote, a);
    avow_http_route(http, "POST", "/v1/attestation/again", AVOW_ROUTE_UNATTESTED, on_again, a);
    *out = a;
    return 0;
}

void avow_attestation_free(struct avow_attestation *a)
{
    if (!a)
        return;
    avow_again_free(a->again);
    free(a);
}
