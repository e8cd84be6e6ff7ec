#include "attest/need.h"

#include "collateral/pck.h"
#include "crypto/x509.h"
#include "evidence/hcl.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"

#define QUOTE_CERTS_MAX 8

static const char *const lines[] = { "Milan", "Genoa", "Turin" };
#define N_LINES (sizeof lines / sizeof lines[0])

/* "SEV-Milan" or "SEV-VLEK-Milan" of a leaf's issuer; the static name, or NULL. */
static const char *line_of_issuer(const char *cn)
{
    const char *dash = strrchr(cn, '-');

    for (size_t i = 0; dash && i < N_LINES; i++)
        if (strcmp(dash + 1, lines[i]) == 0)
            return lines[i];
    return NULL;
}

static int look_at_leaves(const struct avow_bundle *b, struct avow_need *n, struct avow_error *err)
{
    const char *want = n->vlek ? AVOW_SNP_CN_VLEK : AVOW_SNP_CN_VCEK;

    for (size_t i = 0; i < b->n_certs; i++) {
        avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
        int rc = avow_cert_parse(b->certs[i], &c, NULL);
        const char *line = NULL;

        if (rc == -AVOW_E_NOMEM)
            return AVOW_FAIL(err, NOMEM, "out of memory");
        if (rc < 0 || strcmp(avow_cert_subject_cn(c), want) != 0)
            continue;
        n->has_leaf = true;
        line = line_of_issuer(avow_cert_issuer_cn(c));
        if (line) {
            n->n_products = 1;
            n->products[0] = line;
        }
    }
    return 0;
}

static void name_products(const struct avow_snp_report *r, struct avow_need *n)
{
    const char *line = avow_snp_product(r);

    if (line) {
        n->n_products = 1;
        n->products[0] = line;
    } else if (r->version < 3) { /* before CPUID was in the report there was no Turin */
        n->n_products = 2;
        n->products[0] = lines[0];
        n->products[1] = lines[1];
    }
}

static int need_of_snp(const struct avow_bundle *b, struct avow_need *n, struct avow_error *err)
{
    struct avow_bytes report =
        b->evidence.len ? b->evidence
                        : avow_bytes_sub(b->hcl, AVOW_HCL_OFF_REPORT, AVOW_SNP_REPORT_LEN);
    struct avow_snp_report r = { 0 };

    if (avow_snp_parse(report, &r, NULL) < 0)
        return 0;
    n->hardware = AVOW_TEE_SNP;
    n->vlek = (r.key_info >> AVOW_SNP_KEY_SIGNING_SHIFT & AVOW_SNP_KEY_SIGNING_MASK) ==
              AVOW_SNP_SIGNED_VLEK;
    n->masked = avow_bytes_zero(AVOW_BYTES_OF(r.chip_id));
    memcpy(n->tcb, r.reported_tcb, sizeof n->tcb);
    name_products(&r, n);
    if (!n->vlek && !n->masked) {
        bool turin = n->n_products == 1 && strcmp(n->products[0], "Turin") == 0;

        n->hwid_len = turin ? AVOW_NEED_HWID_TURIN : AVOW_NEED_HWID_MAX;
        memcpy(n->hwid, r.chip_id, n->hwid_len);
    }
    return look_at_leaves(b, n, err);
}

/* Of a chain the PCK certificate is the one with Intel's extension. */
static int look_at_pck(struct avow_bytes der, struct avow_need *n, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    struct avow_bytes ext = { 0 };
    struct avow_pck pck = { 0 };
    int rc = avow_cert_parse(der, &c, NULL);

    if (rc == -AVOW_E_NOMEM)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (rc < 0 || avow_cert_extension(c, AVOW_OID_PCK, &ext) < 0 ||
        avow_pck_parse(ext, &pck, NULL) < 0)
        return 0;
    n->has_fmspc = true;
    memcpy(n->fmspc, pck.fmspc, sizeof n->fmspc);
    n->processor = strstr(avow_cert_issuer_cn(c), AVOW_PCK_PROCESSOR_CA_CN) != NULL;
    return 0;
}

static int need_of_tdx(const struct avow_bundle *b, struct avow_need *n, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(QUOTE_CERTS_MAX * AVOW_CERT_DER_MAX);
    struct avow_bytes ders[QUOTE_CERTS_MAX];
    struct avow_tdx_quote q = { 0 };
    size_t count = 0;

    if (avow_tdx_quote_parse(b->evidence, &q, NULL) < 0)
        return 0;
    n->hardware = AVOW_TEE_TDX;
    for (size_t i = 0; i < b->n_certs; i++)
        AVOW_TRY(look_at_pck(b->certs[i], n, err));
    if (avow_pem_to_der(q.cert_data, &store, ders, QUOTE_CERTS_MAX, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            AVOW_TRY(look_at_pck(ders[i], n, err));
    return 0;
}

int avow_need_of(const struct avow_bundle *b, struct avow_need *out, struct avow_error *err)
{
    *out = (struct avow_need){ 0 };
    if (avow_tee_hardware(b->tee) == AVOW_TEE_SNP)
        return need_of_snp(b, out, err);
    if (avow_tee_hardware(b->tee) == AVOW_TEE_TDX)
        return need_of_tdx(b, out, err);
    return 0;
}
