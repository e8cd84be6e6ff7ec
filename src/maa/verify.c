#include "maa/verify.h"

#include "crypto/hash.h"
#include "verify/verify.h"

static int check_runtime(const struct avow_maa_request *r, struct avow_claims *c,
                         struct avow_error *err)
{
    uint8_t digest[32];
    bool same = false;

    if (!r->runtime.present)
        return 0;
    if (avow_sha256(avow_buf_view(&r->runtime.bytes), digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    same = avow_bytes_equal(AVOW_BYTES_OF(digest), AVOW_BYTES(c->report_data, sizeof digest));
    c->runtime_bound = avow_claims_check(
        c, "runtime-data", same, "SHA-256 of runtimeData is %sthe first half of report data",
        same ? "" : "not ");
    if (c->runtime_bound)
        memcpy(c->runtime_sha256, digest, sizeof digest);
    return 0;
}

static int check_init(const struct avow_maa_request *r, struct avow_claims *c,
                      struct avow_error *err)
{
    bool snp = r->type == AVOW_MAA_SEVSNPVM;
    struct avow_bytes field =
        snp ? AVOW_BYTES_OF(c->snp.host_data) : AVOW_BYTES_OF(c->tdx.mrconfigid);
    uint8_t expected[48] = { 0 };
    bool same = false;

    if (!r->init.present)
        return 0;
    if (avow_sha256(avow_buf_view(&r->init.bytes), expected) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    same = avow_bytes_equal(AVOW_BYTES(expected, field.len), field);
    (void)avow_claims_check(c, "init-data", same, "SHA-256 of initTimeData is %s%s",
                            same ? "" : "not ", snp ? "HOST_DATA" : "MRCONFIGID");
    return 0;
}

int avow_maa_verify(const struct avow_maa_request *r, const struct avow_anchors *a, int64_t now,
                    struct avow_verify_cache *cache, struct avow_claims *out,
                    struct avow_error *err)
{
    AVOW_TRY(avow_verify(&r->bundle, a, now, cache, out, err));
    /* without the report's own words there is nothing to compare; why is recorded */
    if (r->type == AVOW_MAA_SEVSNPVM ? out->snp.version != 0 : out->tdx.quote_version != 0) {
        int rc = check_runtime(r, out, err);

        if (rc == 0)
            rc = check_init(r, out, err);
        if (rc < 0) {
            memset(out, 0, sizeof *out);
            return rc;
        }
    }
    out->authentic = out->authentic && avow_claims_all_passed(out);
    return 0;
}
