#include "daemon/attestation.h"

#include <stdlib.h>

#include "codec/text.h"
#include "serve/log.h"

struct avow_attestation {
    struct avow_identity *id;
    struct avow_metrics *metrics;
    struct avow_again *again;
};

/* ---- quotes ---- */

/* A value for the worker and back. */
struct quote {
    struct avow_identity *id;
    struct avow_metrics *metrics;
    struct avow_buf statement;
    struct avow_buf bundle;
    struct avow_error err;
    int rc;
    double seconds;
    avow_quote_fn done;
    void *ctx;
};

static void quote_free(struct quote *q)
{
    avow_buf_done(&q->statement);
    avow_buf_done(&q->bundle);
    free(q);
}
AVOW_DEFINE_CLEANUP(quote, struct quote, quote_free)

/* In the worker. */
static void make_quote(void *ctx)
{
    struct quote *q = ctx;
    uint64_t began = avow_now_ns();

    q->rc = avow_source_bundle(q->id->source, avow_buf_view(&q->statement), &q->bundle, &q->err);
    q->seconds = (double)(avow_now_ns() - began) / 1e9;
}

static void on_made(void *ctx, bool ran)
{
    avow_auto(avow_cleanup_quote) struct quote *q = ctx;

    q->id->n_quotes--;
    if (ran) {
        avow_metrics_count(q->metrics, "quotes", "Quotes asked of the TEE",
                           q->rc < 0 ? "result=failed" : "result=made", 1);
        avow_metrics_observe(q->metrics, "quote", "Time of one quote", NULL, q->seconds);
    } else {
        q->rc = AVOW_FAIL(&q->err, STATE, "the daemon stops");
    }
    q->done(q->ctx, q->rc < 0 ? NULL : &q->bundle, &q->err);
}

int avow_identity_quote(struct avow_identity *id, struct avow_metrics *metrics,
                        struct avow_bytes statement, avow_quote_fn done, void *ctx,
                        struct avow_error *err)
{
    avow_auto(avow_cleanup_quote) struct quote *q = NULL;

    if (id->n_quotes >= AVOW_QUOTES_WAITING_MAX)
        return AVOW_FAIL(err, BUSY, "%u quotes are being waited for", id->n_quotes);
    if (!avow_rate_take(&id->quotes, avow_now_ns()))
        return AVOW_FAIL(err, BUSY, "more than %u quotes a second", id->quotes.per_second);
    q = calloc(1, sizeof *q);
    if (!q)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    *q = (struct quote){ .id = id, .metrics = metrics, .done = done, .ctx = ctx };
    q->statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    q->bundle = AVOW_BUF(AVOW_BUNDLE_MAX);
    AVOW_TRY(avow_buf_put_bytes(&q->statement, statement) < 0 ? avow_buf_ok(&q->statement, err)
                                                              : 0);
    if (avow_workers_submit(id->quoter, make_quote, on_made, q) < 0)
        return AVOW_FAIL(err, BUSY, "too much work at once");
    id->n_quotes++;
    q = NULL; /* on_made's */
    return 0;
}

/* ---- the quote of a channel: docs/protocols/channel.md, "Quote" ---- */

struct channel_quote {
    struct avow_attestation *a;
    struct avow_call *call; /* NULL: the client has gone */
    uint8_t client[32];
    struct avow_key again; /* of the call's connection */
};

static void channel_quote_free(struct channel_quote *q)
{
    avow_key_wipe(&q->again);
    free(q);
}
AVOW_DEFINE_CLEANUP(channel_quote, struct channel_quote, channel_quote_free)

static void refuse_quote(struct avow_call *c, const struct avow_error *err)
{
    avow_log(AVOW_LOG_WARNING, "quote-failed", "code=%s text=\"%s\"", avow_err_name(err->code),
             err->text);
    if (c)
        avow_call_fail(c, err);
}

static void on_channel_quote(void *ctx, struct avow_buf *bundle, const struct avow_error *err)
{
    avow_auto(avow_cleanup_channel_quote) struct channel_quote *q = ctx;
    struct avow_error no_memory = { 0 };
    json_t *reply = NULL;

    if (!bundle) {
        refuse_quote(q->call, err);
        return;
    }
    if (!q->call)
        return;
    reply = json_pack("{s:s%}", "bundle", avow_buf_cstr(bundle), bundle->len);
    if (!reply) {
        AVOW_FAIL(&no_memory, NOMEM, "out of memory");
        refuse_quote(q->call, &no_memory);
        return;
    }
    avow_again_put(q->a->again, q->client, &q->again, avow_now_ns());
    avow_call_set_attested(q->call);
    avow_call_reply(q->call, 200, reply);
}

static void on_asker_gone(void *ctx)
{
    struct channel_quote *q = ctx;

    q->call = NULL;
}

/* The statement is about the very connection that asks. */
static int quote(struct channel_quote *q, struct avow_error *err)
{
    static const char *const known[] = { "nonce", NULL };
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    SSL *ssl = avow_call_ssl(q->call);
    uint8_t nonce[32];
    uint8_t own[32];
    uint8_t ekm[32];

    AVOW_TRY(avow_json_only(avow_call_json(q->call), known, err));
    AVOW_TRY(avow_json_get_hex(avow_call_json(q->call), "nonce", nonce, sizeof nonce, err));
    avow_leaf_spki(q->a->id->leaf, own);
    AVOW_TRY(avow_tls_channel_ekm(ssl, AVOW_ROLE_SERVER, nonce, own, q->client, ekm, err));
    AVOW_TRY(avow_channel_statement(AVOW_ROLE_SERVER, nonce, ekm, own, q->client, &statement, err));
    AVOW_TRY(avow_tls_export(ssl, AVOW_EXPORTER_AGAIN, AVOW_BYTES(NULL, 0), q->again.bytes, err));
    return avow_identity_quote(q->a->id, q->a->metrics, avow_buf_view(&statement), on_channel_quote,
                               q, err);
}

static void on_quote(void *ctx, struct avow_call *c)
{
    avow_auto(avow_cleanup_channel_quote) struct channel_quote *q = calloc(1, sizeof *q);
    struct avow_error err = { 0 };

    if (!q) {
        AVOW_FAIL(&err, NOMEM, "out of memory");
        refuse_quote(c, &err);
        return;
    }
    q->a = ctx;
    q->call = c;
    memcpy(q->client, avow_call_client_spki(c), sizeof q->client);
    if (quote(q, &err) < 0) {
        refuse_quote(c, &err);
        return;
    }
    avow_call_defer(c, on_asker_gone, q);
    q = NULL; /* on_channel_quote's */
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
