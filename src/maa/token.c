#include "maa/token.h"

#include <stdio.h>

#include "crypto/jws.h"
#include "evidence/snp.h"
#include "maa/binding.h"
#include "maa/claims.h"

#define TIME_MAX 253402300799 /* the end of the year 9999: beyond it no date can be written */
#define URL_PREFIX "https://"
#define OWN "x-avow-"
#define SIMULATED "x-avow-simulated"

/* One appraisal. */
struct token {
    const struct avow_maa_token_in *in;
    const struct avow_maa_issuer *issuer; /* once it is known to be allowed */
    bool own_claims;                      /* its key's set says that x-avow- is reserved */
    struct avow_maa_token_info *info;
    struct avow_claims *c;
    struct avow_verdict *v;
    struct avow_jws jws;
    json_t *claims; /* owned */
};

/* Memory and library failures are not the sender's: nothing is concluded from them. */
static bool is_ours(int rc)
{
    return rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO || rc == -AVOW_E_INVAL;
}

/* ---- 1, 2: the form, the algorithm ---- */

static bool check_form(struct token *t, int *rc)
{
    struct avow_error why = { 0 };

    if (t->in->token.len > AVOW_MAA_TOKEN_MAX)
        return avow_verdict_add(t->v, "token-limit", false, "token of %zu bytes (at most %u)",
                                t->in->token.len, AVOW_MAA_TOKEN_MAX);
    *rc = avow_jws_parse(t->in->token, &t->jws, &why);
    if (*rc < 0)
        return avow_verdict_add(t->v, *rc == -AVOW_E_LIMIT ? "token-limit" : "token", false, "%s",
                                why.text);
    avow_verdict_add(t->v, "token", true, "a token of %zu bytes", t->in->token.len);
    if (!avow_verdict_add(t->v, "token-alg", t->jws.alg == AVOW_JWS_RS256,
                          "alg is %s, and RS256 alone is accepted", t->jws.alg_text))
        return false;
    *rc = avow_jws_claims(&t->jws, &t->claims, &why);
    if (*rc < 0)
        return avow_verdict_add(t->v, "token-claims", false, "%s", why.text);
    return true;
}

/* ---- 3: the issuer, before anything is looked up ---- */

static size_t url_len(const char *url)
{
    size_t n = strlen(url);

    return n && url[n - 1] == '/' ? n - 1 : n;
}

static bool same_url(const char *a, const char *b)
{
    size_t n = url_len(a);

    return n == url_len(b) && strncmp(a, b, n) == 0;
}

static bool check_issuer(struct token *t)
{
    const char *iss = json_string_value(json_object_get(t->claims, "iss"));

    for (size_t i = 0; iss && i < t->in->n_issuers && !t->issuer; i++)
        if (same_url(iss, t->in->issuers[i].url)) {
            t->issuer = &t->in->issuers[i];
            t->info->issuer = i;
        }
    return avow_verdict_add(t->v, "token-issuer", t->issuer != NULL,
                            "issuer %s is %samong the %zu allowed", iss ? iss : "(none)",
                            t->issuer ? "" : "not ", t->in->n_issuers);
}

/* ---- 4, 5: the key, the signature ---- */

/* MAA's self-signed certificates name the provider: one provider's key is not another's. */
static bool key_fits(const struct token *t, const struct avow_maa_key *k, char *why, size_t room)
{
    bool names =
        k->has_cert && k->self_issued && strncmp(k->cn, URL_PREFIX, strlen(URL_PREFIX)) == 0;

    if (!k->usable)
        snprintf(why, room, "%s", k->why);
    else if (names && !same_url(k->cn, t->issuer->url))
        snprintf(why, room, "its certificate is that of %s", k->cn);
    else
        return true;
    return false;
}

static bool check_with(struct token *t, const struct avow_maa_key *k, int *rc)
{
    struct avow_error error = { 0 };
    char why[256] = "";

    if (!avow_verdict_add(t->v, "token-key", key_fits(t, k, why, sizeof why), "key %s%s%s", k->kid,
                          *why ? ": " : " is the issuer's", why))
        return false;
    t->own_claims = k->own_claims;
    *rc = avow_jws_verify_rs256(&t->jws, &k->rsa, &error);
    return avow_verdict_add(t->v, "token-signature", *rc == 0, "%s",
                            *rc == 0 ? "signed by that key" : error.text);
}

/* A token that names no key may be any of the issuer's. */
static bool check_with_any(struct token *t, int *rc)
{
    char why[256];

    for (size_t i = 0; i < t->issuer->keys->n; i++) {
        const struct avow_maa_key *k = &t->issuer->keys->list[i];

        if (key_fits(t, k, why, sizeof why) && avow_jws_verify_rs256(&t->jws, &k->rsa, NULL) == 0)
            return check_with(t, k, rc);
    }
    return avow_verdict_add(t->v, "token-signature", false,
                            "signed by none of the issuer's %zu keys, and names none",
                            t->issuer->keys->n);
}

static bool check_signature(struct token *t, int *rc)
{
    const json_t *kid = json_object_get(t->jws.header, "kid");
    const char *name = json_string_value(kid);
    const struct avow_maa_key *k = NULL;

    if (kid && !name)
        return avow_verdict_add(t->v, "token", false, "the header's kid is not a string");
    if (t->issuer->keys && !name)
        return check_with_any(t, rc);
    if (t->issuer->keys)
        k = avow_maa_keys_find(t->issuer->keys, name);
    t->info->want_keys = k == NULL;
    if (!k)
        return avow_verdict_missing(t->v, "token-kid", "the key %s of %s: %s", name ? name : "",
                                    t->issuer->url,
                                    t->issuer->keys ? "its /certs, as they were last fetched, do "
                                                      "not have it"
                                                    : "its /certs were not fetched");
    return check_with(t, k, rc);
}

/* ---- 6: time ---- */

static bool read_times(struct token *t)
{
    struct avow_maa_token_info *i = t->info;
    struct avow_error why = { 0 };

    i->nbf = 0;
    if (avow_json_get_int(t->claims, "iat", 0, TIME_MAX, &i->iat, &why) < 0 ||
        avow_json_get_int(t->claims, "exp", 0, TIME_MAX, &i->exp, &why) < 0 ||
        avow_json_opt_int(t->claims, "nbf", 0, TIME_MAX, &i->nbf, &why) < 0)
        return avow_verdict_add(t->v, "token-claims", false, "%s", why.text);
    return true;
}

static void check_times(struct token *t)
{
    const struct avow_maa_token_in *in = t->in;
    const struct avow_maa_token_info *i = t->info;
    int64_t from = 0;
    char begin[AVOW_TIME_TEXT], end[AVOW_TIME_TEXT], now[AVOW_TIME_TEXT];

    if (!read_times(t))
        return;
    from = i->nbf > i->iat ? i->nbf : i->iat;
    avow_claims_time(from, begin);
    avow_claims_time(i->exp, end);
    avow_claims_time(in->now, now);
    /* one that ends before it begins is never valid, however far clocks may differ */
    avow_verdict_add(t->v, "token-expired", in->now < i->exp + in->skew_s && from < i->exp,
                     "valid until %s, now %s", end, now);
    avow_verdict_add(t->v, "token-early", from <= in->now + in->skew_s, "valid from %s, now %s",
                     begin, now);
    if (in->max_age_s)
        avow_verdict_add(t->v, "token-age", in->now - i->iat <= in->max_age_s + in->skew_s,
                         "made %lld s ago, and at most %lld are accepted",
                         (long long)(in->now - i->iat), (long long)in->max_age_s);
}

/* ---- 7, 8, and the nonce ---- */

static void check_type(struct token *t)
{
    const char *type = json_string_value(json_object_get(t->claims, "x-ms-attestation-type"));
    enum avow_maa_type have = avow_maa_type_from_name(type);
    bool fits = have != AVOW_MAA_NONE && (t->in->type == AVOW_MAA_NONE || t->in->type == have);

    t->info->type = have;
    avow_verdict_add(t->v, "token-type", fits, "attestation type %s, asked for %s",
                     type ? type : "(none)",
                     t->in->type == AVOW_MAA_NONE ? "any" : avow_maa_type_name(t->in->type));
}

static void check_policy_hash(struct token *t)
{
    const char *hash = json_string_value(json_object_get(t->claims, "x-ms-policy-hash"));
    const struct avow_maa_issuer *s = t->issuer;
    bool known = s->n_policy_hashes == 0;

    snprintf(t->info->policy_hash, sizeof t->info->policy_hash, "%s", hash ? hash : "");
    for (size_t i = 0; hash && i < s->n_policy_hashes && !known; i++)
        known = strcmp(hash, s->policy_hashes[i]) == 0;
    if (s->n_policy_hashes)
        avow_verdict_add(t->v, "token-policy", known,
                         "the issuer's policy %s is %samong the %zu accepted",
                         hash ? hash : "(none)", known ? "" : "not ", s->n_policy_hashes);
    else
        avow_verdict_add(t->v, "token-policy", true,
                         "the issuer's policy is not pinned (it is %s): it may accept what it "
                         "likes, and issue any claim of its own",
                         hash ? hash : "not said");
}

static void check_nonce(struct token *t)
{
    const char *nonce = json_string_value(json_object_get(t->claims, "nonce"));

    bool same = nonce && t->in->nonce && strcmp(nonce, t->in->nonce) == 0;

    if (t->in->nonce)
        avow_verdict_add(t->v, "token-nonce", same, "the token has %s",
                         same    ? "the request's nonce"
                         : nonce ? "another nonce than the request"
                                 : "no nonce, and the request had one");
}

/* ---- the claims ---- */

/* Take the claims called x-avow- out of @o, but what speaks against the evidence. How many. */
static size_t drop_own(json_t *o)
{
    const char *key = NULL;
    json_t *v = NULL;
    void *next = NULL;
    size_t n = 0;

    json_object_foreach_safe(o, next, key, v) {
        if (strncmp(key, OWN, strlen(OWN)) != 0 || (strcmp(key, SIMULATED) == 0 && json_is_true(v)))
            continue;
        (void)json_object_del(o, key);
        n++;
    }
    return n;
}

/* A policy of Azure Attestation's can issue a claim of any name. What is called x-avow- counts if
 * the keys are those of a service that keeps these names for itself, or if the policy is one that
 * somebody here has looked at. */
static size_t drop_invented(struct token *t)
{
    if (t->own_claims || t->issuer->n_policy_hashes)
        return 0;
    return drop_own(t->claims) + drop_own(json_object_get(t->claims, "x-ms-isolation-tee"));
}

static bool read_claims(struct token *t, int *rc)
{
    const char *jti = json_string_value(json_object_get(t->claims, "jti"));
    size_t n_dropped = drop_invented(t);
    struct avow_error why = { 0 };

    snprintf(t->info->jti, sizeof t->info->jti, "%s",
             jti && strlen(jti) <= AVOW_MAA_JTI_MAX ? jti : "");
    *rc = avow_maa_claims_read(t->claims, t->c, &why);
    if (!avow_verdict_add(t->v, "token-claims", *rc == 0, "%s%s",
                          *rc == 0 ? "the claims are of MAA's types" : why.text,
                          n_dropped ? "; those called x-avow- do not count: the issuer's policy, "
                                      "which is not pinned, can issue any claim"
                                    : ""))
        return false;
    if (!*t->c->root)
        snprintf(t->c->root, sizeof t->c->root, "by word of %.48s", t->issuer->url);
    if (t->info->iat > t->c->valid_from)
        t->c->valid_from = t->info->iat;
    if (!t->c->valid_until || t->info->exp < t->c->valid_until)
        t->c->valid_until = t->info->exp;
    return true;
}

/* What was found so far is what the token's claims are worth. */
static void keep_checks(struct token *t)
{
    for (uint32_t i = 0; i < t->v->n_reasons; i++) {
        const struct avow_reason *r = &t->v->reasons[i];

        if (r->ran)
            (void)avow_claims_check(t->c, r->code, r->passed, "%s", r->text);
        else
            (void)avow_claims_missing(t->c, r->code, "%s", r->text);
    }
    t->c->authentic = avow_claims_all_passed(t->c);
}

/* ---- rules ---- */

static void appraise_defaults(const struct avow_claims *c, struct avow_verdict *v)
{
    bool snp = avow_tee_hardware(c->tee) == AVOW_TEE_SNP;

    avow_verdict_add(v, "simulated", !c->simulated, "%s evidence",
                     c->simulated ? "SIMULATED" : "real");
    avow_verdict_add(v, "debug", !c->debug, "the host may %slook into the VM",
                     c->debug ? "" : "not ");
    if (!snp)
        avow_verdict_add(v, "tcb-floor", c->tdx.tcb_status == AVOW_TCB_UP_TO_DATE,
                         "TCB status %s, and UpToDate is accepted",
                         avow_tcb_status_name(c->tdx.tcb_status));
    if (snp) {
        avow_verdict_add(v, "migration", !(c->snp.policy & AVOW_SNP_POLICY_MIGRATE_MA),
                         "the VM may %sbe moved by a migration agent",
                         c->snp.policy & AVOW_SNP_POLICY_MIGRATE_MA ? "" : "not ");
        avow_verdict_add(v, "vmpl", c->snp.vmpl == 0, "asked for at VMPL %u, and 0 is accepted",
                         c->snp.vmpl);
    }
    if (c->az.present)
        avow_verdict_add(v, "secure-boot", c->az.secure_boot == AVOW_SAID_YES,
                         "the paravisor says that secure boot is %s",
                         c->az.secure_boot == AVOW_SAID_YES ? "on" : "not on");
}

static void check_paravisor(struct token *t)
{
    const char *status = json_string_value(
        json_object_get(avow_maa_claims_tee(t->claims), "x-ms-compliance-status"));
    bool known = status && strcmp(status, AVOW_MAA_COMPLIANT_CVM) == 0;

    if (avow_tee_is_azure(t->c->tee))
        avow_verdict_add(t->v, "paravisor", known || t->in->any_paravisor,
                         "the issuer %s the paravisor among those that it knows%s",
                         known ? "found" : "did not find",
                         known ? ""
                         : t->in->any_paravisor
                             ? ", which is not asked for: the policy names its measurement"
                             : ": name its measurement in the policy (az-snp.measurements, "
                               "az-tdx.mrtd), or have an avow-verifier know it (paravisors)");
}

static int appraise(struct token *t, struct avow_error *err)
{
    int rc = 0;

    if (!check_form(t, &rc) || !check_issuer(t) || !check_signature(t, &rc))
        return is_ours(rc) ? AVOW_FAIL_CODE(err, rc, "the token cannot be evaluated") : 0;
    t->info->verified = true;
    check_times(t);
    check_type(t);
    check_policy_hash(t);
    check_nonce(t);
    if (!read_claims(t, &rc))
        return is_ours(rc) ? AVOW_FAIL_CODE(err, rc, "the token cannot be evaluated") : 0;
    check_paravisor(t);
    keep_checks(t);
    t->v->tee = t->c->tee;
    t->v->simulated = t->c->simulated;
    AVOW_TRY(maa_check_binding(t->in, t->claims, t->c, t->v, err));
    if (!t->c->authentic)
        return 0;
    if (t->in->policy)
        avow_policy_appraise(t->in->policy, t->c, t->in->member, t->in->now, t->v);
    else
        appraise_defaults(t->c, t->v);
    return 0;
}

int avow_maa_token_appraise(const struct avow_maa_token_in *in, struct avow_maa_token_info *info,
                            struct avow_claims *claims, struct avow_verdict *verdict,
                            struct avow_error *err)
{
    struct avow_maa_token_info own;
    struct token t = { .in = in, .info = info ? info : &own, .c = claims, .v = verdict };
    int rc = 0;

    memset(t.info, 0, sizeof *t.info);
    memset(claims, 0, sizeof *claims);
    memset(verdict, 0, sizeof *verdict);
    if (!in->n_issuers || in->skew_s < 0 || in->skew_s > AVOW_MAA_SKEW_MAX || in->max_age_s < 0)
        return AVOW_FAIL(err, INVAL, "no issuer that is allowed, or a skew of clocks of %lld s",
                         (long long)in->skew_s);
    rc = appraise(&t, err);
    avow_jws_done(&t.jws);
    json_decref(t.claims);
    if (rc < 0) {
        memset(claims, 0, sizeof *claims);
        memset(verdict, 0, sizeof *verdict);
        return rc;
    }
    avow_verdict_conclude(verdict);
    return 0;
}
