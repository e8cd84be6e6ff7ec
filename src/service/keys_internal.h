/* Shared by keys.c (the folder) and generation.c (one generation). */
#ifndef AVOW_SERVICE_KEYS_INTERNAL_H
#define AVOW_SERVICE_KEYS_INTERNAL_H

#include "service/keys.h"

struct avow_generation *generation_empty(void);
/* The ids, from ->jwks. */
int generation_kids(struct avow_generation *g, struct avow_error *err);
/* ->jwks and ->issuer anew, for the keys at hand. */
int generation_certify(struct avow_generation *g, const char *issuer, int64_t now,
                       struct avow_error *err);

#endif
