/*
 * Verifier: who judges evidence. By default this program itself; a job file or avowd's
 * configuration may name a service that speaks Azure Attestation's API, in its place or beside
 * (verifier/settings.h). The one door through which client and daemon have evidence judged. Any
 * thread.
 */
#ifndef AVOW_VERIFIER_VERIFIER_H
#define AVOW_VERIFIER_VERIFIER_H

#include "verifier/azure.h"

struct avow_verifier; /* opaque, owned */

/* @s is copied. @stop_fd: net/http.h. -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_verifier_new(const struct avow_verifier_settings *s, int stop_fd,
                                    struct avow_verifier **out, struct avow_error *err);
void avow_verifier_free(struct avow_verifier *vf);
AVOW_DEFINE_CLEANUP(verifier, struct avow_verifier, avow_verifier_free)

/* "local", "azure", "local and azure", "local or azure". Static storage. */
const char *avow_verifier_word(const struct avow_verifier *vf);
/* {"kind","url"}, where there is a service with what it was asked so far (avow_azure_stats_json);
 * @vf may be NULL: here alone. New reference, NULL when memory is short. */
json_t *avow_verifier_json(struct avow_verifier *vf);
/* The service's address, or NULL. Owned by @vf. */
const char *avow_verifier_url(const struct avow_verifier *vf);
/* False, and nothing, where there is no service. */
bool avow_verifier_stats(struct avow_verifier *vf, struct avow_azure_stats *out);

/* avow_azure_on_token, where there is a service. */
void avow_verifier_on_token(struct avow_verifier *vf,
                            void (*fn)(void *ctx, struct avow_bytes token), void *ctx);

/*
 * As avow_judge, by whom @vf says (NULL: here alone). Require all: every verifier must accept; the
 * verdict has the reasons of both, those of the service with "azure: " in front of their source or
 * text. Require any: the verdict of one that accepts, the local one first, which then makes the
 * other needless. A service that cannot be asked is a check that did not run ("verifier"): a
 * refusal, and an undecided one if nothing else speaks against the evidence. Errors as avow_judge.
 */
AVOW_MUST_USE int avow_verifier_judge(struct avow_verifier *vf, const struct avow_judge_in *in,
                                      struct avow_claims *claims, struct avow_verdict *verdict,
                                      struct avow_error *err);

/* The same for a bundle that is read already; @in->bundle is not looked at. As avow_judge_bundle.
 */
AVOW_MUST_USE int avow_verifier_judge_bundle(struct avow_verifier *vf,
                                             const struct avow_judge_in *in,
                                             const struct avow_bundle *b,
                                             struct avow_claims *claims,
                                             struct avow_verdict *verdict, struct avow_error *err);

#endif
