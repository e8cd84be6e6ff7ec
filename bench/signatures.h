/*
 * The signatures that judging a bundle has to check, for OpenSSL alone: keys, messages and
 * signatures taken out beforehand, so that verifying them is all that is measured.
 */
#ifndef AVOW_BENCH_SIGNATURES_H
#define AVOW_BENCH_SIGNATURES_H

#include "evidence/bundle.h"

struct signatures; /* opaque, owned */

/* Of a bundle of SNP or TDX, its root being in @roots_pem or in the bundle itself. Exits with a
 * message where that is not possible. */
struct signatures *signatures_new(const struct avow_bundle *b, struct avow_bytes roots_pem);
void signatures_free(struct signatures *s);
size_t signatures_count(const struct signatures *s);
/* Verify the last @n of them, the evidence's own being at the end; exits if one does not hold. */
void signatures_verify(const struct signatures *s, size_t n);

#endif
