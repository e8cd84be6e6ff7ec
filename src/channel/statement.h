/*
 * What the attested channel binds (docs/protocols/channel.md). Pure; no TLS in here, so that the
 * client (SSL * from curl) and the daemon (SSL * from libevent) compute the same thing.
 */
#ifndef AVOW_CHANNEL_STATEMENT_H
#define AVOW_CHANNEL_STATEMENT_H

#include "base/bytes.h"
#include "base/secret.h"

#define AVOW_ALPN "avow/1"
#define AVOW_ALPN_PEER "avow-peer/1"
#define AVOW_EXPORTER_CHANNEL "EXPORTER-avow-channel-v1-" /* then the role */
#define AVOW_EXPORTER_AGAIN "EXPORTER-avow-again-v1"
#define AVOW_EXPORTER_CONNECTION "EXPORTER-avow-connection-v1"

/* The attesting side's role in the TLS connection. */
enum avow_role { AVOW_ROLE_NONE = 0, AVOW_ROLE_SERVER, AVOW_ROLE_CLIENT };
const char *avow_role_name(enum avow_role r); /* "server", "client" */

/* ctx = SHA-256("avow channel v1" | role | nonce | SHA-256(own SPKI) | SHA-256(peer SPKI)); own and
 * peer as the attesting side sees them. */
AVOW_MUST_USE int avow_channel_ctx(enum avow_role attester, const uint8_t nonce[32],
                                   const uint8_t attester_spki[32], const uint8_t verifier_spki[32],
                                   uint8_t ctx[32]);

/* Canonical {"ekm","nonce","peer-spki","role","spki","type":"avow/channel/1"} appended to @out. */
AVOW_MUST_USE int avow_channel_statement(enum avow_role attester, const uint8_t nonce[32],
                                         const uint8_t ekm[32], const uint8_t attester_spki[32],
                                         const uint8_t verifier_spki[32], struct avow_buf *out,
                                         struct avow_error *err);

/* HMAC(again, role | exporter of the new connection): what each side sends first on it. */
AVOW_MUST_USE int avow_channel_again_mac(const struct avow_key *again, enum avow_role sender,
                                         const uint8_t exporter[32], uint8_t mac[32]);

/* Canonical {"member":name,"roster":h,"type":"avow/formation/1"} appended to @out. */
AVOW_MUST_USE int avow_formation_statement(const uint8_t roster[32], const char *member,
                                           struct avow_buf *out, struct avow_error *err);

#endif
