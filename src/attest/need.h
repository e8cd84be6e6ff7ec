/*
 * Need: which endorsements and collateral a piece of evidence calls for, by the names under which
 * vendors hand them out. Says nothing about whether the evidence is good. Pure but for memory.
 */
#ifndef AVOW_ATTEST_NEED_H
#define AVOW_ATTEST_NEED_H

#include "evidence/bundle.h"

#define AVOW_NEED_PRODUCTS 2
#define AVOW_NEED_HWID_MAX 64u
#define AVOW_NEED_HWID_TURIN 8u

struct avow_need {
    enum avow_tee hardware; /* AVOW_TEE_SNP or AVOW_TEE_TDX; AVOW_TEE_NONE: cannot be told */
    /* SNP */
    bool vlek;         /* signed by a provider's key, which the vendor gives to nobody else */
    bool masked;       /* the report does not say which chip */
    bool has_leaf;     /* the bundle has a certificate of that kind already */
    size_t n_products; /* a version 2 report does not say which: then all that it may be */
    const char *products[AVOW_NEED_PRODUCTS]; /* "Milan"; static storage */
    uint8_t hwid[AVOW_NEED_HWID_MAX];
    uint8_t hwid_len; /* 64, Turin 8; 0 if masked or vlek */
    uint8_t tcb[8];   /* REPORTED_TCB as the report has it */
    /* TDX */
    bool has_fmspc; /* false: the quote does not carry its PCK certificate */
    uint8_t fmspc[6];
    bool processor; /* issued by the PCK Processor CA, not the Platform CA */
};

/* What @b's evidence needs. Evidence that cannot be parsed needs nothing: 0 and hardware NONE.
 * -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_need_of(const struct avow_bundle *b, struct avow_need *out,
                               struct avow_error *err);

#endif
