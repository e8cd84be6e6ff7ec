#include "evidence/tdx.h"

static void body_views(struct avow_bytes b, struct avow_tdx_body *out)
{
    *out = (struct avow_tdx_body){
        .tee_tcb_svn = b.data + AVOW_TDX_OFF_TEE_TCB_SVN,
        .mrseam = b.data + AVOW_TDX_OFF_MRSEAM,
        .mrsignerseam = b.data + AVOW_TDX_OFF_MRSIGNERSEAM,
        .seam_attributes = b.data + AVOW_TDX_OFF_SEAMATTRIBUTES,
        .td_attributes = b.data + AVOW_TDX_OFF_TDATTRIBUTES,
        .xfam = b.data + AVOW_TDX_OFF_XFAM,
        .mrtd = b.data + AVOW_TDX_OFF_MRTD,
        .mrconfigid = b.data + AVOW_TDX_OFF_MRCONFIGID,
        .mrowner = b.data + AVOW_TDX_OFF_MROWNER,
        .mrownerconfig = b.data + AVOW_TDX_OFF_MROWNERCONFIG,
        .report_data = b.data + AVOW_TDX_OFF_REPORTDATA,
    };
    for (size_t i = 0; i < AVOW_TDX_RTMRS; i++)
        out->rtmr[i] = b.data + AVOW_TDX_OFF_RTMR0 + i * AVOW_TDX_MR_LEN;
    /* The extended 1.5 body begins with the 1.5 body. */
    out->tee_tcb_svn2 = avow_bytes_sub(b, AVOW_TDX_OFF_TEE_TCB_SVN2, AVOW_TDX_SVN_LEN).data;
    out->mrservicetd = avow_bytes_sub(b, AVOW_TDX_OFF_MRSERVICETD, AVOW_TDX_MR_LEN).data;
}

_Static_assert(AVOW_TDX_OFF_REPORTDATA + AVOW_TDX_REPORTDATA_LEN == AVOW_TDX_BODY_10_LEN,
               "REPORTDATA ends the TDX 1.0 body");
_Static_assert(AVOW_TDX_OFF_MRSERVICETD + AVOW_TDX_MR_LEN == AVOW_TDX_BODY_15_LEN,
               "MRSERVICETD ends the TDX 1.5 body");

static int parse_header(struct avow_rd *r, struct avow_tdx_quote *q, struct avow_error *err)
{
    static const uint8_t intel[AVOW_TDX_QE_VENDOR_LEN] = AVOW_TDX_QE_VENDOR_INTEL;
    struct avow_bytes header = { 0 };
    struct avow_rd h = { 0 };
    uint16_t key_type = 0;
    uint32_t tee_type = 0;

    if (avow_rd_bytes(r, AVOW_TDX_HEADER_LEN, &header) < 0)
        return AVOW_FAIL(err, TRUNCATED, "quote of %zu bytes ends in its header", r->rest.len);
    h = avow_rd_init(header);
    AVOW_TRY(avow_rd_u16le(&h, &q->version));
    AVOW_TRY(avow_rd_u16le(&h, &key_type));
    AVOW_TRY(avow_rd_u32le(&h, &tee_type));
    if (q->version != AVOW_TDX_V4 && q->version != AVOW_TDX_V5)
        return AVOW_FAIL(err, VERSION, "quote version %u (4 and 5 are served)", q->version);
    if (tee_type != AVOW_TDX_TEE_TYPE_TDX)
        return AVOW_FAIL(err, FORMAT, "TEE type 0x%x is not TDX (0x%x)", tee_type,
                         AVOW_TDX_TEE_TYPE_TDX);
    if (key_type != AVOW_TDX_KEY_TYPE_P256)
        return AVOW_FAIL(err, UNSUPPORTED, "attestation key type %u (only 2, ECDSA P-256)",
                         key_type);
    if (!avow_bytes_equal(avow_bytes_sub(header, AVOW_TDX_OFF_QE_VENDOR, sizeof intel),
                          AVOW_BYTES_OF(intel)))
        return AVOW_FAIL(err, FORMAT, "the quoting enclave's vendor is not Intel");
    return 0;
}

/* The length that a body type stands for; 0 for types that are not TDX's. */
static uint32_t body_len(uint16_t type)
{
    switch (type) {
    case AVOW_TDX_BODY_10:
        return AVOW_TDX_BODY_10_LEN;
    case AVOW_TDX_BODY_15:
        return AVOW_TDX_BODY_15_LEN;
    case AVOW_TDX_BODY_15_EXT:
        return AVOW_TDX_BODY_15_EXT_LEN;
    default: /* a wire value */
        return 0;
    }
}

static int parse_body(struct avow_rd *r, struct avow_tdx_quote *q, struct avow_error *err)
{
    struct avow_bytes body = { 0 };
    uint32_t size = AVOW_TDX_BODY_10_LEN;

    q->body_type = AVOW_TDX_BODY_10;
    if (q->version == AVOW_TDX_V5 &&
        (avow_rd_u16le(r, &q->body_type) < 0 || avow_rd_u32le(r, &size) < 0))
        return AVOW_FAIL(err, TRUNCATED, "quote ends before its body");
    if (body_len(q->body_type) == 0)
        return AVOW_FAIL(err, UNSUPPORTED, "body type %u is not a TDX one", q->body_type);
    if (body_len(q->body_type) != size)
        return AVOW_FAIL(err, FORMAT, "body type %u has %u bytes, not %u", q->body_type,
                         body_len(q->body_type), size);
    if (avow_rd_bytes(r, size, &body) < 0)
        return AVOW_FAIL(err, TRUNCATED, "body of %u bytes, %zu left", size, r->rest.len);
    body_views(body, &q->body);
    return 0;
}

/* The content of certification data type 6. */
static int parse_qe(struct avow_bytes in, struct avow_tdx_quote *q, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(in);
    uint16_t auth_len = 0;
    uint32_t size = 0;

    if (avow_rd_bytes(&r, AVOW_SGX_REPORT_LEN, &q->qe_report) < 0 ||
        avow_rd_bytes(&r, AVOW_TDX_SIGNATURE_LEN, &q->qe_signature) < 0 ||
        avow_rd_u16le(&r, &auth_len) < 0 || avow_rd_bytes(&r, auth_len, &q->qe_auth) < 0 ||
        avow_rd_u16le(&r, &q->cert_type) < 0 || avow_rd_u32le(&r, &size) < 0)
        return AVOW_FAIL(err, TRUNCATED, "QE report data of %zu bytes ends too early", in.len);
    if (q->cert_type != AVOW_TDX_CERT_TYPE_PEM_CHAIN)
        return AVOW_FAIL(err, UNSUPPORTED, "certification data type %u (only 5, a PCK chain)",
                         q->cert_type);
    if (avow_rd_bytes(&r, size, &q->cert_data) < 0)
        return AVOW_FAIL(err, TRUNCATED, "certification data of %u bytes, %zu left", size,
                         r.rest.len);
    if (avow_rd_end(&r) < 0)
        return AVOW_FAIL(err, TRAILING, "%zu bytes after the certification data", r.rest.len);
    return 0;
}

static int parse_signature_data(struct avow_bytes in, struct avow_tdx_quote *q,
                                struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(in);
    struct avow_bytes qe = { 0 };
    uint16_t type = 0;
    uint32_t size = 0;

    if (avow_rd_bytes(&r, AVOW_TDX_SIGNATURE_LEN, &q->signature) < 0 ||
        avow_rd_bytes(&r, AVOW_TDX_KEY_LEN, &q->attestation_key) < 0 ||
        avow_rd_u16le(&r, &type) < 0 || avow_rd_u32le(&r, &size) < 0)
        return AVOW_FAIL(err, TRUNCATED, "signature data of %zu bytes ends too early", in.len);
    if (type != AVOW_TDX_CERT_TYPE_QE_REPORT)
        return AVOW_FAIL(err, UNSUPPORTED, "certification data type %u (only 6, a QE report)",
                         type);
    if (avow_rd_bytes(&r, size, &qe) < 0)
        return AVOW_FAIL(err, TRUNCATED, "QE report data of %u bytes, %zu left", size, r.rest.len);
    if (avow_rd_end(&r) < 0)
        return AVOW_FAIL(err, TRAILING, "%zu bytes after the QE report data", r.rest.len);
    return parse_qe(qe, q, err);
}

int avow_tdx_quote_parse(struct avow_bytes in, struct avow_tdx_quote *out, struct avow_error *err)
{
    struct avow_rd r = avow_rd_init(in);
    struct avow_tdx_quote q = { 0 };
    struct avow_bytes data = { 0 };
    uint32_t size = 0;

    if (in.len > AVOW_TDX_QUOTE_MAX)
        return AVOW_FAIL(err, LIMIT, "quote of %zu bytes (at most %u)", in.len, AVOW_TDX_QUOTE_MAX);
    AVOW_TRY(parse_header(&r, &q, err));
    AVOW_TRY(parse_body(&r, &q, err));
    q.signed_part = avow_bytes_sub(in, 0, in.len - r.rest.len);
    if (avow_rd_u32le(&r, &size) < 0 || avow_rd_bytes(&r, size, &data) < 0)
        return AVOW_FAIL(err, TRUNCATED, "signature data of %u bytes, %zu left", size, r.rest.len);
    AVOW_TRY(parse_signature_data(data, &q, err));
    q.padding = r.rest;
    *out = q;
    return 0;
}
