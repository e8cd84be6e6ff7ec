/* What a private key is inside, for the files of this folder. */
#ifndef AVOW_CRYPTO_SIGNER_INTERNAL_H
#define AVOW_CRYPTO_SIGNER_INTERNAL_H

#include <openssl/types.h>

#include "crypto/signer.h"

struct avow_signer {
    EVP_PKEY *key;
    enum avow_signer_kind kind;
};

/* n of an RSA key whose e is 65537. -AVOW_E_FORMAT (rsa.c). */
AVOW_MUST_USE int avow_rsa_key_read(const EVP_PKEY *key, struct avow_rsa_key *out,
                                    struct avow_error *err);

/* -AVOW_E_CRYPTO with @what and the newest entry of OpenSSL's error queue, which is thread-local
 * and sticky, and is empty afterwards. */
int signer_failed(struct avow_error *err, const char *what);

#endif
