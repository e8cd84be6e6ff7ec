/*
 * TCB levels: what Intel's documents say of a security version. Pure. Any thread.
 */
#ifndef AVOW_COLLATERAL_LEVEL_H
#define AVOW_COLLATERAL_LEVEL_H

#include "collateral/document.h"

/* What a level of a document may say of a TCB. Zero is unknown and never parsed. */
enum avow_level_status {
    AVOW_LEVEL_UNKNOWN = 0,
    AVOW_LEVEL_UP_TO_DATE,
    AVOW_LEVEL_SW_HARDENING_NEEDED,
    AVOW_LEVEL_CONFIGURATION_NEEDED,
    AVOW_LEVEL_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    AVOW_LEVEL_OUT_OF_DATE,
    AVOW_LEVEL_OUT_OF_DATE_CONFIGURATION_NEEDED,
    AVOW_LEVEL_REVOKED,
};

/* bytes of one advisory's name with its NUL, as in struct avow_claims */
#define AVOW_ADVISORY_MAX 24u
#define AVOW_LEVEL_ADVISORIES_MAX 64u

/* The three members that every kind of level has besides its numbers. */
struct avow_level {
    enum avow_level_status status;
    int64_t date;             /* unix seconds */
    const json_t *advisories; /* NULL, or a list of strings; borrowed from the document */
};

AVOW_MUST_USE int avow_level_parse(const json_t *obj, struct avow_level *out,
                                   struct avow_error *err);
/* A level keyed by isvsvn alone: {"tcb":{"isvsvn":n},"tcbDate":..,"tcbStatus":..}. */
struct avow_svn_level {
    uint16_t isvsvn;
    struct avow_level level;
};

#define AVOW_SVN_LEVELS_MAX 32u

/* The "tcbLevels" of @obj, 1 to AVOW_SVN_LEVELS_MAX of them, in the order given. */
AVOW_MUST_USE int avow_svn_levels_parse(const json_t *obj, struct avow_svn_level *levels, size_t *n,
                                        struct avow_error *err);
/* The first level with isvsvn <= @svn, or NULL. */
const struct avow_level *avow_svn_level_find(const struct avow_svn_level *levels, size_t n,
                                             uint16_t svn);

#endif
