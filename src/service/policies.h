/*
 * Policies, one for each type of attestation, in MAA's language and transport: a JWS, unsecured or
 * signed, whose payload is {"AttestationPolicy": base64url(text)}. Kept as files in one folder; a
 * type without a file has the default, which permits all that is authentic. Loop thread only, but
 * for a policy in use, which any thread may hold. docs/protocols/verifier.md.
 */
#ifndef AVOW_SERVICE_POLICIES_H
#define AVOW_SERVICE_POLICIES_H

#include "maa/policy_text.h"
#include "maa/request.h"
#include "maa/rules.h"
#include "serve/clients.h"

/* MAA's own for SEV-SNP on its shared providers: base64url of SHA-256 is 9NY0VnTQ-... */
#define AVOW_POLICY_DEFAULT "version= 1.0;authorizationrules{=> permit();};"

/* Read only. */
struct avow_service_policy {
    struct avow_maa_policy *rules;
    struct avow_buf text;                 /* in MAA's language */
    struct avow_buf jws;                  /* as it was given */
    char hash[AVOW_MAA_POLICY_HASH_TEXT]; /* x-ms-policy-hash */
    json_t *signer;                       /* {"jwk":{..}}; NULL: unsecured */
    uint8_t signer_spki[32];              /* digest of its key; zeros: unsecured */
    bool standard;                        /* nobody set it: the default */
    unsigned refs;
};

/*
 * Read @given: a JWS, or the bare text, which is put into an unsecured one. A signed one must hold
 * by the certificate in its own x5c: who may set policies is for the caller to say. -AVOW_E_FORMAT,
 * -AVOW_E_LIMIT, -AVOW_E_MISSING, -AVOW_E_SIGNATURE, -AVOW_E_UNSUPPORTED, -AVOW_E_VERSION.
 */
AVOW_MUST_USE int avow_service_policy_read(struct avow_bytes given,
                                           struct avow_service_policy **out,
                                           struct avow_error *err);
struct avow_service_policy *avow_service_policy_ref(struct avow_service_policy *p);
void avow_service_policy_unref(struct avow_service_policy *p);
AVOW_DEFINE_CLEANUP(service_policy, struct avow_service_policy, avow_service_policy_unref)

/*
 * Whether @p may be in force where policies must be signed by one of @signers (by the digest of its
 * key); NULL: anybody's, or nobody's. The default always may. -AVOW_E_UNTRUSTED.
 */
AVOW_MUST_USE int avow_service_policy_signed(const struct avow_service_policy *p,
                                             const struct avow_clients *signers,
                                             struct avow_error *err);
/* The same of a wish to return to the default: @jws has an empty payload. Without @signers it is
 * not looked at. -AVOW_E_UNTRUSTED, and what avow_maa_policy_open_removal returns. */
AVOW_MUST_USE int avow_service_policy_removal(struct avow_bytes jws,
                                              const struct avow_clients *signers,
                                              struct avow_error *err);

struct avow_policies; /* opaque, owned */

/* The folder is made (0700) if it is not there. */
AVOW_MUST_USE int avow_policies_open(const char *dir, struct avow_policies **out,
                                     struct avow_error *err);
void avow_policies_free(struct avow_policies *p);
AVOW_DEFINE_CLEANUP(policies, struct avow_policies, avow_policies_free)
/* Of SEVSNPVM or TDXVM; borrowed. */
struct avow_service_policy *avow_policies_get(const struct avow_policies *p,
                                              enum avow_maa_type type);
/* avow_service_policy_signed() of each; the text names the file. */
AVOW_MUST_USE int avow_policies_signed(const struct avow_policies *p,
                                       const struct avow_clients *signers, struct avow_error *err);
/* From now on @fresh (a reference is taken), also after a restart; NULL: the default. */
AVOW_MUST_USE int avow_policies_set(struct avow_policies *p, enum avow_maa_type type,
                                    struct avow_service_policy *fresh, struct avow_error *err);

#endif
