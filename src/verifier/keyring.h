/* The keys of all issuers whose tokens count, as they were last fetched, and what is pinned of
 * them. Internal to verifier/. */
#ifndef AVOW_VERIFIER_KEYRING_H
#define AVOW_VERIFIER_KEYRING_H

#include "maa/token.h"
#include "verifier/keep.h"
#include "verifier/settings.h"

#define KEYRING_REFETCH_S 60 /* between two looks at an issuer's keys for an unknown one */
#define KEYRING_LIFE_S 86400 /* for so long a known one counts */

struct keyring {
    struct avow_maa_keys keys[AVOW_ISSUERS_MAX];
    struct avow_maa_issuer issuers[AVOW_ISSUERS_MAX]; /* ->keys is NULL where none are at hand */
    int64_t fetched[AVOW_ISSUERS_MAX];                /* unix seconds; 0: never */
};

/* Read what @keep has for @s, from which @k borrows. Codes of avow_maa_keys_parse; the text names
 * the issuer. */
AVOW_MUST_USE int keyring_read(struct keep *keep, const struct avow_verifier_settings *s,
                               struct keyring *k, struct avow_error *err);

/* Whether the keys of the issuer of a token, appraised with @k to @info, are to be fetched before
 * the appraisal counts, at @now (unix seconds): its key is unknown, which is asked now and then,
 * not by every token that names one; or known for a day, after which its issuer may have withdrawn
 * it. Pure. */
bool keyring_outdated(const struct keyring *k, const struct avow_maa_token_info *info, int64_t now);

#endif
