#include "maa/binding.h"

#include "crypto/hash.h"
#include "maa/claims.h"

/* x-ms-runtime is the statement parsed and written again: in canonical form it is the statement. */
static int check_statement(const struct avow_maa_token_in *in, const json_t *token,
                           struct avow_verdict *v, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(AVOW_MAA_TOKEN_MAX);
    const json_t *runtime = json_object_get(avow_maa_claims_tee(token), "x-ms-runtime");
    int rc = runtime ? avow_json_canonical(runtime, &text, NULL) : 0;
    bool same = false;

    if (rc == -AVOW_E_NOMEM)
        return AVOW_FAIL(err, NOMEM, "out of memory for a statement");
    same = runtime && rc == 0 && avow_bytes_equal(avow_buf_view(&text), in->statement);
    avow_verdict_add(v, "statement", same, "%s",
                     same      ? "the evidence is about what was asked (nonce, keys, role)"
                     : runtime ? "the evidence is about another statement (nonce, keys or role)"
                               : "the token has no x-ms-runtime: the evidence is about nothing");
    return 0;
}

static void check_report_data(const uint8_t digest[32], const struct avow_claims *c,
                              struct avow_verdict *v)
{
    bool bound = avow_bytes_equal(AVOW_BYTES(c->report_data, 32), AVOW_BYTES(digest, 32)) &&
                 avow_bytes_zero(AVOW_BYTES(c->report_data + 32, sizeof c->report_data - 32));

    avow_verdict_add(v, "binding", bound, "report data is %sthe digest of the statement",
                     bound ? "" : "not ");
}

/* What speaks against the guest's TPM, of the checks that need nothing but the evidence; NULL: none
 * failed. */
static const struct avow_check *tpm_finding(const struct avow_claims *local)
{
    static const char *const codes[] = { "hcl", "runtime-data", "tpm-quote", "tpm-signature",
                                         "pcrs" };

    for (uint32_t i = 0; local && i < local->n_checks; i++)
        for (size_t k = 0; k < sizeof codes / sizeof *codes; k++)
            if (local->checks[i].state == AVOW_CHECK_FAILED &&
                strcmp(local->checks[i].code, codes[k]) == 0)
                return &local->checks[i];
    return NULL;
}

/* The paravisor chose report data; the guest speaks by its TPM's quote, which MAA did not see. */
static void check_tpm(const struct avow_claims *local, const uint8_t digest[32],
                      struct avow_claims *c, struct avow_verdict *v)
{
    const struct avow_check *finding = tpm_finding(local);
    bool key = false, data = false;

    if (finding) {
        avow_verdict_add(v, "binding", false, "the VM's TPM does not speak for it (%s): %s",
                         finding->code, finding->text);
        return;
    }
    if (!local || !local->az.present || !local->vtpm.quoted) {
        avow_verdict_missing(v, "binding",
                             "a quote of the VM's TPM over the statement, verified here: the token "
                             "is about the paravisor, and MAA sees no TPM");
        return;
    }
    key = avow_bytes_equal(AVOW_BYTES_OF(local->az.ak_spki_sha256),
                           AVOW_BYTES_OF(c->az.ak_spki_sha256));
    data = avow_bytes_equal(AVOW_BYTES(local->vtpm.extra_data, local->vtpm.extra_len),
                            AVOW_BYTES(digest, 32));
    if (!avow_verdict_add(v, "binding", key && data, "the TPM quote is %s, its extra data is %s",
                          key ? "by the key that the token names"
                              : "by another key than the token's",
                          data ? "the digest of the statement" : "not the statement's digest"))
        return;
    c->vtpm = local->vtpm;
    c->log = local->log;
}

int maa_check_binding(const struct avow_maa_token_in *in, const json_t *token,
                      struct avow_claims *c, struct avow_verdict *v, struct avow_error *err)
{
    uint8_t digest[32];

    if (!in->statement.len) {
        avow_verdict_add(v, "binding", in->unbound_ok, "%s",
                         in->unbound_ok
                             ? "not checked: without a statement a token says nothing about when "
                               "or for whom its evidence was made"
                             : "no statement is expected, so the token is bound to nothing");
        return 0;
    }
    if (avow_sha256(in->statement, digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 of the statement");
    if (avow_tee_is_azure(c->tee)) {
        check_tpm(in->local, digest, c, v);
        return 0;
    }
    AVOW_TRY(check_statement(in, token, v, err));
    check_report_data(digest, c, v);
    return 0;
}
