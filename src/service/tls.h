/*
 * TLS of the verifier: TLS 1.2 and 1.3, its certificate from files or made at the first start; no
 * resumption. Client certificates are believed for the digest of their key alone. Any thread.
 */
#ifndef AVOW_SERVICE_TLS_H
#define AVOW_SERVICE_TLS_H

#include <openssl/ssl.h>

#include "base/bytes.h"

/* A context for servers from two PEM files: certificate chain, key (0600). New reference.
 * -AVOW_E_UNTRUSTED, -AVOW_E_FORMAT, -AVOW_E_SYSTEM, -AVOW_E_CRYPTO. */
AVOW_MUST_USE int avow_server_tls(const char *cert, const char *key, bool ask_clients,
                                  SSL_CTX **out, struct avow_error *err);

/*
 * Make a P-256 key and a self-signed certificate for @host (a name, an IPv4 or IPv6 address; in
 * brackets or not) and "localhost" at @now (unix seconds), unless both files are there.
 */
AVOW_MUST_USE int avow_server_tls_make(const char *cert, const char *key, const char *host,
                                       int64_t now, struct avow_error *err);

#endif
