/* One node: requests with retries, and attestation of its channel. */
#include "client/client.h"
#include "crypto/hash.h"

#define BUSY_STEP_MS 50

/* ---- retries ---- */

bool avow_node_backoff(struct avow_node *n, struct avow_wire *w, const char *what, unsigned failed,
                       const struct avow_error *why)
{
    const struct avow_backoff *b = &n->client->options.backoff;
    uint32_t random = 0;
    uint32_t delay = 0;

    if (!avow_backoff_transient(why->code) || failed >= b->tries ||
        avow_random(&random, sizeof random) < 0)
        return false;
    delay = avow_backoff_delay_ms(b, failed, random);
    avow_client_emit(n->client, n->name, "retry",
                     json_pack("{s:s, s:i, s:i, s:i, s:s, s:s}", "what", what, "failed",
                               (int)failed, "tries", (int)b->tries, "delay_ms", (int)delay, "code",
                               avow_err_name(why->code), "message", why->text));
    avow_wire_sleep(w, delay);
    return true;
}

/* What an error reply says, as our own error. */
static int reply_error(const struct avow_node *n, const struct avow_wire_reply *reply,
                       struct avow_error *err)
{
    avow_autojson json_t *body = NULL;
    const char *name = NULL;
    const char *message = NULL;
    int code = 0;

    if (avow_json_parse(avow_buf_view(&reply->body), &body, NULL) == 0) {
        const json_t *e = json_object_get(body, "error");

        name = json_string_value(json_object_get(e, "code"));
        message = json_string_value(json_object_get(e, "message"));
        code = avow_err_from_name(name);
    }
    if (reply->status == 429 || reply->status == 503)
        code = AVOW_E_BUSY;
    if (!code)
        return AVOW_FAIL(err, PROTOCOL, "%s answered with HTTP status %d and no error of avow's",
                         n->address, reply->status);
    return AVOW_FAIL_CODE(err, code, "%s", message ? message : avow_err_text(code));
}

static bool good(int status)
{
    return status >= 200 && status < 300;
}

/* ---- attestation ---- */

static int judge(struct avow_node *n, const char *bundle, struct avow_bytes statement,
                 struct avow_verdict *verdict, json_t **claims_out, struct avow_error *err)
{
    avow_autofree struct avow_claims *claims = calloc(1, sizeof *claims);
    struct avow_judge_in in = {
        .bundle = avow_bytes_str(bundle),
        .anchors = &n->client->anchors,
        .policy = n->client->policy,
        .member = n->name,
        .expect_tee = n->expect,
        .statement = statement,
        .now = avow_unix_ms() / 1000,
        .cache = n->cache,
    };

    if (!claims)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_verifier_judge(n->client->verifier, &in, claims, verdict, err));
    if (claims_out) {
        json_decref(*claims_out);
        *claims_out = avow_claims_json(claims);
    }
    return 0;
}

/* Ask for a quote on @w's connection and judge it. The verdict goes to @n, and if it is accepted
 * the connection counts as attested. Once attested, a node keeps its key: @w is pinned to it. */
static int quote(struct avow_node *n, struct avow_wire *w, struct avow_error *err)
{
    struct avow_wire_request rq = { .kind = AVOW_WIRE_QUOTE, .timeout_ms = AVOW_NODE_TIMEOUT_MS };
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    struct avow_wire_reply reply = { .body = AVOW_BUF(AVOW_BUNDLE_MAX * 2) };
    avow_auto(avow_buf_done) struct avow_buf body = { 0 };
    avow_autojson json_t *doc = NULL;
    struct avow_verdict verdict = { 0 }; /* refused until judged */
    const char *bundle = NULL;
    double began = 0;
    int rc = 0;

    if (avow_random(rq.nonce, sizeof rq.nonce) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    rc = avow_wire_do(w, &rq, &reply, err);
    body = reply.body; /* for its release */
    AVOW_TRY(rc);
    if (!good(reply.status))
        return reply_error(n, &reply, err);
    AVOW_TRY(avow_json_parse(avow_buf_view(&body), &doc, err));
    AVOW_TRY(avow_json_get_str(doc, "bundle", &bundle, err));
    AVOW_TRY(avow_wire_statement(w, &statement, err));
    began = avow_now_ms();
    AVOW_TRY(judge(n, bundle, avow_buf_view(&statement), &verdict, &n->claims, err));
    n->verdict = verdict;
    n->verify_ms = avow_now_ms() - began;
    n->state = AVOW_NODE_EVALUATED;
    if (!avow_verdict_accepts(&n->verdict))
        return 0;
    memcpy(n->spki, avow_wire_server_spki(w), 32);
    n->again = *avow_wire_again_key(w);
    avow_wire_pin(n->wire, n->spki);
    avow_wire_pin(n->stream, n->spki);
    avow_wire_attested(w);
    return 0;
}

int avow_node_attest(struct avow_node *n, struct avow_error *err)
{
    double began = avow_now_ms();
    struct avow_error e = { 0 };
    unsigned failed = 0;
    int rc = 0;

    do {
        avow_error_clear(&e);
        rc = quote(n, n->wire, &e);
    } while (rc < 0 && avow_node_backoff(n, n->wire, "attest", ++failed, &e));
    n->attest_ms = avow_now_ms() - began;
    n->error = e;
    if (rc < 0) {
        n->state = AVOW_NODE_UNREACHED;
        if (err)
            *err = e;
        return rc;
    }
    avow_client_emit(
        n->client, n->name, "attested",
        json_pack("{s:b, s:f}", "accepted", avow_verdict_accepts(&n->verdict), "ms", n->attest_ms));
    return 0;
}

/* The node has forgotten the attested connection (its period is over, or it was restarted with the
 * same key): it proves itself anew, and has to be accepted anew. */
static int attest_again(struct avow_node *n, struct avow_wire *w, struct avow_error *err)
{
    const struct avow_reason *why = NULL;

    AVOW_TRY(quote(n, w, err));
    if (avow_verdict_accepts(&n->verdict))
        return 0;
    why = avow_verdict_why(&n->verdict);
    return AVOW_FAIL(err, REFUSED, "its new evidence is refused: %s: %s",
                     why ? why->code : "no reason", why ? why->text : "");
}

/* Tie @w's connection to the attested one. With n->lock held: `again` is shared by both wires. */
static int again(struct avow_node *n, struct avow_wire *w, struct avow_error *err)
{
    struct avow_wire_request rq = { .kind = AVOW_WIRE_AGAIN,
                                    .again = &n->again,
                                    .timeout_ms = AVOW_NODE_TIMEOUT_MS };
    struct avow_wire_reply reply = { .body = AVOW_BUF(1u << 16) };
    avow_auto(avow_buf_done) struct avow_buf body = { 0 };
    avow_autojson json_t *doc = NULL;
    uint8_t mac[32] = { 0 };
    int rc = 0;

    if (n->state != AVOW_NODE_EVALUATED || !avow_verdict_accepts(&n->verdict))
        return AVOW_FAIL(err, CHANNEL, "%s was not attested", n->address);
    rc = avow_wire_do(w, &rq, &reply, err);
    body = reply.body;
    AVOW_TRY(rc);
    if (reply.status == 403)
        return attest_again(n, w, err);
    if (!good(reply.status))
        return reply_error(n, &reply, err);
    AVOW_TRY(avow_json_parse(avow_buf_view(&body), &doc, err));
    AVOW_TRY(avow_json_get_hex(doc, "mac", mac, sizeof mac, err));
    AVOW_TRY(avow_wire_check_again(w, mac, err));
    avow_wire_attested(w);
    return 0;
}

/* One try: on the attested connection, making it so first if it is a new one. */
static int attempt(struct avow_node *n, struct avow_wire *w, const struct avow_wire_request *rq,
                   struct avow_wire_reply *reply, struct avow_error *err)
{
    int rc = avow_wire_do(w, rq, reply, err);

    if (rc != -AVOW_E_CHANNEL)
        return rc;
    avow_error_clear(err);
    (void)pthread_mutex_lock(&n->lock);
    rc = again(n, w, err);
    (void)pthread_mutex_unlock(&n->lock);
    AVOW_TRY(rc);
    return avow_wire_do(w, rq, reply, err);
}

/* ---- requests ---- */

static int call_once(struct avow_node *n, const struct avow_node_call *call,
                     const struct avow_wire_request *rq, json_t **out, struct avow_error *err)
{
    struct avow_wire_reply reply = { .body = AVOW_BUF(AVOW_WIRE_REPLY_MAX) };
    avow_auto(avow_buf_done) struct avow_buf body = { 0 };
    int rc = attempt(n, n->wire, rq, &reply, err);

    body = reply.body;
    AVOW_TRY(rc);
    if (!good(reply.status) && (!call->also || reply.status != call->also))
        return reply_error(n, &reply, err);
    if (call->raw_reply && good(reply.status)) {
        avow_buf_reset(call->raw_reply);
        AVOW_TRY(avow_buf_put_bytes(call->raw_reply, avow_buf_view(&body)));
    } else if (out) {
        AVOW_TRY(avow_json_parse(avow_buf_view(&body), out, err));
    }
    return 0;
}

/* A node that is busy with this very request (digesting results) is not a node in trouble. */
static bool waited_out(struct avow_node *n, int rc, double until)
{
    if (rc != -AVOW_E_BUSY || avow_now_ms() >= until)
        return false;
    avow_wire_sleep(n->wire, BUSY_STEP_MS);
    return true;
}

int avow_node_call(struct avow_node *n, const struct avow_node_call *call, json_t **reply,
                   struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_WIRE_REPLY_MAX);
    struct avow_wire_request rq = {
        .kind = AVOW_WIRE_JOB,
        .method = call->method,
        .path = call->path,
        .body = call->raw,
        .raw = call->raw.data != NULL,
        .timeout_ms = call->timeout_ms ? call->timeout_ms : AVOW_NODE_TIMEOUT_MS,
    };
    struct avow_error e = { 0 };
    double busy_until = avow_now_ms() + call->busy_ms;
    unsigned failed = 0;
    int rc = 0;

    if (call->json) {
        AVOW_TRY(avow_json_canonical(call->json, &text, err));
        rq.body = avow_buf_view(&text);
    }
    do {
        avow_error_clear(&e);
        rc = call_once(n, call, &rq, reply, &e);
        if (rc == -AVOW_E_NETWORK && call->once && !avow_wire_unsent(n->wire))
            break;
    } while (
        rc < 0 && !call->single &&
        (waited_out(n, rc, busy_until) || avow_node_backoff(n, n->wire, call->path, ++failed, &e)));
    if (rc < 0 && err && !err->code)
        *err = e;
    return rc;
}

int avow_node_stream(struct avow_node *n, const char *path,
                     int (*sink)(void *ctx, struct avow_bytes piece), void *ctx,
                     struct avow_error *err)
{
    struct avow_wire_request rq = {
        .kind = AVOW_WIRE_JOB, .method = "GET", .path = path, .sink = sink, .sink_ctx = ctx
    };
    struct avow_wire_reply reply = { .body = AVOW_BUF(1u << 16) };
    avow_auto(avow_buf_done) struct avow_buf body = { 0 };
    int rc = attempt(n, n->stream, &rq, &reply, err);

    body = reply.body;
    AVOW_TRY(rc);
    return good(reply.status) ? 0 : reply_error(n, &reply, err);
}
