/* What all that judge evidence do with one piece of it. */
#include <errno.h>
#include <stdio.h>

#include "attest/gather.h"
#include "cli/collateral.h"
#include "cli/files.h"
#include "cli/verify.h"
#include "verify/basis.h"

/* What holds without a policy: authentic, no debugging, TCB up to date; any measurement. What else
 * a site might want (VMPL, migration, SEPT_VE_DISABLE) is for a policy to say. */
static const char vendor_policy[] =
    "{\"az-snp\":{\"allow-migration\":true,\"measurements\":\"any\"},"
    "\"az-tdx\":{\"allow-migration\":true,\"mrtd\":\"any\",\"require-sept-ve-disable\":false},"
    "\"snp\":{\"allow-migration\":true,\"measurements\":\"any\",\"vmpl\":[0,1,2,3]},"
    "\"tdx\":{\"allow-migration\":true,\"mrtd\":\"any\",\"require-sept-ve-disable\":false},"
    "\"version\":1}";

int avow_verify_no_policy(struct avow_verify_setup *s, struct avow_error *err)
{
    avow_buf_put_str(&s->policy_text, vendor_policy);
    return avow_policy_parse(avow_bytes_str(vendor_policy), &s->policy, err);
}

int avow_verify_setup_init(struct avow_verify_setup *s, const char *at, const char *roots_path,
                           struct avow_error *err)
{
    s->policy_text = AVOW_BUF(AVOW_POLICY_MAX);
    s->now = avow_unix_ms() / 1000;
    if (at && avow_parse_time(at, &s->now) < 0)
        return AVOW_FAIL(err, FORMAT, "--at: \"%s\" is not a time", at);
    avow_anchors_builtin(&s->anchors);
    if (roots_path)
        AVOW_TRY(avow_roots_load(roots_path, &s->anchors, err));
    AVOW_TRY(avow_pool_new(&s->pool, err));
    avow_pool_keep_broken(s->pool);
    return 0;
}

int avow_verify_use_store(struct avow_verify_setup *s, const char *path, struct avow_error *err)
{
    avow_autofree char *own = NULL;

    if (path)
        AVOW_TRY(avow_store_open(path, AVOW_STORE_READ, &s->store, err));
    else if (avow_store_default_path(&own, NULL) < 0 || !own || access(own, F_OK) < 0)
        return 0;
    else
        AVOW_TRY(avow_store_open(own, AVOW_STORE_READ, &s->store, err));
    return avow_store_fill_common(s->store, s->now, s->pool, err);
}

void avow_verify_setup_free(struct avow_verify_setup *s)
{
    if (!s)
        return;
    avow_policy_free(s->policy);
    avow_buf_done(&s->policy_text);
    avow_pool_free(s->pool);
    if (s->store)
        avow_store_close(s->store);
    avow_bundle_done(&s->with);
    if (s->verifier)
        avow_verifier_free(s->verifier);
    avow_verifier_settings_done(&s->service);
    json_decref(s->keys);
    free(s);
}

void avow_verify_item_free(struct avow_verify_item *i)
{
    if (!i)
        return;
    avow_bundle_done(&i->bundle);
    free(i);
}

int avow_verify_gather(struct avow_pool *pool, struct avow_bundle *b, const char *path,
                       struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf file = AVOW_BUF(AVOW_FILE_MAX);
    int rc = 0;

    AVOW_TRY(avow_read_file(path, &file, err));
    rc = avow_gather_file(pool, b, avow_buf_view(&file), err);
    if (rc < 0)
        (void)avow_error_prefix(err, "%s", path);
    return rc;
}

int avow_verify_write(const char *path, struct avow_bytes data, struct avow_error *err)
{
    avow_autofclose FILE *f = fopen(path, "we");

    if (!f || fwrite(data.data, 1, data.len, f) != data.len || fflush(f) != 0)
        return AVOW_FAIL_SYS(err, "%s", path);
    return 0;
}

/* One that @b lacks and @from has; what the file itself brought stays. */
static int borrow(struct avow_bundle *b, enum avow_bundle_part part, struct avow_bytes have,
                  struct avow_bytes from, struct avow_error *err)
{
    if (have.len || !from.len)
        return 0;
    return avow_bundle_put(b, part, from, err);
}

static int add_with(struct avow_bundle *b, const struct avow_bundle *with, struct avow_error *err)
{
    AVOW_TRY(borrow(b, AVOW_PART_RUNTIME_DATA, b->runtime_data, with->runtime_data, err));
    AVOW_TRY(borrow(b, AVOW_PART_EVENT_LOG, b->event_log, with->event_log, err));
    AVOW_TRY(borrow(b, AVOW_PART_TPM_QUOTE, b->tpm_quote, with->tpm_quote, err));
    AVOW_TRY(borrow(b, AVOW_PART_TPM_SIGNATURE, b->tpm_signature, with->tpm_signature, err));
    for (unsigned i = 0; i < AVOW_BUNDLE_PCRS; i++)
        if (with->pcr_mask >> i & 1 && !(b->pcr_mask >> i & 1))
            AVOW_TRY(avow_bundle_put_pcr(b, i, with->pcr[i], err));
    return 0;
}

/* What the store has of this very machine; what belongs to none is in the pool. */
static int complete_from(struct avow_store *store, int64_t now, struct avow_bundle *b,
                         struct avow_error *err)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    struct avow_need need = { 0 };

    AVOW_TRY(avow_need_of(b, &need, err));
    if (need.hardware == AVOW_TEE_NONE || need.has_leaf)
        return 0;
    AVOW_TRY(avow_pool_new(&pool, err));
    AVOW_TRY(avow_store_fill(store, &need, pool, err));
    return avow_pool_complete(pool, now, b, err);
}

int avow_verify_judge(const struct avow_verify_setup *s, struct avow_pool *own,
                      struct avow_verify_cache *cache, struct avow_verify_item *item,
                      struct avow_error *err)
{
    const struct avow_judge_in in = {
        .anchors = &s->anchors,
        .policy = s->policy,
        .member = s->member,
        .unbound_ok = true,
        .now = s->now,
        .cache = cache,
    };

    AVOW_TRY(add_with(&item->bundle, &s->with, err));
    if (own)
        AVOW_TRY(avow_pool_complete(own, s->now, &item->bundle, err));
    if (s->store)
        AVOW_TRY(complete_from(s->store, s->now, &item->bundle, err));
    AVOW_TRY(avow_pool_complete(s->pool, s->now, &item->bundle, err));
    return avow_verifier_judge_bundle(s->verifier, &in, &item->bundle, &item->claims,
                                      &item->verdict, err);
}

int avow_verify_exit(const struct avow_verdict *v)
{
    if (avow_verdict_accepts(v))
        return AVOW_EXIT_OK;
    return avow_verdict_undecided(v) ? AVOW_EXIT_UNKNOWN : AVOW_EXIT_REFUSED;
}

/* Intel's word; for AMD the components of the reported TCB, since AMD has no word for it. */
static json_t *tcb_status_json(const struct avow_claims *c)
{
    const struct avow_snp_tcb *t = &c->snp.reported;
    json_t *j = NULL;

    if (avow_tee_hardware(c->tee) == AVOW_TEE_TDX)
        return c->tdx.tcb_status == AVOW_TCB_UNKNOWN
                   ? json_null()
                   : json_string(avow_tcb_status_name(c->tdx.tcb_status));
    if (avow_tee_hardware(c->tee) != AVOW_TEE_SNP || !c->snp.product[0])
        return json_null(); /* which layout the TCB has is known by the chain */
    j = json_pack("{s:i, s:i, s:i, s:i}", "bootloader", t->bootloader, "tee", t->tee, "snp", t->snp,
                  "microcode", t->microcode);
    if (j && strcmp(c->snp.product, "Turin") == 0 &&
        json_object_set_new(j, "fmc", json_integer(t->fmc)) < 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static const char *state_of(const struct avow_reason *r)
{
    return !r->ran ? "not-run" : r->passed ? "passed" : "failed";
}

/* What speaks against it: reasons that failed or could not be evaluated. */
static json_t *reasons_json(const struct avow_verify_setup *s, const struct avow_verify_item *item)
{
    const struct avow_verdict *v = &item->verdict;
    avow_autojson json_t *list = json_array();

    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++) {
        const struct avow_reason *r = &v->reasons[i];
        char source[AVOW_VERIFY_SOURCE_MAX];

        avow_verify_source(s, &item->claims, r, source);
        if (!r->passed &&
            json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "code", r->code,
                                                  "state", state_of(r), "text", r->text, "hint",
                                                  avow_check_hint(r->code), "source", source)) < 0)
            return NULL;
    }
    return avow_steal(&list);
}

/* Every rule that was applied, with where it comes from: a key of the policy, or the channel. */
static json_t *rules_json(const struct avow_verify_setup *s, const struct avow_verify_item *item)
{
    const struct avow_verdict *v = &item->verdict;
    avow_autojson json_t *list = json_array();

    for (uint32_t i = 0; i < v->n_reasons && i < AVOW_REASONS_MAX; i++) {
        const struct avow_reason *r = &v->reasons[i];
        char source[AVOW_VERIFY_SOURCE_MAX];

        if (avow_verify_is_check(&item->claims, r))
            continue;
        avow_verify_source(s, &item->claims, r, source);
        if (json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "code", r->code, "state",
                                                  state_of(r), "text", r->text, "source", source)) <
            0)
            return NULL;
    }
    return avow_steal(&list);
}

bool avow_verify_is_check(const struct avow_claims *c, const struct avow_reason *r)
{
    for (uint32_t i = 0; i < c->n_checks && i < AVOW_CHECKS_MAX; i++)
        if (strcmp(c->checks[i].code, r->code) == 0 && strcmp(c->checks[i].text, r->text) == 0)
            return true;
    return false;
}

void avow_verify_source(const struct avow_verify_setup *s, const struct avow_claims *c,
                        const struct avow_reason *r, char out[AVOW_VERIFY_SOURCE_MAX])
{
    const char *basis = avow_check_basis(c->tee, r->code);

    if (*r->source)
        snprintf(out, AVOW_VERIFY_SOURCE_MAX, "%s: %s",
                 s->own_policy ? "policy" : "built-in policy", r->source);
    else
        snprintf(out, AVOW_VERIFY_SOURCE_MAX, "%s", *basis ? basis : "verdict");
}

/* Who judged, if it was not this program: a stored token's issuer, or a service. */
static json_t *more_json(const struct avow_verify_setup *s, const struct avow_verify_item *item)
{
    if (item->is_token)
        return avow_verify_token_json(s, item);
    return s->verifier ? json_pack("{s:s, s:s?}", "kind", avow_verifier_word(s->verifier), "url",
                                   avow_verifier_url(s->verifier))
                       : NULL;
}

json_t *avow_verify_json(const struct avow_verify_setup *s, const struct avow_verify_item *item)
{
    const struct avow_claims *c = &item->claims;
    const struct avow_verdict *v = &item->verdict;
    const struct avow_policy_pins pins = avow_policy_pins(s->policy, c->tee, s->member);

    return json_pack("{s:s, s:b, s:s, s:b, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:b, s:I, s:o*}",
                     "type", "avow/verify/2", "authentic", c->authentic ? 1 : 0, "tee",
                     avow_tee_name(v->tee), "simulated", c->simulated ? 1 : 0, "tcb_status",
                     tcb_status_json(c), "verdict",
                     avow_verdict_accepts(v) ? "accepted" : "refused", "undecided",
                     avow_verdict_undecided(v) ? 1 : 0, "reasons", reasons_json(s, item), "rules",
                     rules_json(s, item), "claims", avow_claims_json(c), "policy_pins",
                     avow_policy_pins_json(&pins), "policy_given", s->own_policy ? 1 : 0, "at",
                     (json_int_t)s->now, item->is_token ? "token" : "verifier", more_json(s, item));
}
