/*
 * Vendor: which request brings which endorsement, by the addresses that AMD, Intel and Azure
 * document. Pure. Sources: AMD publication 57230 (VCEK and KDS interface), Intel "PCS API v4",
 * Intel's PCCS (the same paths, and /rootcacrl), Azure "Trusted Hardware Identity Management".
 */
#ifndef AVOW_STORE_VENDOR_H
#define AVOW_STORE_VENDOR_H

#include "store/store.h"

#define AVOW_KDS_URL "https://kdsintf.amd.com"
#define AVOW_KDS_INTERVAL_MS 10000u /* one request in 10 seconds for each address */
#define AVOW_PCS_URL "https://api.trustedservices.intel.com"
#define AVOW_PCS_ROOT_CRL_URL "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der"
#define AVOW_THIM_URL "http://169.254.169.254/metadata/THIM/amd/certification"

#define AVOW_VENDOR_BASE_MAX 256
#define AVOW_WANT_URL_MAX 1024
#define AVOW_WANT_WHAT_MAX 160

/* Where to ask; NULL: the vendor itself. Trailing slashes and a trailing "/sgx/certification/v4" of
 * pcs are passed over. */
struct avow_vendors {
    const char *kds;
    const char *pcs;    /* Intel's PCS, a PCCS, or a cloud's cache with the same paths */
    const char *update; /* "standard", "early" or NULL: what Intel gives by default */
};

enum avow_want_kind {
    AVOW_WANT_VCEK = 1,
    AVOW_WANT_AMD_CRL,
    AVOW_WANT_TCB_INFO,
    AVOW_WANT_QE_IDENTITY,
    AVOW_WANT_PCK_CRL,
    AVOW_WANT_ROOT_CRL,
    AVOW_WANT_THIM, /* the machine's own VCEK and its chain */
};

/* One request, what it is to bring, and in which header the signer's chain comes. */
struct avow_want {
    enum avow_want_kind kind;
    char url[AVOW_WANT_URL_MAX];
    char what[AVOW_WANT_WHAT_MAX];   /* for people: "VCEK of chip 3ac3fe21.., Milan, ..." */
    const char *chain_header;        /* lower case; or NULL */
    char issuer[AVOW_ITEM_NAME_MAX]; /* CRL: issuer CN */
    uint8_t hwid[AVOW_NEED_HWID_MAX];
    uint8_t hwid_len;
    uint8_t tcb[8];
    uint8_t fmspc[6];
};

/* -AVOW_E_LIMIT: an address of the vendor that is too long; -AVOW_E_FORMAT: that is none. */
AVOW_MUST_USE int avow_want_vcek(const struct avow_vendors *v, const struct avow_need *need,
                                 const char *product, struct avow_want *out,
                                 struct avow_error *err);
AVOW_MUST_USE int avow_want_amd_crl(const struct avow_vendors *v, const char *product, bool vlek,
                                    struct avow_want *out, struct avow_error *err);
AVOW_MUST_USE int avow_want_tcb_info(const struct avow_vendors *v, const uint8_t fmspc[6],
                                     struct avow_want *out, struct avow_error *err);
AVOW_MUST_USE int avow_want_qe_identity(const struct avow_vendors *v, struct avow_want *out,
                                        struct avow_error *err);
AVOW_MUST_USE int avow_want_pck_crl(const struct avow_vendors *v, bool processor,
                                    struct avow_want *out, struct avow_error *err);
AVOW_MUST_USE int avow_want_root_crl(const struct avow_vendors *v, struct avow_want *out,
                                     struct avow_error *err);
/* @url NULL: AVOW_THIM_URL. */
AVOW_MUST_USE int avow_want_thim(const char *url, struct avow_want *out, struct avow_error *err);

/* Under what the store has it. Views into @w. THIM has no key: false. */
bool avow_want_key(const struct avow_want *w, struct avow_store_key *key);
/* Whether @item is what @w was to bring. */
bool avow_want_is(const struct avow_want *w, const struct avow_item *item);

#endif
