#include "attest/protojson.h"

#include <errno.h>

#include "codec/text.h"
#include "evidence/snp.h"
#include "evidence/tdx.h"

#define BYTES_MAX (64u << 10) /* of one field */
#define NAME_MAX_BYTES 64

/* The message is flat: where each field stands in the bytes it was read from. */
struct field {
    const char *name; /* as in the .proto file */
    size_t at;
    size_t len;
    enum { BYTES, NUMBER } type;
};

/* reportData for report_data: how protojson writes the name. */
static void camel(const char *name, char out[NAME_MAX_BYTES])
{
    size_t n = 0;

    for (bool up = false; *name && n + 1 < NAME_MAX_BYTES; name++) {
        if (*name == '_') {
            up = true;
            continue;
        }
        out[n++] = (char)(up && *name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
        up = false;
    }
    out[n] = 0;
}

static const json_t *member(const json_t *obj, const char *name)
{
    char other[NAME_MAX_BYTES];
    const json_t *v = json_object_get(obj, name);

    camel(name, other);
    return v ? v : json_object_get(obj, other);
}

/* A number, or a text of one; absent is zero (proto3). */
static int number(const json_t *obj, const char *name, uint64_t max, uint64_t *out,
                  struct avow_error *err)
{
    const json_t *v = member(obj, name);
    const char *text = json_string_value(v);
    char *end = NULL;

    *out = 0;
    if (!v)
        return 0;
    errno = 0;
    if (json_is_integer(v) && json_integer_value(v) >= 0)
        *out = (uint64_t)json_integer_value(v);
    else if (text && *text >= '0' && *text <= '9')
        *out = strtoull(text, &end, 10);
    else
        return AVOW_FAIL(err, FORMAT, "\"%s\": not a number", name);
    if ((end && *end) || errno || *out > max)
        return AVOW_FAIL(err, FORMAT, "\"%s\": not a number up to %llu", name,
                         (unsigned long long)max);
    return 0;
}

/* Base64 in either alphabet, padded or not: protojson's parser takes all of them. */
static int bytes(const json_t *obj, const char *name, struct avow_buf *out, struct avow_error *err)
{
    const json_t *v = member(obj, name);
    struct avow_bytes text = AVOW_BYTES(json_string_value(v), json_string_length(v));

    if (!v || json_is_null(v))
        return 0;
    if (!json_is_string(v))
        return AVOW_FAIL(err, FORMAT, "\"%s\": not a text", name);
    if (text.len > 2 * BYTES_MAX)
        return AVOW_FAIL(err, LIMIT, "\"%s\": more than %u bytes", name, BYTES_MAX);
    if (avow_unb64_put(out, text) == 0)
        return 0;
    avow_buf_done(out);
    if (avow_unb64url_put(out, text) == 0)
        return 0;
    return AVOW_FAIL(err, FORMAT, "\"%s\": not base64", name);
}

static int put_field(const json_t *obj, const struct field *f, uint8_t *to, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(BYTES_MAX);
    uint64_t v = 0;

    if (f->type == NUMBER) {
        AVOW_TRY(
            number(obj, f->name, f->len == 8 ? UINT64_MAX : (1ull << 8 * f->len) - 1, &v, err));
        for (size_t i = 0; i < f->len; i++)
            to[f->at + i] = (uint8_t)(v >> 8 * i);
        return 0;
    }
    AVOW_TRY(bytes(obj, f->name, &raw, err));
    if (raw.len != f->len)
        return AVOW_FAIL(err, FORMAT, "\"%s\": %zu bytes, not %zu", f->name, raw.len, f->len);
    memcpy(to + f->at, raw.data, raw.len);
    return 0;
}

static int put_fields(const json_t *obj, const struct field *f, size_t n, uint8_t *to,
                      struct avow_error *err)
{
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(put_field(obj, &f[i], to, err));
    return 0;
}

/* ---- SNP ---- */

static const struct field report_fields[] = {
    { "version", AVOW_SNP_OFF_VERSION, 4, NUMBER },
    { "guest_svn", AVOW_SNP_OFF_GUEST_SVN, 4, NUMBER },
    { "policy", AVOW_SNP_OFF_POLICY, 8, NUMBER },
    { "family_id", AVOW_SNP_OFF_FAMILY_ID, 16, BYTES },
    { "image_id", AVOW_SNP_OFF_IMAGE_ID, 16, BYTES },
    { "vmpl", AVOW_SNP_OFF_VMPL, 4, NUMBER },
    { "signature_algo", AVOW_SNP_OFF_SIGNATURE_ALGO, 4, NUMBER },
    { "current_tcb", AVOW_SNP_OFF_CURRENT_TCB, 8, NUMBER },
    { "platform_info", AVOW_SNP_OFF_PLATFORM_INFO, 8, NUMBER },
    { "signer_info", AVOW_SNP_OFF_KEY_INFO, 4, NUMBER },
    { "report_data", AVOW_SNP_OFF_REPORT_DATA, 64, BYTES },
    { "measurement", AVOW_SNP_OFF_MEASUREMENT, 48, BYTES },
    { "host_data", AVOW_SNP_OFF_HOST_DATA, 32, BYTES },
    { "id_key_digest", AVOW_SNP_OFF_ID_KEY_DIGEST, 48, BYTES },
    { "author_key_digest", AVOW_SNP_OFF_AUTHOR_KEY_DIGEST, 48, BYTES },
    { "report_id", AVOW_SNP_OFF_REPORT_ID, 32, BYTES },
    { "report_id_ma", AVOW_SNP_OFF_REPORT_ID_MA, 32, BYTES },
    { "reported_tcb", AVOW_SNP_OFF_REPORTED_TCB, 8, NUMBER },
    { "chip_id", AVOW_SNP_OFF_CHIP_ID, 64, BYTES },
    { "committed_tcb", AVOW_SNP_OFF_COMMITTED_TCB, 8, NUMBER },
    { "current_build", AVOW_SNP_OFF_CURRENT_VERSION, 1, NUMBER },
    { "current_minor", AVOW_SNP_OFF_CURRENT_VERSION + 1, 1, NUMBER },
    { "current_major", AVOW_SNP_OFF_CURRENT_VERSION + 2, 1, NUMBER },
    { "committed_build", AVOW_SNP_OFF_COMMITTED_VERSION, 1, NUMBER },
    { "committed_minor", AVOW_SNP_OFF_COMMITTED_VERSION + 1, 1, NUMBER },
    { "committed_major", AVOW_SNP_OFF_COMMITTED_VERSION + 2, 1, NUMBER },
    { "launch_tcb", AVOW_SNP_OFF_LAUNCH_TCB, 8, NUMBER },
    { "signature", AVOW_SNP_SIGNED_LEN, AVOW_SNP_REPORT_LEN - AVOW_SNP_SIGNED_LEN, BYTES },
    { "launch_mit_vector", AVOW_SNP_OFF_LAUNCH_MIT, 8, NUMBER },
    { "current_mit_vector", AVOW_SNP_OFF_CURRENT_MIT, 8, NUMBER },
};

#define N_OF(a) (sizeof(a) / sizeof(a)[0])

/* CPUID(1).EAX without its reserved bits: stepping, model and family in two parts each; the report
 * has the sums (AMD APM 3, CPUID Fn0000_0001_EAX). */
static int put_cpuid(const json_t *report, uint8_t *to, struct avow_error *err)
{
    uint64_t eax = 0;

    AVOW_TRY(number(report, "cpuid1eax_fms", UINT32_MAX, &eax, err));
    to[AVOW_SNP_OFF_CPUID_STEPPING] = (uint8_t)(eax & 0xF);
    to[AVOW_SNP_OFF_CPUID_MODEL] = (uint8_t)((eax >> 4 & 0xF) | (eax >> 12 & 0xF0));
    to[AVOW_SNP_OFF_CPUID_FAMILY] = (uint8_t)((eax >> 8 & 0xF) + (eax >> 20 & 0xFF));
    return 0;
}

struct giving {
    avow_envelope_fn each;
    void *ctx;
    struct avow_error *err;
};

static int give(const struct giving *g, const json_t *obj, const char *name)
{
    avow_auto(avow_buf_done) struct avow_buf raw = AVOW_BUF(BYTES_MAX);

    AVOW_TRY(bytes(obj, name, &raw, g->err));
    return raw.len ? g->each(g->ctx, AVOW_INNER_FILE, avow_buf_view(&raw), g->err) : 0;
}

static int open_snp(const struct giving *g, const json_t *doc, const json_t *report)
{
    static const char *const certs[] = { "vcek_cert", "vlek_cert", "ask_cert", "ark_cert" };
    const json_t *chain = member(doc, "certificate_chain");
    uint8_t out[AVOW_SNP_REPORT_LEN] = { 0 };

    AVOW_TRY(put_fields(report, report_fields, N_OF(report_fields), out, g->err));
    AVOW_TRY(put_cpuid(report, out, g->err));
    AVOW_TRY(g->each(g->ctx, AVOW_INNER_FILE, AVOW_BYTES_OF(out), g->err));
    for (size_t i = 0; i < N_OF(certs); i++)
        AVOW_TRY(give(g, chain, certs[i]));
    return 0;
}

/* ---- TDX ---- */

static const struct field header_fields[] = {
    { "version", AVOW_TDX_OFF_VERSION, 2, NUMBER },
    { "attestation_key_type", AVOW_TDX_OFF_KEY_TYPE, 2, NUMBER },
    { "tee_type", AVOW_TDX_OFF_TEE_TYPE, 4, NUMBER },
    { "pce_svn", 0x08, 2, BYTES }, /* reserved in version 4; so go-tdx-guest calls them */
    { "qe_svn", 0x0A, 2, BYTES },
    { "qe_vendor_id", AVOW_TDX_OFF_QE_VENDOR, 16, BYTES },
    { "user_data", AVOW_TDX_OFF_USER_DATA, 20, BYTES },
};

static const struct field body_fields[] = {
    { "tee_tcb_svn", AVOW_TDX_OFF_TEE_TCB_SVN, 16, BYTES },
    { "mr_seam", AVOW_TDX_OFF_MRSEAM, 48, BYTES },
    { "mr_signer_seam", AVOW_TDX_OFF_MRSIGNERSEAM, 48, BYTES },
    { "seam_attributes", AVOW_TDX_OFF_SEAMATTRIBUTES, 8, BYTES },
    { "td_attributes", AVOW_TDX_OFF_TDATTRIBUTES, 8, BYTES },
    { "xfam", AVOW_TDX_OFF_XFAM, 8, BYTES },
    { "mr_td", AVOW_TDX_OFF_MRTD, 48, BYTES },
    { "mr_config_id", AVOW_TDX_OFF_MRCONFIGID, 48, BYTES },
    { "mr_owner", AVOW_TDX_OFF_MROWNER, 48, BYTES },
    { "mr_owner_config", AVOW_TDX_OFF_MROWNERCONFIG, 48, BYTES },
    { "report_data", AVOW_TDX_OFF_REPORTDATA, 64, BYTES },
};

static const struct field body_15_fields[] = {
    { "tee_tcb_svn2", AVOW_TDX_OFF_TEE_TCB_SVN2, 16, BYTES },
    { "mr_service_td", AVOW_TDX_OFF_MRSERVICETD, 48, BYTES },
};

static const struct field qe_report_fields[] = {
    { "cpu_svn", AVOW_SGX_OFF_CPUSVN, 16, BYTES },
    { "misc_select", AVOW_SGX_OFF_MISCSELECT, 4, NUMBER },
    { "reserved1", 0x14, 28, BYTES },
    { "attributes", AVOW_SGX_OFF_ATTRIBUTES, 16, BYTES },
    { "mr_enclave", AVOW_SGX_OFF_MRENCLAVE, 32, BYTES },
    { "reserved2", 0x60, 32, BYTES },
    { "mr_signer", AVOW_SGX_OFF_MRSIGNER, 32, BYTES },
    { "reserved3", 0xA0, 96, BYTES },
    { "isv_prod_id", AVOW_SGX_OFF_ISVPRODID, 2, NUMBER },
    { "isv_svn", AVOW_SGX_OFF_ISVSVN, 2, NUMBER },
    { "reserved4", 0x104, 60, BYTES },
    { "report_data", AVOW_SGX_OFF_REPORTDATA, 64, BYTES },
};

static int put_block(const json_t *obj, const struct field *f, size_t n, size_t len,
                     struct avow_buf *out, struct avow_error *err)
{
    uint8_t block[AVOW_TDX_BODY_15_LEN] = { 0 };

    AVOW_TRY(put_fields(obj, f, n, block, err));
    return avow_buf_put(out, block, len) < 0 ? avow_buf_ok(out, err) : 0;
}

static int put_exact(const json_t *obj, const char *name, size_t len, struct avow_buf *out,
                     struct avow_error *err)
{
    const struct field f = { name, 0, len, BYTES };

    return put_block(obj, &f, 1, len, out, err);
}

static int put_rtmrs(const json_t *body, uint8_t *block, struct avow_error *err)
{
    const json_t *list = member(body, "rtmrs");

    if (json_array_size(list) != AVOW_TDX_RTMRS)
        return AVOW_FAIL(err, FORMAT, "\"rtmrs\": not %u", AVOW_TDX_RTMRS);
    for (size_t i = 0; i < AVOW_TDX_RTMRS; i++) {
        avow_autojson json_t *one =
            json_pack("{s:O}", "rtmrs", json_array_get((json_t *)(uintptr_t)list, i));
        const struct field f = { "rtmrs", AVOW_TDX_OFF_RTMR0 + i * AVOW_TDX_MR_LEN, AVOW_TDX_MR_LEN,
                                 BYTES };

        AVOW_TRY(put_field(one, &f, block, err));
    }
    return 0;
}

static int put_body(const json_t *body, bool v15, struct avow_buf *out, struct avow_error *err)
{
    uint8_t block[AVOW_TDX_BODY_15_LEN] = { 0 };

    AVOW_TRY(put_fields(body, body_fields, N_OF(body_fields), block, err));
    AVOW_TRY(put_rtmrs(body, block, err));
    if (v15)
        AVOW_TRY(put_fields(body, body_15_fields, N_OF(body_15_fields), block, err));
    avow_buf_put(out, block, v15 ? AVOW_TDX_BODY_15_LEN : AVOW_TDX_BODY_10_LEN);
    return avow_buf_ok(out, err);
}

/* Version 5 says which body follows; TDX 1.0's has neither of the last two fields. */
static int put_described(const json_t *doc, struct avow_buf *out, struct avow_error *err)
{
    const json_t *d = member(doc, "td_quote_body_descriptor");
    uint64_t type = 0, size = 0;

    AVOW_TRY(number(d, "td_quote_body_type", UINT16_MAX, &type, err));
    AVOW_TRY(number(d, "td_quote_body_size", UINT32_MAX, &size, err));
    if (type != AVOW_TDX_BODY_10 && type != AVOW_TDX_BODY_15)
        return AVOW_FAIL(err, FORMAT, "\"td_quote_body_type\": %llu", (unsigned long long)type);
    avow_buf_put_u16le(out, (uint16_t)type);
    avow_buf_put_u32le(out, (uint32_t)size);
    return put_body(member(d, "td_quote_body_v5"), type == AVOW_TDX_BODY_15, out, err);
}

/* The QE's certification data; lengths are those of what is there, as it was signed without them.
 */
static int put_qe(const json_t *qe, struct avow_buf *out, struct avow_error *err)
{
    const json_t *auth = member(qe, "qe_auth_data");
    const json_t *chain = member(qe, "pck_certificate_chain_data");
    avow_auto(avow_buf_done) struct avow_buf data = AVOW_BUF(UINT16_MAX);
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(BYTES_MAX);
    uint64_t type = 0;

    AVOW_TRY(put_block(member(qe, "qe_report"), qe_report_fields, N_OF(qe_report_fields),
                       AVOW_SGX_REPORT_LEN, out, err));
    AVOW_TRY(put_exact(qe, "qe_report_signature", AVOW_TDX_SIGNATURE_LEN, out, err));
    AVOW_TRY(bytes(auth, "data", &data, err));
    avow_buf_put_u16le(out, (uint16_t)data.len);
    avow_buf_put_bytes(out, avow_buf_view(&data));
    AVOW_TRY(number(chain, "certificate_data_type", UINT16_MAX, &type, err));
    AVOW_TRY(bytes(chain, "pck_cert_chain", &pem, err));
    avow_buf_put_u16le(out, (uint16_t)type);
    avow_buf_put_u32le(out, (uint32_t)pem.len);
    avow_buf_put_bytes(out, avow_buf_view(&pem));
    return avow_buf_ok(out, err);
}

static int put_signed_data(const json_t *data, struct avow_buf *out, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf qe = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    const json_t *certification = member(data, "certification_data");
    uint64_t type = 0;

    AVOW_TRY(put_exact(data, "signature", AVOW_TDX_SIGNATURE_LEN, out, err));
    AVOW_TRY(put_exact(data, "ecdsa_attestation_key", AVOW_TDX_KEY_LEN, out, err));
    AVOW_TRY(number(certification, "certificate_data_type", UINT16_MAX, &type, err));
    AVOW_TRY(put_qe(member(certification, "qe_report_certification_data"), &qe, err));
    avow_buf_put_u16le(out, (uint16_t)type);
    avow_buf_put_u32le(out, (uint32_t)qe.len);
    avow_buf_put_bytes(out, avow_buf_view(&qe));
    return avow_buf_ok(out, err);
}

static int open_tdx(const struct giving *g, const json_t *doc)
{
    avow_auto(avow_buf_done) struct avow_buf quote = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    avow_auto(avow_buf_done) struct avow_buf data = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    avow_auto(avow_buf_done) struct avow_buf extra = AVOW_BUF(BYTES_MAX);

    AVOW_TRY(put_block(member(doc, "header"), header_fields, N_OF(header_fields),
                       AVOW_TDX_HEADER_LEN, &quote, g->err));
    if (member(doc, "td_quote_body_descriptor"))
        AVOW_TRY(put_described(doc, &quote, g->err));
    else
        AVOW_TRY(put_body(member(doc, "td_quote_body"), false, &quote, g->err));
    AVOW_TRY(put_signed_data(member(doc, "signed_data"), &data, g->err));
    avow_buf_put_u32le(&quote, (uint32_t)data.len);
    avow_buf_put_bytes(&quote, avow_buf_view(&data));
    AVOW_TRY(bytes(doc, "extra_bytes", &extra, g->err)); /* padding */
    avow_buf_put_bytes(&quote, avow_buf_view(&extra));
    AVOW_TRY(avow_buf_ok(&quote, g->err));
    return g->each(g->ctx, AVOW_INNER_FILE, avow_buf_view(&quote), g->err);
}

/* ---- which ---- */

/* By fields that are never empty: protojson leaves zeros out. */
static const json_t *report_of(const json_t *doc)
{
    const json_t *r = json_object_get(doc, "report");

    return json_is_object(r) && member(r, "chip_id") && member(r, "measurement") ? r : NULL;
}

static bool is_quote(const json_t *doc)
{
    return json_is_object(member(doc, "signed_data")) && json_is_object(member(doc, "header")) &&
           (member(doc, "td_quote_body") || member(doc, "td_quote_body_descriptor"));
}

/* go-tpm-tools' attestation has one of these inside. */
static const json_t *inner(const json_t *doc)
{
    const json_t *v = member(doc, "sev_snp_attestation");

    v = v ? v : member(doc, "tdx_attestation");
    return v ? v : doc;
}

bool avow_protojson_is(const json_t *doc)
{
    const json_t *v = inner(doc);

    return report_of(v) || is_quote(v);
}

int avow_protojson_open(const json_t *doc, avow_envelope_fn each, void *ctx, struct avow_error *err)
{
    const struct giving g = { .each = each, .ctx = ctx, .err = err };
    const json_t *v = inner(doc);
    const json_t *report = report_of(v);

    return report ? open_snp(&g, v, report) : open_tdx(&g, v);
}
