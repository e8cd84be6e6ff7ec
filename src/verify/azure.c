#include "verify/azure.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "evidence/tpm.h"

/* ---- reading ---- */

static bool read_hcl(const struct avow_bundle *b, struct avow_azure_parts *a, struct avow_claims *c)
{
    struct avow_error why = { 0 };
    uint32_t type = b->tee == AVOW_TEE_AZ_SNP ? AVOW_HCL_SNP : AVOW_HCL_TDX;

    if (avow_hcl_parse(b->hcl, &a->hcl, &why) < 0)
        return avow_claims_check(c, "hcl", false, "%s", why.text);
    if (a->hcl.request != AVOW_HCL_AK_CERT)
        return avow_claims_check(c, "hcl", false,
                                 "HCL report of request type %u: only type %u names an attestation "
                                 "key of the TPM",
                                 a->hcl.request, AVOW_HCL_AK_CERT);
    a->has_hcl = true;
    return avow_claims_check(c, "hcl", a->hcl.report_type == type,
                             "HCL report version %u holds report type %u, and %s is type %u",
                             a->hcl.version, a->hcl.report_type, avow_tee_name(b->tee), type);
}

bool avow_azure_read(const struct avow_bundle *b, struct avow_azure_parts *out,
                     struct avow_claims *c)
{
    memset(out, 0, sizeof *out);
    out->evidence = b->evidence;
    out->claims = b->runtime_data;
    if (b->hcl.len) {
        if (!read_hcl(b, out, c))
            return false;
        if (b->runtime_data.len && !avow_bytes_equal(b->runtime_data, out->hcl.claims))
            return avow_claims_check(c, "runtime-data", false,
                                     "the runtime data is not that of the HCL report");
        out->claims = out->hcl.claims;
    }
    if (out->has_hcl && b->tee == AVOW_TEE_AZ_SNP) {
        if (b->evidence.len && !avow_bytes_equal(b->evidence, out->hcl.report))
            return avow_claims_check(c, "hcl", false,
                                     "the SNP report is not the one in the HCL report");
        out->evidence = out->hcl.report;
    }
    if (!out->evidence.len)
        return avow_claims_missing(c, "missing",
                                   "a TD quote over the HCL report's TDREPORT: only a quote is "
                                   "signed (Azure's IMDS makes it: POST /acc/tdquote)");
    if (!out->claims.len)
        return avow_claims_missing(c, "missing", "the HCL report, or its runtime claims");
    return true;
}

/* ---- runtime data ---- */

static const struct {
    uint32_t hash;
    size_t len;
    const char *name;
} hashes[] = {
    { AVOW_HCL_SHA256, 32, "SHA-256" },
    { AVOW_HCL_SHA384, 48, "SHA-384" },
    { AVOW_HCL_SHA512, 64, "SHA-512" },
};

static int digest_of(uint32_t hash, struct avow_bytes data, uint8_t out[64])
{
    switch (hash) {
    case AVOW_HCL_SHA256:
        return avow_sha256(data, out);
    case AVOW_HCL_SHA384:
        return avow_sha384(data, out);
    default:
        return avow_sha512(data, out);
    }
}

int avow_runtime_bind(struct avow_bytes data, uint32_t hash, struct avow_claims *c, bool *bound,
                      struct avow_error *err)
{
    const char *name = NULL;
    bool known = hash == 0;

    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0] && !name; i++) {
        uint8_t expected[64] = { 0 };

        if (hash && hashes[i].hash != hash)
            continue;
        known = true;
        if (digest_of(hashes[i].hash, data, expected) < 0)
            return AVOW_FAIL(err, CRYPTO, "%s failed", hashes[i].name);
        if (avow_bytes_equal(AVOW_BYTES_OF(expected), AVOW_BYTES_OF(c->report_data)))
            name = hashes[i].name;
    }
    *bound = avow_claims_check(c, "runtime-data", name != NULL,
                               "report data is %s%s of the runtime data",
                               name     ? "the digest by "
                               : !known ? "not a digest by a hash that is known"
                                        : "not the digest",
                               name ? name : "");
    if (!*bound)
        return 0;
    c->runtime_bound = true;
    if (avow_sha256(data, c->runtime_sha256) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    return 0;
}

/* ---- the hardware and the paravisor ---- */

/* A TDREPORT is authenticated only inside its machine: the quote counts, and must be of this one.
 */
static void check_tdreport(const struct avow_azure_parts *a, struct avow_claims *c)
{
    const struct {
        size_t off, len;
        const void *quoted;
        const char *name;
    } fields[] = {
        { AVOW_TDREPORT_OFF_REPORTDATA, sizeof c->report_data, c->report_data, "REPORTDATA" },
        { AVOW_TDREPORT_OFF_TDINFO, sizeof c->tdx.td_attributes, c->tdx.td_attributes,
          "ATTRIBUTES" },
        { AVOW_TDREPORT_OFF_XFAM, sizeof c->tdx.xfam, c->tdx.xfam, "XFAM" },
        { AVOW_TDREPORT_OFF_MRTD, sizeof c->measurement, c->measurement, "MRTD" },
        { AVOW_TDREPORT_OFF_MRCONFIGID, sizeof c->tdx.mrconfigid, c->tdx.mrconfigid, "MRCONFIGID" },
        { AVOW_TDREPORT_OFF_MROWNER, sizeof c->tdx.mrowner, c->tdx.mrowner, "MROWNER" },
        { AVOW_TDREPORT_OFF_MROWNERCONFIG, sizeof c->tdx.mrownerconfig, c->tdx.mrownerconfig,
          "MROWNERCONFIG" },
        { AVOW_TDREPORT_OFF_RTMR0, sizeof c->tdx.rtmr, c->tdx.rtmr, "RTMR0 to 3" },
    };
    const char *differs = NULL;

    for (size_t i = 0; i < sizeof fields / sizeof fields[0] && !differs; i++)
        if (!avow_bytes_equal(avow_bytes_sub(a->hcl.report, fields[i].off, fields[i].len),
                              AVOW_BYTES(fields[i].quoted, fields[i].len)))
            differs = fields[i].name;
    (void)avow_claims_check(c, "hcl", !differs, "the HCL report's TDREPORT and the quote: %s %s",
                            differs ? differs : "REPORTDATA and what TDINFO says of the TD",
                            differs ? "differs" : "are equal");
}

static enum avow_said said(int v)
{
    return v < 0 ? AVOW_SAID_NOTHING : v ? AVOW_SAID_YES : AVOW_SAID_NO;
}

int avow_azure_take_runtime(const struct avow_runtime *r, struct avow_claims *c,
                            struct avow_error *err)
{
    c->az.present = true;
    c->az.secure_boot = said(r->said.secure_boot);
    c->az.tpm_enabled = said(r->said.tpm_enabled);
    c->az.tpm_persisted = said(r->said.tpm_persisted);
    c->az.console_enabled = said(r->said.console_enabled);
    snprintf(c->az.vm_id, sizeof c->az.vm_id, "%s", r->vm_id);
    c->az.has_user_data = r->has_user_data;
    memcpy(c->az.user_data, r->user_data, sizeof c->az.user_data);
    return avow_rsa_spki_sha256(AVOW_BYTES(r->n, r->n_len), AVOW_BYTES(r->e, r->e_len),
                                c->az.ak_spki_sha256, err);
}

/* ---- the TPM's quote ---- */

static int check_digest(const struct avow_bundle *b, const struct avow_tpm_quote *q,
                        struct avow_claims *c, bool *holds, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf all = AVOW_BUF(AVOW_BUNDLE_PCRS * AVOW_BUNDLE_PCR_LEN);
    uint8_t digest[32];

    *holds = false;
    if (!b->pcr_mask) {
        (void)avow_claims_missing(c, "pcrs", "the values of the PCRs that were quoted");
        return 0;
    }
    if (b->pcr_mask != q->pcr_mask) {
        (void)avow_claims_check(c, "pcrs", false,
                                "PCRs 0x%06x were quoted, and values are given for 0x%06x",
                                q->pcr_mask, b->pcr_mask);
        return 0;
    }
    for (unsigned i = 0; i < AVOW_BUNDLE_PCRS; i++)
        if (b->pcr_mask >> i & 1)
            avow_buf_put(&all, b->pcr[i], AVOW_BUNDLE_PCR_LEN);
    AVOW_TRY(avow_buf_ok(&all, err));
    if (avow_sha256(avow_buf_view(&all), digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    *holds =
        avow_claims_check(c, "pcrs", avow_bytes_equal(AVOW_BYTES_OF(digest), q->pcr_digest),
                          "the values of PCRs 0x%06x against the digest in the quote", q->pcr_mask);
    return 0;
}

static int check_signature(const struct avow_bundle *b, const struct avow_runtime *r,
                           struct avow_claims *c, bool *holds, struct avow_error *err)
{
    struct avow_bytes sig = { 0 };
    struct avow_error why = { 0 };
    int rc = 0;

    *holds = false;
    if (!b->tpm_signature.len) {
        (void)avow_claims_missing(c, "tpm-signature", "the signature of the TPM quote");
        return 0;
    }
    rc = avow_tpm_signature_parse(b->tpm_signature, &sig, &why);
    if (rc == 0)
        rc = avow_rsa_verify_sha256(AVOW_BYTES(r->n, r->n_len), AVOW_BYTES(r->e, r->e_len),
                                    b->tpm_quote, sig, &why);
    if (rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO)
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    *holds = avow_claims_check(c, "tpm-signature", rc == 0,
                               "the quote against the key that the runtime claims name%s%s",
                               rc < 0 ? ": " : "", rc < 0 ? why.text : "");
    return 0;
}

static int verify_quote(const struct avow_bundle *b, const struct avow_runtime *r,
                        struct avow_claims *c, struct avow_error *err)
{
    struct avow_tpm_quote q = { 0 };
    struct avow_error why = { 0 };
    bool sig = false, pcrs = false;

    if (!b->tpm_quote.len) {
        if (b->tpm_signature.len || b->pcr_mask)
            (void)avow_claims_missing(c, "tpm-quote",
                                      "the TPM quote that the signature or PCR values belong to");
        return 0;
    }
    if (avow_tpm_quote_parse(b->tpm_quote, &q, &why) < 0) {
        (void)avow_claims_check(c, "tpm-quote", false, "%s", why.text);
        return 0;
    }
    (void)avow_claims_check(c, "tpm-quote", true,
                            "a TPM's quote over PCRs 0x%06x, with %zu bytes "
                            "of extra data",
                            q.pcr_mask, q.extra_data.len);
    AVOW_TRY(check_signature(b, r, c, &sig, err));
    AVOW_TRY(check_digest(b, &q, c, &pcrs, err));
    if (!sig || !pcrs)
        return 0;
    c->vtpm.quoted = true;
    c->vtpm.extra_len = (uint8_t)q.extra_data.len;
    memcpy(c->vtpm.extra_data, q.extra_data.data, q.extra_data.len);
    c->vtpm.pcr_mask = b->pcr_mask;
    memcpy(c->vtpm.pcr, b->pcr, sizeof c->vtpm.pcr);
    c->vtpm.reset_count = q.reset_count;
    c->vtpm.restart_count = q.restart_count;
    c->vtpm.clock = q.clock;
    c->vtpm.firmware = q.firmware;
    return 0;
}

int avow_azure_verify(const struct avow_bundle *b, const struct avow_azure_parts *a,
                      struct avow_claims *c, struct avow_error *err)
{
    struct avow_runtime r = { 0 };
    struct avow_error why = { 0 };
    bool bound = false;
    int rc = 0;

    if (b->tee == AVOW_TEE_AZ_SNP)
        (void)avow_claims_check(c, "vmpl", c->snp.vmpl == 0,
                                "the report was asked for at VMPL %u; the paravisor's is 0",
                                c->snp.vmpl);
    else if (a->has_hcl)
        check_tdreport(a, c);
    AVOW_TRY(avow_runtime_bind(a->claims, a->has_hcl ? a->hcl.hash_type : 0, c, &bound, err));
    if (!bound)
        return 0;
    rc = avow_runtime_parse(a->claims, &r, &why);
    if (rc == 0)
        rc = avow_azure_take_runtime(&r, c, &why);
    if (rc == -AVOW_E_NOMEM || rc == -AVOW_E_CRYPTO)
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    if (rc < 0) {
        c->az.present = false;
        (void)avow_claims_check(c, "runtime-data", false, "%s", why.text);
        return 0;
    }
    c->az.hcl_version = a->has_hcl ? a->hcl.version : 0;
    return verify_quote(b, &r, c, err);
}
