/*
 * avow verify, shared by its two ways of working (one piece of evidence with everything that is
 * shown about it; a batch of many, judged on all cores) and by avow policy, which judges as it
 * does.
 */
#ifndef AVOW_CLI_VERIFY_H
#define AVOW_CLI_VERIFY_H

#include "attest/attest.h"
#include "attest/pool.h"
#include "cli/cli.h"
#include "cli/collateral.h"
#include "maa/token.h"
#include "verifier/verifier.h"

#define AVOW_VERIFY_JOBS_MAX 256 /* threads of a batch */

/* What every judgement of one command has in common; read-only once it is loaded. */
struct avow_verify_setup {
    struct avow_anchors anchors;
    struct avow_policy *policy;  /* owned */
    struct avow_buf policy_text; /* its canonical JSON */
    bool own_policy;             /* --policy was given */
    struct avow_pool *pool;      /* endorsements of --with, and the store's common ones; owned */
    struct avow_store *store;    /* or NULL; owned */
    struct avow_bundle with;     /* what --with has besides: TPM quote, PCRs, event log ... */
    struct avow_verifier_settings service; /* --verifier, --issuer: whose tokens count; owned */
    struct avow_verifier *verifier;        /* who judges; NULL: here alone; owned */
    json_t *keys;                          /* of issuers: a JWK set, or NULL; owned */
    const char *member;                    /* for machine pinning, or NULL; borrowed */
    int64_t now;
};

/* One piece of evidence and what was found. */
struct avow_verify_item {
    struct avow_bundle bundle; /* owned */
    bool is_token;             /* not evidence: somebody's word for it */
    struct avow_maa_token_info token;
    struct avow_claims claims;
    struct avow_verdict verdict;
};

/* Write a file whole. -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_verify_write(const char *path, struct avow_bytes data,
                                    struct avow_error *err);
/* Time (@at: as given, or NULL for now), anchors (@roots_path: simulated ones, or NULL) and an
 * empty pool; no policy yet. @s is zeroed by the caller, and from calloc for
 * avow_verify_setup_free. */
AVOW_MUST_USE int avow_verify_setup_init(struct avow_verify_setup *s, const char *at,
                                         const char *roots_path, struct avow_error *err);
/* Take what evidence lacks from the store at @path; NULL: the user's own, which need not be there.
 */
AVOW_MUST_USE int avow_verify_use_store(struct avow_verify_setup *s, const char *path,
                                        struct avow_error *err);
/* What holds without --policy. */
AVOW_MUST_USE int avow_verify_no_policy(struct avow_verify_setup *s, struct avow_error *err);
void avow_verify_setup_free(struct avow_verify_setup *s);
void avow_verify_item_free(struct avow_verify_item *i);

/* Sort the file at @path into @pool and @b (attest/gather.h). Errors name the file. */
AVOW_MUST_USE int avow_verify_gather(struct avow_pool *pool, struct avow_bundle *b,
                                     const char *path, struct avow_error *err);

/* Fill @item->bundle's gaps from the set-up's pool, then judge it. @cache: one for each
 * thread. Codes of avow_judge_bundle. */
AVOW_MUST_USE int avow_verify_judge(const struct avow_verify_setup *s, struct avow_pool *own,
                                    struct avow_verify_cache *cache, struct avow_verify_item *item,
                                    struct avow_error *err);

/* Ask the vendors for what @item could not be judged without, keep it in the store, and judge it
 * anew. @past: the time of judgement was given, so that what is issued now would be too new for it
 * (all but certificates of chips). What cannot be had leaves the verdict as it is, with a note on
 * stderr. Codes of avow_verify_judge. */
AVOW_MUST_USE int avow_verify_fetch(const struct avow_cli *cli, const struct avow_vendor_options *o,
                                    const struct avow_verify_setup *s, bool past,
                                    struct avow_verify_item *item, struct avow_error *err);

/* ---- verify_service.c: judged by a service that speaks Azure Attestation's API ---- */

struct avow_service_options {
    const char *verifier;            /* URL, or a file with the keys `verifier` and `require` */
    const char *ca;                  /* for its TLS, with a URL; or NULL */
    const struct avow_list *issuers; /* URLs; none: the service's own */
};
/* Who judges, and whose tokens count. -AVOW_E_FORMAT, -AVOW_E_LIMIT, -AVOW_E_SYSTEM and so on. */
AVOW_MUST_USE int avow_verify_use_service(struct avow_verify_setup *s,
                                          const struct avow_service_options *o,
                                          struct avow_error *err);
/* Put the next token that comes into @out, which stays the caller's and must outlive @s. */
void avow_verify_keep_token(struct avow_verify_setup *s, struct avow_buf *out);
/* One line of who judged and what it was asked, if it was a service. */
void avow_verify_say_service(const struct avow_cli *cli, const struct avow_verify_setup *s);
/* The verdict says that nothing was checked of when and for whom the evidence was made. */
bool avow_verify_unbound(const struct avow_verdict *v);

/* ---- verify_token.c: a token of MAA's kind that was stored ---- */

/* Whether @file is one, or a service's answer that has one. */
bool avow_verify_is_token(struct avow_bytes file);
/* Add the JWK set at @path to those of the issuers. Errors name the file. */
AVOW_MUST_USE int avow_verify_add_keys(struct avow_verify_setup *s, const char *path,
                                       struct avow_error *err);
/* Judge the token in @file, which is one, by the keys of @s, whose issuers they are.
 * -AVOW_E_MISSING: no issuer or no keys; codes of avow_maa_token_appraise. */
AVOW_MUST_USE int avow_verify_token(const struct avow_verify_setup *s, struct avow_bytes file,
                                    struct avow_verify_item *item, struct avow_error *err);
/* {"verified","issuer","type","jti","policy_hash","iat","nbf","exp"}: new reference, or NULL. */
json_t *avow_verify_token_json(const struct avow_verify_setup *s,
                               const struct avow_verify_item *item);

#define AVOW_VERIFY_SOURCE_MAX (AVOW_SOURCE_MAX + 32)

/* Whether a reason of the verdict is one of the checks of the evidence, and where a rule is from:
 * "policy: snp.vmpl", "built-in policy: ..." without --policy, or the document that demands a
 * check. */
bool avow_verify_is_check(const struct avow_claims *c, const struct avow_reason *r);
void avow_verify_source(const struct avow_verify_setup *s, const struct avow_claims *c,
                        const struct avow_reason *r, char out[AVOW_VERIFY_SOURCE_MAX]);
/* The document of --json: docs/formats/verify.md. New reference, or NULL. */
json_t *avow_verify_json(const struct avow_verify_setup *s, const struct avow_verify_item *item);
/* OK, REFUSED or UNKNOWN. */
int avow_verify_exit(const struct avow_verdict *v);

/* Judge @n files by themselves with @jobs threads (0: all cores), print a line or an object for
 * each in the order of @paths. Returns an exit status: of the worst. */
int avow_verify_batch(const struct avow_cli *cli, const struct avow_verify_setup *s,
                      const char *const *paths, size_t n, unsigned jobs);

#endif
