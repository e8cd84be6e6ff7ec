/*
 * A simulated TDX module with its quoting enclave: makes version 4 quotes, certified by a PCK of
 * the simulated vendor.
 */
#include "crypto/hash.h"
#include "source/sim.h"

#define PCK_SERIAL_LEN 20
#define SHA256_LEN 32
#define TD_ATTR_SEPT_VE_DISABLE (1ull << 28)
#define TD_ATTR_DEBUG (1ull << 0)
#define XFAM 0x602E7ull /* as a Linux guest on Sapphire Rapids has it */
#define QE_MRENCLAVE_TEXT "avow simulated TD quoting enclave"
#define MRSEAM_TEXT "avow simulated TDX module"
#define PEM_CHAIN_MAX (3u * AVOW_CERT_DER_MAX)

/* INIT, MODE64BIT, PROVISIONKEY... as a real TD QE has them; the identity masks bit 2. */
static const uint8_t qe_attributes[AVOW_SGX_ATTRIBUTES_LEN] = { 0x15, 0, 0, 0, 0, 0, 0, 0, 0xE7 };

const struct sim_tdx_tcb sim_tdx_tcb_new = {
    .components = { 7, 7, 2, 2, 3, 1, 0, 3 },
    .pcesvn = 11,
    .tee_tcb_svn = { 5, SIM_TDX_MODULE_MAJOR, 3 },
};
const struct sim_tdx_tcb sim_tdx_tcb_old = {
    .components = { 6, 6, 2, 2, 3, 1, 0, 3 },
    .pcesvn = 11,
    .tee_tcb_svn = { 4, SIM_TDX_MODULE_MAJOR, 2 },
};
const uint8_t sim_fmspc[AVOW_FMSPC_LEN] = { 0x51, 0x80, 0x6F, 0x00, 0x00, 0x00 };

struct sim_tdx {
    struct sim_device device;
    struct avow_signer *attestation_key; /* the QE's, made when it starts */
    struct avow_buf certification;       /* what follows the attestation key in every quote */
    struct avow_buf certs[2];            /* TCB signing, root */
    struct avow_buf crls[2];             /* root's, platform CA's */
    struct avow_buf tcb_info, qe_identity;
    uint8_t mrseam[AVOW_TDX_MR_LEN];
    uint8_t rtmr[AVOW_TDX_RTMRS][AVOW_TDX_MR_LEN];
};

static const struct sim_tdx_tcb *tcb_of(const struct sim_device *d)
{
    return d->old_tcb ? &sim_tdx_tcb_old : &sim_tdx_tcb_new;
}

static int sha384_text(const char *text, uint8_t out[48], struct avow_error *err)
{
    if (avow_sha384(avow_bytes_str(text), out) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-384 failed");
    return 0;
}

int sim_tdx_rtmr(const char *image, unsigned i, uint8_t out[48], struct avow_error *err)
{
    char text[64 + SIM_IMAGE_MAX];

    snprintf(text, sizeof text, "avow simulated rtmr%u:%s", i, image);
    return sha384_text(text, out, err);
}

/* The PCK certificate */

static int pck_extension(const struct sim_device *d, struct avow_buf *out, struct avow_error *err)
{
    const struct sim_tdx_tcb *t = tcb_of(d);
    struct avow_pck p = { .pcesvn = t->pcesvn,
                          .sgx_type = 1,
                          .has_instance = true,
                          .has_configuration = true,
                          .dynamic_platform = true,
                          .cached_keys = true,
                          .smt_enabled = true };
    uint8_t digest[SHA256_LEN];

    memcpy(p.components, t->components, sizeof p.components);
    memcpy(p.cpusvn, t->components, sizeof p.cpusvn);
    memcpy(p.fmspc, sim_fmspc, sizeof p.fmspc);
    memcpy(p.instance, d->machine, sizeof p.instance);
    /* a platform has one PPID; any fixed function of the instance will do */
    if (avow_sha256(AVOW_BYTES_OF(p.instance), digest) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    memcpy(p.ppid, digest, sizeof p.ppid);
    return sim_pck_extension(&p, out, err);
}

static int pck_make(const struct avow_signer *pck, struct avow_bytes platform,
                    const struct avow_signer *platform_key, const struct sim_device *d,
                    int64_t from, int64_t until, struct avow_buf *out, struct avow_error *err)
{
    static const struct avow_name_part name[] = { { "CN", AVOW_SIMULATED_PREFIX AVOW_PCK_LEAF_CN },
                                                  { "O", "Intel Corporation" },
                                                  { "L", "Santa Clara" },
                                                  { "ST", "CA" },
                                                  { "C", "US" } };
    avow_auto(avow_buf_done) struct avow_buf sgx = AVOW_BUF(AVOW_CERT_DER_MAX);
    uint8_t serial[PCK_SERIAL_LEN];
    struct avow_cert_ext ext = { .oid = AVOW_OID_PCK };
    struct avow_cert_spec spec = { .subject = name,
                                   .n_subject = sizeof name / sizeof *name,
                                   .serial = AVOW_BYTES_OF(serial),
                                   .from = from,
                                   .until = until,
                                   .basic_constraints = true,
                                   .key_usage = AVOW_KU_DIGITAL_SIGNATURE,
                                   .key_ids = true,
                                   .exts = &ext,
                                   .n_exts = 1 };

    if (avow_random(serial, sizeof serial) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    serial[0] = (uint8_t)((serial[0] & 0x7F) | 0x40); /* positive, always of the same length */
    AVOW_TRY(pck_extension(d, &sgx, err));
    ext.value = avow_buf_view(&sgx);
    return avow_cert_make(&spec, pck, platform, platform_key, out, err);
}

int sim_tdx_machine(int vendor, int dir, const struct sim_device *d, int64_t from, int64_t until,
                    struct avow_error *err)
{
    static const char *const endorsements[] = { SIM_PLATFORM,   SIM_ROOT,    SIM_SIGNING,
                                                SIM_ROOT_CRL,   SIM_PCK_CRL, SIM_TCB_INFO,
                                                SIM_QE_IDENTITY };
    avow_auto(avow_cleanup_signer) struct avow_signer *platform_key = NULL;
    avow_auto(avow_cleanup_signer) struct avow_signer *pck = NULL;
    avow_auto(avow_buf_done) struct avow_buf platform = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);

    AVOW_TRY(sim_key_read(vendor, SIM_PLATFORM_KEY, &platform_key, err));
    AVOW_TRY(folder_read(vendor, SIM_PLATFORM, &platform, err));
    AVOW_TRY(sim_key_new(dir, SIM_CHIP_KEY, AVOW_SIGNER_P256, &pck, err));
    AVOW_TRY(pck_make(pck, avow_buf_view(&platform), platform_key, d, from, until, &der, err));
    AVOW_TRY(folder_write(dir, SIM_CHIP, 0644, avow_buf_view(&der), err));
    for (size_t i = 0; i < sizeof endorsements / sizeof *endorsements; i++)
        AVOW_TRY(folder_copy(vendor, dir, endorsements[i], AVOW_CRL_DER_MAX, err));
    return 0;
}

/* The quoting enclave: certifies its attestation key when it starts */

/* SGX report body of the QE: its REPORTDATA is SHA-256(attestation key || auth data), 32 zeros. */
static int put_qe_report(struct avow_buf *out, const struct sim_device *d,
                         const uint8_t key[AVOW_TDX_KEY_LEN],
                         const uint8_t auth[AVOW_TDX_QE_AUTH_USUAL_LEN], struct avow_error *err)
{
    uint8_t r[AVOW_SGX_REPORT_LEN] = { 0 };
    uint8_t bound[AVOW_TDX_KEY_LEN + AVOW_TDX_QE_AUTH_USUAL_LEN];

    memcpy(bound, key, AVOW_TDX_KEY_LEN);
    memcpy(bound + AVOW_TDX_KEY_LEN, auth, AVOW_TDX_QE_AUTH_USUAL_LEN);
    memcpy(r + AVOW_SGX_OFF_CPUSVN, tcb_of(d)->components, AVOW_PCK_COMPONENTS);
    memcpy(r + AVOW_SGX_OFF_ATTRIBUTES, qe_attributes, sizeof qe_attributes);
    r[AVOW_SGX_OFF_ISVPRODID] = AVOW_QE_ISVPRODID;
    r[AVOW_SGX_OFF_ISVSVN] = SIM_QE_ISVSVN;
    if (avow_sha256(avow_bytes_str(QE_MRENCLAVE_TEXT), r + AVOW_SGX_OFF_MRENCLAVE) < 0 ||
        avow_sha256(avow_bytes_str(SIM_QE_SIGNER_TEXT), r + AVOW_SGX_OFF_MRSIGNER) < 0 ||
        avow_sha256(AVOW_BYTES_OF(bound), r + AVOW_SGX_OFF_REPORTDATA) < 0)
        return AVOW_FAIL(err, CRYPTO, "SHA-256 failed");
    avow_buf_put(out, r, sizeof r);
    return avow_buf_ok(out, err);
}

/* PCK, platform CA, root: PEM, in this order. */
static int put_chain(struct avow_buf *out, int dir, struct avow_error *err)
{
    static const char *const names[] = { SIM_CHIP, SIM_PLATFORM, SIM_ROOT };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);

        AVOW_TRY(folder_read(dir, names[i], &der, err));
        AVOW_TRY(avow_cert_to_pem(avow_buf_view(&der), out, err));
    }
    return 0;
}

/* Certification data of type 6: QE report, its signature by the PCK, auth data, PEM chain. */
static int certify(struct sim_tdx *s, int dir, struct avow_error *err)
{
    avow_auto(avow_cleanup_signer) struct avow_signer *pck = NULL;
    avow_auto(avow_buf_done) struct avow_buf chain = AVOW_BUF(PEM_CHAIN_MAX);
    avow_auto(avow_buf_done) struct avow_buf in = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    uint8_t key[AVOW_TDX_KEY_LEN], auth[AVOW_TDX_QE_AUTH_USUAL_LEN], sig[AVOW_TDX_SIGNATURE_LEN];

    AVOW_TRY(sim_key_read(dir, SIM_CHIP_KEY, &pck, err));
    AVOW_TRY(avow_signer_new(AVOW_SIGNER_P256, &s->attestation_key, err));
    AVOW_TRY(avow_signer_xy(s->attestation_key, AVOW_P256, key, err));
    if (avow_random(auth, sizeof auth) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    AVOW_TRY(put_chain(&chain, dir, err));
    AVOW_TRY(put_qe_report(&in, &s->device, key, auth, err));
    AVOW_TRY(avow_signer_ecdsa(pck, AVOW_P256, avow_buf_view(&in), sig, err));
    avow_buf_put(&in, sig, sizeof sig);
    avow_buf_put_u16le(&in, sizeof auth);
    avow_buf_put(&in, auth, sizeof auth);
    avow_buf_put_u16le(&in, AVOW_TDX_CERT_TYPE_PEM_CHAIN);
    avow_buf_put_u32le(&in, (uint32_t)chain.len);
    avow_buf_put_bytes(&in, avow_buf_view(&chain));
    AVOW_TRY(avow_buf_ok(&in, err));
    avow_buf_put(&s->certification, key, sizeof key);
    avow_buf_put_u16le(&s->certification, AVOW_TDX_CERT_TYPE_QE_REPORT);
    avow_buf_put_u32le(&s->certification, (uint32_t)in.len);
    avow_buf_put_bytes(&s->certification, avow_buf_view(&in));
    return avow_buf_ok(&s->certification, err);
}

/* The quote */

static void put_header(struct avow_buf *out)
{
    static const uint8_t vendor[AVOW_TDX_QE_VENDOR_LEN] = AVOW_TDX_QE_VENDOR_INTEL;

    avow_buf_put_u16le(out, AVOW_TDX_V4);
    avow_buf_put_u16le(out, AVOW_TDX_KEY_TYPE_P256);
    avow_buf_put_u32le(out, AVOW_TDX_TEE_TYPE_TDX);
    avow_buf_put_zero(out, 4); /* reserved */
    avow_buf_put(out, vendor, sizeof vendor);
    avow_buf_put_zero(out, AVOW_TDX_HEADER_LEN - AVOW_TDX_OFF_USER_DATA);
}

static void put_body(struct avow_buf *out, const struct sim_tdx *s, const uint8_t report_data[64])
{
    avow_buf_put(out, tcb_of(&s->device)->tee_tcb_svn, AVOW_TDX_SVN_LEN);
    avow_buf_put(out, s->mrseam, sizeof s->mrseam);
    avow_buf_put_zero(out, AVOW_TDX_MR_LEN); /* MRSIGNERSEAM: 0 is the vendor */
    avow_buf_put_u64le(out, 0);              /* SEAMATTRIBUTES */
    avow_buf_put_u64le(out, TD_ATTR_SEPT_VE_DISABLE | (s->device.debug ? TD_ATTR_DEBUG : 0));
    avow_buf_put_u64le(out, XFAM);
    avow_buf_put(out, s->device.measurement, AVOW_TDX_MR_LEN); /* MRTD */
    avow_buf_put_zero(out, 3u * AVOW_TDX_MR_LEN); /* MRCONFIGID, MROWNER, MROWNERCONFIG */
    for (size_t i = 0; i < AVOW_TDX_RTMRS; i++)
        avow_buf_put(out, s->rtmr[i], AVOW_TDX_MR_LEN);
    avow_buf_put(out, report_data, AVOW_TDX_REPORTDATA_LEN);
}

static int quote(const struct sim_tdx *s, const uint8_t report_data[64], struct avow_buf *out,
                 struct avow_error *err)
{
    uint8_t sig[AVOW_TDX_SIGNATURE_LEN];

    put_header(out);
    put_body(out, s, report_data);
    AVOW_TRY(avow_buf_ok(out, err));
    if (out->len != AVOW_TDX_HEADER_LEN + AVOW_TDX_BODY_10_LEN)
        return AVOW_FAIL(err, STATE, "signed part of the quote has %zu bytes", out->len);
    AVOW_TRY(avow_signer_ecdsa(s->attestation_key, AVOW_P256, avow_buf_view(out), sig, err));
    avow_buf_put_u32le(out, (uint32_t)(sizeof sig + s->certification.len));
    avow_buf_put(out, sig, sizeof sig);
    avow_buf_put_bytes(out, avow_buf_view(&s->certification));
    return avow_buf_ok(out, err);
}

static int collect(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                   struct avow_error *err)
{
    const struct sim_tdx *s = self;
    avow_auto(avow_buf_done) struct avow_buf evidence = AVOW_BUF(AVOW_TDX_QUOTE_MAX);

    AVOW_TRY(quote(s, report_data, &evidence, err));
    AVOW_TRY(avow_bundle_put(out, AVOW_PART_EVIDENCE, avow_buf_view(&evidence), err));
    for (size_t i = 0; i < sizeof s->certs / sizeof *s->certs; i++)
        AVOW_TRY(avow_bundle_put(out, AVOW_PART_CERT, avow_buf_view(&s->certs[i]), err));
    for (size_t i = 0; i < sizeof s->crls / sizeof *s->crls; i++)
        AVOW_TRY(avow_bundle_put(out, AVOW_PART_CRL, avow_buf_view(&s->crls[i]), err));
    AVOW_TRY(avow_bundle_put(out, AVOW_PART_TCB_INFO, avow_buf_view(&s->tcb_info), err));
    return avow_bundle_put(out, AVOW_PART_QE_IDENTITY, avow_buf_view(&s->qe_identity), err);
}

static void sim_tdx_free(void *self)
{
    struct sim_tdx *s = self;

    if (!s)
        return;
    avow_signer_free(s->attestation_key);
    avow_buf_done(&s->certification);
    for (size_t i = 0; i < 2; i++) {
        avow_buf_done(&s->certs[i]);
        avow_buf_done(&s->crls[i]);
    }
    avow_buf_done(&s->tcb_info);
    avow_buf_done(&s->qe_identity);
    free(s);
}

static const struct avow_source_ops ops = {
    .name = AVOW_SOURCE_SIM_TDX,
    .tee = AVOW_TEE_TDX,
    .simulated = true,
    .collect = collect,
    .free = sim_tdx_free,
};

AVOW_DEFINE_CLEANUP(sim_tdx, struct sim_tdx, sim_tdx_free)

static int load(struct sim_tdx *s, int dir, struct avow_error *err)
{
    const struct {
        struct avow_buf *to;
        const char *name;
        size_t max;
    } files[] = { { &s->certs[0], SIM_SIGNING, AVOW_CERT_DER_MAX },
                  { &s->certs[1], SIM_ROOT, AVOW_CERT_DER_MAX },
                  { &s->crls[0], SIM_ROOT_CRL, AVOW_CRL_DER_MAX },
                  { &s->crls[1], SIM_PCK_CRL, AVOW_CRL_DER_MAX },
                  { &s->tcb_info, SIM_TCB_INFO, AVOW_DOCUMENT_MAX },
                  { &s->qe_identity, SIM_QE_IDENTITY, AVOW_DOCUMENT_MAX } };

    AVOW_TRY(sim_device_read(dir, &s->device, err));
    if (s->device.tee != AVOW_TEE_TDX)
        return AVOW_FAIL(err, FORMAT, "the simulated machine is not a TDX machine but %s",
                         avow_tee_name(s->device.tee));
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        *files[i].to = AVOW_BUF(files[i].max);
        AVOW_TRY(folder_read(dir, files[i].name, files[i].to, err));
    }
    return 0;
}

int sim_tdx_open(int dir, struct avow_source **out, struct avow_error *err)
{
    avow_auto(avow_cleanup_sim_tdx) struct sim_tdx *s = calloc(1, sizeof *s);

    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    s->certification = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    AVOW_TRY(load(s, dir, err));
    AVOW_TRY(sha384_text(MRSEAM_TEXT, s->mrseam, err));
    for (unsigned i = 0; i < AVOW_TDX_RTMRS; i++)
        AVOW_TRY(sim_tdx_rtmr(s->device.image, i, s->rtmr[i], err));
    AVOW_TRY(certify(s, dir, err));
    *out = avow_source_new(&ops, avow_steal(&s));
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}
