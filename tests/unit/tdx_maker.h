/*
 * TDX evidence made here, signed by a vendor that lives as long as the test: whatever is wrong with
 * it is wrong on purpose, and everything else is right. Real evidence cannot show these cases.
 */
#ifndef AVOW_TEST_TDX_MAKER_H
#define AVOW_TEST_TDX_MAKER_H

#include <time.h>

#include "codec/text.h"
#include "collateral/pck.h"
#include "collateral/qe_identity.h"
#include "collateral/tcb_info.h"
#include "crypto/certmake.h"
#include "crypto/hash.h"
#include "evidence/bundle.h"
#include "evidence/tdx.h"
#include "test.h"

#define MADE_NOW 1800000000 /* 2027-01-15T08:00:00Z */
#define MADE_DAY 86400
#define MADE_TEXT_MAX (64u << 10)

struct made_window {
    int64_t from, until;
};

/* What to make; made_spec() is all right and up to date. */
struct made_spec {
    const char *prefix; /* of all names */
    const char *leaf_cn, *ca_cn, *root_cn, *signer_cn;
    bool leaf_is_ca, ca_may_not_sign, root_may_not_sign_crls;
    struct made_window root, ca, leaf, signer, root_crl, pck_crl, tcb_info, qe_identity;
    bool no_root, no_ca, no_leaf, no_signer, no_root_crl, no_pck_crl, no_tcb_info, no_qe_identity;
    bool revoke_leaf, revoke_ca, revoke_signer;
    bool chain_in_bundle; /* not in the quote */
    bool extra_cert;      /* a fourth in the quote */
    /* the platform */
    uint8_t components[16], fmspc[6], pceid[2];
    uint16_t pcesvn;
    bool processor; /* no platform instance */
    bool no_extension;
    /* the quote */
    uint16_t version, body_type;
    uint8_t svn[16], svn2[16];
    uint8_t mrsignerseam0, seam_attributes0, td_attributes0;
    uint8_t qe_attributes0, qe_mrsigner0, qe_tail, qe_misc0;
    uint16_t qe_svn, qe_prod;
    /* the documents */
    const char *info_id, *qe_id;
    const char *platform[2], *module, *qe; /* tcbStatus of the levels; the second is the lowest */
    unsigned module_major;
    unsigned info_evaluation, qe_evaluation;
    unsigned n_advisories; /* of the highest platform level */
};

struct made {
    struct avow_signer *root_key, *ca_key, *pck_key, *signer_key, *attestation_key;
    struct avow_buf root, ca, leaf, signer; /* DER */
    struct avow_bundle bundle;
};

static inline struct made_spec made_spec(void)
{
    const struct made_window around = { MADE_NOW - MADE_DAY, MADE_NOW + MADE_DAY };
    struct made_spec s = {
        .prefix = "SIMULATED ",
        .leaf_cn = AVOW_PCK_LEAF_CN,
        .ca_cn = AVOW_PCK_PLATFORM_CA_CN,
        .root_cn = AVOW_SGX_ROOT_CA_CN,
        .signer_cn = AVOW_TCB_SIGNING_CN,
        .root = around,
        .ca = around,
        .leaf = around,
        .signer = around,
        .root_crl = around,
        .pck_crl = around,
        .tcb_info = around,
        .qe_identity = around,
        .pcesvn = 11,
        .version = 4,
        .body_type = AVOW_TDX_BODY_10,
        .svn = { 5, 1, 3 },
        .svn2 = { 5, 1, 3 },
        .qe_svn = 4,
        .qe_prod = AVOW_QE_ISVPRODID,
        .qe_attributes0 = 0x11,
        .info_id = "TDX",
        .qe_id = "TD_QE",
        .platform = { "UpToDate", "OutOfDate" },
        .module = "UpToDate",
        .qe = "UpToDate",
        .module_major = 1,
        .info_evaluation = 17,
        .qe_evaluation = 17,
    };

    memset(s.components, 3, sizeof s.components);
    memset(s.fmspc, 0xA5, sizeof s.fmspc);
    return s;
}

#define MADE_OK(call)                            \
    do {                                         \
        struct avow_error err = { 0 };           \
        if ((call) < 0)                          \
            fail_msg("%s: %s", #call, err.text); \
    } while (0)

/* ---- DER ---- */

static inline void der_put(struct avow_buf *out, uint8_t tag, struct avow_bytes v)
{
    avow_buf_put_u8(out, tag);
    if (v.len >= 256) {
        avow_buf_put_u8(out, 0x82);
        avow_buf_put_u16be(out, (uint16_t)v.len);
    } else {
        if (v.len >= 128)
            avow_buf_put_u8(out, 0x81);
        avow_buf_put_u8(out, (uint8_t)v.len);
    }
    avow_buf_put_bytes(out, v);
}

/* SEQUENCE { AVOW_OID_PCK.@a[.@b], @tag @value } */
static inline void der_member(struct avow_buf *out, unsigned a, unsigned b, uint8_t tag,
                              struct avow_bytes value)
{
    static const uint8_t prefix[] = AVOW_OID_PCK_DER;
    avow_auto(avow_buf_done) struct avow_buf oid = AVOW_BUF(64);
    avow_auto(avow_buf_done) struct avow_buf m = AVOW_BUF(4096);

    avow_buf_put(&oid, prefix, sizeof prefix);
    avow_buf_put_u8(&oid, (uint8_t)a);
    if (b)
        avow_buf_put_u8(&oid, (uint8_t)b);
    der_put(&m, 0x06, avow_buf_view(&oid));
    der_put(&m, tag, value);
    der_put(out, 0x30, avow_buf_view(&m));
}

static inline void der_number(struct avow_buf *out, unsigned a, unsigned b, uint8_t tag, unsigned v)
{
    uint8_t be[3] = { (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };
    size_t skip = 0;

    while (skip < 2 && be[skip] == 0 && !(be[skip + 1] & 0x80))
        skip++;
    der_member(out, a, b, tag, AVOW_BYTES(be + skip, 3 - skip));
}

static const uint8_t made_ppid[16] = { 0xD1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
static const uint8_t made_instance[16] = {
    0xE1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
};

static inline void made_tcb(const struct made_spec *s, struct avow_buf *out)
{
    avow_auto(avow_buf_done) struct avow_buf tcb = AVOW_BUF(4096);

    for (unsigned i = 0; i < AVOW_PCK_COMPONENTS; i++)
        der_number(&tcb, AVOW_PCK_TCB, i + 1, 0x02, s->components[i]);
    der_number(&tcb, AVOW_PCK_TCB, AVOW_PCK_TCB_PCESVN, 0x02, s->pcesvn);
    der_member(&tcb, AVOW_PCK_TCB, AVOW_PCK_TCB_CPUSVN, 0x04, AVOW_BYTES_OF(s->components));
    der_member(out, AVOW_PCK_TCB, 0, 0x30, avow_buf_view(&tcb));
}

static inline void made_configuration(struct avow_buf *out)
{
    static const uint8_t no[] = { 0 };
    static const uint8_t yes[] = { 0xFF };
    avow_auto(avow_buf_done) struct avow_buf c = AVOW_BUF(4096);

    der_member(&c, AVOW_PCK_CONFIGURATION, AVOW_PCK_CONFIG_DYNAMIC, 0x01, AVOW_BYTES_OF(yes));
    der_member(&c, AVOW_PCK_CONFIGURATION, AVOW_PCK_CONFIG_CACHED_KEYS, 0x01, AVOW_BYTES_OF(no));
    der_member(&c, AVOW_PCK_CONFIGURATION, AVOW_PCK_CONFIG_SMT, 0x01, AVOW_BYTES_OF(yes));
    der_member(out, AVOW_PCK_CONFIGURATION, 0, 0x30, avow_buf_view(&c));
}

/* The content of the SGX extension. */
static inline void made_extension(const struct made_spec *s, struct avow_buf *out)
{
    avow_auto(avow_buf_done) struct avow_buf all = AVOW_BUF(4096);

    der_member(&all, AVOW_PCK_PPID, 0, 0x04, AVOW_BYTES_OF(made_ppid));
    made_tcb(s, &all);
    der_member(&all, AVOW_PCK_PCEID, 0, 0x04, AVOW_BYTES_OF(s->pceid));
    der_member(&all, AVOW_PCK_FMSPC, 0, 0x04, AVOW_BYTES_OF(s->fmspc));
    der_number(&all, AVOW_PCK_SGX_TYPE, 0, 0x0A, 1);
    if (!s->processor) {
        der_member(&all, AVOW_PCK_INSTANCE, 0, 0x04, AVOW_BYTES_OF(made_instance));
        made_configuration(&all);
    }
    der_put(out, 0x30, avow_buf_view(&all));
    MADE_OK(avow_buf_ok(out, &err));
}

/* ---- certificates and CRLs ---- */

#define MADE_SERIAL_LEAF 7
#define MADE_SERIAL_CA 8
#define MADE_SERIAL_SIGNER 9
#define MADE_SERIAL_ROOT 10

struct made_cert {
    const char *cn;
    struct made_window window;
    bool ca;
    unsigned usage;
    uint8_t serial;
    struct avow_bytes extension; /* SGX */
};

static inline void made_certify(const struct made_spec *s, const struct made_cert *c,
                                const struct avow_signer *key, struct avow_bytes issuer,
                                const struct avow_signer *issuer_key, struct avow_buf *out)
{
    char cn[128];
    const struct avow_name_part subject[] = { { "CN", cn }, { "O", "Test" } };
    const struct avow_cert_ext ext = { .oid = AVOW_OID_PCK, .value = c->extension };
    const struct avow_cert_spec spec = {
        .subject = subject,
        .n_subject = 2,
        .serial = AVOW_BYTES(&c->serial, 1),
        .from = c->window.from,
        .until = c->window.until,
        .basic_constraints = true,
        .ca = c->ca,
        .pathlen = -1,
        .key_usage = c->usage,
        .key_ids = true,
        .exts = &ext,
        .n_exts = c->extension.len ? 1 : 0,
    };

    snprintf(cn, sizeof cn, "%s%s", s->prefix, c->cn);
    *out = AVOW_BUF(AVOW_CERT_DER_MAX);
    MADE_OK(avow_cert_make(&spec, key, issuer, issuer_key, out, &err));
}

static inline void made_keys(struct made *m)
{
    MADE_OK(avow_signer_new(AVOW_SIGNER_P256, &m->root_key, &err));
    MADE_OK(avow_signer_new(AVOW_SIGNER_P256, &m->ca_key, &err));
    MADE_OK(avow_signer_new(AVOW_SIGNER_P256, &m->pck_key, &err));
    MADE_OK(avow_signer_new(AVOW_SIGNER_P256, &m->signer_key, &err));
    MADE_OK(avow_signer_new(AVOW_SIGNER_P256, &m->attestation_key, &err));
}

static inline void made_certs(const struct made_spec *s, struct made *m)
{
    const unsigned both = AVOW_KU_CERT_SIGN | AVOW_KU_CRL_SIGN;
    avow_auto(avow_buf_done) struct avow_buf ext = AVOW_BUF(4096);
    struct made_cert c = { s->root_cn, s->root, true, both, MADE_SERIAL_ROOT, { 0 } };

    if (s->root_may_not_sign_crls)
        c.usage = AVOW_KU_CERT_SIGN;
    made_certify(s, &c, m->root_key, AVOW_BYTES(NULL, 0), m->root_key, &m->root);
    c = (struct made_cert){ s->ca_cn, s->ca, true, both, MADE_SERIAL_CA, { 0 } };
    if (s->ca_may_not_sign)
        c.usage = AVOW_KU_CRL_SIGN;
    made_certify(s, &c, m->ca_key, avow_buf_view(&m->root), m->root_key, &m->ca);
    if (!s->no_extension)
        made_extension(s, &ext);
    c = (struct made_cert){ s->leaf_cn,       s->leaf,
                            s->leaf_is_ca,    AVOW_KU_DIGITAL_SIGNATURE,
                            MADE_SERIAL_LEAF, avow_buf_view(&ext) };
    made_certify(s, &c, m->pck_key, avow_buf_view(&m->ca), m->ca_key, &m->leaf);
    c = (struct made_cert){ s->signer_cn,       s->signer, false, AVOW_KU_DIGITAL_SIGNATURE,
                            MADE_SERIAL_SIGNER, { 0 } };
    made_certify(s, &c, m->signer_key, avow_buf_view(&m->root), m->root_key, &m->signer);
}

static inline void made_put(struct made *m, enum avow_bundle_part part, struct avow_bytes v)
{
    MADE_OK(avow_bundle_put(&m->bundle, part, v, &err));
}

static inline void made_crls(const struct made_spec *s, struct made *m)
{
    static const uint8_t ca = MADE_SERIAL_CA, signer = MADE_SERIAL_SIGNER, leaf = MADE_SERIAL_LEAF;
    static const uint8_t other = 99;
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CRL_DER_MAX);
    struct avow_bytes by_root[2] = { AVOW_BYTES(&other, 1), AVOW_BYTES(&other, 1) };
    const struct avow_bytes by_ca[1] = { AVOW_BYTES(s->revoke_leaf ? &leaf : &other, 1) };

    if (s->revoke_ca)
        by_root[0] = AVOW_BYTES(&ca, 1);
    if (s->revoke_signer)
        by_root[0] = AVOW_BYTES(&signer, 1);
    if (!s->no_root_crl) {
        MADE_OK(avow_crl_make(avow_buf_view(&m->root), m->root_key, s->root_crl.from,
                              s->root_crl.until, by_root, 1, &der, &err));
        made_put(m, AVOW_PART_CRL, avow_buf_view(&der));
    }
    avow_buf_reset(&der);
    if (!s->no_pck_crl) {
        MADE_OK(avow_crl_make(avow_buf_view(&m->ca), m->ca_key, s->pck_crl.from, s->pck_crl.until,
                              by_ca, 1, &der, &err));
        made_put(m, AVOW_PART_CRL, avow_buf_view(&der));
    }
}

/* ---- documents ---- */

static inline void made_date(int64_t t, char out[32])
{
    const time_t when = (time_t)t;
    struct tm tm = { 0 };

    assert_non_null(gmtime_r(&when, &tm));
    assert_true(strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) > 0);
}

static inline void made_head(struct avow_buf *out, const char *id, int version,
                             struct made_window w, unsigned evaluation)
{
    char from[32], until[32];

    made_date(w.from, from);
    made_date(w.until, until);
    avow_buf_putf(out,
                  "{\"id\":\"%s\",\"version\":%d,\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
                  "\"tcbEvaluationDataNumber\":%u",
                  id, version, from, until, evaluation);
}

/* "tcbLevels" keyed by isvsvn: @status from @svn on, OutOfDate from @svn - 2 on */
static inline void made_svn_levels(struct avow_buf *out, unsigned svn, const char *status)
{
    avow_buf_putf(out,
                  "\"tcbLevels\":[{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":\"2026-01-01T00:00:00Z\","
                  "\"tcbStatus\":\"%s\"},{\"tcb\":{\"isvsvn\":%u},\"tcbDate\":"
                  "\"2025-01-01T00:00:00Z\",\"tcbStatus\":\"OutOfDate\",\"advisoryIDs\":"
                  "[\"TEST-SA-OLD-%u\"]}]",
                  svn, status, svn - 2, svn);
}

static inline void made_components(struct avow_buf *out, const char *key, unsigned first,
                                   unsigned v)
{
    avow_buf_putf(out, "\"%s\":[", key);
    for (unsigned i = 0; i < AVOW_TCB_COMPONENTS; i++)
        avow_buf_putf(out, "%s{\"svn\":%u}", i ? "," : "", i == 2 ? first : v);
    avow_buf_put_str(out, "]");
}

/* A platform level: component SVNs @v, TDX component 2 (the first that counts) @tdx */
static inline void made_platform_level(struct avow_buf *out, unsigned v, unsigned tdx,
                                       unsigned pcesvn, const char *status, unsigned n_advisories)
{
    avow_buf_put_str(out, "{\"tcb\":{");
    made_components(out, "sgxtcbcomponents", v, v);
    avow_buf_put_str(out, ",");
    made_components(out, "tdxtcbcomponents", tdx, 0);
    avow_buf_putf(out, ",\"pcesvn\":%u},\"tcbDate\":\"2026-02-01T00:00:00Z\",\"tcbStatus\":\"%s\"",
                  pcesvn, status);
    for (unsigned i = 0; i < n_advisories; i++)
        avow_buf_putf(out, "%s\"TEST-SA-%u\"", i ? "," : ",\"advisoryIDs\":[", i);
    avow_buf_put_str(out, n_advisories ? "]}" : "}");
}

static inline void made_module(struct avow_buf *out)
{
    avow_buf_putf(out,
                  "\"mrsigner\":\"%096d\",\"attributes\":\"%016d\",\"attributesMask\":"
                  "\"FFFFFFFFFFFFFFFF\"",
                  0, 0);
}

/* The tcbInfo object. */
static inline void made_info_body(const struct made_spec *s, struct avow_buf *out)
{
    char fmspc[13], pceid[5];

    avow_hex(AVOW_BYTES_OF(s->fmspc), fmspc);
    avow_hex(AVOW_BYTES_OF(s->pceid), pceid);
    made_head(out, s->info_id, AVOW_TCB_INFO_VERSION, s->tcb_info, s->info_evaluation);
    avow_buf_putf(out, ",\"fmspc\":\"%s\",\"pceId\":\"%s\",\"tcbType\":0,\"tdxModule\":{", fmspc,
                  pceid);
    made_module(out);
    avow_buf_putf(out, "},\"tdxModuleIdentities\":[{\"id\":\"TDX_%02X\",", s->module_major);
    made_module(out);
    avow_buf_put_str(out, ",");
    made_svn_levels(out, 5, s->module);
    avow_buf_put_str(out, "}],\"tcbLevels\":[");
    made_platform_level(out, 3, 3, 11, s->platform[0], s->n_advisories);
    avow_buf_put_str(out, ",");
    made_platform_level(out, 1, 1, 5, s->platform[1], 1);
    avow_buf_put_str(out, "]}");
    MADE_OK(avow_buf_ok(out, &err));
}

static inline void made_qe_body(const struct made_spec *s, struct avow_buf *out)
{
    made_head(out, s->qe_id, AVOW_QE_IDENTITY_VERSION, s->qe_identity, s->qe_evaluation);
    avow_buf_putf(
        out,
        ",\"miscselect\":\"00000000\",\"miscselectMask\":\"FFFFFFFF\",\"attributes\":"
        "\"11%030d\",\"attributesMask\":\"FB%030d\",\"mrsigner\":\"%064d\",\"isvprodid\":2,",
        0, 0, 0);
    made_svn_levels(out, 4, s->qe);
    avow_buf_put_str(out, "}");
    MADE_OK(avow_buf_ok(out, &err));
}

/* {"@name":@body,"signature":...} */
static inline void made_sign(const struct avow_signer *key, const char *name,
                             struct avow_bytes body, struct avow_buf *out)
{
    uint8_t sig[64];

    MADE_OK(avow_signer_ecdsa(key, AVOW_P256, body, sig, &err));
    avow_buf_putf(out, "{\"%s\":", name);
    avow_buf_put_bytes(out, body);
    avow_buf_put_str(out, ",\"signature\":\"");
    avow_hex_put(out, AVOW_BYTES_OF(sig));
    avow_buf_put_str(out, "\"}");
    MADE_OK(avow_buf_ok(out, &err));
}

static inline void made_documents(const struct made_spec *s, struct made *m)
{
    avow_auto(avow_buf_done) struct avow_buf body = AVOW_BUF(MADE_TEXT_MAX);
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(MADE_TEXT_MAX);

    made_info_body(s, &body);
    made_sign(m->signer_key, AVOW_TCB_INFO_NAME, avow_buf_view(&body), &text);
    if (!s->no_tcb_info)
        made_put(m, AVOW_PART_TCB_INFO, avow_buf_view(&text));
    avow_buf_reset(&body);
    avow_buf_reset(&text);
    made_qe_body(s, &body);
    made_sign(m->signer_key, AVOW_QE_IDENTITY_NAME, avow_buf_view(&body), &text);
    if (!s->no_qe_identity)
        made_put(m, AVOW_PART_QE_IDENTITY, avow_buf_view(&text));
}

/* ---- the quote ---- */

static inline uint32_t made_body_len(uint16_t type)
{
    return type == AVOW_TDX_BODY_10
               ? AVOW_TDX_BODY_10_LEN
               : (type == AVOW_TDX_BODY_15 ? AVOW_TDX_BODY_15_LEN : AVOW_TDX_BODY_15_EXT_LEN);
}

/* Header and body; each field has bytes of its own. */
static inline void made_signed_part(const struct made_spec *s, struct avow_buf *out)
{
    static const uint8_t vendor[] = AVOW_TDX_QE_VENDOR_INTEL;
    uint8_t body[AVOW_TDX_BODY_15_EXT_LEN];

    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (uint8_t)(i % 251 + 1);
    memcpy(body + AVOW_TDX_OFF_TEE_TCB_SVN, s->svn, sizeof s->svn);
    memset(body + AVOW_TDX_OFF_MRSIGNERSEAM, 0, AVOW_TDX_MR_LEN);
    body[AVOW_TDX_OFF_MRSIGNERSEAM] = s->mrsignerseam0;
    memset(body + AVOW_TDX_OFF_SEAMATTRIBUTES, 0, 8);
    body[AVOW_TDX_OFF_SEAMATTRIBUTES] = s->seam_attributes0;
    memset(body + AVOW_TDX_OFF_TDATTRIBUTES, 0, 8);
    body[AVOW_TDX_OFF_TDATTRIBUTES] = s->td_attributes0;
    memcpy(body + AVOW_TDX_OFF_TEE_TCB_SVN2, s->svn2, sizeof s->svn2);
    avow_buf_put_u16le(out, s->version);
    avow_buf_put_u16le(out, AVOW_TDX_KEY_TYPE_P256);
    avow_buf_put_u32le(out, AVOW_TDX_TEE_TYPE_TDX);
    avow_buf_put_zero(out, 4);
    avow_buf_put(out, vendor, sizeof vendor);
    avow_buf_put_zero(out, 20);
    if (s->version == AVOW_TDX_V5) {
        avow_buf_put_u16le(out, s->body_type);
        avow_buf_put_u32le(out, made_body_len(s->body_type));
    }
    avow_buf_put(out, body, made_body_len(s->body_type));
}

static inline void made_qe_report(const struct made_spec *s, struct avow_bytes key_and_auth,
                                  uint8_t out[AVOW_SGX_REPORT_LEN])
{
    memset(out, 0, AVOW_SGX_REPORT_LEN);
    out[AVOW_SGX_OFF_MISCSELECT] = s->qe_misc0;
    out[AVOW_SGX_OFF_ATTRIBUTES] = s->qe_attributes0;
    out[AVOW_SGX_OFF_MRSIGNER] = s->qe_mrsigner0;
    out[AVOW_SGX_OFF_ISVPRODID] = (uint8_t)s->qe_prod;
    out[AVOW_SGX_OFF_ISVSVN] = (uint8_t)s->qe_svn;
    assert_int_equal(avow_sha256(key_and_auth, out + AVOW_SGX_OFF_REPORTDATA), 0);
    out[AVOW_SGX_OFF_REPORTDATA + 63] = s->qe_tail;
}

static inline void made_chain_pem(const struct made_spec *s, const struct made *m,
                                  struct avow_buf *out)
{
    if (s->chain_in_bundle)
        return;
    if (!s->no_leaf)
        MADE_OK(avow_cert_to_pem(avow_buf_view(&m->leaf), out, &err));
    if (!s->no_ca)
        MADE_OK(avow_cert_to_pem(avow_buf_view(&m->ca), out, &err));
    if (!s->no_root)
        MADE_OK(avow_cert_to_pem(avow_buf_view(&m->root), out, &err));
    if (s->extra_cert)
        MADE_OK(avow_cert_to_pem(avow_buf_view(&m->signer), out, &err));
}

static inline void made_quote(const struct made_spec *s, struct made *m)
{
    avow_auto(avow_buf_done) struct avow_buf q = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    avow_auto(avow_buf_done) struct avow_buf pem = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    uint8_t key_and_auth[AVOW_TDX_KEY_LEN + AVOW_TDX_QE_AUTH_USUAL_LEN];
    uint8_t report[AVOW_SGX_REPORT_LEN];
    uint8_t sig[64], qe_sig[64];
    uint32_t qe_len = 0;

    memset(key_and_auth, 0x5A, sizeof key_and_auth);
    MADE_OK(avow_signer_xy(m->attestation_key, AVOW_P256, key_and_auth, &err));
    made_signed_part(s, &q);
    MADE_OK(avow_signer_ecdsa(m->attestation_key, AVOW_P256, avow_buf_view(&q), sig, &err));
    made_qe_report(s, AVOW_BYTES_OF(key_and_auth), report);
    MADE_OK(avow_signer_ecdsa(m->pck_key, AVOW_P256, AVOW_BYTES_OF(report), qe_sig, &err));
    made_chain_pem(s, m, &pem);
    qe_len = (uint32_t)(sizeof report + sizeof qe_sig + 2 + AVOW_TDX_QE_AUTH_USUAL_LEN + 2 + 4 +
                        pem.len);
    avow_buf_put_u32le(&q, (uint32_t)(64 + AVOW_TDX_KEY_LEN + 2 + 4) + qe_len);
    avow_buf_put(&q, sig, sizeof sig);
    avow_buf_put(&q, key_and_auth, AVOW_TDX_KEY_LEN);
    avow_buf_put_u16le(&q, AVOW_TDX_CERT_TYPE_QE_REPORT);
    avow_buf_put_u32le(&q, qe_len);
    avow_buf_put(&q, report, sizeof report);
    avow_buf_put(&q, qe_sig, sizeof qe_sig);
    avow_buf_put_u16le(&q, AVOW_TDX_QE_AUTH_USUAL_LEN);
    avow_buf_put(&q, key_and_auth + AVOW_TDX_KEY_LEN, AVOW_TDX_QE_AUTH_USUAL_LEN);
    avow_buf_put_u16le(&q, AVOW_TDX_CERT_TYPE_PEM_CHAIN);
    avow_buf_put_u32le(&q, (uint32_t)pem.len);
    avow_buf_put_bytes(&q, avow_buf_view(&pem));
    MADE_OK(avow_buf_ok(&q, &err));
    made_put(m, AVOW_PART_EVIDENCE, avow_buf_view(&q));
}

/* All of it; done with made_done(). */
static inline void made_new(const struct made_spec *s, struct made *m)
{
    *m = (struct made){ .bundle.tee = AVOW_TEE_TDX };
    made_keys(m);
    made_certs(s, m);
    if (s->chain_in_bundle) {
        made_put(m, AVOW_PART_CERT, avow_buf_view(&m->root));
        made_put(m, AVOW_PART_CERT, avow_buf_view(&m->ca));
        made_put(m, AVOW_PART_CERT, avow_buf_view(&m->leaf));
    }
    if (!s->no_signer)
        made_put(m, AVOW_PART_CERT, avow_buf_view(&m->signer));
    made_crls(s, m);
    made_documents(s, m);
    made_quote(s, m);
}

static inline void made_done(struct made *m)
{
    avow_signer_free(m->root_key);
    avow_signer_free(m->ca_key);
    avow_signer_free(m->pck_key);
    avow_signer_free(m->signer_key);
    avow_signer_free(m->attestation_key);
    avow_buf_done(&m->root);
    avow_buf_done(&m->ca);
    avow_buf_done(&m->leaf);
    avow_buf_done(&m->signer);
    avow_bundle_done(&m->bundle);
}

#endif
