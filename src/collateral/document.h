/*
 * The envelope of Intel's signed JSON documents: {"NAME":{...},"signature":"hex r||s"}. What is
 * signed are the bytes of the object as received, white space included; they are found here by a
 * strict scan, never by writing the parsed value again. Also the dates inside. Pure but for memory.
 * Any thread. Source: Intel PCS API v4, "Get TDX TCB Info", "Get TD QE Identity".
 */
#ifndef AVOW_COLLATERAL_DOCUMENT_H
#define AVOW_COLLATERAL_DOCUMENT_H

#include "codec/json.h"

#define AVOW_DOCUMENT_MAX (256u << 10) /* bytes; real ones are under 16 KB */
#define AVOW_DOCUMENT_SIGNATURE_LEN 64u
#define AVOW_DOCUMENT_KEY_SIGNATURE "signature"
#define AVOW_TCB_SIGNING_CN "Intel SGX TCB Signing" /* who signs TCB info and QE identity */

struct avow_document {
    json_t *root;                   /* owned */
    json_t *body;                   /* the object under the name; borrowed from root */
    struct avow_bytes signed_bytes; /* its bytes; a view into the text that was parsed */
    uint8_t signature[AVOW_DOCUMENT_SIGNATURE_LEN]; /* r || s, P-256 with SHA-256 */
};

/*
 * Exactly the two members @name and "signature", in any order; a key given twice anywhere is an
 * error. The scan and the JSON reader must agree on the object or the document is refused.
 * @out is written only on success, then avow_document_done. -AVOW_E_FORMAT, -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_document_parse(struct avow_bytes text, const char *name,
                                      struct avow_document *out, struct avow_error *err);
void avow_document_done(struct avow_document *d);

/* "2026-03-16T22:34:05Z", nothing else, as unix seconds; years 1970 to 9999. -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_document_date(const char *text, int64_t *out, struct avow_error *err);

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

#define AVOW_ADVISORY_MAX \
    24u /* bytes of one advisory's name with its NUL, as in struct avow_claims */
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
