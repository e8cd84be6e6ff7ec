#include "verifier/azure.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "crypto/hash.h"
#include "maa/request.h"
#include "maa/token.h"
#include "verifier/endpoint.h"
#include "verifier/keep.h"
#include "verifier/keyring.h"
#include "verifier/unbound.h"

/* The last look at an issuer's keys that failed. */
struct failure {
    uint64_t at; /* ns, base/clock.h */
    struct avow_error why;
};

struct avow_azure {
    struct avow_verifier_settings s;
    struct endpoint endpoint;                             /* borrows from ->s */
    struct keep *keep;                                    /* keys of issuers, tokens */
    pthread_mutex_t fetching;                             /* one looks at keys at a time */
    struct failure failures[AVOW_ISSUERS_MAX];            /* of fetching */
    void (*on_token)(void *ctx, struct avow_bytes token); /* or NULL */
    void *on_token_ctx;
};

/* ---- life ---- */

int avow_azure_new(const struct avow_verifier_settings *s, int stop_fd, struct avow_azure **out,
                   struct avow_error *err)
{
    avow_auto(avow_cleanup_azure) struct avow_azure *a = calloc(1, sizeof *a);

    if (!a)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    (void)pthread_mutex_init(&a->fetching, NULL);
    endpoint_init(&a->endpoint);
    a->endpoint.stop_fd = stop_fd;
    a->endpoint.parallel = AVOW_AZURE_PARALLEL;
    AVOW_TRY(avow_verifier_settings_copy(s, &a->s, err));
    a->endpoint.url = a->s.url;
    a->endpoint.ca = a->s.ca;
    AVOW_TRY(keep_new(AVOW_AZURE_TOKENS_MAX, &a->keep, err));
    *out = avow_steal(&a);
    return 0;
}

void avow_azure_free(struct avow_azure *a)
{
    keep_free(a->keep);
    avow_verifier_settings_done(&a->s);
    endpoint_done(&a->endpoint);
    (void)pthread_mutex_destroy(&a->fetching);
    free(a);
}

void avow_azure_on_token(struct avow_azure *a, void (*fn)(void *ctx, struct avow_bytes token),
                         void *ctx)
{
    a->on_token = fn;
    a->on_token_ctx = ctx;
}

const char *avow_azure_url(const struct avow_azure *a)
{
    return a->s.url;
}

void avow_azure_stats(struct avow_azure *a, struct avow_azure_stats *out)
{
    tally_read(&a->endpoint.tally, out);
}

/* ---- asking ---- */

/* A token for @b, with @runtime as its data. Empty, and 0: the service refused, and @v says why. */
static int get_token(struct avow_azure *a, const struct avow_bundle *b, struct avow_bytes runtime,
                     bool json, struct avow_buf *token, struct avow_verdict *v,
                     struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(AVOW_MAA_REQUEST_MAX);
    enum avow_maa_type type = AVOW_MAA_NONE;

    AVOW_TRY(avow_maa_request_build(b, runtime, json, NULL, &type, &body, err));
    return endpoint_token(&a->endpoint, type, avow_buf_view(&body), token, v, err);
}

/* The keys of @issuer, which is one of those that are pinned. */
static int fetch_keys(struct avow_azure *a, const char *issuer, int64_t now, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf keys = AVOW_BUF(KEEP_KEYS_MAX);

    AVOW_TRY(endpoint_keys(&a->endpoint, issuer, &keys, err));
    return keep_keys_put(a->keep, issuer, avow_buf_view(&keys), now, err);
}

/* ---- judging ---- */

struct asking {
    struct avow_azure *a;
    const struct avow_judge_in *in;
    const struct avow_bundle *b;
    const struct avow_claims *tpm;
    struct avow_bytes statement; /* that the evidence must be about; empty: bound to nothing */
    struct avow_bytes runtime;   /* sent as runtimeData; empty: none, or the paravisor's */
    bool runtime_json;
    struct keyring keyring;
    struct avow_maa_token_info info;
    struct avow_verdict verdict; /* of the token */
    struct avow_claims claims;
};

static int appraise(struct asking *q, struct avow_bytes token, struct avow_error *err)
{
    const struct avow_judge_in *in = q->in;
    struct avow_policy_pins pins = avow_policy_pins(in->policy, q->b->tee, in->member);
    const struct avow_maa_token_in want = {
        .token = token,
        .issuers = q->keyring.issuers,
        .n_issuers = q->a->s.n_issuers,
        .type = avow_maa_type_of(q->b->tee),
        .now = in->now,
        .skew_s = AVOW_MAA_SKEW_DEFAULT,
        .max_age_s = q->a->s.max_age_s,
        .statement = q->statement,
        .unbound_ok = in->unbound_ok,
        .local = q->tpm,
        .any_paravisor = pins.measurement, /* else Microsoft's word is wanted */
        .policy = in->policy,
        .member = in->member,
    };

    return avow_maa_token_appraise(&want, &q->info, &q->claims, &q->verdict, err);
}

static int appraise_anew(struct asking *q, struct avow_bytes token, struct avow_error *err)
{
    AVOW_TRY(keyring_read(q->a->keep, &q->a->s, &q->keyring, err));
    return appraise(q, token, err);
}

/* Of all that want keys one asks; @began: when this one began to wait. Called with ->fetching. */
static int fetch_or_share(struct asking *q, uint64_t began, int64_t now, struct avow_error *err)
{
    struct failure *f = &q->a->failures[q->info.issuer];

    if (f->at > began) /* what the other was told holds for this one too */
        return AVOW_FAIL_CODE(err, -f->why.code, "%s", f->why.text);
    f->why = (struct avow_error){ 0 };
    if (fetch_keys(q->a, q->a->s.issuers[q->info.issuer].url, now, &f->why) == 0)
        return 0;
    f->at = avow_now_ns();
    return AVOW_FAIL_CODE(err, -f->why.code, "%s", f->why.text);
}

static int appraise_with_keys(struct asking *q, struct avow_bytes token, struct avow_error *err)
{
    uint64_t began = avow_now_ns();
    int64_t now = (int64_t)time(NULL);
    int rc = 0;

    AVOW_TRY(appraise_anew(q, token, err));
    if (!keyring_outdated(&q->keyring, &q->info, now))
        return 0;
    (void)pthread_mutex_lock(&q->a->fetching);
    rc = appraise_anew(q, token, err);
    if (rc == 0 && keyring_outdated(&q->keyring, &q->info, now)) {
        rc = fetch_or_share(q, began, now, err);
        if (rc == 0)
            rc = appraise_anew(q, token, err);
    }
    (void)pthread_mutex_unlock(&q->a->fetching);
    return rc;
}

/* What a token is about: the evidence, the statement, and of whom it was asked. On Azure's VMs the
 * service sees no statement: the token holds for all that the TPM's key, which it names, signs. */
static int digest_of(const struct asking *q, uint8_t out[32], struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf all = AVOW_BUF(AVOW_BUNDLE_MAX);

    avow_buf_put_str(&all, q->a->s.url);
    avow_buf_put_u32be(&all, (uint32_t)q->b->evidence.len);
    avow_buf_put_bytes(&all, q->b->evidence);
    avow_buf_put_u32be(&all, (uint32_t)q->b->hcl.len);
    avow_buf_put_bytes(&all, q->b->hcl);
    if (!avow_tee_is_azure(q->b->tee)) {
        avow_buf_put_u32be(&all, (uint32_t)q->statement.len);
        avow_buf_put_bytes(&all, q->statement);
    }
    avow_buf_put_bytes(&all, q->runtime);
    AVOW_TRY(avow_buf_ok(&all, err));
    return avow_sha256(avow_buf_view(&all), out) < 0 ? AVOW_FAIL(err, CRYPTO, "SHA-256 failed") : 0;
}

/* What a token that is bound to no statement must say besides. */
static int check_unbound(struct asking *q, const uint8_t digest[32], struct avow_error *err)
{
    if (q->statement.len || !q->info.verified || !q->claims.tee)
        return 0;
    AVOW_TRY(unbound_check(q->in, q->b, &q->claims, &q->verdict, err));
    if (!keep_jti(q->a->keep, q->info.jti, digest))
        avow_verdict_add(&q->verdict, "token-replay", false,
                         "the token %.64s came before, for other evidence", q->info.jti);
    avow_verdict_conclude(&q->verdict);
    return 0;
}

static int appraise_all(struct asking *q, struct avow_bytes token, const uint8_t digest[32],
                        struct avow_error *err)
{
    AVOW_TRY(appraise_with_keys(q, token, err));
    return check_unbound(q, digest, err);
}

/* A token that is kept counts while the whole checklist holds; else a new one is asked for. */
static int judge_token(struct asking *q, struct avow_verdict *v, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf token = AVOW_BUF(AVOW_MAA_TOKEN_MAX);
    uint8_t digest[32];

    AVOW_TRY(digest_of(q, digest, err));
    if (keep_token_get(q->a->keep, digest, &token)) {
        AVOW_TRY(appraise_all(q, avow_buf_view(&token), digest, err));
        if (avow_verdict_accepts(&q->verdict)) {
            tally_count(&q->a->endpoint.tally, &q->a->endpoint.tally.s.reused);
            return 0;
        }
        keep_token_drop(q->a->keep, digest);
        avow_buf_reset(&token);
    }
    AVOW_TRY(get_token(q->a, q->b, q->runtime, q->runtime_json, &token, v, err));
    if (!token.len)
        return 0;
    if (q->a->on_token)
        q->a->on_token(q->a->on_token_ctx, avow_buf_view(&token));
    AVOW_TRY(appraise_all(q, avow_buf_view(&token), digest, err));
    if (avow_verdict_accepts(&q->verdict))
        keep_token_put(q->a->keep, digest, avow_buf_view(&token));
    return 0;
}

/* What the evidence must be about: what was asked for; of a file, what it says itself, or nothing.
 */
static bool check_statement(struct asking *q, struct avow_verdict *v)
{
    bool given = q->in->statement.len || !q->in->unbound_ok;
    bool same = avow_bytes_equal(q->in->statement, q->b->statement);

    q->statement = q->b->statement;
    if (given &&
        !avow_verdict_add(v, "statement", same && q->in->statement.len, "%s",
                          same ? "the evidence is about what was asked (nonce, keys, role)"
                               : "the evidence is about another statement (nonce, keys or role)"))
        return false;
    if (!q->statement.len)
        q->runtime = unbound_runtime(q->b, &q->runtime_json);
    else if (!avow_tee_is_azure(q->b->tee)) {
        q->runtime = q->statement;
        q->runtime_json = true;
    }
    return true;
}

static void take_reasons(const struct avow_verdict *from, struct avow_verdict *v)
{
    for (uint32_t i = 0; i < from->n_reasons; i++) {
        const struct avow_reason *r = &from->reasons[i];

        avow_verdict_from(v, "%s", r->source);
        if (r->ran)
            avow_verdict_add(v, r->code, r->passed, "%s", r->text);
        else
            avow_verdict_missing(v, r->code, "%s", r->text);
    }
    avow_verdict_from(v, "%s", "");
}

int avow_azure_judge(struct avow_azure *a, const struct avow_judge_in *in,
                     const struct avow_bundle *b, const struct avow_claims *tpm,
                     struct avow_claims *claims, struct avow_verdict *v, struct avow_error *err)
{
    avow_autofree struct asking *q = calloc(1, sizeof *q);

    if (!q)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    *q = (struct asking){ .a = a, .in = in, .b = b, .tpm = tpm };
    if (!check_statement(q, v))
        return 0;
    if (!avow_verdict_add(v, "tee", in->expect_tee == AVOW_TEE_NONE || in->expect_tee == b->tee,
                          "%s evidence", avow_tee_name(b->tee)))
        return 0;
    AVOW_TRY(judge_token(q, v, err));
    take_reasons(&q->verdict, v);
    v->simulated = v->simulated || q->verdict.simulated || q->claims.simulated;
    if (in->minimum && q->claims.authentic)
        avow_judge_minimum(in, &q->claims, v);
    *claims = q->claims;
    return 0;
}
