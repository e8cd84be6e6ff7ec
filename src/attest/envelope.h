/*
 * Envelopes: evidence as other tools write it, opened into what is inside. By content, pure but for
 * memory. docs/formats/envelopes.md lists the tools.
 */
#ifndef AVOW_ATTEST_ENVELOPE_H
#define AVOW_ATTEST_ENVELOPE_H

#include "codec/json.h"

#define AVOW_ENVELOPE_DEPTH_MAX 4 /* objects in objects */

enum avow_envelope_part {
    AVOW_INNER_FILE, /* to be recognised again */
    AVOW_INNER_RUNTIME_DATA,
    AVOW_INNER_TPM_QUOTE,
    AVOW_INNER_TPM_SIGNATURE,
    AVOW_INNER_PCRS, /* 24 values of the SHA-256 bank */
    AVOW_INNER_EVENT_LOG,
};

/* @data lives until it returns. Negative ends the walk. */
typedef int (*avow_envelope_fn)(void *ctx, enum avow_envelope_part part, struct avow_bytes data,
                                struct avow_error *err);

/*
 * @doc: the JSON value of @text, or NULL where @text is no JSON (then CBOR is looked for). Calls
 * @each for every part. 1: it was an envelope; 0: it is none that is known; negative: it is one and
 * malformed (-AVOW_E_FORMAT, -AVOW_E_LIMIT), or what @each returned. Binary values are strict hex,
 * base64 or base64url, or arrays of bytes; what is none of these is refused, never guessed.
 */
AVOW_MUST_USE int avow_envelope_open(struct avow_bytes text, const json_t *doc,
                                     avow_envelope_fn each, void *ctx, struct avow_error *err);

#endif
