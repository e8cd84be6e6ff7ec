/*
 * Pool: endorsements and collateral of any number of machines, told apart by content, from which a
 * bundle takes what its evidence needs. Nothing in a pool is trusted; the verifier judges what a
 * bundle holds. Pure but for memory. One thread at a time.
 */
#ifndef AVOW_ATTEST_POOL_H
#define AVOW_ATTEST_POOL_H

#include "base/cleanup.h"
#include "evidence/bundle.h"

#define AVOW_POOL_ITEMS_MAX 4096u
#define AVOW_POOL_BYTES_MAX (64u << 20)

struct avow_pool; /* opaque, owned */

enum avow_item_kind {
    AVOW_ITEM_CERT = 1,    /* X.509, DER */
    AVOW_ITEM_CRL,         /* DER */
    AVOW_ITEM_TCB_INFO,    /* {"tcbInfo":...,"signature":...}, the signed bytes as received */
    AVOW_ITEM_QE_IDENTITY, /* {"enclaveIdentity":...,"signature":...} */
};

#define AVOW_ITEM_NAME_MAX 128

/* One item and by what it is found. The fields that its kind does not have are empty. */
struct avow_item {
    enum avow_item_kind kind;
    struct avow_bytes data;
    uint8_t digest[32];               /* SHA-256 of data */
    char subject[AVOW_ITEM_NAME_MAX]; /* CERT: subject CN */
    char issuer[AVOW_ITEM_NAME_MAX];  /* CERT, CRL: issuer CN */
    uint8_t hwid[64];                 /* CERT, VCEK: the chip */
    uint8_t hwid_len;                 /* 0, 8 (Turin) or 64 */
    uint8_t tcb[8];                   /* CERT, VCEK and VLEK: TCB_VERSION bytes as in a report */
    bool has_tcb;
    uint8_t fmspc[6];    /* TCB_INFO */
    uint32_t evaluation; /* TCB_INFO, QE_IDENTITY: tcbEvaluationDataNumber */
    int64_t from, until; /* validity: unix seconds */
    bool broken;         /* cannot be read; see avow_pool_keep_broken */
};

AVOW_MUST_USE int avow_pool_new(struct avow_pool **out, struct avow_error *err);
void avow_pool_free(struct avow_pool *p);
AVOW_DEFINE_CLEANUP(pool, struct avow_pool, avow_pool_free)

/* Add one item of a known kind; the same bytes twice count once. -AVOW_E_FORMAT and so on of its
 * parser, -AVOW_E_LIMIT. */
AVOW_MUST_USE int avow_pool_put(struct avow_pool *p, enum avow_item_kind kind,
                                struct avow_bytes data, struct avow_error *err);

/*
 * From now on keep TCB info and QE identity that cannot be read, or are of SGX: where nothing
 * better is there, a bundle gets them, and the verifier refuses them and says why. For pools that
 * serve a verification; a pool whose items are stored keeps what it can read alone.
 */
void avow_pool_keep_broken(struct avow_pool *p);

size_t avow_pool_count(const struct avow_pool *p);
const struct avow_item *avow_pool_item(const struct avow_pool *p, size_t i); /* owned by @p */

/*
 * Put into @b what its evidence needs and it does not have yet, of what @p holds: for SNP the leaf
 * of this chip and TCB (or, masked, of its kind), its issuers and their CRLs; for TDX the CRLs, the
 * TCB info of its FMSPC, the QE identity and the chain that signed them; on Azure those of the
 * hardware, and the chain of the AK certificate. Of several that would do, one that is valid at
 * @now, and of those the newest. What is not found is left missing: the verifier says so.
 * Evidence that cannot be parsed gets nothing. -AVOW_E_NOMEM, -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_pool_complete(const struct avow_pool *p, int64_t now, struct avow_bundle *b,
                                     struct avow_error *err);

#endif
