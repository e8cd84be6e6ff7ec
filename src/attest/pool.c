#include "attest/pool.h"

#include <stdio.h>

#include "collateral/pck.h"
#include "collateral/qe_identity.h"
#include "collateral/tcb_info.h"
#include "crypto/hash.h"
#include "crypto/x509.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"

#define QUOTE_CERTS_MAX 8
#define HCL_OFF_REPORT 0x20u /* the hardware report in an HCL report */
#define HWID_TURIN 8u
#define HWID_LEN 64u
#define WANTED_MAX (2 * AVOW_BUNDLE_CERTS_MAX)

struct avow_pool {
    bool keep_broken;
    size_t n;
    size_t bytes;
    struct avow_item items[AVOW_POOL_ITEMS_MAX];
};

int avow_pool_new(struct avow_pool **out, struct avow_error *err)
{
    *out = calloc(1, sizeof **out); /* pages that no item needs are never touched */
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory for a pool");
}

void avow_pool_free(struct avow_pool *p)
{
    for (size_t i = 0; p && i < p->n; i++)
        free((void *)(uintptr_t)p->items[i].data.data);
    free(p);
}

void avow_pool_keep_broken(struct avow_pool *p)
{
    p->keep_broken = true;
}

size_t avow_pool_count(const struct avow_pool *p)
{
    return p->n;
}

const struct avow_item *avow_pool_item(const struct avow_pool *p, size_t i)
{
    return &p->items[i];
}

/* ---- reading ---- */

static void copy_name(char out[AVOW_ITEM_NAME_MAX], const char *name)
{
    snprintf(out, AVOW_ITEM_NAME_MAX, "%s", name);
}

/* The chip of a VCEK: raw bytes, or the same in an OCTET STRING. */
static void read_hwid(const struct avow_cert *c, struct avow_item *it)
{
    struct avow_bytes v = { 0 };

    if (avow_cert_extension(c, AVOW_SNP_OID_HWID, &v) < 0)
        return;
    if (v.len > 2 && v.data[0] == 4 && v.data[1] == v.len - 2 &&
        (v.len - 2 == HWID_LEN || v.len - 2 == HWID_TURIN))
        v = avow_bytes_sub(v, 2, v.len - 2);
    if (v.len != HWID_LEN && v.len != HWID_TURIN)
        return;
    memcpy(it->hwid, v.data, v.len);
    it->hwid_len = (uint8_t)v.len;
}

static bool read_spl(const struct avow_cert *c, const char *oid, uint8_t *out)
{
    struct avow_bytes v = { 0 };

    if (avow_cert_extension(c, oid, &v) < 0 || v.len < 3 || v.len > 4 || v.data[0] != 2)
        return false;
    *out = v.data[v.len - 1];
    return true;
}

/* TCB_VERSION as a report has it; Turin's layout is told by its FMC. */
static void read_tcb(const struct avow_cert *c, struct avow_item *it)
{
    uint8_t fmc = 0, bl = 0, tee = 0, snp = 0, ucode = 0;
    bool turin = read_spl(c, AVOW_SNP_OID_SPL_FMC, &fmc);

    if (!read_spl(c, AVOW_SNP_OID_SPL_BOOTLOADER, &bl) ||
        !read_spl(c, AVOW_SNP_OID_SPL_TEE, &tee) || !read_spl(c, AVOW_SNP_OID_SPL_SNP, &snp) ||
        !read_spl(c, AVOW_SNP_OID_SPL_MICROCODE, &ucode))
        return;
    it->has_tcb = true;
    if (turin) {
        it->tcb[AVOW_SNP_TURIN_TCB_FMC] = fmc;
        it->tcb[AVOW_SNP_TURIN_TCB_BOOTLOADER] = bl;
        it->tcb[AVOW_SNP_TURIN_TCB_TEE] = tee;
        it->tcb[AVOW_SNP_TURIN_TCB_SNP] = snp;
    } else {
        it->tcb[AVOW_SNP_TCB_BOOTLOADER] = bl;
        it->tcb[AVOW_SNP_TCB_TEE] = tee;
        it->tcb[AVOW_SNP_TCB_SNP] = snp;
    }
    it->tcb[AVOW_SNP_TCB_MICROCODE] = ucode;
}

static int read_cert(struct avow_item *it, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;

    AVOW_TRY(avow_cert_parse(it->data, &c, err));
    copy_name(it->subject, avow_cert_subject_cn(c));
    copy_name(it->issuer, avow_cert_issuer_cn(c));
    avow_cert_validity(c, &it->from, &it->until);
    read_hwid(c, it);
    read_tcb(c, it);
    return 0;
}

static int read_crl(struct avow_item *it, struct avow_error *err)
{
    avow_auto(avow_cleanup_crl) struct avow_crl *c = NULL;

    AVOW_TRY(avow_crl_parse(it->data, &c, err));
    copy_name(it->issuer, avow_crl_issuer_cn(c));
    avow_crl_validity(c, &it->from, &it->until);
    return 0;
}

static int read_item(struct avow_item *it, struct avow_error *err)
{
    avow_auto(avow_cleanup_tcb_info) struct avow_tcb_info *info = NULL;
    avow_auto(avow_cleanup_qe_identity) struct avow_qe_identity *qe = NULL;

    switch (it->kind) {
    case AVOW_ITEM_CERT:
        return read_cert(it, err);
    case AVOW_ITEM_CRL:
        return read_crl(it, err);
    case AVOW_ITEM_TCB_INFO:
        AVOW_TRY(avow_tcb_info_parse(it->data, &info, err));
        memcpy(it->fmspc, info->fmspc, sizeof it->fmspc);
        it->evaluation = info->evaluation;
        it->from = info->issue_date;
        it->until = info->next_update;
        return 0;
    case AVOW_ITEM_QE_IDENTITY:
        AVOW_TRY(avow_qe_identity_parse(it->data, &qe, err));
        it->evaluation = qe->evaluation;
        it->from = qe->issue_date;
        it->until = qe->next_update;
        return 0;
    }
    return AVOW_FAIL(err, INVAL, "no kind of item");
}

/* Whether what @rc says of @it is for the verifier to say, instead of the reader of files. */
static bool keeps(const struct avow_pool *p, const struct avow_item *it, int rc)
{
    return rc < 0 && rc != -AVOW_E_NOMEM && p->keep_broken && it->data.len <= AVOW_DOCUMENT_MAX &&
           (it->kind == AVOW_ITEM_TCB_INFO || it->kind == AVOW_ITEM_QE_IDENTITY);
}

int avow_pool_put(struct avow_pool *p, enum avow_item_kind kind, struct avow_bytes data,
                  struct avow_error *err)
{
    struct avow_item it = { .kind = kind, .data = data };
    uint8_t *copy = NULL;
    int rc = 0;

    if (avow_sha256(data, it.digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    for (size_t i = 0; i < p->n; i++)
        if (p->items[i].kind == kind &&
            avow_bytes_equal(AVOW_BYTES_OF(p->items[i].digest), AVOW_BYTES_OF(it.digest)))
            return 0;
    if (p->n == AVOW_POOL_ITEMS_MAX || data.len > AVOW_POOL_BYTES_MAX - p->bytes)
        return AVOW_FAIL(err, LIMIT, "more than %u endorsements, or %u bytes of them",
                         AVOW_POOL_ITEMS_MAX, AVOW_POOL_BYTES_MAX);
    rc = read_item(&it, err);
    if (rc < 0 && !keeps(p, &it, rc))
        return rc;
    if (rc < 0)
        avow_error_clear(err);
    it.broken = rc < 0;
    copy = malloc(data.len ? data.len : 1);
    if (!copy)
        return AVOW_FAIL(err, NOMEM, "out of memory for %zu bytes", data.len);
    memcpy(copy, data.data, data.len);
    it.data.data = copy;
    p->items[p->n++] = it;
    p->bytes += data.len;
    return 0;
}

/* ---- what a bundle needs ---- */

struct need {
    const struct avow_pool *pool;
    int64_t now;
    struct avow_bundle *b;
    size_t n_names; /* subjects whose issuers and CRLs are wanted */
    char names[WANTED_MAX][AVOW_ITEM_NAME_MAX];
    bool has_fmspc;
    uint8_t fmspc[6];
};

static bool wants(const struct need *n, const char *name)
{
    for (size_t i = 0; i < n->n_names; i++)
        if (strcmp(n->names[i], name) == 0)
            return true;
    return false;
}

static void want(struct need *n, const char *name)
{
    if (*name && !wants(n, name) && n->n_names < WANTED_MAX)
        copy_name(n->names[n->n_names++], name);
}

static bool valid(const struct need *n, const struct avow_item *it)
{
    return it->from <= n->now && n->now <= it->until;
}

/* Of two that would do: one that is valid now, then the newer. */
static bool better(const struct need *n, const struct avow_item *a, const struct avow_item *than)
{
    if (!than || a->broken != than->broken)
        return !than || than->broken;
    if (valid(n, a) != valid(n, than))
        return valid(n, a);
    return a->from > than->from;
}

static bool has(const struct avow_bytes *list, size_t n, struct avow_bytes v)
{
    for (size_t i = 0; i < n; i++)
        if (avow_bytes_equal(list[i], v))
            return true;
    return false;
}

/* A full bundle takes no more: the verifier says what it lacks. */
static int add_cert(struct need *n, const struct avow_item *it, struct avow_error *err)
{
    struct avow_bundle *b = n->b;

    want(n, it->subject);
    want(n, it->issuer);
    if (has(b->certs, b->n_certs, it->data) || b->n_certs == AVOW_BUNDLE_CERTS_MAX)
        return 0;
    return avow_bundle_put(b, AVOW_PART_CERT, it->data, err);
}

/* Names that evidence and bundle themselves bring. */
static int note_cert(struct need *n, struct avow_bytes der, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    int rc = avow_cert_parse(der, &c, NULL);
    struct avow_bytes ext = { 0 };
    struct avow_pck pck = { 0 };

    if (rc == -AVOW_E_NOMEM)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    if (rc < 0)
        return 0;
    want(n, avow_cert_subject_cn(c));
    want(n, avow_cert_issuer_cn(c));
    if (avow_cert_extension(c, AVOW_OID_PCK, &ext) == 0 && avow_pck_parse(ext, &pck, NULL) == 0) {
        n->has_fmspc = true;
        memcpy(n->fmspc, pck.fmspc, sizeof n->fmspc);
    }
    return 0;
}

/* Issuers of what is wanted, until there is nothing new. */
static int add_issuers(struct need *n, struct avow_error *err)
{
    size_t before = 0;

    do {
        before = n->n_names;
        for (size_t i = 0; i < n->pool->n; i++)
            if (n->pool->items[i].kind == AVOW_ITEM_CERT && wants(n, n->pool->items[i].subject) &&
                !n->pool->items[i].has_tcb)
                AVOW_TRY(add_cert(n, &n->pool->items[i], err));
    } while (n->n_names != before);
    return 0;
}

/* The best CRL of each issuer that is wanted and has none in the bundle that is valid now. */
static int add_crls(struct need *n, struct avow_error *err)
{
    for (size_t k = 0; k < n->n_names; k++) {
        const struct avow_item *best = NULL;

        for (size_t i = 0; i < n->pool->n; i++) {
            const struct avow_item *it = &n->pool->items[i];

            if (it->kind == AVOW_ITEM_CRL && strcmp(it->issuer, n->names[k]) == 0 &&
                better(n, it, best))
                best = it;
        }
        if (best && !has(n->b->crls, n->b->n_crls, best->data) &&
            n->b->n_crls < AVOW_BUNDLE_CRLS_MAX)
            AVOW_TRY(avow_bundle_put(n->b, AVOW_PART_CRL, best->data, err));
    }
    return 0;
}

/* ---- SNP ---- */

static bool is_leaf_for(const struct avow_item *it, const struct avow_snp_report *r)
{
    uint32_t key = r->key_info >> AVOW_SNP_KEY_SIGNING_SHIFT & AVOW_SNP_KEY_SIGNING_MASK;
    struct avow_bytes chip = AVOW_BYTES_OF(r->chip_id);

    if (it->kind != AVOW_ITEM_CERT || !it->has_tcb)
        return false;
    if (key == AVOW_SNP_SIGNED_VLEK)
        return it->hwid_len == 0;
    return it->hwid_len &&
           (avow_bytes_zero(chip) || avow_bytes_equal(AVOW_BYTES(it->hwid, it->hwid_len),
                                                      avow_bytes_sub(chip, 0, it->hwid_len)));
}

/* Leaves of this chip, those of the reported TCB first. If there is none, one of another chip, so
 * that the refusal can say so. */
static int add_leaves(struct need *n, const struct avow_snp_report *r, struct avow_error *err)
{
    const struct avow_item *other = NULL;
    bool found = false;

    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n->pool->n; i++) {
            const struct avow_item *it = &n->pool->items[i];
            bool tcb = avow_bytes_equal(AVOW_BYTES_OF(it->tcb), AVOW_BYTES_OF(r->reported_tcb));

            if (it->kind == AVOW_ITEM_CERT && it->has_tcb && !other)
                other = it;
            if (!is_leaf_for(it, r) || tcb != (pass == 0))
                continue;
            AVOW_TRY(add_cert(n, it, err));
            found = true;
        }
    return !found && n->b->n_certs == 0 && other ? add_cert(n, other, err) : 0;
}

/* ---- TDX ---- */

static int note_quote(struct need *n, const struct avow_tdx_quote *q, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(QUOTE_CERTS_MAX * AVOW_CERT_DER_MAX);
    struct avow_bytes ders[QUOTE_CERTS_MAX];
    size_t count = 0;

    if (avow_pem_to_der(q->cert_data, &store, ders, QUOTE_CERTS_MAX, &count, NULL) == 0)
        for (size_t i = 0; i < count; i++)
            AVOW_TRY(note_cert(n, ders[i], err));
    return 0;
}

static int add_document(struct need *n, enum avow_item_kind kind, enum avow_bundle_part part,
                        struct avow_error *err)
{
    const struct avow_item *best = NULL;

    for (size_t i = 0; i < n->pool->n; i++) {
        const struct avow_item *it = &n->pool->items[i];

        if (it->kind != kind)
            continue;
        if (kind == AVOW_ITEM_TCB_INFO && n->has_fmspc &&
            !avow_bytes_equal(AVOW_BYTES_OF(it->fmspc), AVOW_BYTES_OF(n->fmspc)) && best)
            continue; /* another platform's is better than none: the refusal says so */
        if (kind == AVOW_ITEM_TCB_INFO && best && n->has_fmspc &&
            !avow_bytes_equal(AVOW_BYTES_OF(best->fmspc), AVOW_BYTES_OF(n->fmspc)))
            best = NULL;
        if (better(n, it, best))
            best = it;
    }
    return best ? avow_bundle_put(n->b, part, best->data, err) : 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The signer of documents, valid now first (three of Intel's share one key), and PCK certificates
 * for quotes that do not carry their chain as PEM. */
static int add_signers(struct need *n, struct avow_error *err)
{
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n->pool->n; i++) {
            const struct avow_item *it = &n->pool->items[i];

            if (it->kind == AVOW_ITEM_CERT && valid(n, it) == (pass == 0) &&
                (ends_with(it->subject, "Intel SGX TCB Signing") ||
                 (!n->has_fmspc && ends_with(it->subject, "Intel SGX PCK Certificate"))))
                AVOW_TRY(add_cert(n, it, err));
        }
    return 0;
}

static int complete_tdx(struct need *n, struct avow_error *err)
{
    struct avow_tdx_quote q = { 0 };

    if (avow_tdx_quote_parse(n->b->evidence, &q, NULL) < 0)
        return 0;
    AVOW_TRY(note_quote(n, &q, err));
    AVOW_TRY(add_signers(n, err));
    if (!n->b->tcb_info.len)
        AVOW_TRY(add_document(n, AVOW_ITEM_TCB_INFO, AVOW_PART_TCB_INFO, err));
    if (!n->b->qe_identity.len)
        AVOW_TRY(add_document(n, AVOW_ITEM_QE_IDENTITY, AVOW_PART_QE_IDENTITY, err));
    return 0;
}

static int complete_snp(struct need *n, struct avow_error *err)
{
    struct avow_bytes report = n->b->evidence;
    struct avow_snp_report r = { 0 };

    if (!report.len)
        report = avow_bytes_sub(n->b->hcl, HCL_OFF_REPORT, AVOW_SNP_REPORT_LEN);
    if (avow_snp_parse(report, &r, NULL) < 0)
        return 0;
    return add_leaves(n, &r, err);
}

int avow_pool_complete(const struct avow_pool *p, int64_t now, struct avow_bundle *b,
                       struct avow_error *err)
{
    avow_autofree struct need *n = NULL;

    if (p->n == 0)
        return 0;
    n = calloc(1, sizeof *n);
    if (!n)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    n->pool = p;
    n->now = now;
    n->b = b;
    for (size_t i = 0; i < b->n_certs; i++)
        AVOW_TRY(note_cert(n, b->certs[i], err));
    if (avow_tee_hardware(b->tee) == AVOW_TEE_SNP)
        AVOW_TRY(complete_snp(n, err));
    else
        AVOW_TRY(complete_tdx(n, err));
    AVOW_TRY(add_issuers(n, err));
    return add_crls(n, err);
}
