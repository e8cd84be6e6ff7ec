/*
 * Requests to MAA's data plane, POST /attest/SevSnpVm and /attest/TdxVm: read as a server must, and
 * written as a client should. Format: docs/formats/maa.md. Source: Azure REST API specification
 * 2025-06-01 (attestation data plane), and requests of Microsoft's own clients. Pure.
 */
#ifndef AVOW_MAA_REQUEST_H
#define AVOW_MAA_REQUEST_H

#include "base/cleanup.h"
#include "codec/json.h"
#include "evidence/bundle.h"
#include "maa/type.h"

#define AVOW_MAA_REQUEST_MAX (1u << 20) /* bytes of the body */
#define AVOW_MAA_DATA_MAX (64u << 10)   /* bytes of runtimeData or initTimeData, decoded */
#define AVOW_MAA_NONCE_MAX 4096u        /* bytes of its text */
#define AVOW_MAA_POLICY_JWS_MAX (256u << 10)

/* runtimeData, initTimeData */
struct avow_maa_data {
    bool present;
    bool json;             /* dataType: JSON; else Binary */
    struct avow_buf bytes; /* exactly what is hashed */
    json_t *value;         /* with .json: an object; owned */
};

/* Owned; avow_maa_request_done. */
struct avow_maa_request {
    enum avow_maa_type type;
    struct avow_bundle bundle; /* snp or tdx: evidence and, for SNP, certificates. Without runtime
                                  data: MAA's binding is another than a bundle's (maa/verify.h) */
    struct avow_maa_data runtime, init;
    char *nonce; /* as sent, a number as its digits; NULL: none */
    char *draft; /* draftPolicyForAttestation, a JWS; NULL: none */
};

/*
 * @body: untrusted JSON. Binary members may be in either alphabet of base64, padded or not; members
 * that are not known are passed over, those given twice refused. SNP: the report has exactly 1184
 * bytes, and there is at least one certificate. TDX: draftPolicyForAttestation is not looked at, as
 * the specification has none. On failure @out is zeroed. -AVOW_E_FORMAT (the text names the
 * member), -AVOW_E_LIMIT, -AVOW_E_NOMEM, -AVOW_E_INVAL (a type that has no such request).
 */
AVOW_MUST_USE int avow_maa_request_parse(enum avow_maa_type type, struct avow_bytes body,
                                         struct avow_maa_request *out, struct avow_error *err);
void avow_maa_request_done(struct avow_maa_request *r); /* may be used again afterwards */

/*
 * Append the body for @b's evidence; @type says where to send it. @runtime: the bytes whose SHA-256
 * is in report data (on Azure, if empty: the runtime claims of @b); with @json they are a JSON
 * object. @nonce: echoed by the server, bound to nothing; or NULL. -AVOW_E_MISSING: what MAA needs
 * is not in @b (the text says what). -AVOW_E_FORMAT, -AVOW_E_LIMIT, -AVOW_E_NOMEM.
 */
AVOW_MUST_USE int avow_maa_request_build(const struct avow_bundle *b, struct avow_bytes runtime,
                                         bool json, const char *nonce, enum avow_maa_type *type,
                                         struct avow_buf *out, struct avow_error *err);

#endif
