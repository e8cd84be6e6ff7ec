/*
 * AMD's endorsements that are the same for every machine of a product line: ASK, ASVK and ARK of
 * Milan, Genoa (also Bergamo and Siena) and Turin, as the KDS serves them. Built in, so that a
 * report with its VCEK is enough (docs/decisions/0005-amd-endorsements.md). They are endorsements,
 * not trust: the verifier checks them like those of a bundle, and anchors are pinned apart. Pure.
 */
#ifndef AVOW_VERIFY_AMD_H
#define AVOW_VERIFY_AMD_H

#include "base/bytes.h"

struct avow_amd_endorsement {
    const char *cn; /* subject: "SEV-Milan", "SEV-VLEK-Milan", "ARK-Milan" */
    struct avow_bytes der;
};

/* The one whose subject is @cn, or NULL. Static storage. */
const struct avow_amd_endorsement *avow_amd_endorsement(const char *cn);

#endif
