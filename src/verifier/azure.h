/*
 * A client of Azure Attestation's API: of Microsoft's service, and of avow-verifier, which speaks
 * the same. Sends evidence, gets a token, believes it only after the whole relying-party checklist
 * (maa/token.h), and gives its claims. Tokens and keys are kept while they hold. Any thread; so
 * many requests at a time, others wait. docs/formats/maa.md.
 */
#ifndef AVOW_VERIFIER_AZURE_H
#define AVOW_VERIFIER_AZURE_H

#include "attest/attest.h"
#include "verifier/settings.h"
#include "verifier/tally.h"

#define AVOW_AZURE_PARALLEL 8      /* requests for tokens under way */
#define AVOW_AZURE_TOKENS_MAX 1024 /* kept; the oldest goes */

struct avow_azure; /* opaque, owned */

/* @s is copied. @stop_fd: net/http.h. -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_azure_new(const struct avow_verifier_settings *s, int stop_fd,
                                 struct avow_azure **out, struct avow_error *err);
void avow_azure_free(struct avow_azure *a);
AVOW_DEFINE_CLEANUP(azure, struct avow_azure, avow_azure_free)
/* Hand each token that comes to @fn, before it is believed, in the thread that asked for it. Set
 * before the first is asked for. */
void avow_azure_on_token(struct avow_azure *a, void (*fn)(void *ctx, struct avow_bytes token),
                         void *ctx);
const char *avow_azure_url(const struct avow_azure *a); /* owned by @a */
void avow_azure_stats(struct avow_azure *a, struct avow_azure_stats *out);

/*
 * Have @b judged by the service, bound to @in->statement, and by the policies of @in as
 * avow_judge_bundle does. The statement is required but for evidence from files (->unbound_ok):
 * then the bundle's own is taken, or, if it has none, what the token says must be what the evidence
 * says ("token-evidence"), and no other evidence was judged by the same token ("token-replay");
 * data that came with the evidence is sent as runtimeData. @in->anchors and ->cache decide nothing,
 * for whom the service believes is its own affair; they are needed with ->unbound_ok. Adds reasons
 * to @v and does not conclude it; @claims gets what the token says.
 * @tpm: claims of @b as they were verified here, for its TPM quote, which the service does not see:
 * on Azure's VMs the token must name the very key that made it; or NULL. 0 whenever the service
 * answered, its refusal and a token that is not believed included. Negative only if it could not be
 * asked, or nothing can be concluded: -AVOW_E_NETWORK, -AVOW_E_TIMEOUT, -AVOW_E_UNTRUSTED (its TLS
 * certificate), -AVOW_E_BUSY, -AVOW_E_PROTOCOL, -AVOW_E_MISSING (what a request needs is not in
 * @b), -AVOW_E_CANCELLED, -AVOW_E_NOMEM, -AVOW_E_CRYPTO.
 */
AVOW_MUST_USE int avow_azure_judge(struct avow_azure *a, const struct avow_judge_in *in,
                                   const struct avow_bundle *b, const struct avow_claims *tpm,
                                   struct avow_claims *claims, struct avow_verdict *v,
                                   struct avow_error *err);

#endif
