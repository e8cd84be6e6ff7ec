#include "attest/gather.h"

#include "codec/json.h"
#include "crypto/x509.h"
#include "evidence/certtable.h"
#include "evidence/snp.h"

#define PEM_CERTS_MAX 64
#define TDX_HEADER_LEN 48u
#define TDX_TEE_TYPE 0x81u

static const char pem_mark[] = "-----BEGIN ";
static const char pem_cert[] = "-----BEGIN CERTIFICATE-----";
static const char pem_crl[] = "-----BEGIN X509 CRL-----";
static const char pem_crl_end[] = "-----END X509 CRL-----";

/* @mark in @text, or a view without data. */
static struct avow_bytes find(struct avow_bytes text, const char *mark)
{
    const uint8_t *at = text.len ? memmem(text.data, text.len, mark, strlen(mark)) : NULL;

    return at ? AVOW_BYTES(at, (size_t)(text.data + text.len - at)) : AVOW_BYTES(NULL, 0);
}

static int put_evidence(struct avow_bundle *b, enum avow_tee tee, struct avow_bytes evidence,
                        struct avow_error *err)
{
    if (b->tee != AVOW_TEE_NONE)
        return AVOW_FAIL(err, EXISTS, "a second piece of evidence");
    b->tee = tee;
    return avow_bundle_put(b, AVOW_PART_EVIDENCE, evidence, err);
}

static int put_once(struct avow_bundle *b, enum avow_bundle_part part, struct avow_bytes der,
                    struct avow_error *err)
{
    const struct avow_bytes *list = part == AVOW_PART_CERT ? b->certs : b->crls;
    size_t n = part == AVOW_PART_CERT ? b->n_certs : b->n_crls;

    for (size_t i = 0; i < n; i++)
        if (avow_bytes_equal(list[i], der))
            return 0;
    return avow_bundle_put(b, part, der, err);
}

/* ---- text ---- */

static int put_pem_certs(struct avow_bundle *b, struct avow_bytes text, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_bytes ders[PEM_CERTS_MAX];
    size_t n = 0;

    AVOW_TRY(avow_pem_to_der(text, &store, ders, PEM_CERTS_MAX, &n, err));
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(put_once(b, AVOW_PART_CERT, ders[i], err));
    return 0;
}

static int put_crl(struct avow_bundle *b, struct avow_bytes text, struct avow_error *err)
{
    avow_auto(avow_cleanup_crl) struct avow_crl *crl = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CRL_DER_MAX);

    AVOW_TRY(avow_crl_parse(text, &crl, err));
    AVOW_TRY(avow_crl_der(crl, &der, err));
    return put_once(b, AVOW_PART_CRL, avow_buf_view(&der), err);
}

static int put_pem(struct avow_bundle *b, struct avow_bytes text, struct avow_error *err)
{
    struct avow_bytes crl = find(text, pem_crl);

    if (!crl.data || find(text, pem_cert).data)
        AVOW_TRY(put_pem_certs(b, text, err));
    while (crl.data) {
        struct avow_bytes end = find(crl, pem_crl_end);

        if (!end.data)
            return AVOW_FAIL(err, TRUNCATED, "a PEM CRL without its end");
        AVOW_TRY(put_crl(
            b, AVOW_BYTES(crl.data, (size_t)(end.data - crl.data) + sizeof pem_crl_end - 1), err));
        crl = find(end, pem_crl);
    }
    return 0;
}

static int put_bundle(struct avow_bundle *b, struct avow_bytes text, struct avow_error *err)
{
    avow_auto(avow_bundle_done) struct avow_bundle in = { 0 };

    AVOW_TRY(avow_bundle_parse(text, &in, err));
    AVOW_TRY(put_evidence(b, in.tee, in.evidence, err));
    if (in.statement.len)
        AVOW_TRY(avow_bundle_put(b, AVOW_PART_STATEMENT, in.statement, err));
    for (size_t i = 0; i < in.n_certs; i++)
        AVOW_TRY(put_once(b, AVOW_PART_CERT, in.certs[i], err));
    for (size_t i = 0; i < in.n_crls; i++)
        AVOW_TRY(put_once(b, AVOW_PART_CRL, in.crls[i], err));
    if (in.tcb_info.len)
        AVOW_TRY(avow_bundle_put(b, AVOW_PART_TCB_INFO, in.tcb_info, err));
    if (in.qe_identity.len)
        AVOW_TRY(avow_bundle_put(b, AVOW_PART_QE_IDENTITY, in.qe_identity, err));
    return 0;
}

static int put_json(struct avow_bundle *b, struct avow_bytes text, struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;

    AVOW_TRY(avow_json_parse(text, &doc, err));
    if (json_object_get(doc, "type"))
        return put_bundle(b, text, err);
    if (json_object_get(doc, "tcbInfo")) {
        if (b->tcb_info.len)
            return AVOW_FAIL(err, EXISTS, "a second TCB info");
        return avow_bundle_put(b, AVOW_PART_TCB_INFO, text, err);
    }
    if (json_object_get(doc, "enclaveIdentity")) {
        if (b->qe_identity.len)
            return AVOW_FAIL(err, EXISTS, "a second QE identity");
        return avow_bundle_put(b, AVOW_PART_QE_IDENTITY, text, err);
    }
    return AVOW_FAIL(err, FORMAT, "JSON that is neither a bundle nor TCB info nor QE identity");
}

/* ---- bytes ---- */

static int put_der(struct avow_bundle *b, struct avow_bytes der, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    struct avow_error why = { 0 };

    if (avow_cert_parse(der, &c, &why) == 0)
        return put_once(b, AVOW_PART_CERT, der, err);
    if (put_crl(b, der, NULL) == 0)
        return 0;
    return AVOW_FAIL_CODE(err, why.code, "%s", why.text);
}

/* What the host handed over with a report (configfs-tsm's auxblob). */
static int put_certtable(struct avow_bundle *b, struct avow_bytes table, struct avow_error *err)
{
    struct avow_certtable_entry entries[AVOW_CERTTABLE_MAX];
    size_t n = 0;

    AVOW_TRY(avow_certtable_parse(table, entries, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (entries[i].kind == AVOW_CERTTABLE_OTHER)
            continue;
        if (find(entries[i].data, pem_mark).data)
            AVOW_TRY(put_pem(b, entries[i].data, err));
        else
            AVOW_TRY(put_der(b, entries[i].data, err));
    }
    return 0;
}

static bool is_tdx_quote(struct avow_bytes f)
{
    struct avow_rd r = avow_rd_init(f);
    uint16_t version = 0, key_type = 0;
    uint32_t tee_type = 0;

    if (f.len < TDX_HEADER_LEN || avow_rd_u16le(&r, &version) < 0 ||
        avow_rd_u16le(&r, &key_type) < 0 || avow_rd_u32le(&r, &tee_type) < 0)
        return false;
    return (version == 4 || version == 5) && tee_type == TDX_TEE_TYPE;
}

static int put_file(struct avow_bundle *b, struct avow_bytes f, struct avow_error *err)
{
    size_t space = 0;

    while (space < f.len && strchr(" \t\r\n", f.data[space]) && f.data[space])
        space++;
    if (space < f.len && f.data[space] == '{')
        return put_json(b, f, err);
    if (is_tdx_quote(f))
        return put_evidence(b, AVOW_TEE_TDX, f, err);
    if (f.len > 1 && f.data[0] == 0x30) /* a DER SEQUENCE; no report version is 0x30 */
        return put_der(b, f, err);
    if (avow_certtable_likely(f))
        return put_certtable(b, f, err);
    if (f.len == AVOW_SNP_REPORT_LEN && !find(f, pem_mark).data)
        return put_evidence(b, AVOW_TEE_SNP, f, err);
    if (find(f, pem_mark).data)
        return put_pem(b, f, err);
    return AVOW_FAIL(err, FORMAT,
                     "%zu bytes that are no bundle, SNP report (%u bytes), TDX quote, certificate, "
                     "CRL, TCB info or QE identity",
                     f.len, AVOW_SNP_REPORT_LEN);
}

int avow_gather(const struct avow_bytes *files, size_t n, struct avow_bundle *out,
                struct avow_error *err)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    memset(out, 0, sizeof *out);
    if (n > AVOW_GATHER_FILES_MAX)
        return AVOW_FAIL(err, LIMIT, "%zu files (at most %d)", n, AVOW_GATHER_FILES_MAX);
    for (size_t i = 0; i < n; i++) {
        int rc = put_file(&b, files[i], err);

        if (rc < 0) {
            (void)avow_error_prefix(err, "file %zu", i + 1);
            return rc;
        }
    }
    if (b.tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, MISSING, "no SNP report, TDX quote or bundle among the %zu files", n);
    *out = b;
    memset(&b, 0, sizeof b);
    return 0;
}
