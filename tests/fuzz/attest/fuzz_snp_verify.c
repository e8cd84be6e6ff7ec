/*
 * SNP verification on bytes that need not pass through JSON: a report, then parts of
 * {kind: 0 certificate, 1 CRL; length u16 big-endian; bytes}. The first root found is made an
 * anchor, so that everything behind the root is reached too.
 */
#include <stdlib.h>

#include "crypto/x509.h"
#include "verify/snp.h"

#define NOW 1796000000 /* the seeds are valid then */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void read_parts(struct avow_rd *r, struct avow_bundle *b)
{
    uint8_t kind = 0;
    uint16_t len = 0;
    struct avow_bytes v = { 0 };

    while (avow_rd_u8(r, &kind) == 0 && avow_rd_u16be(r, &len) == 0 &&
           avow_rd_bytes(r, len, &v) == 0) {
        if (kind && b->n_crls < AVOW_BUNDLE_CRLS_MAX)
            b->crls[b->n_crls++] = v;
        else if (!kind && b->n_certs < AVOW_BUNDLE_CERTS_MAX)
            b->certs[b->n_certs++] = v;
    }
}

static void trust_roots(const struct avow_bundle *b, struct avow_anchors *a)
{
    for (size_t i = 0; i < b->n_certs; i++) {
        avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
        struct avow_anchor *new = &a->list[a->n];

        if (avow_cert_parse(b->certs[i], &c, NULL) < 0 || !avow_cert_self_issued(c))
            continue;
        *new = (struct avow_anchor){ .tee = AVOW_TEE_SNP, .simulated = true, .product = "Genoa" };
        avow_cert_spki_sha256(c, new->spki_sha256);
        a->n++;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_rd r = avow_rd_init(AVOW_BYTES(data, size));
    struct avow_bundle b = { .tee = AVOW_TEE_SNP };
    struct avow_anchors anchors = { 0 };
    static struct avow_claims c, cached;
    static struct avow_verify_cache *cache; /* of all inputs so far */

    if (avow_rd_bytes(&r, AVOW_SNP_REPORT_LEN, &b.evidence) < 0)
        b.evidence = AVOW_BYTES(data, size);
    read_parts(&r, &b);
    trust_roots(&b, &anchors);
    check(avow_snp_verify(&b, &anchors, NOW, &c, NULL) == 0);
    check(c.n_checks > 0);
    if (!cache)
        check(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &cache, NULL) == 0);
    check(avow_snp_verify_cached(&b, &anchors, NOW, cache, &cached, NULL) == 0);
    check(memcmp(&c, &cached, sizeof c) == 0);
    check(!c.authentic || avow_claims_all_passed(&c));
    check(!c.authentic || c.simulated);
    return 0;
}
