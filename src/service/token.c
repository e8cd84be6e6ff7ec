#include "attest/ear.h"
#include "codec/text.h"
#include "crypto/hash.h"
#include "crypto/jws.h"
#include "service/appraise.h"

#define NONCE_MIN 8u /* of an EAT: RFC 9711, 4.1 */
#define NONCE_MAX 88u

static int set(json_t *claims, const char *name, json_t *take, struct avow_error *err)
{
    return json_object_set_new(claims, name, take) < 0 ? AVOW_FAIL(err, NOMEM, "out of memory") : 0;
}

static int make_jti(char *jti, struct avow_error *err)
{
    uint8_t v[32];

    if (avow_random(v, sizeof v) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    avow_hex(AVOW_BYTES_OF(v), jti);
    return 0;
}

/* iss, iat, nbf, exp, jti: as MAA has them. */
static int put_registered(const struct appraisal *a, json_t *claims, const char *jti,
                          struct avow_error *err)
{
    AVOW_TRY(set(claims, "iss", json_string(a->issuer), err));
    AVOW_TRY(set(claims, "iat", json_integer(a->now), err));
    AVOW_TRY(set(claims, "nbf", json_integer(a->now), err));
    AVOW_TRY(set(claims, "exp", json_integer(a->now + a->token_life_s), err));
    return set(claims, "jti", json_string(jti), err);
}

static json_t *header(const struct appraisal *a, bool unsecured)
{
    avow_auto(avow_buf_done) struct avow_buf jku = AVOW_BUF(512);

    if (unsecured)
        return json_pack("{s:s}", "typ", "JWT");
    avow_buf_putf(&jku, "%s/certs", a->issuer);
    return json_pack("{s:s, s:s, s:s}", "jku", avow_buf_cstr(&jku), "kid", a->generation->rsa_kid,
                     "typ", "JWT");
}

int token_maa(const struct token_in *in, json_t *claims, char *jti, struct avow_buf *out,
              struct avow_error *err)
{
    avow_autojson json_t *head = header(in->a, in->unsecured);
    avow_autofree char *payload = NULL;
    const char *type = NULL;
    json_t *value = NULL;

    json_object_foreach((json_t *)(uintptr_t)in->issued, type, value)
        AVOW_TRY(set(claims, type, json_incref(value), err));
    AVOW_TRY(make_jti(jti, err));
    AVOW_TRY(put_registered(in->a, claims, jti, err));
    AVOW_TRY(set(claims, "x-ms-policy-hash", json_string(in->policy->hash), err));
    if (in->policy->signer)
        AVOW_TRY(set(claims, "x-ms-policy-signer", json_incref(in->policy->signer), err));
    if (in->a->fresh)
        AVOW_TRY(set(claims, "x-avow-nonce-fresh", json_true(), err));
    if (!head)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (!in->unsecured)
        return avow_jws_sign_json(head, claims, in->a->generation->rsa, out, err);
    payload = json_dumps(claims, JSON_COMPACT | JSON_SORT_KEYS);
    return payload ? avow_jws_unsecured(head, avow_bytes_str(payload), out, err)
                   : AVOW_FAIL(err, NOMEM, "out of memory");
}

/* The vendor's checks all held, and MAA's policy permitted. */
static void verdict_of(const struct avow_claims *c, struct avow_verdict *v)
{
    v->tee = c->tee;
    v->simulated = c->simulated;
    for (uint32_t i = 0; i < c->n_checks; i++)
        (void)avow_verdict_add(v, c->checks[i].code, c->checks[i].state == AVOW_CHECK_PASSED, "%s",
                               c->checks[i].text);
    (void)avow_verdict_add(v, "policy", true, "the policy permits");
    avow_verdict_conclude(v);
}

int token_ear(const struct token_in *in, char *jti, struct avow_buf *out, struct avow_error *err)
{
    avow_autofree struct avow_verdict *verdict = calloc(1, sizeof *verdict);
    avow_autojson json_t *claims = NULL;
    const char *nonce = in->rq->nonce;
    struct avow_ear_in ear = { .claims = in->claims,
                               .verdict = verdict,
                               .build = VERIFIER_BUILD,
                               .policy = avow_buf_view(&in->policy->text),
                               .measurement_pinned = in->paravisor != NULL,
                               .nonce = nonce,
                               .now = in->a->now };

    if (!verdict)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (nonce && (strlen(nonce) < NONCE_MIN || strlen(nonce) > NONCE_MAX))
        return AVOW_FAIL(err, FORMAT, "a nonce of an EAR has %u to %u bytes (RFC 9711)", NONCE_MIN,
                         NONCE_MAX);
    verdict_of(in->claims, verdict);
    claims = avow_ear_claims(&ear);
    if (!claims)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(make_jti(jti, err));
    AVOW_TRY(put_registered(in->a, claims, jti, err));
    if (in->a->fresh)
        AVOW_TRY(set(claims, "x-avow-nonce-fresh", json_true(), err));
    if (in->paravisor)
        AVOW_TRY(set(claims, "x-avow-paravisor", json_string(in->paravisor), err));
    return avow_ear_sign(claims, in->a->generation->ec, out, err);
}
