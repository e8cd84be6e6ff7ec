/*
 * Azure bundles, past their JSON: a byte (even: az-snp, odd: az-tdx), then parts of {kind, length
 * u16 big-endian, bytes}. The self-issued certificates found are made anchors; what a cache holds
 * must change nothing, and whatever is called authentic passed every check.
 */
#include <stdlib.h>

#include "crypto/x509.h"
#include "verify/verify.h"

#define NOW 1796000000 /* the seeds are valid then */

enum kind {
    HCL,
    CERT,
    CRL,
    EVIDENCE,
    TCB_INFO,
    QE_IDENTITY,
    RUNTIME_DATA,
    TPM_QUOTE,
    TPM_SIGNATURE,
    EVENT_LOG,
    PCR, /* the register's number, then its value */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void trust(struct avow_bytes der, enum avow_tee hardware, struct avow_anchors *a)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    struct avow_anchor *new = &a->list[a->n];

    if (a->n == AVOW_ANCHORS_MAX || avow_cert_parse(der, &c, NULL) < 0 || !avow_cert_self_issued(c))
        return;
    *new = (struct avow_anchor){ .tee = hardware, .simulated = true };
    if (hardware == AVOW_TEE_SNP)
        memcpy(new->product, "Genoa", sizeof "Genoa");
    avow_cert_spki_sha256(c, new->spki_sha256);
    a->n++;
}

static void take(struct avow_bundle *b, uint8_t kind, struct avow_bytes v, struct avow_anchors *a)
{
    static const enum avow_bundle_part parts[] = {
        [HCL] = AVOW_PART_HCL,
        [CERT] = AVOW_PART_CERT,
        [CRL] = AVOW_PART_CRL,
        [EVIDENCE] = AVOW_PART_EVIDENCE,
        [TCB_INFO] = AVOW_PART_TCB_INFO,
        [QE_IDENTITY] = AVOW_PART_QE_IDENTITY,
        [RUNTIME_DATA] = AVOW_PART_RUNTIME_DATA,
        [TPM_QUOTE] = AVOW_PART_TPM_QUOTE,
        [TPM_SIGNATURE] = AVOW_PART_TPM_SIGNATURE,
        [EVENT_LOG] = AVOW_PART_EVENT_LOG,
    };

    if (kind == PCR && v.len == 1 + AVOW_BUNDLE_PCR_LEN)
        (void)!avow_bundle_put_pcr(b, v.data[0], v.data + 1, NULL);
    if (kind >= PCR || !v.len)
        return;
    if (kind == CERT)
        trust(v, avow_tee_hardware(b->tee), a);
    (void)!avow_bundle_put(b, parts[kind], v, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct avow_verify_cache *cache; /* one for all inputs, as a node has it */
    static struct avow_claims c, again;
    struct avow_rd r = avow_rd_init(AVOW_BYTES(data, size));
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_anchors anchors = { 0 };
    struct avow_bytes v = { 0 };
    uint8_t kind = 0;
    uint16_t len = 0;

    if (!cache)
        check(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &cache, NULL) == 0);
    if (avow_rd_u8(&r, &kind) < 0)
        return 0;
    b.tee = kind & 1 ? AVOW_TEE_AZ_TDX : AVOW_TEE_AZ_SNP;
    while (avow_rd_u8(&r, &kind) == 0 && avow_rd_u16be(&r, &len) == 0 &&
           avow_rd_bytes(&r, len, &v) == 0)
        take(&b, kind, v, &anchors);
    check(avow_verify(&b, &anchors, NOW, NULL, &c, NULL) == 0);
    check(c.n_checks > 0);
    check(!c.authentic || (avow_claims_all_passed(&c) && c.simulated));
    check(avow_verify(&b, &anchors, NOW, cache, &again, NULL) == 0);
    check(avow_bytes_equal(AVOW_BYTES(&c, sizeof c), AVOW_BYTES(&again, sizeof again)));
    return 0;
}
