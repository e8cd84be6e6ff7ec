/*
 * Keys that sign tokens: generations of an RSA-2048 key (RS256, as MAA has it) and a P-256 key
 * (ES256, for EAR), the first with a self-signed certificate whose CN is the issuer. One generation
 * signs; those before it stay in the JWKS, without their private halves, until the last token that
 * they signed has expired. Files in one folder, private ones 0600. Loop thread only, but for
 * generations, which any thread may hold.
 */
#ifndef AVOW_SERVICE_KEYS_H
#define AVOW_SERVICE_KEYS_H

#include "codec/json.h"
#include "crypto/signer.h"

#define AVOW_KEYS_MAX 16        /* generations that are still listed */
#define AVOW_KEY_KID 44         /* bytes with the NUL: a thumbprint (RFC 7638) */
#define AVOW_KEYS_SKEW_S 300    /* listed so much longer than tokens live */
#define AVOW_KEYS_CERT_YEARS 30 /* the dates say nothing, as with MAA's */

/* Read only once it signs. */
struct avow_generation {
    char name[24];
    int64_t created, retired, until; /* unix seconds; 0: not yet */
    struct avow_signer *rsa, *ec;    /* NULL once it is retired */
    char rsa_kid[AVOW_KEY_KID], ec_kid[AVOW_KEY_KID];
    json_t *issuer; /* string: the certificate's CN */
    json_t *jwks;   /* array: the RSA key, the EC key */
    unsigned refs;
};

/* A fresh one that nothing uses yet; takes a second. Any thread. */
AVOW_MUST_USE int avow_generation_new(const char *issuer, int64_t now, struct avow_generation **out,
                                      struct avow_error *err);
struct avow_generation *avow_generation_ref(struct avow_generation *g);
void avow_generation_unref(struct avow_generation *g);
AVOW_DEFINE_CLEANUP(generation, struct avow_generation, avow_generation_unref)
/* Append the statement that evidence for @g is made over (docs/protocols/verifier.md). */
AVOW_MUST_USE int avow_generation_statement(const struct avow_generation *g, struct avow_buf *out,
                                            struct avow_error *err);
/* Put the evidence (a bundle's JSON text) beside the keys of one that does not sign yet. */
AVOW_MUST_USE int avow_generation_attest(struct avow_generation *g, struct avow_bytes bundle,
                                         struct avow_error *err);

/* The RSA key's id of the generation that signs, from the folder of a service that runs.
 * -AVOW_E_SYSTEM, -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_keys_peek(const char *dir, char kid[AVOW_KEY_KID], struct avow_error *err);

struct avow_keys; /* opaque, owned */

/* The keys in folder @dir, which is made (0700) if it is not there, with a first generation. A
 * current certificate that names another issuer is made anew, of the same key. @made: a first
 * generation was made. -AVOW_E_UNTRUSTED, -AVOW_E_FORMAT, -AVOW_E_SYSTEM. */
AVOW_MUST_USE int avow_keys_open(const char *dir, const char *issuer, int64_t now,
                                 struct avow_keys **out, bool *made, struct avow_error *err);
void avow_keys_free(struct avow_keys *k);
AVOW_DEFINE_CLEANUP(keys, struct avow_keys, avow_keys_free)
/* The generation that signs; borrowed. */
struct avow_generation *avow_keys_current(const struct avow_keys *k);
size_t avow_keys_count(const struct avow_keys *k);
/* Let @g (a reference is taken) sign from @now on; the one before stays listed until tokens of
 * @token_life_s have expired, and its private half is deleted. */
AVOW_MUST_USE int avow_keys_adopt(struct avow_keys *k, struct avow_generation *g, int64_t now,
                                  int64_t token_life_s, struct avow_error *err);
/* Drop what need not be listed any more at @now. True if there was any. */
bool avow_keys_prune(struct avow_keys *k, int64_t now);
/* {"keys":[..]}: new reference; NULL when memory is short. */
json_t *avow_keys_jwks(const struct avow_keys *k);

#endif
