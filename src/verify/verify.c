#include "verify/verify.h"

#include "verify/azure.h"
#include "verify/eventlog.h"
#include "verify/snp.h"
#include "verify/tdx.h"

/* The hardware's own evidence. Zeroes and fills @out. */
static int verify_hardware(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                           struct avow_verify_cache *cache, struct avow_claims *out,
                           struct avow_error *err)
{
    switch (avow_tee_hardware(b->tee)) {
    case AVOW_TEE_SNP:
        if (cache)
            return avow_snp_verify_cached(b, a, now, cache, out, err);
        return avow_snp_verify(b, a, now, out, err);
    case AVOW_TEE_TDX:
        if (cache)
            return avow_tdx_verify_cached(b, a, now, cache, out, err);
        return avow_tdx_verify(b, a, now, out, err);
    case AVOW_TEE_AZ_SNP:
    case AVOW_TEE_AZ_TDX:
    case AVOW_TEE_NONE:
        break;
    }
    return AVOW_FAIL(err, INVAL, "evidence of no kind");
}

/* Put the checks that were made before the hardware's in front of them. */
static void prepend_checks(struct avow_claims *c, const struct avow_check *first, uint32_t n)
{
    if (c->n_checks + n > AVOW_CHECKS_MAX) { /* recorded as too many, which refuses */
        (void)avow_claims_check(c, "limit", false, "more than %d checks", AVOW_CHECKS_MAX);
        return;
    }
    memmove(c->checks + n, c->checks, c->n_checks * sizeof *first);
    memcpy(c->checks, first, n * sizeof *first);
    c->n_checks += n;
}

static int verify_azure(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                        struct avow_verify_cache *cache, struct avow_claims *out,
                        struct avow_error *err)
{
    struct avow_check before[4];      /* of avow_azure_read */
    struct avow_bundle hardware = *b; /* views; not to be done with */
    struct avow_azure_parts azure = { 0 };
    uint32_t n = 0;

    memset(out, 0, sizeof *out);
    out->tee = b->tee;
    if (!avow_azure_read(b, &azure, out))
        return 0;
    n = out->n_checks < 4 ? out->n_checks : 4;
    memcpy(before, out->checks, n * sizeof before[0]);
    hardware.evidence = azure.evidence;
    AVOW_TRY(verify_hardware(&hardware, a, now, cache, out, err));
    out->tee = b->tee;
    prepend_checks(out, before, n);
    /* without the report's own words there is nothing to compare; why is recorded */
    if (avow_tee_hardware(b->tee) == AVOW_TEE_SNP ? out->snp.version != 0
                                                  : out->tdx.quote_version != 0)
        AVOW_TRY(avow_azure_verify(b, &azure, out, err));
    else
        out->authentic = false;
    return 0;
}

int avow_verify(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                struct avow_verify_cache *cache, struct avow_claims *out, struct avow_error *err)
{
    bool bound = false;
    int rc = 0;

    if (avow_tee_is_azure(b->tee)) {
        rc = verify_azure(b, a, now, cache, out, err);
    } else {
        rc = verify_hardware(b, a, now, cache, out, err);
        if (rc == 0 && b->runtime_data.len)
            rc = avow_runtime_bind(b->runtime_data, 0, out, &bound, err);
    }
    if (rc == 0 && b->event_log.len)
        rc = avow_eventlog_verify(b->event_log, out, err);
    if (rc < 0)
        memset(out, 0, sizeof *out);
    /* the hardware's word and every check that came after it */
    out->authentic = out->authentic && avow_claims_all_passed(out);
    return rc;
}
