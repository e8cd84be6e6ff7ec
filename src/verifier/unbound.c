#include "verifier/unbound.h"

#include "codec/json.h"
#include "verify/verify.h"

struct avow_bytes unbound_runtime(const struct avow_bundle *b, bool *json)
{
    avow_autojson json_t *value = NULL;

    *json = false;
    if (avow_tee_is_azure(b->tee) || !b->runtime_data.len)
        return AVOW_BYTES(NULL, 0);
    *json = avow_json_parse(b->runtime_data, &value, NULL) == 0 && json_is_object(value);
    return b->runtime_data;
}

/* Of what differs between two pieces of evidence, what a token of MAA's has. */
static bool same_evidence(const struct avow_claims *mine, const struct avow_claims *token)
{
    bool same =
        mine->tee == token->tee &&
        avow_bytes_equal(AVOW_BYTES_OF(mine->report_data), AVOW_BYTES_OF(token->report_data)) &&
        avow_bytes_equal(AVOW_BYTES_OF(mine->measurement), AVOW_BYTES_OF(token->measurement));

    if (avow_tee_hardware(mine->tee) == AVOW_TEE_SNP)
        return same && avow_bytes_equal(AVOW_BYTES_OF(mine->snp.report_id),
                                        AVOW_BYTES_OF(token->snp.report_id));
    for (size_t i = 0; same && i < sizeof mine->tdx.rtmr / sizeof mine->tdx.rtmr[0]; i++)
        same =
            avow_bytes_equal(AVOW_BYTES_OF(mine->tdx.rtmr[i]), AVOW_BYTES_OF(token->tdx.rtmr[i]));
    return same;
}

int unbound_check(const struct avow_judge_in *in, const struct avow_bundle *b,
                  const struct avow_claims *token, struct avow_verdict *v, struct avow_error *err)
{
    avow_autofree struct avow_claims *mine = calloc(1, sizeof *mine);
    bool same = false;

    if (!mine)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(avow_verify(b, in->anchors, in->now, in->cache, mine, err));
    same = same_evidence(mine, token);
    avow_verdict_add(v, "token-evidence", same,
                     "report data, measurement and %s that the token says are %sthose of the "
                     "evidence",
                     avow_tee_hardware(b->tee) == AVOW_TEE_SNP ? "report id" : "RTMRs",
                     same ? "" : "not ");
    return 0;
}
