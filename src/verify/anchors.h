/*
 * Trust anchors: public keys in which chains must end. The built-in ones are AMD's ARKs (Milan,
 * Genoa, Turin) and Intel's SGX root CA; others come from a PEM file that the operator names and
 * are marked simulated. The verifier treats them all alike.
 */
#ifndef AVOW_VERIFY_ANCHORS_H
#define AVOW_VERIFY_ANCHORS_H

#include "base/bytes.h"
#include "verify/claims.h"

#define AVOW_ANCHORS_MAX 32

struct avow_anchor {
    enum avow_tee tee;
    bool simulated;
    char product[16]; /* SNP product line; "" for Intel */
    char name[64];    /* for people: "AMD ARK-Milan", "Intel SGX Root CA", "SIMULATED ARK-Genoa" */
    uint8_t spki_sha256[32]; /* SHA-256 of the DER SubjectPublicKeyInfo */
};

struct avow_anchors {
    size_t n;
    struct avow_anchor list[AVOW_ANCHORS_MAX];
};

/* The vendors' roots. */
void avow_anchors_builtin(struct avow_anchors *out);
/*
 * Add every certificate of a PEM text as a simulated anchor. CN "SIMULATED ARK-<product>" is SNP,
 * CN "SIMULATED Intel SGX Root CA" is TDX; anything else is -AVOW_E_FORMAT. A certificate whose key
 * is a built-in anchor's is refused (-AVOW_E_EXISTS).
 */
AVOW_MUST_USE int avow_anchors_add_simulated(struct avow_anchors *a, struct avow_bytes pem,
                                             struct avow_error *err);
/* The anchor with this SPKI digest for this TEE, or NULL. */
const struct avow_anchor *avow_anchors_find(const struct avow_anchors *a, enum avow_tee tee,
                                            const uint8_t spki_sha256[32]);

#endif
