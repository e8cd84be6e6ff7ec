#include "service/appraise.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/text.h"
#include "crypto/hash.h"
#include "maa/claims.h"
#include "maa/verify.h"

/* What is made on the way; big, so not on a worker's stack. */
struct state {
    struct avow_maa_request rq;
    struct avow_claims claims;
    json_t *out; /* MAA's claims */
    char jti[65];
    char evidence[65]; /* SHA-256, hex */
    struct avow_maa_policy_out judged;
    struct avow_service_policy *draft; /* or NULL */
    const char *paravisor;             /* of the basis: the entry that was matched; or NULL */
};

static void state_free(struct state *s)
{
    avow_maa_request_done(&s->rq);
    json_decref(s->out);
    avow_maa_policy_out_done(&s->judged);
    avow_service_policy_unref(s->draft);
    free(s);
}
AVOW_DEFINE_CLEANUP(state, struct state, state_free)

__attribute__((format(printf, 4, 5))) static int answer(struct appraisal *a, int status,
                                                        const char *code, const char *fmt, ...)
{
    va_list ap;

    a->status = status;
    (void)snprintf(a->code, sizeof a->code, "%s", code);
    va_start(ap, fmt);
    (void)vsnprintf(a->text, sizeof a->text, fmt, ap);
    va_end(ap);
    avow_printable(a->text); /* it may quote what the client sent */
    return -AVOW_E_REFUSED;
}

/* By no fault of the client's. */
static int broken(struct appraisal *a, int status, const char *why)
{
    a->broken = true;
    return answer(a, status, status == 503 ? "ServiceUnavailable" : "InternalServerError", "%s",
                  why);
}

/* ---- steps ---- */

static int read_request(struct appraisal *a, struct state *s)
{
    struct avow_error err = { 0 };
    uint8_t digest[32];

    if (avow_maa_request_parse(a->type, avow_buf_view(&a->body), &s->rq, &err) < 0)
        return answer(a, 400, "InvalidParameter", "%s", err.text);
    if (avow_sha256(s->rq.bundle.evidence, digest) < 0)
        return broken(a, 500, "SHA-256 failed");
    avow_hex(AVOW_BYTES_OF(digest), s->evidence);
    return 0;
}

/* The first check that did not pass says why. */
static int not_authentic(struct appraisal *a, const struct avow_claims *c)
{
    const struct avow_check *missing = NULL;

    for (uint32_t i = 0; i < c->n_checks; i++) {
        const struct avow_check *k = &c->checks[i];

        if (k->state == AVOW_CHECK_FAILED)
            return answer(a, 400, "InvalidParameter", "%s: %s", k->code, k->text);
        if (k->state == AVOW_CHECK_NOT_RUN && !missing)
            missing = k;
    }
    return answer(a, 400, "InvalidParameter", "%s could not be checked: %s",
                  missing ? missing->code : "the evidence", missing ? missing->text : "");
}

static int verify_with(struct appraisal *a, struct state *s, struct avow_kit *kit,
                       struct avow_error *err)
{
    const struct basis *b = a->basis;

    if (b->store)
        AVOW_TRY(avow_kit_complete(kit, b->store, b->serial, a->now, &s->rq.bundle, err));
    return avow_maa_verify(&s->rq, &b->anchors, a->now, kit->cache, &s->claims, err);
}

/* Whether the paravisor is a known one is decided for each request, by what is configured now. */
static int make_claims(struct appraisal *a, struct state *s)
{
    struct avow_error err = { 0 };

    s->paravisor = avow_paravisors_match(a->basis->paravisors, &s->claims, &s->rq, a->now);
    if (avow_maa_claims(&s->claims, &s->rq, s->paravisor != NULL, &s->out, &err) < 0)
        return broken(a, err.code == AVOW_E_LIMIT ? 503 : 500, err.text);
    if (s->paravisor &&
        json_object_set_new(s->out, "x-avow-paravisor", json_string(s->paravisor)) < 0)
        return broken(a, 500, "out of memory");
    return 0;
}

static int verify(struct appraisal *a, struct state *s)
{
    struct avow_kit *kit = avow_kits_take(a->kits);
    struct avow_error err = { 0 };
    int rc = kit ? verify_with(a, s, kit, &err) : AVOW_FAIL(&err, NOMEM, "out of memory");

    if (kit)
        avow_kits_give(a->kits, kit);
    if (rc < 0)
        return broken(a, err.code == AVOW_E_LIMIT ? 503 : 500, err.text);
    if (!s->claims.authentic)
        return not_authentic(a, &s->claims);
    a->simulated = s->claims.simulated;
    return make_claims(a, s);
}

/* By the policy in force, or by the draft that the request brings, whose token nobody signs. */
static int judge(struct appraisal *a, struct state *s)
{
    const struct avow_maa_policy_in in = { .service = s->out };
    struct avow_error err = { 0 };
    const struct avow_service_policy *p = a->policy;

    if (s->rq.draft) {
        if (a->ear)
            return answer(a, 400, "InvalidParameter", "a draft policy gives no EAR");
        if (avow_service_policy_read(avow_bytes_str(s->rq.draft), &s->draft, &err) < 0)
            return answer(a, 400, "PolicyParsingError", "draftPolicyForAttestation: %s", err.text);
        p = s->draft;
    }
    if (avow_maa_policy_run(p->rules, &in, &s->judged, &err) < 0)
        return answer(a, 400, "PolicyEvaluationError", "%s", err.text);
    if (s->judged.denied)
        return answer(a, 400, "PolicyEvaluationError",
                      "A Deny claim was issued, authorization failed (rule at line %u column %u)",
                      s->judged.line, s->judged.column);
    if (!s->judged.permitted)
        return answer(a, 400, "PolicyEvaluationError",
                      "no rule of the policy permits this, authorization failed");
    return 0;
}

/* Our nonce counts for something only in what the evidence binds: the echo of "nonce" is no proof.
 */
static const char *bound_nonce(const struct state *s)
{
    const json_t *in_runtime = json_object_get(s->rq.runtime.value, "nonce");
    struct avow_bytes bytes = avow_buf_view(&s->rq.runtime.bytes);

    if (!s->rq.runtime.present)
        return NULL;
    if (json_is_string(in_runtime))
        return json_string_value(in_runtime);
    if (s->rq.nonce && strlen(s->rq.nonce) == AVOW_NONCE_TEXT - 1 &&
        memmem(bytes.data, bytes.len, s->rq.nonce, AVOW_NONCE_TEXT - 1))
        return s->rq.nonce;
    return NULL;
}

static int use_nonce(struct appraisal *a, const struct state *s)
{
    const char *nonce = bound_nonce(s);

    if (!nonce)
        return 0;
    switch (avow_nonces_take(a->nonces, nonce, a->now)) {
    case AVOW_NONCE_FRESH:
        a->fresh = true;
        return 0;
    case AVOW_NONCE_USED:
        return answer(a, 400, "InvalidParameter", "the nonce was used before: get another");
    case AVOW_NONCE_FULL:
        return answer(a, 503, "ServiceUnavailable", "too many nonces were used lately");
    case AVOW_NONCE_UNKNOWN:
        break;
    }
    return 0;
}

static int sign(struct appraisal *a, struct state *s)
{
    struct avow_error err = { 0 };
    const struct token_in in = { .a = a,
                                 .rq = &s->rq,
                                 .claims = &s->claims,
                                 .policy = s->draft ? s->draft : a->policy,
                                 .paravisor = s->paravisor,
                                 .issued = s->judged.issued,
                                 .unsecured = s->draft != NULL };
    int rc = a->ear ? token_ear(&in, s->jti, &a->token, &err)
                    : token_maa(&in, s->out, s->jti, &a->token, &err);

    if (rc == -AVOW_E_FORMAT)
        return answer(a, 400, "InvalidParameter", "%s", err.text);
    return rc < 0 ? broken(a, err.code == AVOW_E_LIMIT ? 503 : 500, err.text) : 0;
}

/* ---- the log ---- */

static json_t *logged(const struct appraisal *a, const struct state *s)
{
    avow_autojson json_t *j =
        json_pack("{s:s, s:s, s:s, s:s}", "client", a->client, "evidence-sha256", s->evidence,
                  "request", a->id, "type", avow_maa_type_name(a->type));
    char machine[129];

    if (!j)
        return NULL;
    if (a->code[0])
        return json_object_update_new(j,
                                      json_pack("{s:s, s:s}", "code", a->code, "text", a->text)) < 0
                   ? NULL
                   : avow_steal(&j);
    avow_hex(AVOW_BYTES(s->claims.machine, s->claims.machine_len), machine);
    if (json_object_update_new(
            j,
            json_pack("{s:b, s:b, s:b, s:b, s:s, s:s, s:s, s:s, s:s}", "ear", a->ear, "draft",
                      s->draft != NULL, "nonce-fresh", a->fresh, "simulated", a->simulated, "jti",
                      s->jti, "kid", a->ear ? a->generation->ec_kid : a->generation->rsa_kid,
                      "machine", machine, "paravisor", s->paravisor ? s->paravisor : "",
                      "policy-hash", s->draft ? s->draft->hash : a->policy->hash)) < 0)
        return NULL;
    return avow_steal(&j);
}

/* Before the answer: no token that the log does not know. What could not be read at all is not
 * worth a row. */
static void record(struct appraisal *a, const struct state *s)
{
    struct avow_error err = { 0 };

    if (a->code[0] && !s->evidence[0])
        return;
    if (avow_audit_put(a->audit, a->now, a->code[0] ? "refused" : "token", logged(a, s), &err) == 0)
        return;
    avow_buf_reset(&a->token);
    (void)broken(a, 503, err.text); /* it is full, the disk is, or somebody holds it */
}

void appraise(struct appraisal *a)
{
    avow_auto(avow_cleanup_state) struct state *s = calloc(1, sizeof *s);

    a->status = 200;
    a->token = AVOW_BUF(APPRAISE_TOKEN_MAX);
    if (!s) {
        (void)broken(a, 500, "out of memory");
        return;
    }
    if (read_request(a, s) == 0 && verify(a, s) == 0 && judge(a, s) == 0 && use_nonce(a, s) == 0)
        (void)sign(a, s);
    if (a->code[0])
        avow_buf_reset(&a->token);
    record(a, s);
}
