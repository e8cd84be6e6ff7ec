#include "verify/verify.h"

#include "verify/snp.h"
#include "verify/tdx.h"

int avow_verify(const struct avow_bundle *b, const struct avow_anchors *a, int64_t now,
                struct avow_verify_cache *cache, struct avow_claims *out, struct avow_error *err)
{
    memset(out, 0, sizeof *out);
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
