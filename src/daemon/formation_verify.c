/* Verify: every member's evidence is judged by workers, all at once. */
#include <stdlib.h>
#include <time.h>

#include "attest/attest.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "daemon/formation_internal.h"
#include "serve/log.h"

#define CAN_VERIFY                                                   \
    (1u << AVOW_FORMATION_ROSTERED | 1u << AVOW_FORMATION_VERIFIED | \
     1u << AVOW_FORMATION_CONFIRMING | 1u << AVOW_FORMATION_FORMED)

void avow_judged_free(struct avow_judged *list, size_t n)
{
    for (size_t i = 0; list && i < n; i++) {
        avow_buf_done(&list[i].bundle);
        free(list[i].verdict);
    }
    free(list);
}

void avow_caches_init(struct avow_caches *all)
{
    pthread_mutex_init(&all->lock, NULL);
}

void avow_caches_done(struct avow_caches *all)
{
    while (all->n_idle)
        avow_verify_cache_free(all->idle[--all->n_idle]);
    pthread_mutex_destroy(&all->lock);
}

/* NULL if there is no memory for one: it goes without. */
static struct avow_verify_cache *take_cache(struct avow_caches *all)
{
    struct avow_verify_cache *c = NULL;

    pthread_mutex_lock(&all->lock);
    if (all->n_idle)
        c = all->idle[--all->n_idle];
    pthread_mutex_unlock(&all->lock);
    if (!c && avow_verify_cache_new(AVOW_CACHE_ENTRIES, &c, NULL) < 0)
        return NULL;
    return c;
}

static void give_cache(struct avow_caches *all, struct avow_verify_cache *take_c)
{
    pthread_mutex_lock(&all->lock);
    if (take_c && all->n_idle < AVOW_WORKERS_THREADS_MAX) {
        all->idle[all->n_idle++] = take_c;
        take_c = NULL;
    }
    pthread_mutex_unlock(&all->lock);
    avow_verify_cache_free(take_c);
}

/* In a worker: reads what does not change while work is under way (roster, policies, anchors). */
static int judge(struct avow_judged *j)
{
    const struct avow_formation *f = j->formation;
    const struct avow_formations_config *cfg = &f->all->cfg;
    const struct avow_member *m = &f->roster.members[j->index];
    avow_auto(avow_buf_done) struct avow_buf statement = AVOW_BUF(AVOW_STATEMENT_MAX);
    avow_autofree struct avow_verdict *v = calloc(1, sizeof *v);
    struct avow_judge_in in = {
        .bundle = avow_buf_view(&j->bundle),
        .anchors = cfg->anchors,
        .policy = f->proposal.policy,
        .minimum = cfg->minimum,
        .member = m->name,
        .expect_tee = m->tee,
        .now = time(NULL),
    };
    int rc = 0;

    if (!v)
        return AVOW_FAIL(&j->err, NOMEM, "out of memory");
    AVOW_TRY(avow_formation_statement(f->h, m->name, &statement, &j->err));
    in.statement = avow_buf_view(&statement);
    in.cache = take_cache(&f->all->caches);
    rc = avow_verifier_judge(cfg->verifier, &in, NULL, v, &j->err);
    give_cache(&f->all->caches, in.cache);
    AVOW_TRY(rc);
    j->verdict = avow_steal(&v);
    return 0;
}

static void on_work(void *ctx)
{
    struct avow_judged *j = ctx;
    uint64_t began = avow_now_ns();

    if (judge(j) < 0 && !j->err.code)
        AVOW_FAIL(&j->err, CRYPTO, "the evidence could not be evaluated");
    j->ms = (double)(avow_now_ns() - began) / 1e6;
}

static void log_verdict(const struct avow_formation *f, const struct avow_judged *j)
{
    const struct avow_reason *why = avow_verdict_why(j->verdict);
    const char *name = f->proposal.seats[j->index].name;
    char hex[65];

    avow_hex(AVOW_BYTES_OF(j->digest), hex);
    if (avow_verdict_accepts(j->verdict))
        avow_log(AVOW_LOG_INFO, "member-accepted",
                 "formation=%s member=%s tee=%s simulated=%d bundle=%s ms=%.2f", f->proposal.uuid,
                 name, avow_tee_name(j->verdict->tee), j->verdict->simulated, hex, j->ms);
    else
        avow_log(AVOW_LOG_WARNING, "member-refused",
                 "formation=%s member=%s check=%s bundle=%s text=\"%s\"", f->proposal.uuid, name,
                 why ? why->code : "none", hex, why ? why->text : "no reason passed");
    avow_metrics_count(f->all->cfg.metrics, "attestations", "Evidence of other nodes judged",
                       avow_verdict_accepts(j->verdict) ? "result=accepted" : "result=refused", 1);
    avow_metrics_observe(f->all->cfg.metrics, "attestation", "Time to judge one piece of evidence",
                         NULL, j->ms / 1e3);
}

/* A key that gives no secret is refused like any other flaw of the evidence that carries it. */
static void refuse_key(struct avow_formation *f, uint32_t who, const struct avow_error *err)
{
    struct avow_verdict *v = f->judged[who].verdict;

    avow_verdict_add(v, "x25519", false, "%s: %s", f->proposal.seats[who].name, err->text);
    avow_verdict_conclude(v);
    log_verdict(f, &f->judged[who]);
}

static bool all_accepted(const struct avow_formation *f)
{
    for (size_t i = 0; i < f->proposal.n; i++)
        if (!avow_verdict_accepts(f->judged[i].verdict))
            return false;
    return true;
}

static json_t *make_reply(struct avow_formation *f, bool accepted)
{
    avow_autojson json_t *verdicts = json_object();
    avow_autojson json_t *ms = json_object();

    for (size_t i = 0; i < f->proposal.n; i++) {
        const char *name = f->proposal.seats[i].name;

        if (json_object_set_new(verdicts, name, avow_verdict_json(f->judged[i].verdict)) != 0 ||
            json_object_set_new(ms, name, json_real(f->judged[i].ms)) != 0)
            return NULL;
    }
    json_decref(f->verdicts);
    f->verdicts = json_incref(verdicts);
    return json_pack("{s:b,s:O,s:O}", "accepted", accepted, "verdicts", verdicts, "ms", ms);
}

/* All workers are back. 0 and a reply, or what could not be evaluated. */
static int conclude(struct avow_formation *f, json_t **reply, struct avow_error *err)
{
    uint32_t who = 0;
    struct avow_error key_err = { 0 };
    bool accepted = false;

    for (size_t i = 0; i < f->proposal.n; i++)
        if (!f->judged[i].verdict) {
            *err = f->judged[i].err;
            if (!err->code)
                AVOW_FAIL(err, STATE, "the daemon stops");
            return avow_error_prefix(err, "evidence of %s", f->proposal.seats[i].name);
        }
    f->simulated = false;
    for (size_t i = 0; i < f->proposal.n; i++) {
        log_verdict(f, &f->judged[i]);
        f->simulated = f->simulated || f->judged[i].verdict->simulated;
    }
    accepted = all_accepted(f);
    if (accepted && avow_pairs_make(f, &who, &key_err) < 0) {
        refuse_key(f, who, &key_err);
        accepted = false;
    }
    *reply = make_reply(f, accepted);
    if (!*reply)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (accepted)
        f->state = AVOW_FORMATION_VERIFIED;
    return 0;
}

static void on_done(void *ctx, bool ran)
{
    struct avow_judged *j = ctx;
    struct avow_formation *f = j->formation;
    struct avow_call *c = NULL;
    struct avow_error err = { 0 };
    json_t *reply = NULL;

    (void)ran; /* no verdict says it too */
    if (--f->n_judging == 0 && !f->deleted) {
        c = f->call;
        f->call = NULL;
        f->state = AVOW_FORMATION_ROSTERED;
        f->touched_ns = avow_now_ns();
        if (conclude(f, &reply, &err) < 0) {
            avow_log(AVOW_LOG_ERROR, "verification-failed", "formation=%s code=%s text=\"%s\"",
                     f->proposal.uuid, avow_err_name(err.code), err.text);
            if (c)
                avow_call_fail(c, &err);
        } else if (c) {
            avow_call_reply(c, 200, reply);
        } else {
            json_decref(reply);
        }
        if (f->state == AVOW_FORMATION_VERIFIED)
            avow_pairs_answer(f);
    }
    avow_formation_unref(f);
}

/* One bundle of each member and of nobody else. */
static int take_bundles(const struct avow_formation *f, const json_t *bundles,
                        struct avow_judged *list, struct avow_error *err)
{
    if (json_object_size(bundles) != f->proposal.n)
        return AVOW_FAIL(err, MISSING, "%zu bundles for %zu members", json_object_size(bundles),
                         f->proposal.n);
    for (uint32_t i = 0; i < f->proposal.n; i++) {
        const char *text = NULL;

        if (avow_json_get_str(bundles, f->proposal.seats[i].name, &text, err) < 0)
            return avow_error_prefix(err, "bundles");
        list[i].index = i;
        list[i].bundle = AVOW_BUF(AVOW_BUNDLE_MAX);
        avow_buf_put_str(&list[i].bundle, text);
        if (avow_buf_ok(&list[i].bundle, err) < 0)
            return avow_error_prefix(err, "bundle of %s", f->proposal.seats[i].name);
        if (avow_sha256(avow_buf_view(&list[i].bundle), list[i].digest) < 0)
            return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    }
    return 0;
}

/* A verdict is about exactly these bytes; in one formation it is not reached twice. */
static bool judged_before(const struct avow_formation *f, const struct avow_judged *list)
{
    for (size_t i = 0; i < f->proposal.n; i++)
        if (!f->judged || !f->judged[i].verdict ||
            !avow_ct_equal(f->judged[i].digest, list[i].digest, 32))
            return false;
    return true;
}

static int start(struct avow_formation *f, struct avow_call *c, struct avow_judged *take_list,
                 struct avow_error *err)
{
    avow_judged_free(f->judged, f->proposal.n);
    f->judged = take_list;
    f->state = AVOW_FORMATION_VERIFYING;
    f->n_judging = f->proposal.n;
    avow_formation_wait(f, c);
    for (size_t i = 0; i < f->proposal.n; i++) {
        struct avow_judged *j = &f->judged[i];

        j->formation = avow_formation_ref(f);
        if (avow_workers_submit(f->all->cfg.pool, on_work, on_done, j) < 0) {
            /* those under way end it */
            AVOW_FAIL(&j->err, BUSY, "too much to verify at once");
            avow_formation_unref(f);
            f->n_judging--;
        }
    }
    if (f->n_judging)
        return 0;
    f->call = NULL;
    f->state = AVOW_FORMATION_ROSTERED;
    return AVOW_FAIL(err, BUSY, "too much to verify at once");
}

static int verify(struct avow_formations *fs, struct avow_call *c, json_t **reply,
                  struct avow_error *err)
{
    static const char *const known[] = { "formation", "bundles", NULL };
    struct avow_formation *f = NULL;
    struct avow_judged *list = NULL;
    json_t *bundles = NULL;
    int rc = 0;

    AVOW_TRY(avow_json_only(avow_call_json(c), known, err));
    AVOW_TRY(avow_json_get_obj(avow_call_json(c), "bundles", &bundles, err));
    AVOW_TRY(avow_formation_of_call(fs, c, CAN_VERIFY, &f, err));
    list = calloc(f->proposal.n, sizeof *list);
    if (!list)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    rc = take_bundles(f, bundles, list, err);
    if (rc == 0 && judged_before(f, list)) {
        avow_judged_free(list, f->proposal.n);
        *reply = make_reply(f, f->state != AVOW_FORMATION_ROSTERED);
        return *reply ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
    }
    if (rc == 0 && f->state != AVOW_FORMATION_ROSTERED)
        rc =
            AVOW_FAIL(err, STATE, "formation %s was verified with other bundles", f->proposal.uuid);
    if (rc < 0) {
        avow_judged_free(list, f->proposal.n);
        return rc;
    }
    return start(f, c, list, err);
}

void avow_formation_on_verify(void *ctx, struct avow_call *c)
{
    struct avow_error err = { 0 };
    json_t *reply = NULL;

    if (verify(ctx, c, &reply, &err) < 0)
        avow_call_fail(c, &err);
    else if (reply)
        avow_call_reply(c, 200, reply);
}
