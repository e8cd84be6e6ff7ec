/*
 * TDX verification on bytes that need not pass through JSON: parts of {kind, length u16 big-endian,
 * bytes}. The self-issued certificates found are made anchors, so that everything behind the root
 * is reached too; and what a cache holds must change nothing.
 */
#include <stdlib.h>

#include "crypto/x509.h"
#include "evidence/tdx.h"
#include "verify/tdx.h"

#define NOW 1796000000 /* the seeds are valid then */
#define CHAIN_MAX 4

enum kind { CERT, CRL, QUOTE, TCB_INFO, QE_IDENTITY };

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
        if (kind == CRL && b->n_crls < AVOW_BUNDLE_CRLS_MAX)
            b->crls[b->n_crls++] = v;
        else if (kind == CERT && b->n_certs < AVOW_BUNDLE_CERTS_MAX)
            b->certs[b->n_certs++] = v;
        else if (kind == QUOTE)
            b->evidence = v;
        else if (kind == TCB_INFO)
            b->tcb_info = v;
        else if (kind == QE_IDENTITY)
            b->qe_identity = v;
    }
}

static void trust(struct avow_bytes der, struct avow_anchors *a)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    struct avow_anchor *new = &a->list[a->n];

    if (a->n == AVOW_ANCHORS_MAX || avow_cert_parse(der, &c, NULL) < 0 || !avow_cert_self_issued(c))
        return;
    *new = (struct avow_anchor){ .tee = AVOW_TEE_TDX, .simulated = true };
    avow_cert_spki_sha256(c, new->spki_sha256);
    a->n++;
}

static void trust_roots(const struct avow_bundle *b, struct avow_anchors *a)
{
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(AVOW_TDX_QUOTE_MAX);
    struct avow_bytes ders[CHAIN_MAX];
    struct avow_tdx_quote q;
    size_t n = 0;

    for (size_t i = 0; i < b->n_certs; i++)
        trust(b->certs[i], a);
    if (avow_tdx_quote_parse(b->evidence, &q, NULL) < 0 ||
        avow_pem_to_der(q.cert_data, &store, ders, CHAIN_MAX, &n, NULL) < 0)
        return;
    for (size_t i = 0; i < n; i++)
        trust(ders[i], a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct avow_verify_cache *cache; /* one for all inputs, as a node has it */
    static struct avow_claims c, again;
    struct avow_rd r = avow_rd_init(AVOW_BYTES(data, size));
    struct avow_bundle b = { .tee = AVOW_TEE_TDX };
    struct avow_anchors anchors = { 0 };

    if (!cache)
        check(avow_verify_cache_new(AVOW_CACHE_ENTRIES_MIN, &cache, NULL) == 0);
    read_parts(&r, &b);
    trust_roots(&b, &anchors);
    check(avow_tdx_verify(&b, &anchors, NOW, &c, NULL) == 0);
    check(c.n_checks > 0);
    check(!c.authentic || avow_claims_all_passed(&c));
    check(!c.authentic || c.simulated);
    check(avow_tdx_verify_cached(&b, &anchors, NOW, cache, &again, NULL) == 0);
    check(avow_bytes_equal(AVOW_BYTES(&c, sizeof c), AVOW_BYTES(&again, sizeof again)));
    return 0;
}
