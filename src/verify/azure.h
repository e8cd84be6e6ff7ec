/*
 * What an Azure confidential VM adds to the hardware's evidence: the paravisor's report around it,
 * runtime claims that report_data binds, a quote by the virtual TPM whose key they name. Pure, any
 * thread. Source: OpenHCL; TCG TPM 2.0 Library; held against every real report at hand.
 */
#ifndef AVOW_VERIFY_AZURE_H
#define AVOW_VERIFY_AZURE_H

#include "evidence/bundle.h"
#include "evidence/hcl.h"
#include "evidence/runtime.h"
#include "verify/claims.h"

/* What is read of an Azure bundle, for the steps below. */
struct avow_azure_parts {
    bool has_hcl;
    struct avow_hcl hcl;
    struct avow_bytes evidence; /* the hardware's: of the HCL report, or the bundle's own */
    struct avow_bytes claims;   /* runtime claims, exactly the bytes that are hashed */
};

/*
 * Read what the bundle has. False if a check failed or something is missing (recorded in @c: codes
 * "hcl", "missing"), so that there is no hardware evidence to verify.
 */
bool avow_azure_read(const struct avow_bundle *b, struct avow_azure_parts *out,
                     struct avow_claims *c);

/*
 * After the hardware's checks (claims filled): the paravisor asked at VMPL 0 ("vmpl"), a TDREPORT
 * equals the quote ("hcl"), the runtime claims are bound ("runtime-data"), and the TPM quote, if
 * there is one, holds ("tpm-quote", "tpm-signature", "pcrs"). Negative: -AVOW_E_NOMEM,
 * -AVOW_E_CRYPTO.
 */
AVOW_MUST_USE int avow_azure_verify(const struct avow_bundle *b, const struct avow_azure_parts *a,
                                    struct avow_claims *c, struct avow_error *err);

/* Take what the paravisor's claims @r say into @c->az, but for the version of the HCL report around
 * them. -AVOW_E_CRYPTO, -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_azure_take_runtime(const struct avow_runtime *r, struct avow_claims *c,
                                          struct avow_error *err);

/*
 * The digest of @data is at the start of report_data and the rest is zero: by @hash, or, if it is
 * 0, by any of SHA-256, -384 and -512. Records "runtime-data"; fills ->runtime_bound.
 * -AVOW_E_CRYPTO.
 */
AVOW_MUST_USE int avow_runtime_bind(struct avow_bytes data, uint32_t hash, struct avow_claims *c,
                                    bool *bound, struct avow_error *err);

#endif
