/*
 * A simulated AMD secure processor: makes attestation reports as firmware 1.55 of a Genoa does,
 * under a VCEK certified by the simulated vendor.
 */
#include "crypto/hash.h"
#include "source/sim.h"

#define REPORT_VERSION 3
#define POLICY (AVOW_SNP_POLICY_ONE | AVOW_SNP_POLICY_SMT)
#define PLATFORM_INFO 0x25 /* SMT, ECC, alias check complete: as real Genoa reports say */
#define GENOA_FAMILY 0x19
#define GENOA_MODEL 0x11
#define GENOA_STEPPING 0x01
#define FIRMWARE_BUILD 40
#define FIRMWARE_MINOR 55
#define FIRMWARE_MAJOR 1
#define REPORT_ID_LEN 32
#define SIG_LEN 96
#define SPL_DER_MAX 4
#define DER_INTEGER 0x02
#define DER_IA5STRING 0x16

_Static_assert(2 * AVOW_SNP_SIG_USED_LEN == SIG_LEN, "r and s of P-384");

const struct sim_snp_tcb sim_snp_tcb_new = { 10, 0, 23, 84 };
const struct sim_snp_tcb sim_snp_tcb_old = { 8, 0, 20, 72 };

struct sim_snp {
    struct sim_device device;
    struct avow_signer *vcek;
    uint8_t report_id[REPORT_ID_LEN]; /* made when the guest starts */
    struct avow_buf certs[3];         /* VCEK, ASK, ARK */
    struct avow_buf crl;
};

static const struct sim_snp_tcb *tcb_of(const struct sim_device *d)
{
    return d->old_tcb ? &sim_snp_tcb_old : &sim_snp_tcb_new;
}

/* The VCEK certificate */

struct spl {
    const char *oid;
    uint8_t value;
};

/* INTEGER; a value from 128 on needs a leading zero. @der has SPL_DER_MAX bytes. */
static struct avow_bytes spl_der(uint8_t value, uint8_t *der)
{
    size_t n = 0;

    der[n++] = DER_INTEGER;
    der[n++] = value < 0x80 ? 1 : 2;
    if (value >= 0x80)
        der[n++] = 0;
    der[n++] = value;
    return AVOW_BYTES(der, n);
}

static int vcek_make(const struct avow_signer *vcek, struct avow_bytes ask,
                     const struct avow_signer *ask_key, const struct sim_device *d, int64_t from,
                     int64_t until, struct avow_buf *out, struct avow_error *err)
{
    static const struct avow_name_part name[] = { { "OU", "Engineering" },
                                                  { "C", "US" },
                                                  { "L", "Santa Clara" },
                                                  { "ST", "CA" },
                                                  { "O", "Advanced Micro Devices" },
                                                  { "CN", AVOW_SNP_CN_VCEK } };
    static const uint8_t product[] = { DER_IA5STRING, 5, 'G', 'e', 'n', 'o', 'a' };
    const struct sim_snp_tcb *t = tcb_of(d);
    /* in the order in which real certificates have them */
    const struct spl spls[] = {
        { AVOW_SNP_OID_STRUCT_VERSION, 0 },
        { AVOW_SNP_OID_SPL_BOOTLOADER, t->bootloader },
        { AVOW_SNP_OID_SPL_TEE, t->tee },
        { AVOW_SNP_OID_SPL_4, 0 },
        { AVOW_SNP_OID_SPL_5, 0 },
        { AVOW_SNP_OID_SPL_6, 0 },
        { AVOW_SNP_OID_SPL_7, 0 },
        { AVOW_SNP_OID_SPL_SNP, t->snp },
        { AVOW_SNP_OID_SPL_MICROCODE, t->microcode },
    };
    enum { N_SPLS = sizeof spls / sizeof *spls };
    uint8_t der[N_SPLS][SPL_DER_MAX];
    struct avow_cert_ext exts[N_SPLS + 2];
    struct avow_cert_spec spec = { .subject = name,
                                   .n_subject = sizeof name / sizeof *name,
                                   .from = from,
                                   .until = until,
                                   .exts = exts,
                                   .n_exts = N_SPLS + 2 };

    for (size_t i = 0; i < N_SPLS; i++)
        exts[i] =
            (struct avow_cert_ext){ .oid = spls[i].oid, .value = spl_der(spls[i].value, der[i]) };
    exts[N_SPLS] =
        (struct avow_cert_ext){ .oid = AVOW_SNP_OID_PRODUCT, .value = AVOW_BYTES_OF(product) };
    exts[N_SPLS + 1] =
        (struct avow_cert_ext){ .oid = AVOW_SNP_OID_HWID, .value = AVOW_BYTES_OF(d->machine) };
    return avow_cert_make(&spec, vcek, ask, ask_key, out, err);
}

int sim_snp_machine(int vendor, int dir, const struct sim_device *d, int64_t from, int64_t until,
                    struct avow_error *err)
{
    static const char *const endorsements[] = { SIM_ASK, SIM_ARK, SIM_AMD_CRL };
    avow_auto(avow_cleanup_signer) struct avow_signer *ask_key = NULL;
    avow_auto(avow_cleanup_signer) struct avow_signer *vcek = NULL;
    avow_auto(avow_buf_done) struct avow_buf ask = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CERT_DER_MAX);

    AVOW_TRY(sim_key_read(vendor, SIM_ASK_KEY, &ask_key, err));
    AVOW_TRY(folder_read(vendor, SIM_ASK, &ask, err));
    AVOW_TRY(sim_key_new(dir, SIM_CHIP_KEY, AVOW_SIGNER_P384, &vcek, err));
    AVOW_TRY(vcek_make(vcek, avow_buf_view(&ask), ask_key, d, from, until, &der, err));
    AVOW_TRY(folder_write(dir, SIM_CHIP, 0644, avow_buf_view(&der), err));
    for (size_t i = 0; i < sizeof endorsements / sizeof *endorsements; i++)
        AVOW_TRY(folder_copy(vendor, dir, endorsements[i], AVOW_CRL_DER_MAX, err));
    return 0;
}

/* The report */

static void put_tcb(struct avow_buf *out, const struct sim_snp_tcb *t)
{
    uint8_t raw[AVOW_SNP_TCB_LEN] = { 0 };

    raw[AVOW_SNP_TCB_BOOTLOADER] = t->bootloader;
    raw[AVOW_SNP_TCB_TEE] = t->tee;
    raw[AVOW_SNP_TCB_SNP] = t->snp;
    raw[AVOW_SNP_TCB_MICROCODE] = t->microcode;
    avow_buf_put(out, raw, sizeof raw);
}

static void put_firmware(struct avow_buf *out)
{
    static const uint8_t version[] = { FIRMWARE_BUILD, FIRMWARE_MINOR, FIRMWARE_MAJOR, 0 };

    avow_buf_put(out, version, sizeof version);
}

/* In the order of the table; each field that has an offset of its own is checked to sit there. */
static void put_signed_part(struct avow_buf *out, const struct sim_snp *s,
                            const uint8_t report_data[64])
{
    static const uint8_t no_migration_agent[32] = {
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF
    };
    const struct sim_snp_tcb *tcb = tcb_of(&s->device);

    avow_buf_put_u32le(out, REPORT_VERSION);
    avow_buf_put_u32le(out, 0); /* GUEST_SVN */
    avow_buf_put_u64le(out, POLICY | (s->device.debug ? AVOW_SNP_POLICY_DEBUG : 0));
    avow_buf_put_zero(out, 32); /* FAMILY_ID, IMAGE_ID */
    avow_buf_put_u32le(out, 0); /* VMPL */
    avow_buf_put_u32le(out, AVOW_SNP_SIGNATURE_ALGO_P384);
    put_tcb(out, tcb); /* CURRENT_TCB */
    avow_buf_put_u64le(out, PLATFORM_INFO);
    avow_buf_put_u32le(out, AVOW_SNP_SIGNED_VCEK << AVOW_SNP_KEY_SIGNING_SHIFT);
    avow_buf_put_zero(out, 4);
    avow_buf_put(out, report_data, 64);
    avow_buf_put(out, s->device.measurement, sizeof s->device.measurement);
    avow_buf_put_zero(out, 32 + 48 + 48); /* HOST_DATA, ID_KEY_DIGEST, AUTHOR_KEY_DIGEST */
    avow_buf_put(out, s->report_id, sizeof s->report_id);
    avow_buf_put(out, no_migration_agent, sizeof no_migration_agent);
    put_tcb(out, tcb); /* REPORTED_TCB */
    avow_buf_put_u8(out, GENOA_FAMILY);
    avow_buf_put_u8(out, GENOA_MODEL);
    avow_buf_put_u8(out, GENOA_STEPPING);
    avow_buf_put_zero(out, 21);
    avow_buf_put(out, s->device.machine, SIM_CHIP_ID_LEN);
    put_tcb(out, tcb); /* COMMITTED_TCB */
    put_firmware(out); /* current */
    put_firmware(out); /* committed */
    put_tcb(out, tcb); /* LAUNCH_TCB */
    avow_buf_put_zero(out, AVOW_SNP_SIGNED_LEN - AVOW_SNP_OFF_LAUNCH_MIT);
}

/* Little-endian, in a field of 72 bytes. */
static void put_component(struct avow_buf *out, const uint8_t *be)
{
    for (size_t i = AVOW_SNP_SIG_USED_LEN; i-- > 0;)
        avow_buf_put_u8(out, be[i]);
    avow_buf_put_zero(out, AVOW_SNP_SIG_COMPONENT_LEN - AVOW_SNP_SIG_USED_LEN);
}

static int collect(void *self, const uint8_t report_data[64], struct avow_bundle *out,
                   struct avow_error *err)
{
    const struct sim_snp *s = self;
    avow_auto(avow_buf_done) struct avow_buf report = AVOW_BUF(AVOW_SNP_REPORT_LEN);
    uint8_t sig[SIG_LEN];

    put_signed_part(&report, s, report_data);
    AVOW_TRY(avow_buf_ok(&report, err));
    if (report.len != AVOW_SNP_SIGNED_LEN)
        return AVOW_FAIL(err, STATE, "signed part of the report has %zu bytes", report.len);
    AVOW_TRY(avow_signer_ecdsa(s->vcek, AVOW_P384, avow_buf_view(&report), sig, err));
    put_component(&report, sig);
    put_component(&report, sig + AVOW_SNP_SIG_USED_LEN);
    avow_buf_put_zero(&report, AVOW_SNP_REPORT_LEN - AVOW_SNP_OFF_S - AVOW_SNP_SIG_COMPONENT_LEN);
    AVOW_TRY(avow_buf_ok(&report, err));
    AVOW_TRY(avow_bundle_put(out, AVOW_PART_EVIDENCE, avow_buf_view(&report), err));
    for (size_t i = 0; i < sizeof s->certs / sizeof *s->certs; i++)
        AVOW_TRY(avow_bundle_put(out, AVOW_PART_CERT, avow_buf_view(&s->certs[i]), err));
    return avow_bundle_put(out, AVOW_PART_CRL, avow_buf_view(&s->crl), err);
}

static void sim_snp_free(void *self)
{
    struct sim_snp *s = self;

    if (!s)
        return;
    avow_signer_free(s->vcek);
    for (size_t i = 0; i < sizeof s->certs / sizeof *s->certs; i++)
        avow_buf_done(&s->certs[i]);
    avow_buf_done(&s->crl);
    free(s);
}

static const struct avow_source_ops ops = {
    .name = AVOW_SOURCE_SIM_SNP,
    .tee = AVOW_TEE_SNP,
    .simulated = true,
    .collect = collect,
    .free = sim_snp_free,
};

AVOW_DEFINE_CLEANUP(sim_snp, struct sim_snp, sim_snp_free)

int sim_snp_open(int dir, struct avow_source **out, struct avow_error *err)
{
    static const char *const certs[] = { SIM_CHIP, SIM_ASK, SIM_ARK };
    avow_auto(avow_cleanup_sim_snp) struct sim_snp *s = calloc(1, sizeof *s);

    if (!s)
        return AVOW_FAIL(err, NOMEM, "out of memory");
    AVOW_TRY(sim_device_read(dir, &s->device, err));
    if (s->device.tee != AVOW_TEE_SNP)
        return AVOW_FAIL(err, FORMAT, "the simulated machine is not an SNP machine but %s",
                         avow_tee_name(s->device.tee));
    AVOW_TRY(sim_key_read(dir, SIM_CHIP_KEY, &s->vcek, err));
    for (size_t i = 0; i < sizeof certs / sizeof *certs; i++) {
        s->certs[i] = AVOW_BUF(AVOW_CERT_DER_MAX);
        AVOW_TRY(folder_read(dir, certs[i], &s->certs[i], err));
    }
    s->crl = AVOW_BUF(AVOW_CRL_DER_MAX);
    AVOW_TRY(folder_read(dir, SIM_AMD_CRL, &s->crl, err));
    if (avow_random(s->report_id, sizeof s->report_id) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    *out = avow_source_new(&ops, avow_steal(&s));
    return *out ? 0 : AVOW_FAIL(err, NOMEM, "out of memory");
}
