/* What a token's evidence is about: the statement that the relying party expects. Pure. */
#ifndef AVOW_MAA_BINDING_H
#define AVOW_MAA_BINDING_H

#include "maa/token.h"

/*
 * Add the reasons "statement" and "binding" to @v, as avow_maa_token_in says, for the token's
 * payload @token and its claims @c; on Azure take the TPM's part of in->local into @c where it is
 * bound. -AVOW_E_NOMEM, -AVOW_E_CRYPTO.
 */
AVOW_MUST_USE int maa_check_binding(const struct avow_maa_token_in *in, const json_t *token,
                                    struct avow_claims *c, struct avow_verdict *v,
                                    struct avow_error *err);

#endif
