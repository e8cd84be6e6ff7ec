/*
 * Evidence that Google's Go libraries took apart: an SNP report or a TD quote as the fields of a
 * protobuf message in JSON, put together again byte for byte. Both of JSON's forms are read, that
 * of protojson (reportData, numbers of 64 bits as texts) and that of Go's encoding/json
 * (report_data); also inside go-tpm-tools' attestation. What the message does not have (reserved
 * bytes) is zero, so that a report that had more there is refused by its signature. Pure but for
 * memory. Source: google/go-sev-guest proto/sevsnp.proto, google/go-tdx-guest proto/tdx.proto and
 * abi/abi.go.
 */
#ifndef AVOW_ATTEST_PROTOJSON_H
#define AVOW_ATTEST_PROTOJSON_H

#include "attest/envelope.h"

/* Whether @doc is such a message. */
bool avow_protojson_is(const json_t *doc);

/* Calls @each (AVOW_INNER_FILE) with the report or quote and with each certificate. -AVOW_E_FORMAT
 * (a field missing, of a wrong size or type), -AVOW_E_LIMIT, or what @each returned. */
AVOW_MUST_USE int avow_protojson_open(const json_t *doc, avow_envelope_fn each, void *ctx,
                                      struct avow_error *err);

#endif
