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
    json_t *body; /* the object under the name, read from signed_bytes and nothing else; owned */
    struct avow_bytes signed_bytes;                 /* a view into the text that was parsed */
    uint8_t signature[AVOW_DOCUMENT_SIGNATURE_LEN]; /* r || s, P-256 with SHA-256 */
};

/*
 * Exactly the two members @name and "signature", in any order; a key given twice anywhere is an
 * error. @text must outlive @out, which is written only on success; then avow_document_done.
 * -AVOW_E_FORMAT, -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_document_parse(struct avow_bytes text, const char *name,
                                      struct avow_document *out, struct avow_error *err);
void avow_document_done(struct avow_document *d);

/* "2026-03-16T22:34:05Z", nothing else, as unix seconds; years 1970 to 9999. -AVOW_E_FORMAT. */
AVOW_MUST_USE int avow_document_date(const char *text, int64_t *out, struct avow_error *err);

/*
 * "issueDate" and "nextUpdate" of a document, in that order in time. -AVOW_E_FORMAT otherwise.
 */
AVOW_MUST_USE int avow_document_dates(const json_t *body, int64_t *issue_date, int64_t *next_update,
                                      struct avow_error *err);

#endif
