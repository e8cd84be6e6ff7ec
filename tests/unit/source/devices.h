/* What answers in the place of hardware: a simulated device, or bytes that a real one gave. */
#ifndef AVOW_TEST_SOURCE_DEVICES_H
#define AVOW_TEST_SOURCE_DEVICES_H

#include <errno.h>

#include "source/guest.h"
#include "table_maker.h"
#include "verified.h"

struct test_device {
    struct avow_source *sim;  /* or NULL: */
    struct avow_bytes report; /* as it is, whatever is asked */
    struct avow_bytes table;
    bool pem; /* not used by captured bytes: the table's certificates as PEM text */
};

static inline void test_device_table(const struct avow_bundle *b, bool pem, struct avow_buf *table)
{
    struct avow_buf text[3] = { AVOW_BUF(AVOW_CERT_DER_MAX), AVOW_BUF(AVOW_CERT_DER_MAX),
                                AVOW_BUF(AVOW_CERT_DER_MAX) };
    struct avow_bytes certs[3];

    for (int i = 0; i < 3; i++) {
        if (pem)
            assert_int_equal(avow_cert_to_pem(b->certs[i], &text[i], NULL), 0);
        certs[i] = pem ? avow_buf_view(&text[i]) : b->certs[i];
    }
    test_table(certs, table);
    for (int i = 0; i < 3; i++)
        avow_buf_done(&text[i]);
}

/* Fits tsm_fs_answer. */
static inline int test_device_answer(void *ctx, const uint8_t inblob[64], unsigned level,
                                     struct avow_buf *report, struct avow_buf *table)
{
    const struct test_device *d = ctx;
    struct avow_bundle b = { 0 };

    (void)level;
    if (!d->sim) {
        avow_buf_put_bytes(report, d->report);
        avow_buf_put_bytes(table, d->table);
        return 0;
    }
    if (guest_collect(d->sim, inblob, &b, NULL) < 0)
        return EIO;
    avow_buf_put_bytes(report, b.evidence);
    if (b.tee == AVOW_TEE_SNP)
        test_device_table(&b, d->pem, table);
    avow_bundle_done(&b);
    return 0;
}

/* Give a TD's bundle the collateral of its simulated vendor: a source on a machine has none. */
static inline void test_add_collateral(struct avow_source *sim, struct avow_bundle *out)
{
    uint8_t nothing[64] = { 0 };
    struct avow_bundle b = { 0 };

    assert_int_equal(guest_collect(sim, nothing, &b, NULL), 0);
    assert_int_equal(avow_bundle_put(out, AVOW_PART_TCB_INFO, b.tcb_info, NULL), 0);
    assert_int_equal(avow_bundle_put(out, AVOW_PART_QE_IDENTITY, b.qe_identity, NULL), 0);
    for (size_t i = 0; i < b.n_certs; i++)
        assert_int_equal(avow_bundle_put(out, AVOW_PART_CERT, b.certs[i], NULL), 0);
    for (size_t i = 0; i < b.n_crls; i++)
        assert_int_equal(avow_bundle_put(out, AVOW_PART_CRL, b.crls[i], NULL), 0);
    avow_bundle_done(&b);
}

#endif
