#include <time.h>

#include "codec/json.h"
#include "crypto/hash.h"
#include "source/sim.h"

#define SERIAL_LEN 16
#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))

/* A certificate authority being made: its key, certificate and name. */
struct authority {
    const char *key_file, *cert_file;
    enum avow_signer_kind kind;
    const struct avow_name_part *name;
    size_t n_name;
    unsigned usage;
    bool ca;
    int pathlen;
    struct avow_signer *key;
    struct avow_buf der;
};

static void authority_done(struct authority *a)
{
    avow_signer_free(a->key);
    avow_buf_done(&a->der);
}

/* As AMD writes names: these parts in this order, the common name last. */
#define AMD_NAME(cn)                                                                    \
    {                                                                                   \
        { "OU", "Engineering" }, { "C", "US" }, { "L", "Santa Clara" }, { "ST", "CA" }, \
            { "O", "Advanced Micro Devices" },                                          \
        {                                                                               \
            "CN", cn                                                                    \
        }                                                                               \
    }
/* As Intel does: the common name first. */
#define INTEL_NAME(cn)                                                                      \
    {                                                                                       \
        { "CN", cn }, { "O", "Intel Corporation" }, { "L", "Santa Clara" }, { "ST", "CA" }, \
        {                                                                                   \
            "C", "US"                                                                       \
        }                                                                                   \
    }

static const struct avow_name_part ark_name[] = AMD_NAME(AVOW_SIMULATED_PREFIX "ARK-" SIM_PRODUCT);
static const struct avow_name_part ask_name[] = AMD_NAME(AVOW_SIMULATED_PREFIX "SEV-" SIM_PRODUCT);
static const struct avow_name_part root_name[] =
    INTEL_NAME(AVOW_SIMULATED_PREFIX AVOW_SGX_ROOT_CA_CN);
static const struct avow_name_part platform_name[] =
    INTEL_NAME(AVOW_SIMULATED_PREFIX AVOW_PCK_PLATFORM_CA_CN);
static const struct avow_name_part signing_name[] =
    INTEL_NAME(AVOW_SIMULATED_PREFIX AVOW_TCB_SIGNING_CN);

/* Make the key and certificate, certified by @issuer (NULL: itself), and write both. */
static int authority_new(int dir, struct authority *a, const struct authority *issuer, int64_t now,
                         struct avow_error *err)
{
    uint8_t serial[SERIAL_LEN];
    struct avow_cert_spec spec = {
        .subject = a->name,
        .n_subject = a->n_name,
        .serial = AVOW_BYTES_OF(serial),
        .from = now - SIM_BACKDATE,
        .until = now - SIM_BACKDATE + SIM_ROOT_LIFE,
        .basic_constraints = true,
        .ca = a->ca,
        .pathlen = a->pathlen,
        .key_usage = a->usage,
        .key_ids = true,
    };

    if (avow_random(serial, sizeof serial) < 0)
        return AVOW_FAIL(err, CRYPTO, "no random bytes");
    serial[0] = (uint8_t)((serial[0] & 0x7F) | 0x40); /* positive, always of the same length */
    AVOW_TRY(sim_key_new(dir, a->key_file, a->kind, &a->key, err));
    AVOW_TRY(avow_cert_make(&spec, a->key,
                            issuer ? avow_buf_view(&issuer->der) : AVOW_BYTES(NULL, 0),
                            issuer ? issuer->key : a->key, &a->der, err));
    return folder_write(dir, a->cert_file, 0644, avow_buf_view(&a->der), err);
}

/* An empty CRL. */
static int crl_new(int dir, const char *name, const struct authority *issuer, int64_t now,
                   struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf der = AVOW_BUF(AVOW_CRL_DER_MAX);

    AVOW_TRY(avow_crl_make(avow_buf_view(&issuer->der), issuer->key, now - SIM_BACKDATE,
                           now - SIM_BACKDATE + SIM_COLLATERAL_LIFE, NULL, 0, &der, err));
    return folder_write(dir, name, 0644, avow_buf_view(&der), err);
}

int sim_amd_new(int dir, int64_t now, struct avow_buf *roots, struct avow_error *err)
{
    avow_auto(authority_done) struct authority ark = {
        .key_file = SIM_ARK_KEY,
        .cert_file = SIM_ARK,
        .kind = AVOW_SIGNER_RSA4096,
        .name = ark_name,
        .n_name = ARRAY_LEN(ark_name),
        .usage = AVOW_KU_CERT_SIGN | AVOW_KU_CRL_SIGN,
        .ca = true,
        .pathlen = -1,
        .der = AVOW_BUF(AVOW_CERT_DER_MAX),
    };
    avow_auto(authority_done) struct authority ask = {
        .key_file = SIM_ASK_KEY,
        .cert_file = SIM_ASK,
        .kind = AVOW_SIGNER_RSA4096,
        .name = ask_name,
        .n_name = ARRAY_LEN(ask_name),
        .usage = AVOW_KU_CERT_SIGN,
        .ca = true,
        .pathlen = 0,
        .der = AVOW_BUF(AVOW_CERT_DER_MAX),
    };

    AVOW_TRY(authority_new(dir, &ark, NULL, now, err));
    AVOW_TRY(authority_new(dir, &ask, &ark, now, err));
    AVOW_TRY(crl_new(dir, SIM_AMD_CRL, &ark, now, err));
    return avow_cert_to_pem(avow_buf_view(&ark.der), roots, err);
}

static int intel_collateral(int dir, const struct authority *signing, int64_t now,
                            struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf tcb = AVOW_BUF(AVOW_DOCUMENT_MAX);
    avow_auto(avow_buf_done) struct avow_buf qe = AVOW_BUF(AVOW_DOCUMENT_MAX);

    AVOW_TRY(sim_tcb_info(signing->key, now, &tcb, err));
    AVOW_TRY(sim_qe_identity(signing->key, now, &qe, err));
    AVOW_TRY(folder_write(dir, SIM_TCB_INFO, 0644, avow_buf_view(&tcb), err));
    return folder_write(dir, SIM_QE_IDENTITY, 0644, avow_buf_view(&qe), err);
}

int sim_intel_new(int dir, int64_t now, struct avow_buf *roots, struct avow_error *err)
{
    avow_auto(authority_done) struct authority root = {
        .key_file = SIM_ROOT_KEY,
        .cert_file = SIM_ROOT,
        .kind = AVOW_SIGNER_P256,
        .name = root_name,
        .n_name = ARRAY_LEN(root_name),
        .usage = AVOW_KU_CERT_SIGN | AVOW_KU_CRL_SIGN,
        .ca = true,
        .pathlen = 1,
        .der = AVOW_BUF(AVOW_CERT_DER_MAX),
    };
    avow_auto(authority_done) struct authority platform = {
        .key_file = SIM_PLATFORM_KEY,
        .cert_file = SIM_PLATFORM,
        .kind = AVOW_SIGNER_P256,
        .name = platform_name,
        .n_name = ARRAY_LEN(platform_name),
        .usage = AVOW_KU_CERT_SIGN | AVOW_KU_CRL_SIGN,
        .ca = true,
        .pathlen = 0,
        .der = AVOW_BUF(AVOW_CERT_DER_MAX),
    };
    avow_auto(authority_done) struct authority signing = {
        .key_file = SIM_SIGNING_KEY,
        .cert_file = SIM_SIGNING,
        .kind = AVOW_SIGNER_P256,
        .name = signing_name,
        .n_name = ARRAY_LEN(signing_name),
        .usage = AVOW_KU_DIGITAL_SIGNATURE,
        .der = AVOW_BUF(AVOW_CERT_DER_MAX),
    };

    AVOW_TRY(authority_new(dir, &root, NULL, now, err));
    AVOW_TRY(authority_new(dir, &platform, &root, now, err));
    AVOW_TRY(authority_new(dir, &signing, &root, now, err));
    AVOW_TRY(crl_new(dir, SIM_ROOT_CRL, &root, now, err));
    AVOW_TRY(crl_new(dir, SIM_PCK_CRL, &platform, now, err));
    AVOW_TRY(intel_collateral(dir, &signing, now, err));
    return avow_cert_to_pem(avow_buf_view(&root.der), roots, err);
}

int avow_sim_vendor_new(const char *dir, struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf roots = AVOW_BUF(AVOW_CERT_DER_MAX);
    avow_autoclose int fd = -1;
    int64_t now = (int64_t)time(NULL);

    AVOW_TRY(folder_make(dir, &fd, err));
    if (folder_has(fd, SIM_VENDOR))
        return AVOW_FAIL(err, EXISTS, "%s already has a simulated vendor", dir);
    AVOW_TRY(sim_amd_new(fd, now, &roots, err));
    AVOW_TRY(sim_intel_new(fd, now, &roots, err));
    AVOW_TRY(folder_write(fd, SIM_ROOTS, 0644, avow_buf_view(&roots), err));
    AVOW_TRY(folder_write(fd, SIM_README, 0644, avow_bytes_str(SIM_NOTE "\n"), err));
    return folder_write(
        fd, SIM_VENDOR, 0644,
        avow_bytes_str("{\"note\":\"" SIM_NOTE "\",\"type\":\"avow/sim-vendor/1\"}\n"), err);
}
