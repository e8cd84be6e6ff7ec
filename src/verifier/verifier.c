#include "verifier/verifier.h"

#include <stdio.h>

struct avow_verifier {
    bool local;
    enum avow_require require;
    struct avow_azure *azure; /* or NULL */
};

int avow_verifier_new(const struct avow_verifier_settings *s, int stop_fd,
                      struct avow_verifier **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_verifier) struct avow_verifier *vf = calloc(1, sizeof *vf);

    if (!vf)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    vf->local = !s->no_local;
    vf->require = s->require;
    if (s->azure)
        AVOW_TRY(avow_azure_new(s, stop_fd, &vf->azure, err));
    *out = avow_steal(&vf);
    return 0;
}

void avow_verifier_free(struct avow_verifier *vf)
{
    if (vf->azure)
        avow_azure_free(vf->azure);
    free(vf);
}

const char *avow_verifier_word(const struct avow_verifier *vf)
{
    if (!vf || !vf->azure)
        return "local";
    if (!vf->local)
        return "azure";
    return vf->require == AVOW_REQUIRE_ANY ? "local or azure" : "local and azure";
}

const char *avow_verifier_url(const struct avow_verifier *vf)
{
    return vf && vf->azure ? avow_azure_url(vf->azure) : NULL;
}

json_t *avow_verifier_json(struct avow_verifier *vf)
{
    avow_autojson json_t *asked = NULL;
    struct avow_azure_stats s;
    json_t *o =
        json_pack("{s:s, s:s?}", "kind", avow_verifier_word(vf), "url", avow_verifier_url(vf));

    if (!avow_verifier_stats(vf, &s))
        return o;
    asked = avow_azure_stats_json(&s);
    if (o && asked && json_object_update(o, asked) == 0)
        return o;
    json_decref(o);
    return NULL;
}

void avow_verifier_on_token(struct avow_verifier *vf,
                            void (*fn)(void *ctx, struct avow_bytes token), void *ctx)
{
    if (vf && vf->azure)
        avow_azure_on_token(vf->azure, fn, ctx);
}

bool avow_verifier_stats(struct avow_verifier *vf, struct avow_azure_stats *out)
{
    if (!vf || !vf->azure)
        return false;
    avow_azure_stats(vf->azure, out);
    return true;
}

/* ---- judging ---- */

struct judging {
    struct avow_verifier *vf;
    const struct avow_judge_in *in;
    const struct avow_bundle *bundle;
    struct avow_claims local, token;
    struct avow_verdict by_local, by_azure;
};

/* Memory and library failures, and a wish to stop, are nothing that a verdict could say. */
static bool is_ours(int rc)
{
    return rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO || rc == -AVOW_E_INVAL ||
           rc == -AVOW_E_CANCELLED;
}

/* On Azure's VMs the service does not see the TPM's quote: it is verified here in any case. */
static int judge_here(struct judging *j, struct avow_error *err)
{
    if (!j->vf->local && !avow_tee_is_azure(j->bundle->tee))
        return 0;
    return avow_judge_bundle(j->in, j->bundle, &j->local, &j->by_local, err);
}

static int judge_there(struct judging *j, struct avow_error *err)
{
    struct avow_error why = { 0 };
    bool tpm = avow_tee_is_azure(j->bundle->tee);
    int rc = 0;

    j->by_azure.tee = j->bundle->tee;
    rc = avow_azure_judge(j->vf->azure, j->in, j->bundle, tpm ? &j->local : NULL, &j->token,
                          &j->by_azure, &why);
    if (is_ours(rc))
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    if (rc < 0)
        avow_verdict_missing(&j->by_azure, "verifier", "the service could not be asked: %s",
                             why.text);
    avow_verdict_conclude(&j->by_azure);
    return 0;
}

/* Both verdicts as one: of what the service says too, each reason says so. */
static void join(const struct judging *j, struct avow_verdict *out)
{
    const struct avow_verdict *more = &j->by_azure;

    *out = j->by_local;
    out->simulated = out->simulated || more->simulated;
    for (uint32_t i = 0; i < more->n_reasons && i < AVOW_REASONS_MAX; i++) {
        const struct avow_reason *r = &more->reasons[i];

        avow_verdict_from(out, "%s%.80s", *r->source ? "azure: " : "", r->source);
        if (r->ran)
            avow_verdict_add(out, r->code, r->passed, "azure: %s", r->text);
        else
            avow_verdict_missing(out, r->code, "azure: %s", r->text);
    }
    avow_verdict_from(out, "%s", "");
    avow_verdict_conclude(out);
}

/* @claims: those of the verdict; borrowed from @j. */
static int conclude(struct judging *j, const struct avow_claims **claims,
                    struct avow_verdict *verdict, struct avow_error *err)
{
    bool any = j->vf->local && j->vf->require == AVOW_REQUIRE_ANY;

    AVOW_TRY(judge_here(j, err));
    if (!any || !avow_verdict_accepts(&j->by_local))
        AVOW_TRY(judge_there(j, err));
    if (!j->vf->local || (any && avow_verdict_accepts(&j->by_azure))) {
        *verdict = j->by_azure;
        *claims = &j->token;
    } else {
        *claims = &j->local;
        if (any && avow_verdict_accepts(&j->by_local))
            *verdict = j->by_local;
        else
            join(j, verdict);
    }
    return 0;
}

int avow_verifier_judge(struct avow_verifier *vf, const struct avow_judge_in *in,
                        struct avow_claims *claims, struct avow_verdict *verdict,
                        struct avow_error *err)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_error why = { 0 };
    int rc = 0;

    if (!vf || !vf->azure)
        return avow_judge(in, claims, verdict, err);
    memset(verdict, 0, sizeof *verdict);
    rc = avow_bundle_parse(in->bundle, &b, &why);
    if (is_ours(rc))
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    if (rc < 0) /* the sender's fault: said as it is without a service */
        return avow_judge(in, claims, verdict, err);
    return avow_verifier_judge_bundle(vf, in, &b, claims, verdict, err);
}

int avow_verifier_judge_bundle(struct avow_verifier *vf, const struct avow_judge_in *in,
                               const struct avow_bundle *b, struct avow_claims *claims,
                               struct avow_verdict *verdict, struct avow_error *err)
{
    avow_autofree struct judging *j = NULL;
    const struct avow_claims *found = NULL;

    if (!vf || !vf->azure)
        return avow_judge_bundle(in, b, claims, verdict, err);
    memset(verdict, 0, sizeof *verdict);
    j = calloc(1, sizeof *j);
    if (!j)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    j->vf = vf;
    j->in = in;
    j->bundle = b;
    AVOW_TRY(conclude(j, &found, verdict, err));
    if (claims)
        *claims = *found;
    return 0;
}
