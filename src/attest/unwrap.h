/*
 * What people and tools put around a file without changing it: a byte order mark, hex and base64, a
 * JSON string, a saved HTTP response, URL-encoding; and a TPM quote as bincode. Nothing is
 * repaired: what is not exactly one of these is none. Pure but for memory. Any thread.
 */
#ifndef AVOW_ATTEST_UNWRAP_H
#define AVOW_ATTEST_UNWRAP_H

#include "base/bytes.h"

#define AVOW_UNWRAP_MIN 64u /* characters: a shorter text is no file in hex or base64 */

/* @file without a UTF-8 byte order mark in front. */
struct avow_bytes avow_unwrap_bom(struct avow_bytes file);

/* @text without white space around it and NULs behind it. */
struct avow_bytes avow_unwrap_trim(struct avow_bytes text);

/*
 * The file that @text (trimmed) is in hex (either case; "0x" in front, and white space and colons
 * between the digits are allowed), base64 or base64url (line breaks are allowed), or a JSON string
 * without escapes: into @out, and 1. 0 if it is none of these. -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_unwrap_text(struct avow_bytes text, struct avow_buf *out,
                                   struct avow_error *err);

typedef int (*avow_unwrap_fn)(void *ctx, struct avow_bytes part, struct avow_error *err);

/*
 * An HTTP response as curl saves it (-i, -D; the status line may be missing), of a vendor's server:
 * @each gets the PEM of every header whose name ends in "Issuer-Chain" (URL-encoded, Intel PCS API
 * v4), then the body if there is one. Also such a value by itself. 1, or 0 if @text is none of
 * these; what @each answers; -AVOW_E_FORMAT, -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_unwrap_http(struct avow_bytes text, avow_unwrap_fn each, void *ctx,
                                   struct avow_error *err);

/* A TPM quote as az-cvm-vtpm (Azure's vTPM crates) writes it with bincode: signature, message, 24
 * PCRs, each with its length as u64 LE. */
struct avow_unwrap_quote {
    struct avow_bytes signature, message;
    struct avow_bytes pcrs[24]; /* 32 bytes each */
};

/* True, and views into @file, if it is one and nothing else. */
bool avow_unwrap_bincode(struct avow_bytes file, struct avow_unwrap_quote *out);

#endif
