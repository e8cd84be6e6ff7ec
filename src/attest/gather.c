#include "attest/gather.h"

#include "attest/envelope.h"
#include "attest/pcrs.h"
#include "attest/shape.h"
#include "attest/unwrap.h"
#include "codec/json.h"
#include "codec/text.h"
#include "crypto/x509.h"
#include "evidence/certtable.h"
#include "evidence/eventlog.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"

#define PEM_CERTS_MAX 64
#define HCL_OFF_REPORT 0x20u       /* SNP report, or a TDREPORT */
#define HCL_OFF_REPORT_TYPE 0x4C8u /* u32: 2 is SNP, 4 is TDX */
#define HCL_TYPE_SNP 2u
#define PCRS_LEN (AVOW_BUNDLE_PCRS * AVOW_BUNDLE_PCR_LEN)

static const char pem_mark[] = "-----BEGIN ";
static const char pem_cert[] = "-----BEGIN CERTIFICATE-----";
static const char pem_crl[] = "-----BEGIN X509 CRL-----";
static const char pem_crl_end[] = "-----END X509 CRL-----";
static const char pem_public[] = "-----BEGIN PUBLIC KEY-----";
static const uint8_t gzip_magic[] = { 0x1F, 0x8B };

struct gather {
    struct avow_pool *pool;
    struct avow_bundle *b;
    int depth;
};

static int put_file(struct gather *g, struct avow_bytes f, struct avow_error *err);
static int put_certtable(struct gather *g, struct avow_bytes table, struct avow_error *err);

/* @mark in @text, or a view without data. */
static struct avow_bytes find(struct avow_bytes text, const char *mark)
{
    const uint8_t *at = text.len ? memmem(text.data, text.len, mark, strlen(mark)) : NULL;

    return at ? AVOW_BYTES(at, (size_t)(text.data + text.len - at)) : AVOW_BYTES(NULL, 0);
}

static bool starts(struct avow_bytes f, const void *what, size_t n)
{
    return avow_bytes_equal(avow_bytes_sub(f, 0, n), AVOW_BYTES(what, n));
}

/* ---- evidence ---- */

static int put_once(struct gather *g, enum avow_bundle_part part, struct avow_bytes have,
                    struct avow_bytes v, const char *what, struct avow_error *err)
{
    if (avow_bytes_equal(have, v))
        return 0;
    if (have.len)
        return AVOW_FAIL(err, EXISTS, "a second %s", what);
    return avow_bundle_put(g->b, part, v, err);
}

/* With an HCL report beside it, evidence is Azure's, whichever came first. */
static int put_evidence(struct gather *g, enum avow_tee tee, struct avow_bytes v,
                        struct avow_error *err)
{
    if (g->b->tee != AVOW_TEE_NONE && avow_tee_hardware(g->b->tee) != tee)
        return AVOW_FAIL(err, EXISTS, "a second piece of evidence, of another kind");
    if (tee == AVOW_TEE_SNP && g->b->hcl.len &&
        avow_bytes_equal(v, avow_bytes_sub(g->b->hcl, HCL_OFF_REPORT, AVOW_SNP_REPORT_LEN)))
        return 0;
    AVOW_TRY(put_once(g, AVOW_PART_EVIDENCE, g->b->evidence, v, "piece of evidence", err));
    if (g->b->tee == AVOW_TEE_NONE)
        g->b->tee = tee;
    return 0;
}

static int put_hcl(struct gather *g, struct avow_bytes v, struct avow_error *err)
{
    enum avow_tee tee = avow_bytes_u32le(v, HCL_OFF_REPORT_TYPE) == HCL_TYPE_SNP ? AVOW_TEE_AZ_SNP
                                                                                 : AVOW_TEE_AZ_TDX;

    if (g->b->tee != AVOW_TEE_NONE && avow_tee_hardware(g->b->tee) != avow_tee_hardware(tee))
        return AVOW_FAIL(err, EXISTS, "a second piece of evidence, of another kind");
    AVOW_TRY(put_once(g, AVOW_PART_HCL, g->b->hcl, v, "HCL report", err));
    if (tee == AVOW_TEE_AZ_SNP &&
        avow_bytes_equal(g->b->evidence, avow_bytes_sub(v, HCL_OFF_REPORT, AVOW_SNP_REPORT_LEN)))
        g->b->evidence = AVOW_BYTES(NULL, 0); /* the HCL report has it */
    g->b->tee = tee;
    return 0;
}

/* A report, and the certificate table that may follow it. */
static int put_report(struct gather *g, struct avow_bytes f, struct avow_error *err)
{
    struct avow_certtable_entry entries[AVOW_CERTTABLE_MAX];
    struct avow_bytes rest = { 0 };
    size_t n = 0;

    if (f.len > AVOW_SNP_REPORT_LEN) {
        rest = avow_bytes_sub(f, AVOW_SNP_REPORT_LEN, f.len - AVOW_SNP_REPORT_LEN);
        if (avow_certtable_parse(rest, entries, &n, NULL) == 0 && n > 0) {
            AVOW_TRY(put_certtable(g, rest, err));
            f.len = AVOW_SNP_REPORT_LEN;
        }
    }
    return put_evidence(g, AVOW_TEE_SNP, f, err);
}

static int put_pcrs(struct gather *g, struct avow_bytes f, struct avow_error *err)
{
    for (unsigned i = 0; i < AVOW_BUNDLE_PCRS; i++)
        AVOW_TRY(avow_bundle_put_pcr(g->b, i, f.data + (size_t)i * AVOW_BUNDLE_PCR_LEN, err));
    return 0;
}

static int put_some_pcrs(struct gather *g, const struct avow_pcrs *p, struct avow_error *err)
{
    for (unsigned i = 0; i < AVOW_BUNDLE_PCRS; i++)
        if (p->mask >> i & 1)
            AVOW_TRY(avow_bundle_put_pcr(g->b, i, p->value[i], err));
    return 0;
}

static int put_bincode(struct gather *g, const struct avow_unwrap_quote *q, struct avow_error *err)
{
    AVOW_TRY(put_once(g, AVOW_PART_TPM_QUOTE, g->b->tpm_quote, q->message, "TPM quote", err));
    AVOW_TRY(put_once(g, AVOW_PART_TPM_SIGNATURE, g->b->tpm_signature, q->signature,
                      "TPM signature", err));
    for (unsigned i = 0; i < AVOW_BUNDLE_PCRS; i++)
        AVOW_TRY(avow_bundle_put_pcr(g->b, i, q->pcrs[i].data, err));
    return 0;
}

/* ---- certificates and CRLs ---- */

static int put_crl(struct gather *g, struct avow_bytes text, struct avow_error *err)
{
    avow_auto(avow_cleanup_crl) struct avow_crl *crl = NULL;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CRL_DER_MAX);

    AVOW_TRY(avow_crl_parse(text, &crl, err));
    AVOW_TRY(avow_crl_der(crl, &der, err));
    return avow_pool_put(g->pool, AVOW_ITEM_CRL, avow_buf_view(&der), err);
}

/* Bytes of the DER value at the start of @f, header included; 0 if there is none. */
static size_t der_len(struct avow_bytes f)
{
    size_t n = 0;

    if (f.len < 2 || f.data[0] != 0x30)
        return 0;
    if (f.data[1] < 0x80)
        n = 2u + f.data[1];
    else if (f.data[1] == 0x81 && f.len > 2)
        n = 3u + f.data[2];
    else if (f.data[1] == 0x82 && f.len > 3)
        n = 4u + ((size_t)f.data[2] << 8 | f.data[3]);
    else if (f.data[1] == 0x83 && f.len > 4)
        n = 5u + ((size_t)f.data[2] << 16 | (size_t)f.data[3] << 8 | f.data[4]);
    return n <= f.len ? n : 0;
}

/* SubjectPublicKeyInfo (RFC 5280): a SEQUENCE that begins with the SEQUENCE of an OID. */
static bool is_public_key(struct avow_bytes f)
{
    size_t at = f.data[1] < 0x80 ? 2 : 2 + (f.data[1] & 0x7Fu);
    struct avow_bytes head = avow_bytes_sub(f, at, 3);

    return head.data && head.data[0] == 0x30 && head.data[1] < 0x80 && head.data[2] == 0x06;
}

/* DER, what follows it being zero or more DER (chains, concatenated). */
static int put_der(struct gather *g, struct avow_bytes f, struct avow_error *err)
{
    struct avow_error why = { 0 };
    size_t n = der_len(f);
    struct avow_bytes rest = avow_bytes_sub(f, n, f.len - n);
    int rc = 0;

    if (n == 0)
        return AVOW_FAIL(err, TRUNCATED, "DER that ends too early");
    if (is_public_key(f))
        return 0; /* as in put_pem */
    rc = avow_pool_put(g->pool, AVOW_ITEM_CERT, AVOW_BYTES(f.data, n), &why);
    if (rc < 0 && put_crl(g, AVOW_BYTES(f.data, n), NULL) < 0)
        return AVOW_FAIL_CODE(err, rc, "%s", why.text);
    return rest.len && !avow_bytes_zero(rest) ? put_der(g, rest, err) : 0;
}

static int put_pem_certs(struct gather *g, struct avow_bytes text, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(AVOW_BUNDLE_MAX);
    struct avow_bytes ders[PEM_CERTS_MAX];
    size_t n = 0;

    AVOW_TRY(avow_pem_to_der(text, &store, ders, PEM_CERTS_MAX, &n, err));
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(put_der(g, ders[i], err));
    return 0;
}

static int put_pem(struct gather *g, struct avow_bytes text, struct avow_error *err)
{
    struct avow_bytes crl = find(text, pem_crl);

    if (!crl.data && !find(text, pem_cert).data && find(text, pem_public).data)
        return 0; /* a TPM's AK: the key that counts is the one in the runtime data */
    if (!crl.data || find(text, pem_cert).data)
        AVOW_TRY(put_pem_certs(g, text, err));
    while (crl.data) {
        struct avow_bytes end = find(crl, pem_crl_end);

        if (!end.data)
            return AVOW_FAIL(err, TRUNCATED, "a PEM CRL without its end");
        AVOW_TRY(put_crl(
            g, AVOW_BYTES(crl.data, (size_t)(end.data - crl.data) + sizeof pem_crl_end - 1), err));
        crl = find(end, pem_crl);
    }
    return 0;
}

/* What the host handed over with a report (configfs-tsm's auxblob). */
static int put_certtable(struct gather *g, struct avow_bytes table, struct avow_error *err)
{
    struct avow_certtable_entry entries[AVOW_CERTTABLE_MAX];
    size_t n = 0;

    AVOW_TRY(avow_certtable_parse(table, entries, &n, err));
    for (size_t i = 0; i < n; i++) {
        if (entries[i].kind == AVOW_CERTTABLE_OTHER)
            continue;
        if (find(entries[i].data, pem_mark).data)
            AVOW_TRY(put_pem(g, entries[i].data, err));
        else
            AVOW_TRY(put_der(g, entries[i].data, err));
    }
    return 0;
}

/* ---- JSON ---- */

static int put_bundle(struct gather *g, struct avow_bytes text, struct avow_error *err)
{
    avow_auto(avow_bundle_done) struct avow_bundle in = { 0 };

    AVOW_TRY(avow_bundle_parse(text, &in, err));
    if (g->b->tee != AVOW_TEE_NONE)
        return AVOW_FAIL(err, EXISTS, "a second piece of evidence");
    for (size_t i = 0; i < in.n_certs; i++)
        AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_CERT, in.certs[i], err));
    for (size_t i = 0; i < in.n_crls; i++)
        AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_CRL, in.crls[i], err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_STATEMENT, in.statement, err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_EVIDENCE, in.evidence, err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_TCB_INFO, in.tcb_info, err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_QE_IDENTITY, in.qe_identity, err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_HCL, in.hcl, err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_RUNTIME_DATA, in.runtime_data, err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_TPM_QUOTE, in.tpm_quote, err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_TPM_SIGNATURE, in.tpm_signature, err));
    AVOW_TRY(avow_bundle_put(g->b, AVOW_PART_EVENT_LOG, in.event_log, err));
    g->b->pcr_mask = in.pcr_mask;
    memcpy(g->b->pcr, in.pcr, sizeof g->b->pcr);
    g->b->tee = in.tee;
    return 0;
}

static int put_runtime(struct gather *g, struct avow_bytes v, struct avow_error *err)
{
    return put_once(g, AVOW_PART_RUNTIME_DATA, g->b->runtime_data, v, "piece of runtime data", err);
}

static int put_inner(void *ctx, enum avow_envelope_part part, struct avow_bytes v,
                     struct avow_error *err)
{
    struct gather *g = ctx;

    switch (part) {
    case AVOW_INNER_FILE:
        return put_file(g, v, err);
    case AVOW_INNER_RUNTIME_DATA:
        return put_runtime(g, v, err);
    case AVOW_INNER_TPM_QUOTE:
        return put_once(g, AVOW_PART_TPM_QUOTE, g->b->tpm_quote, v, "TPM quote", err);
    case AVOW_INNER_TPM_SIGNATURE:
        return put_once(g, AVOW_PART_TPM_SIGNATURE, g->b->tpm_signature, v, "TPM signature", err);
    case AVOW_INNER_PCRS:
        return put_pcrs(g, v, err);
    case AVOW_INNER_EVENT_LOG:
        return put_once(g, AVOW_PART_EVENT_LOG, g->b->event_log, avow_eventlog_trim(v), "event log",
                        err);
    }
    return AVOW_FAIL(err, INVAL, "no part of an envelope");
}

/* The signed part without its signature: the verifier says what is wrong with it. */
static bool is_bare_tcb_info(const json_t *doc)
{
    return json_object_get(doc, "tcbLevels") && json_object_get(doc, "fmspc");
}

static bool is_bare_identity(const json_t *doc)
{
    return json_object_get(doc, "tcbLevels") && json_object_get(doc, "isvprodid");
}

static int put_json(struct gather *g, struct avow_bytes text, struct avow_error *err)
{
    avow_autojson json_t *doc = NULL;
    int rc = 0;

    AVOW_TRY(avow_json_parse(text, &doc, err));
    if (json_is_string(json_object_get(doc, "type")) && json_object_get(doc, "certs"))
        return put_bundle(g, text, err);
    if (json_object_get(doc, "tcbInfo") || is_bare_tcb_info(doc))
        return avow_pool_put(g->pool, AVOW_ITEM_TCB_INFO, text, err);
    if (json_object_get(doc, "enclaveIdentity") || is_bare_identity(doc))
        return avow_pool_put(g->pool, AVOW_ITEM_QE_IDENTITY, text, err);
    rc = avow_envelope_open(text, doc, put_inner, g, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (!json_is_object(doc))
        return AVOW_FAIL(err, FORMAT, "JSON that is no object");
    return put_runtime(g, text, err);
}

/* ---- texts that are something else inside ---- */

/* Hex, base64, base64url or a JSON string of a file; 0 if it is none. */
static int put_encoded(struct gather *g, struct avow_bytes text, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(AVOW_JSON_MAX);
    int rc = avow_unwrap_text(text, &raw, err);

    if (rc <= 0)
        return rc;
    AVOW_TRY(put_file(g, avow_buf_view(&raw), err));
    return 1;
}

static int put_part(void *ctx, struct avow_bytes part, struct avow_error *err)
{
    return put_file(ctx, part, err);
}

/* ---- one file ---- */

/* Which of the files that are none this is. */
static int put_nothing(struct avow_bytes f, struct avow_error *err)
{
    if (f.len == 0)
        return AVOW_FAIL(err, FORMAT, "the file is empty");
    if (starts(f, gzip_magic, sizeof gzip_magic))
        return AVOW_FAIL(err, FORMAT, "%zu bytes compressed by gzip: decompress them first", f.len);
    return AVOW_FAIL(err, FORMAT,
                     "%zu bytes that are no bundle, SNP report (%u bytes), TDX quote, HCL report, "
                     "TPM quote, certificate, CRL, TCB info, QE identity, event log or envelope",
                     f.len, AVOW_SNP_REPORT_LEN);
}

static int put_text(struct gather *g, struct avow_bytes f, struct avow_error *err)
{
    struct avow_bytes text = avow_unwrap_trim(f);
    struct avow_pcrs pcrs = { 0 };
    int rc = avow_unwrap_http(f, put_part, g, err);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (find(f, pem_mark).data)
        return put_pem(g, f, err);
    if (avow_pcrs_from_text(text, &pcrs))
        return put_some_pcrs(g, &pcrs, err);
    rc = put_encoded(g, text, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    return put_nothing(f, err);
}

static int put_binary(struct gather *g, struct avow_bytes f, struct avow_error *err)
{
    static const uint8_t tpm_quote[] = { 0xFF, 'T', 'C', 'G', 0x80, 0x18 };
    static const uint8_t tpmt_signature[] = { 0x00, 0x14, 0x00, 0x0B };
    struct avow_unwrap_quote quote = { 0 };
    struct avow_pcrs pcrs = { 0 };
    int rc = 0;

    if (starts(f, tpm_quote, sizeof tpm_quote))
        return put_inner(g, AVOW_INNER_TPM_QUOTE, f, err);
    if (starts(f, tpmt_signature, sizeof tpmt_signature) && f.len < 1024)
        return put_inner(g, AVOW_INNER_TPM_SIGNATURE, f, err);
    if (avow_eventlog_likely(f))
        return put_inner(g, AVOW_INNER_EVENT_LOG, f, err);
    if (starts(f, "CCEL", 4) && f.len == 56)
        return 0; /* the ACPI table that says where the log lies */
    if (avow_shape_tdreport(f))
        return 0; /* only its own machine can check its MAC: the quote is what counts */
    rc = avow_envelope_open(f, NULL, put_inner, g, err);
    if (rc != 0)
        return rc < 0 ? rc : 0;
    if (f.len == PCRS_LEN)
        return put_pcrs(g, f, err);
    if (avow_pcrs_from_serialized(f, &pcrs))
        return put_some_pcrs(g, &pcrs, err);
    if (avow_unwrap_bincode(f, &quote))
        return put_bincode(g, &quote, err);
    if (f.len == 256 || f.len == 384 || f.len == 512)
        return put_inner(g, AVOW_INNER_TPM_SIGNATURE, f, err);
    return put_text(g, f, err);
}

static int put_known(struct gather *g, struct avow_bytes file, struct avow_error *err)
{
    struct avow_bytes f = avow_unwrap_bom(file);
    struct avow_bytes text = avow_unwrap_trim(f);

    if (text.len && (text.data[0] == '{' || text.data[0] == '[') &&
        text.data[text.len - 1] == (text.data[0] == '{' ? '}' : ']'))
        return put_json(g, text, err);
    if (avow_shape_hcl(f))
        return put_hcl(g, f, err);
    if (avow_shape_quote(f))
        return put_evidence(g, AVOW_TEE_TDX, f, err);
    if (f.len > 1 && f.data[0] == 0x30 && f.data[1] >= 0x80) /* DER; no report's version is 0x30 */
        return put_der(g, f, err);
    if (avow_certtable_likely(f))
        return put_certtable(g, f, err);
    if (find(f, pem_mark).data && text.len && text.data[0] == '-')
        return put_pem(g, f, err);
    if (avow_shape_report(f))
        return put_report(g, f, err);
    return put_binary(g, f, err);
}

static int put_file(struct gather *g, struct avow_bytes f, struct avow_error *err)
{
    int rc = 0;

    if (g->depth >= AVOW_GATHER_DEPTH_MAX)
        return AVOW_FAIL(err, LIMIT, "more than %d envelopes in one another",
                         AVOW_GATHER_DEPTH_MAX);
    g->depth++;
    rc = put_known(g, f, err);
    g->depth--;
    return rc;
}

/* SNP or TDX evidence whose runtime data is a paravisor's is Azure's, in the form of MAA's
 * requests: without the HCL report around it. */
static void settle(struct avow_bundle *b)
{
    bool paravisor = find(b->runtime_data, "\"HCLAkPub\"").data != NULL;

    if (b->hcl.len || !paravisor)
        return;
    if (b->tee == AVOW_TEE_SNP)
        b->tee = AVOW_TEE_AZ_SNP;
    else if (b->tee == AVOW_TEE_TDX)
        b->tee = AVOW_TEE_AZ_TDX;
}

int avow_gather_file(struct avow_pool *pool, struct avow_bundle *b, struct avow_bytes file,
                     struct avow_error *err)
{
    struct gather g = { .pool = pool, .b = b };

    AVOW_TRY(put_file(&g, file, err));
    settle(b);
    return 0;
}

bool avow_gather_is_evidence(struct avow_bytes file)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    return avow_pool_new(&pool, NULL) == 0 && avow_gather_file(pool, &b, file, NULL) == 0 &&
           b.tee != AVOW_TEE_NONE;
}

int avow_gather(const struct avow_bytes *files, size_t n, int64_t now, struct avow_bundle *out,
                struct avow_error *err)
{
    avow_auto(avow_cleanup_pool) struct avow_pool *pool = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };

    memset(out, 0, sizeof *out);
    if (n > AVOW_GATHER_FILES_MAX)
        return AVOW_FAIL(err, LIMIT, "%zu files (at most %d)", n, AVOW_GATHER_FILES_MAX);
    AVOW_TRY(avow_pool_new(&pool, err));
    for (size_t i = 0; i < n; i++) {
        int rc = avow_gather_file(pool, &b, files[i], err);

        if (rc < 0) {
            (void)avow_error_prefix(err, "file %zu", i + 1);
            return rc;
        }
    }
    if (b.tee == AVOW_TEE_NONE)
        return AVOW_FAIL(err, MISSING, "no SNP report, TDX quote or bundle among the %zu files", n);
    AVOW_TRY(avow_pool_complete(pool, now, &b, err));
    *out = b;
    memset(&b, 0, sizeof b);
    return 0;
}
