/*
 * Bundle: a piece of evidence with everything that a verifier needs to judge it, nothing to fetch.
 * Format: docs/formats/bundle.md (JSON, "type":"avow/bundle/1").
 */
#ifndef AVOW_EVIDENCE_BUNDLE_H
#define AVOW_EVIDENCE_BUNDLE_H

#include "base/bytes.h"
#include "evidence/tee.h"

#define AVOW_BUNDLE_MAX (512u << 10) /* bytes of the JSON text */
#define AVOW_BUNDLE_CERTS_MAX 16
#define AVOW_BUNDLE_CRLS_MAX 4
#define AVOW_STATEMENT_MAX (16u << 10)

/* Owned storage; the views point into ->store. */
struct avow_bundle {
    enum avow_tee tee;
    struct avow_bytes statement; /* canonical JSON text */
    struct avow_bytes evidence; /* SNP report (1184 bytes), TDX quote */
    size_t n_certs;
    struct avow_bytes certs[AVOW_BUNDLE_CERTS_MAX]; /* DER, any order */
    size_t n_crls;
    struct avow_bytes crls[AVOW_BUNDLE_CRLS_MAX]; /* DER */
    struct avow_bytes tcb_info; /* TDX: {"tcbInfo":...,"signature":...} as the vendor sends it */
    struct avow_bytes qe_identity; /* TDX: {"enclaveIdentity":...,"signature":...} */
    struct avow_buf store;
};

void avow_bundle_done(struct avow_bundle *b);
/* Parse untrusted JSON text; unknown members, bad base64 and over-limit counts are errors. */
AVOW_MUST_USE int avow_bundle_parse(struct avow_bytes text, struct avow_bundle *out,
                                    struct avow_error *err);
/* Append the JSON text to @out (canonical form, so that a digest of it is stable). */
AVOW_MUST_USE int avow_bundle_emit(const struct avow_bundle *b, struct avow_buf *out,
                                   struct avow_error *err);

#endif
