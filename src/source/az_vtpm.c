#include "source/az_vtpm.h"

#include <fcntl.h>

#include "crypto/hash.h"
#include "evidence/eventlog.h"
#include "evidence/hcl.h"
#include "evidence/runtime.h"

#define EVENT_LOG_MAX (256u << 10) /* bytes; a bundle has to hold it as base64 */

struct az {
    struct az_options o;
    char *tcti, *imds, *event_log;
    enum avow_tee tee;
    /* What IMDS gave for the hardware's report of this digest: certificates, or a quote. That
     * report changes rarely, and IMDS answers few requests a second. */
    uint8_t kept_for[32];
    struct avow_bundle kept;
};

/* ---- the HCL report ---- */

static enum avow_tee tee_of(const struct avow_hcl *h)
{
    return h->report_type == AVOW_HCL_SNP   ? AVOW_TEE_AZ_SNP
           : h->report_type == AVOW_HCL_TDX ? AVOW_TEE_AZ_TDX
                                            : AVOW_TEE_NONE;
}

static int read_hcl(struct vtpm *v, struct avow_buf *raw, struct avow_hcl *out,
                    struct avow_error *err)
{
    int rc = 0;

    avow_buf_reset(raw);
    AVOW_TRY(vtpm_nv_read(v, AZ_NV_HCL, raw, err));
    rc = avow_hcl_parse(avow_buf_view(raw), out, err);
    if (rc < 0) {
        (void)avow_error_prefix(err, "TPM %s: the HCL report", v->name);
        return rc;
    }
    if (tee_of(out) == AVOW_TEE_NONE)
        return AVOW_FAIL(err, UNSUPPORTED,
                         "TPM %s: the HCL report is of type %u (served: %d, SNP; %d, TDX): not a "
                         "confidential VM",
                         v->name, out->report_type, AVOW_HCL_SNP, AVOW_HCL_TDX);
    return 0;
}

static bool has_user_data(const struct avow_hcl *h, const uint8_t user_data[64])
{
    struct avow_runtime r;

    return avow_runtime_parse(h->claims, &r, NULL) == 0 && r.has_user_data &&
           avow_bytes_equal(AVOW_BYTES_OF(r.user_data), AVOW_BYTES(user_data, 64));
}

/* Write user data, and wait for the report that has it: the paravisor makes a new one when the
 * index is read, but not more often than every few seconds. */
static int read_fresh(struct vtpm *v, const uint8_t user_data[64], struct avow_buf *raw,
                      struct avow_hcl *out, struct avow_error *err)
{
    AVOW_TRY(vtpm_nv_write(v, AZ_NV_USER_DATA, AVOW_BYTES(user_data, 64), err));
    do {
        AVOW_TRY(read_hcl(v, raw, out, err));
        if (has_user_data(out, user_data))
            return 0;
    } while (patience_again(v->patience));
    return AVOW_FAIL(err, TIMEOUT,
                     "TPM %s: the paravisor made no new HCL report with our user data in it",
                     v->name);
}

/* ---- what IMDS adds ---- */

static int ask_imds(const struct az *z, const struct avow_hcl *h, const struct patience *p,
                    struct avow_bundle *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf quote = AVOW_BUF(GUEST_BLOB_MAX);
    struct avow_bytes tdreport = avow_bytes_sub(h->report, 0, AVOW_TDREPORT_LEN);

    if (z->tee == AVOW_TEE_AZ_SNP)
        return imds_amd_certs(z->imds, p, out, err);
    AVOW_TRY(imds_td_quote(z->imds, tdreport, p, &quote, err));
    return guest_put_tdx(avow_buf_view(&quote), tdreport.data + AVOW_TDREPORT_OFF_REPORTDATA,
                         "IMDS", out, err);
}

static int put_endorsements(struct az *z, const struct avow_hcl *h, const struct patience *p,
                            struct avow_bundle *out, struct avow_error *err)
{
    uint8_t digest[32];

    if (avow_sha256(h->report, digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    if (!avow_bytes_equal(AVOW_BYTES_OF(digest), AVOW_BYTES_OF(z->kept_for))) {
        avow_bundle_done(&z->kept);
        memset(z->kept_for, 0, sizeof z->kept_for);
        AVOW_TRY(ask_imds(z, h, p, &z->kept, err));
        memcpy(z->kept_for, digest, sizeof digest);
    }
    for (size_t i = 0; i < z->kept.n_certs; i++)
        AVOW_TRY(avow_bundle_put(out, AVOW_PART_CERT, z->kept.certs[i], err));
    if (z->kept.evidence.len)
        return avow_bundle_put(out, AVOW_PART_EVIDENCE, z->kept.evidence, err);
    return 0;
}

/* ---- the bundle ---- */

static int put_quote(struct vtpm *v, const uint8_t digest[32], struct avow_bundle *out,
                     struct avow_error *err)
{
    avow_auto(vtpm_quote_done) struct vtpm_quote q = { .attest = AVOW_BUF(VTPM_QUOTE_MAX),
                                                       .signature = AVOW_BUF(VTPM_QUOTE_MAX) };

    AVOW_TRY(vtpm_quote(v, AZ_AK, AVOW_BYTES(digest, 32), &q, err));
    AVOW_TRY(avow_bundle_put(out, AVOW_PART_TPM_QUOTE, avow_buf_view(&q.attest), err));
    AVOW_TRY(avow_bundle_put(out, AVOW_PART_TPM_SIGNATURE, avow_buf_view(&q.signature), err));
    for (unsigned i = 0; i < VTPM_PCRS; i++)
        AVOW_TRY(avow_bundle_put_pcr(out, i, q.pcrs[i], err));
    return 0;
}

/* A log that cannot be read, is no log or is too long is left out: registers are judged without. */
static int put_event_log(const struct az *z, struct avow_bundle *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf log = AVOW_BUF(EVENT_LOG_MAX);

    if (!z->event_log || guest_read_file(z->event_log, &log, NULL) < 0 ||
        !avow_eventlog_likely(avow_buf_view(&log)))
        return 0;
    return avow_bundle_put(out, AVOW_PART_EVENT_LOG, avow_eventlog_trim(avow_buf_view(&log)), err);
}

static int collect(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                   struct avow_error *err)
{
    struct az *z = self;
    struct patience p = patience_for(z->o.wait_ms);
    avow_auto(vtpm_done) struct vtpm v = { 0 };
    avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(AVOW_HCL_MAX);
    struct avow_hcl hcl = { 0 };

    AVOW_TRY(vtpm_open(z->tcti, &p, &v, err));
    if (z->o.fresh)
        AVOW_TRY(read_fresh(&v, report_data, &raw, &hcl, err));
    else
        AVOW_TRY(read_hcl(&v, &raw, &hcl, err));
    if (tee_of(&hcl) != z->tee)
        return AVOW_FAIL(err, STATE, "TPM %s: the HCL report was %s and is now %s; restart avowd",
                         v.name, avow_tee_name(z->tee), avow_tee_name(tee_of(&hcl)));
    AVOW_TRY(put_quote(&v, report_data, out, err)); /* its first half is the statement's digest */
    AVOW_TRY(avow_bundle_put(out, AVOW_PART_HCL, avow_buf_view(&raw), err));
    AVOW_TRY(put_event_log(z, out, err));
    return put_endorsements(z, &hcl, &p, out, err);
}

static void az_free(void *self)
{
    struct az *z = self;

    if (!z)
        return;
    avow_bundle_done(&z->kept);
    free(z->tcti);
    free(z->imds);
    free(z->event_log);
    free(z);
}

AVOW_DEFINE_CLEANUP(az, struct az, az_free)

static const struct avow_source_ops ops_snp = {
    .name = AVOW_SOURCE_AZ_VTPM, .tee = AVOW_TEE_AZ_SNP, .collect = collect, .free = az_free
};
static const struct avow_source_ops ops_tdx = {
    .name = AVOW_SOURCE_AZ_VTPM, .tee = AVOW_TEE_AZ_TDX, .collect = collect, .free = az_free
};

static int probe(struct az *z, struct avow_error *err)
{
    struct patience p = patience_for(z->o.wait_ms);
    avow_auto(vtpm_done) struct vtpm v = { 0 };
    avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(AVOW_HCL_MAX);
    struct avow_hcl hcl = { 0 };

    AVOW_TRY(vtpm_open(z->tcti, &p, &v, err));
    AVOW_TRY(read_hcl(&v, &raw, &hcl, err));
    z->tee = tee_of(&hcl);
    return 0;
}

int az_open(const struct az_options *o, struct avow_source **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_az) struct az *z = calloc(1, sizeof *z);
    const struct avow_source_ops *ops = NULL;

    if (!z)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    z->o = *o;
    z->tcti = strdup(o->tcti ? o->tcti : VTPM_TCTI);
    z->imds = strdup(o->imds ? o->imds : IMDS_BASE);
    z->event_log = o->event_log ? strdup(o->event_log) : NULL;
    if (!z->tcti || !z->imds || (o->event_log && !z->event_log))
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(probe(z, err));
    ops = z->tee == AVOW_TEE_AZ_SNP ? &ops_snp : &ops_tdx;
    *out = avow_source_new(ops, avow_steal(&z));
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}
