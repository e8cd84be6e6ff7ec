/*
 * The certificate table that a host hands to an SNP guest with a report (GHCB specification,
 * extended guest request; configfs-tsm's auxblob): entries of {GUID, offset, length}, ended by a
 * zero entry, then the certificates, DER or PEM. The host wrote it: nothing in it is trusted. Pure,
 * any thread.
 */
#ifndef AVOW_EVIDENCE_CERTTABLE_H
#define AVOW_EVIDENCE_CERTTABLE_H

#include "base/bytes.h"

#define AVOW_CERTTABLE_MAX 16 /* entries */

enum avow_certtable_kind {
    AVOW_CERTTABLE_OTHER = 0, /* a GUID that is not known */
    AVOW_CERTTABLE_VCEK,
    AVOW_CERTTABLE_VLEK,
    AVOW_CERTTABLE_ASK, /* also the ASVK */
    AVOW_CERTTABLE_ARK,
    AVOW_CERTTABLE_CRL,
};

struct avow_certtable_entry {
    enum avow_certtable_kind kind;
    struct avow_bytes data; /* view into the table; not empty */
};

/* Whether @table begins with an entry of a known kind. */
bool avow_certtable_likely(struct avow_bytes table);

/*
 * The entries of @table, at most AVOW_CERTTABLE_MAX. Data must lie behind the entries, inside the
 * table, and not overlap. -AVOW_E_TRUNCATED, -AVOW_E_FORMAT, -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_certtable_parse(struct avow_bytes table,
                                       struct avow_certtable_entry out[AVOW_CERTTABLE_MAX],
                                       size_t *n, struct avow_error *err);

#endif
