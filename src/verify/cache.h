/*
 * What was read and verified before: certificates, CRLs and documents by the SHA-256 of their
 * bytes, and signatures that held. Nodes of one kind send the same endorsements with every quote,
 * whose signatures are most of a verification (docs/benchmarks.md). Nothing here depends on time or
 * policy, and only successes are kept, so an answer is the same with it or without. Owned by the
 * caller; one verification at a time.
 */
#ifndef AVOW_VERIFY_CACHE_H
#define AVOW_VERIFY_CACHE_H

#include "base/bytes.h"
#include "base/cleanup.h"

/* One verification needs up to 128: 27 certificates, 8 CRLs, 2 documents and their signatures. */
#define AVOW_CACHE_ENTRIES_MIN 128u
/* For a node that meets many: 4 of its own for each peer. */
#define AVOW_CACHE_ENTRIES 1024u
#define AVOW_CACHE_BYTES_MAX (16u << 20) /* of all texts; one bundle has at most 1 MiB */

struct avow_verify_cache;
struct avow_cert;
struct avow_crl;
struct avow_tcb_info;
struct avow_qe_identity;

enum avow_kept_kind {
    AVOW_KEPT_CERT = 1, /* text: DER */
    AVOW_KEPT_CRL,      /* DER or PEM */
    AVOW_KEPT_TCB_INFO, /* as received, with its signature */
    AVOW_KEPT_QE_IDENTITY,
    AVOW_KEPT_SIGNATURE, /* no text: made by avow_verify_cache_learn() */
};

/* Owned by the cache; stays at least until the end of the verification that read it. */
struct avow_kept {
    enum avow_kept_kind kind;
    uint8_t digest[32]; /* SHA-256 of the text */
    /* the one of its kind, the others NULL */
    struct avow_cert *cert;
    struct avow_crl *crl;
    struct avow_tcb_info *info;
    struct avow_qe_identity *qe;
};

/* @entries: at least AVOW_CACHE_ENTRIES_MIN (fewer are made that many). -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_verify_cache_new(size_t entries, struct avow_verify_cache **out,
                                        struct avow_error *err);
void avow_verify_cache_free(struct avow_verify_cache *c);
AVOW_DEFINE_CLEANUP(verify_cache, struct avow_verify_cache, avow_verify_cache_free)

/* A verification begins: entries that it does not use may be dropped to make room. */
void avow_verify_cache_begin(struct avow_verify_cache *c);
/* It is over. @keep: the evidence was authentic; otherwise what it brought is dropped again, so
 * that nobody without genuine hardware fills the cache. */
void avow_verify_cache_end(struct avow_verify_cache *c, bool keep);

/*
 * Read @text as @kind, or find it read. The codes are those of the readers (avow_cert_parse and so
 * on); -AVOW_E_LIMIT also if this verification alone fills the cache.
 */
AVOW_MUST_USE int avow_verify_cache_read(struct avow_verify_cache *c, enum avow_kept_kind kind,
                                         struct avow_bytes text, const struct avow_kept **out,
                                         struct avow_error *err);

/* The name of "what has the digest @what was signed by @by's key". -AVOW_E_CRYPTO. */
AVOW_MUST_USE int avow_verify_cache_name(const struct avow_kept *by, enum avow_kept_kind what_kind,
                                         const uint8_t what[32], uint8_t name[32],
                                         struct avow_error *err);
/* Whether a signature of this name was learned. */
bool avow_verify_cache_knows(struct avow_verify_cache *c, const uint8_t name[32]);
/* It held. */
AVOW_MUST_USE int avow_verify_cache_learn(struct avow_verify_cache *c, const uint8_t name[32],
                                          struct avow_error *err);

#endif
