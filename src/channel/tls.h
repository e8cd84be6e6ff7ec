/*
 * TLS 1.3 for avow: contexts, self-signed leaf keys, SPKI digests, exporters. The only user of
 * libssl besides the adapters in net. No tickets, no resumption, no 0-RTT; both sides show a leaf
 * certificate; trust comes from SPKI digests and attestation, never from a certificate chain.
 */
#ifndef AVOW_CHANNEL_TLS_H
#define AVOW_CHANNEL_TLS_H

#include <openssl/ssl.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "channel/statement.h"

struct avow_leaf; /* a P-256 key with a self-signed certificate; owned */

/* A fresh key in memory, never written anywhere (nodes). @name becomes the CN. */
AVOW_MUST_USE int avow_leaf_new(const char *name, struct avow_leaf **out, struct avow_error *err);
/* Load @path (PEM: key and certificate, mode 0600 enforced) or make and write it (clients). */
AVOW_MUST_USE int avow_leaf_load_or_make(const char *path, const char *name, struct avow_leaf **out,
                                         struct avow_error *err);
void avow_leaf_free(struct avow_leaf *l);
AVOW_DEFINE_CLEANUP(leaf, struct avow_leaf, avow_leaf_free)
/* SHA-256 of the DER SubjectPublicKeyInfo. */
void avow_leaf_spki(const struct avow_leaf *l, uint8_t out[32]);

/*
 * A context for servers (asks every client for a certificate) or clients, TLS 1.3 only, ALPN
 * @alpn required on both sides. Certificates are taken unverified here on purpose: the caller must
 * compare avow_tls_peer_spki before it trusts anything. New reference.
 */
AVOW_MUST_USE int avow_tls_server_ctx(const struct avow_leaf *leaf, const char *alpn, SSL_CTX **out,
                                      struct avow_error *err);
AVOW_MUST_USE int avow_tls_client_ctx(const struct avow_leaf *leaf, const char *alpn, SSL_CTX **out,
                                      struct avow_error *err);
/* The same settings applied to a context that another library made (curl's SSL_CTX callback). */
AVOW_MUST_USE int avow_tls_client_setup(SSL_CTX *ctx, const struct avow_leaf *leaf,
                                        const char *alpn, struct avow_error *err);

/* SPKI digest of the peer's leaf; -AVOW_E_AUTH if it showed none. */
AVOW_MUST_USE int avow_tls_peer_spki(SSL *ssl, uint8_t out[32], struct avow_error *err);
/* -AVOW_E_PROTOCOL unless TLS 1.3, full handshake (not resumed), ALPN @alpn. */
AVOW_MUST_USE int avow_tls_check(SSL *ssl, const char *alpn, struct avow_error *err);
/* RFC 8446 7.5 exporter, 32 bytes; @context may be empty (then: no context). */
AVOW_MUST_USE int avow_tls_export(SSL *ssl, const char *label, struct avow_bytes context,
                                  uint8_t out[32], struct avow_error *err);

/* ekm for the channel statement of the @attester side on this connection. */
AVOW_MUST_USE int avow_tls_channel_ekm(SSL *ssl, enum avow_role attester, const uint8_t nonce[32],
                                       const uint8_t attester_spki[32],
                                       const uint8_t verifier_spki[32], uint8_t ekm[32],
                                       struct avow_error *err);

#endif
