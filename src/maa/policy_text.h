/*
 * How a policy of MAA travels: as a JWS with {"AttestationPolicy": base64url(text)}, unsigned or
 * signed (learn.microsoft.com/azure/attestation/author-sign-policy), and its hash in tokens. Pure
 * but for a signer's randomness. Any thread.
 */
#ifndef AVOW_MAA_POLICY_TEXT_H
#define AVOW_MAA_POLICY_TEXT_H

#include "crypto/jws.h"
#include "crypto/x509.h"
#include "maa/rules.h"

#define AVOW_MAA_POLICY_CERTS_MAX 8u  /* in x5c */
#define AVOW_MAA_POLICY_HASH_TEXT 44u /* with the NUL */

/*
 * The claim x-ms-policy-hash: base64url(SHA-256(base64url(text))), no padding. It is the encoded
 * text that is hashed, as the tokens of Microsoft's shared providers show (tests/unit/maa).
 * -AVOW_E_CRYPTO, -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_maa_policy_hash(struct avow_bytes text, char out[AVOW_MAA_POLICY_HASH_TEXT],
                                       struct avow_error *err);

/* What was opened; owned: avow_maa_policy_text_done. */
struct avow_maa_policy_text {
    struct avow_buf text;
    struct avow_cert *signer; /* the signature verified with it; NULL: the policy is unsigned */
};

void avow_maa_policy_text_done(struct avow_maa_policy_text *t);

/*
 * Open a policy's JWS. alg none: ->signer stays NULL. RS256: verified with x5c[0]; whether that
 * certificate (avow_cert_der) may sign policies is for the caller, who must not take a policy for
 * signed before. The text is not parsed. @out is zeroed first, and empty after a failure.
 * -AVOW_E_FORMAT, -AVOW_E_LIMIT, -AVOW_E_UNSUPPORTED (another alg), -AVOW_E_MISSING (no x5c),
 * -AVOW_E_SIGNATURE.
 */
AVOW_MUST_USE int avow_maa_policy_open(struct avow_bytes jws, struct avow_maa_policy_text *out,
                                       struct avow_error *err);

/*
 * Open the JWS that asks for a policy to be removed: its payload is empty, as Microsoft's SDKs send
 * it to a provider whose policies must be signed. @signer: verified with its certificate, owned by
 * the caller; NULL: unsigned. Codes as above.
 */
AVOW_MUST_USE int avow_maa_policy_open_removal(struct avow_bytes jws, struct avow_cert **signer,
                                               struct avow_error *err);

/*
 * Append a policy's JWS to @out: unsigned if @signer is NULL, else RS256 with the @n certificates
 * (DER, the signer's first) as x5c. -AVOW_E_INVAL (no certificate), -AVOW_E_UNSUPPORTED (a key that
 * is not RSA), -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_maa_policy_wrap(struct avow_bytes text, const struct avow_signer *signer,
                                       const struct avow_bytes *certs, size_t n,
                                       struct avow_buf *out, struct avow_error *err);

#endif
