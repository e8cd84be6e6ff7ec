#include "verifier/endpoint.h"

#include <stdio.h>

#include "base/clock.h"
#include "net/retry.h"
#include "verifier/refusal.h"
#include "verifier/settings.h"

#define URL_MAX_BYTES (AVOW_VERIFIER_URL_MAX + 128)

void endpoint_init(struct endpoint *e)
{
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)pthread_cond_init(&e->room, NULL);
    tally_init(&e->tally);
}

void endpoint_done(struct endpoint *e)
{
    tally_done(&e->tally);
    (void)pthread_cond_destroy(&e->room);
    (void)pthread_mutex_destroy(&e->lock);
}

static void enter(struct endpoint *e)
{
    (void)pthread_mutex_lock(&e->lock);
    while (e->under_way >= e->parallel) /* each of those has a deadline */
        (void)pthread_cond_wait(&e->room, &e->lock);
    e->under_way++;
    (void)pthread_mutex_unlock(&e->lock);
}

static void leave(struct endpoint *e)
{
    (void)pthread_mutex_lock(&e->lock);
    e->under_way--;
    (void)pthread_cond_signal(&e->room);
    (void)pthread_mutex_unlock(&e->lock);
}

/* One request with its tries. */
struct sending {
    struct tally *tally;
    uint64_t began;
};

static int try_begins(void *ctx, struct avow_error *err)
{
    struct sending *s = ctx;

    (void)err;
    s->began = avow_now_ns();
    return 0;
}

static void try_ended(void *ctx, int rc, const struct avow_http_reply *r)
{
    const struct sending *s = ctx;

    tally_try(s->tally, rc, r, avow_now_ns() - s->began);
}

static int send_request(struct endpoint *e, const char *url, struct avow_bytes body,
                        struct avow_http_reply *reply, struct avow_error *err)
{
    static const char *const headers[] = { "Content-Type: application/json",
                                           "Accept: application/json", NULL };
    const struct avow_http_request rq = {
        .url = url,
        .headers = body.data ? headers : headers + 1,
        .body = body,
        .ca_file = e->ca,
        .body_max = ENDPOINT_REPLY_MAX,
        .stop_fd = e->stop_fd,
    };
    struct sending sending = { .tally = &e->tally };
    struct avow_retry retry = { .backoff = AVOW_BACKOFF_DEFAULT,
                                .deadline_ms = ENDPOINT_DEADLINE_MS,
                                .before = try_begins,
                                .tried = try_ended,
                                .ctx = &sending };

    retry.backoff.tries = ENDPOINT_TRIES;
    return avow_http_retry(&rq, &retry, reply, err);
}

/* A reply that is no token. 0: the service refused, and @v says so. */
static int refused(struct endpoint *e, const struct avow_http_reply *r, struct avow_verdict *v,
                   struct avow_error *err)
{
    char code[REFUSAL_CODE_MAX + 1], message[REFUSAL_MESSAGE_MAX + 1];
    const char *means = NULL;

    refusal_read(r, code, message);
    if (r->status == 429 || avow_http_transient(r->status))
        return AVOW_FAIL(err, BUSY, "%s: HTTP %ld %s", e->url, r->status, code);
    if (r->status < 400 || r->status >= 500 || !*code)
        return AVOW_FAIL(err, PROTOCOL, "%s: HTTP %ld where a token was expected", e->url,
                         r->status);
    means = refusal_explain(code);
    tally_count(&e->tally, &e->tally.s.denied);
    avow_verdict_add(v, "service", false, "%s says %s%s%s%s%s%s", e->url, code,
                     *message ? ": " : "", message, *means ? " (" : "", means, *means ? ")" : "");
    return 0;
}

static int post(struct endpoint *e, enum avow_maa_type type, bool old, struct avow_bytes body,
                struct avow_http_reply *reply, struct avow_error *err)
{
    const char *api = !old                        ? ENDPOINT_API
                      : type == AVOW_MAA_SEVSNPVM ? ENDPOINT_API_SNP_BEFORE
                                                  : ENDPOINT_API_TDX_BEFORE;
    char url[URL_MAX_BYTES];

    (void)snprintf(url, sizeof url, "%s/attest/%s?api-version=%s", e->url, avow_maa_type_path(type),
                   api);
    return send_request(e, url, body, reply, err);
}

/* The version that the documentation names first; what a service does not know is tried once. */
static int ask(struct endpoint *e, enum avow_maa_type type, struct avow_bytes body,
               struct avow_http_reply *reply, struct avow_error *err)
{
    bool *old = &e->old_api[type == AVOW_MAA_TDXVM];
    bool is_old = false;

    (void)pthread_mutex_lock(&e->lock);
    is_old = *old;
    (void)pthread_mutex_unlock(&e->lock);
    AVOW_TRY(post(e, type, is_old, body, reply, err));
    if (is_old || !refusal_is_version(reply))
        return 0;
    avow_http_reply_done(reply);
    AVOW_TRY(post(e, type, true, body, reply, err));
    if (reply->status == 200) {
        (void)pthread_mutex_lock(&e->lock);
        *old = true;
        (void)pthread_mutex_unlock(&e->lock);
    }
    return 0;
}

static int read_token(const struct endpoint *e, const struct avow_http_reply *r,
                      struct avow_buf *token, struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    const char *text = NULL;

    if (avow_json_parse(avow_buf_view(&r->body), &doc, NULL) == 0)
        text = json_string_value(json_object_get(doc, "token"));
    if (!text || !*text)
        return AVOW_FAIL(err, PROTOCOL, "%s: the answer holds no token", e->url);
    return avow_buf_put_str(token, text) < 0 ? avow_buf_ok(token, err) : 0;
}

/* What came of @body: a token, or the service's refusal in @v. */
static int ask_for_token(struct endpoint *e, enum avow_maa_type type, struct avow_bytes body,
                         struct avow_buf *token, struct avow_verdict *v, struct avow_error *err)
{
    avow_auto(avow_http_reply_done) struct avow_http_reply reply = { 0 };

    AVOW_TRY(ask(e, type, body, &reply, err));
    return reply.status == 200 ? read_token(e, &reply, token, err) : refused(e, &reply, v, err);
}

int endpoint_token(struct endpoint *e, enum avow_maa_type type, struct avow_bytes body,
                   struct avow_buf *token, struct avow_verdict *v, struct avow_error *err)
{
    const size_t before = token->len;
    uint64_t began = 0;
    int rc = 0;

    enter(e);
    began = avow_now_ns();
    rc = ask_for_token(e, type, body, token, v, err);
    leave(e);
    tally_token(&e->tally, rc == 0 && token->len > before, avow_now_ns() - began);
    if (rc < 0)
        tally_failed(&e->tally, rc);
    return rc;
}

static int ask_for_keys(struct endpoint *e, const char *issuer, struct avow_buf *out,
                        struct avow_error *err)
{
    avow_auto(avow_http_reply_done) struct avow_http_reply reply = { 0 };
    char url[URL_MAX_BYTES];

    (void)snprintf(url, sizeof url, "%s/certs", issuer);
    AVOW_TRY(send_request(e, url, AVOW_BYTES(NULL, 0), &reply, err));
    if (reply.status != 200)
        return AVOW_FAIL(err, PROTOCOL, "%s: HTTP %ld where keys were expected", url, reply.status);
    avow_buf_put_bytes(out, avow_buf_view(&reply.body));
    return avow_buf_ok(out, err);
}

int endpoint_keys(struct endpoint *e, const char *issuer, struct avow_buf *out,
                  struct avow_error *err)
{
    int rc = ask_for_keys(e, issuer, out, err);

    tally_count(&e->tally, &e->tally.s.key_fetches);
    if (rc < 0)
        tally_failed(&e->tally, rc);
    return rc;
}
