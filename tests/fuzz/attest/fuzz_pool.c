/*
 * A pool: the TEE, then parts of {kind, length u16 big-endian, bytes}; kind 0 is the evidence, the
 * others are items. What is put is found again, and completing adds only what was put.
 */
#include <stdlib.h>

#include "attest/pool.h"

#define NOW 1796000000 /* the seeds are valid then */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static bool has(const struct avow_pool *p, enum avow_item_kind kind, struct avow_bytes v)
{
    for (size_t i = 0; i < avow_pool_count(p); i++)
        if (avow_pool_item(p, i)->kind == kind && avow_bytes_equal(avow_pool_item(p, i)->data, v))
            return true;
    return false;
}

static void put(struct avow_pool *p, enum avow_item_kind kind, struct avow_bytes v)
{
    struct avow_error err = { 0 };
    size_t before = avow_pool_count(p);
    int rc = avow_pool_put(p, kind, v, &err);

    if (rc < 0) {
        check(err.code == -rc && avow_pool_count(p) == before);
        return;
    }
    check(has(p, kind, v));
    before = avow_pool_count(p);
    check(avow_pool_put(p, kind, v, &err) == 0 && avow_pool_count(p) == before);
}

static void check_completed(const struct avow_pool *p, const struct avow_bundle *b)
{
    for (size_t i = 0; i < b->n_certs; i++)
        check(has(p, AVOW_ITEM_CERT, b->certs[i]));
    for (size_t i = 0; i < b->n_crls; i++)
        check(has(p, AVOW_ITEM_CRL, b->crls[i]));
    check(!b->tcb_info.len || has(p, AVOW_ITEM_TCB_INFO, b->tcb_info));
    check(!b->qe_identity.len || has(p, AVOW_ITEM_QE_IDENTITY, b->qe_identity));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum avow_tee tees[] = { AVOW_TEE_SNP, AVOW_TEE_TDX, AVOW_TEE_AZ_SNP,
                                          AVOW_TEE_AZ_TDX };
    struct avow_rd r = avow_rd_init(AVOW_BYTES(data, size));
    avow_auto(avow_cleanup_pool) struct avow_pool *p = NULL;
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_bytes v = { 0 };
    uint8_t kind = 0;
    uint16_t len = 0;

    check(avow_pool_new(&p, NULL) == 0);
    if (avow_rd_u8(&r, &kind) < 0)
        return 0;
    b.tee = tees[kind & 3];
    while (avow_rd_u8(&r, &kind) == 0 && avow_rd_u16be(&r, &len) == 0 &&
           avow_rd_bytes(&r, len, &v) == 0) {
        if (kind == 0 && !b.evidence.len && !b.hcl.len)
            check(avow_bundle_put(&b, avow_tee_is_azure(b.tee) ? AVOW_PART_HCL : AVOW_PART_EVIDENCE,
                                  v, NULL) == 0);
        else if (kind >= AVOW_ITEM_CERT && kind <= AVOW_ITEM_QE_IDENTITY)
            put(p, (enum avow_item_kind)kind, v);
    }
    check(avow_pool_complete(p, NOW, &b, NULL) == 0);
    check_completed(p, &b);
    return 0;
}
