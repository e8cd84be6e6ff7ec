#include "verify/anchors.h"

#include "crypto/x509.h"

static const char sim_ark[] = "SIMULATED ARK-";
static const char sim_sgx_root[] = "SIMULATED Intel SGX Root CA";

/*
 * SHA-256 of the DER SubjectPublicKeyInfo, computed from AMD's ARK certificates as the KDS serves
 * them (kdsintf.amd.com/vcek/v1/{Milan,Genoa,Turin}/cert_chain) and Intel's SGX root
 * (certificates.trustedservices.intel.com); tests/unit/verify/test_anchors.c recomputes them from
 * the vectors amd-roots/ and intel-roots/.
 */
static const struct avow_anchor builtin[] = {
    { .tee = AVOW_TEE_SNP,
      .product = "Milan",
      .name = "AMD ARK-Milan",
      .spki_sha256 = { 0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5,
                       0xff, 0xa8, 0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b,
                       0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9 } },
    { .tee = AVOW_TEE_SNP,
      .product = "Genoa",
      .name = "AMD ARK-Genoa",
      .spki_sha256 = { 0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d,
                       0xb5, 0xfc, 0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a,
                       0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31 } },
    { .tee = AVOW_TEE_SNP,
      .product = "Turin",
      .name = "AMD ARK-Turin",
      .spki_sha256 = { 0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56,
                       0xf9, 0x24, 0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03,
                       0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08 } },
    { .tee = AVOW_TEE_TDX,
      .product = "",
      .name = "Intel SGX Root CA",
      .spki_sha256 = { 0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91,
                       0x86, 0x06, 0x8a, 0x7f, 0xc1, 0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35,
                       0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e } },
};

#define N_BUILTIN (sizeof builtin / sizeof builtin[0])

void avow_anchors_builtin(struct avow_anchors *out)
{
    memset(out, 0, sizeof *out);
    memcpy(out->list, builtin, sizeof builtin);
    out->n = N_BUILTIN;
}

static bool same_key(const uint8_t a[32], const uint8_t b[32])
{
    return avow_bytes_equal(AVOW_BYTES(a, 32), AVOW_BYTES(b, 32));
}

static int name_anchor(struct avow_anchor *a, const char *cn, struct avow_error *err)
{
    size_t prefix = sizeof sim_ark - 1;

    if (strlen(cn) >= sizeof a->name)
        return AVOW_FAIL(err, FORMAT, "simulated root: CN of more than %zu bytes",
                         sizeof a->name - 1);
    memcpy(a->name, cn, strlen(cn) + 1);
    if (strcmp(cn, sim_sgx_root) == 0) {
        a->tee = AVOW_TEE_TDX;
        return 0;
    }
    if (strncmp(cn, sim_ark, prefix) != 0 || !cn[prefix] ||
        strlen(cn + prefix) >= sizeof a->product)
        return AVOW_FAIL(err, FORMAT, "simulated root \"%s\" is neither \"%s<product>\" nor \"%s\"",
                         cn, sim_ark, sim_sgx_root);
    a->tee = AVOW_TEE_SNP;
    memcpy(a->product, cn + prefix, strlen(cn + prefix) + 1);
    return 0;
}

static int add_one(struct avow_anchors *a, struct avow_bytes der, struct avow_error *err)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    struct avow_anchor new = { .simulated = true };

    AVOW_TRY(avow_cert_parse(der, &c, err));
    AVOW_TRY(name_anchor(&new, avow_cert_subject_cn(c), err));
    avow_cert_spki_sha256(c, new.spki_sha256);
    for (size_t i = 0; i < N_BUILTIN; i++)
        if (same_key(builtin[i].spki_sha256, new.spki_sha256))
            return AVOW_FAIL(err, EXISTS, "simulated root \"%s\" has the key of %s", new.name,
                             builtin[i].name);
    for (size_t i = 0; i < a->n; i++) /* the same root twice is one anchor */
        if (a->list[i].tee == new.tee && same_key(a->list[i].spki_sha256, new.spki_sha256))
            return 0;
    if (a->n >= AVOW_ANCHORS_MAX)
        return AVOW_FAIL(err, LIMIT, "more than %d trust anchors", AVOW_ANCHORS_MAX);
    a->list[a->n++] = new;
    return 0;
}

int avow_anchors_add_simulated(struct avow_anchors *a, struct avow_bytes pem,
                               struct avow_error *err)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(AVOW_ANCHORS_MAX * AVOW_CERT_DER_MAX);
    struct avow_bytes ders[AVOW_ANCHORS_MAX];
    struct avow_anchors next = *a;
    size_t n = 0;

    AVOW_TRY(avow_pem_to_der(pem, &store, ders, AVOW_ANCHORS_MAX, &n, err));
    for (size_t i = 0; i < n; i++)
        AVOW_TRY(add_one(&next, ders[i], err));
    *a = next; /* all of them or none */
    return 0;
}

const struct avow_anchor *avow_anchors_find(const struct avow_anchors *a, enum avow_tee tee,
                                            const uint8_t spki_sha256[32])
{
    for (size_t i = 0; i < a->n; i++)
        if (a->list[i].tee == tee && same_key(a->list[i].spki_sha256, spki_sha256))
            return &a->list[i];
    return NULL;
}
