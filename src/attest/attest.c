#include "attest/attest.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "verify/verify.h"

static const char minimum_label[] = "the node's own minimum policy: ";
static const char minimum_from[] = "minimum: ";

/* Memory and library failures are not the sender's: nothing is concluded from them. */
static bool is_ours(int rc)
{
    return rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO || rc == -AVOW_E_INVAL;
}

static void add_failed_checks(const struct avow_claims *c, struct avow_verdict *v)
{
    for (uint32_t i = 0; i < c->n_checks; i++)
        if (c->checks[i].state == AVOW_CHECK_FAILED)
            avow_verdict_add(v, c->checks[i].code, false, "%s", c->checks[i].text);
        else if (c->checks[i].state == AVOW_CHECK_NOT_RUN)
            avow_verdict_missing(v, c->checks[i].code, "%s", c->checks[i].text);
}

/* The statement is the expected one, and the hardware signed over its digest. */
static int check_binding(const struct avow_judge_in *in, const struct avow_bundle *b,
                         const struct avow_claims *c, struct avow_verdict *v,
                         struct avow_error *err)
{
    struct avow_bytes statement = in->statement.len ? in->statement : b->statement;
    uint8_t digest[32];
    bool bound = false;

    if (in->statement.len) {
        bool same = avow_bytes_equal(in->statement, b->statement);

        avow_verdict_add(v, "statement", same, "%s",
                         same ? "the evidence is about what was asked (nonce, keys, role)"
                         : b->statement.len
                             ? "the evidence is about another statement (nonce, keys or role)"
                             : "the evidence is about no statement");
    }
    if (!statement.len) {
        avow_verdict_add(v, "binding", in->unbound_ok, "%s",
                         in->unbound_ok
                             ? "not checked: raw evidence without a statement says nothing about "
                               "when or for whom it was made"
                             : "the bundle has no statement, so it is bound to nothing");
        return 0;
    }
    AVOW_TRY(avow_sha256(statement, digest) < 0 ? AVOW_FAIL(err, CRYPTO, "SHA-256 of the statement")
                                                : 0);
    if (avow_tee_is_azure(c->tee)) {
        /* the paravisor chose report_data; the guest speaks by the quote of its virtual TPM */
        bound =
            c->vtpm.quoted && avow_bytes_equal(AVOW_BYTES(c->vtpm.extra_data, c->vtpm.extra_len),
                                               AVOW_BYTES_OF(digest));
        avow_verdict_add(v, "binding", bound,
                         "the TPM quote's extra data is %sthe digest of the statement",
                         bound ? "" : "not ");
        return 0;
    }
    bound = avow_bytes_equal(AVOW_BYTES(c->report_data, sizeof digest), AVOW_BYTES_OF(digest)) &&
            avow_bytes_zero(
                AVOW_BYTES(c->report_data + sizeof digest, sizeof c->report_data - sizeof digest));
    avow_verdict_add(v, "binding", bound, "report data is %sthe digest of the statement",
                     bound ? "" : "not ");
    return 0;
}

static void put_before(char *text, size_t room, const char *label)
{
    size_t n = strlen(label);

    memmove(text + n, text, room - n);
    memcpy(text, label, n);
    text[room - 1] = 0;
}

void avow_judge_minimum(const struct avow_judge_in *in, const struct avow_claims *c,
                        struct avow_verdict *v)
{
    uint32_t before = v->n_reasons;

    avow_policy_appraise(in->minimum, c, in->member, in->now, v);
    for (uint32_t i = before; i < v->n_reasons; i++) {
        put_before(v->reasons[i].text, sizeof v->reasons[i].text, minimum_label);
        if (*v->reasons[i].source)
            put_before(v->reasons[i].source, sizeof v->reasons[i].source, minimum_from);
    }
}

static int judge_bundle(const struct avow_judge_in *in, const struct avow_bundle *b,
                        struct avow_claims *c, struct avow_verdict *v, struct avow_error *err)
{
    v->tee = b->tee;
    memset(c, 0, sizeof *c);
    if (in->expect_tee != AVOW_TEE_NONE && in->expect_tee != b->tee) {
        avow_verdict_add(v, "tee", false, "%s evidence, where %s is expected",
                         avow_tee_name(b->tee), avow_tee_name(in->expect_tee));
        return 0;
    }
    AVOW_TRY(avow_verify(b, in->anchors, in->now, in->cache, c, err));
    v->simulated = c->simulated;
    add_failed_checks(c, v);
    AVOW_TRY(check_binding(in, b, c, v, err));
    if (!c->authentic) {
        if (!avow_verdict_why(v)) /* otherwise a check that failed or did not run says it */
            avow_verdict_add(v, "authentic", false, "the evidence is not verified");
        return 0;
    }
    avow_policy_appraise(in->policy, c, in->member, in->now, v);
    if (in->minimum)
        avow_judge_minimum(in, c, v);
    return 0;
}

int avow_judge_bundle(const struct avow_judge_in *in, const struct avow_bundle *b,
                      struct avow_claims *claims, struct avow_verdict *verdict,
                      struct avow_error *err)
{
    struct avow_claims own;
    struct avow_claims *c = claims ? claims : &own;
    int rc = 0;

    memset(verdict, 0, sizeof *verdict);
    if (!in->anchors || !in->policy)
        return AVOW_FAIL(err, INVAL, "no anchors or no policy to judge by");
    rc = judge_bundle(in, b, c, verdict, err);
    if (rc < 0) {
        memset(verdict, 0, sizeof *verdict);
        return rc;
    }
    avow_verdict_conclude(verdict);
    return 0;
}

int avow_judge(const struct avow_judge_in *in, struct avow_claims *claims,
               struct avow_verdict *verdict, struct avow_error *err)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_error why = { 0 };
    int rc = 0;

    if (claims)
        memset(claims, 0, sizeof *claims);
    memset(verdict, 0, sizeof *verdict);
    rc = avow_bundle_parse(in->bundle, &b, &why);
    if (is_ours(rc))
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    if (rc == 0)
        return avow_judge_bundle(in, &b, claims, verdict, err);
    if (!in->anchors || !in->policy)
        return AVOW_FAIL(err, INVAL, "no anchors or no policy to judge by");
    avow_verdict_add(verdict, "malformed", false, "%s", why.text);
    avow_verdict_conclude(verdict);
    return 0;
}
