/* Certificates and CRLs: DER, then everything that the verifiers ask of one. */
#include <stdlib.h>

#include "crypto/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void ask_certificate(const struct avow_cert *c, struct avow_bytes in)
{
    static const char *const oids[] = { "1.3.6.1.4.1.3704.1.3.8", "1.3.6.1.4.1.3704.1.4",
                                        "1.2.840.113741.1.13.1", "2.5.29.15" };
    static const uint8_t sig[96] = { 1 };
    struct avow_bytes ext = { 0 };
    int64_t from = 0, until = 0;
    uint8_t spki[32];

    check(avow_bytes_equal(avow_cert_der(c), in));
    check(strlen(avow_cert_subject_cn(c)) < 128 && strlen(avow_cert_issuer_cn(c)) < 128);
    avow_cert_spki_sha256(c, spki);
    avow_cert_validity(c, &from, &until);
    check(!avow_cert_may(c, AVOW_USE_SIGN_CERTS) || avow_cert_is_ca(c));
    for (size_t i = 0; i < sizeof oids / sizeof oids[0]; i++)
        if (avow_cert_extension(c, oids[i], &ext) == 0)
            check(ext.len <= in.len);
    check(avow_cert_ecdsa_verify(c, AVOW_P384, in, AVOW_BYTES_OF(sig), NULL) < 0);
    check(avow_cert_signed_by(c, c, NULL) < 0 || avow_cert_self_issued(c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_cleanup_cert) struct avow_cert *c = NULL;
    avow_auto(avow_cleanup_crl) struct avow_crl *crl = NULL;
    avow_auto(avow_buf_done) struct avow_buf store = AVOW_BUF(1u << 20);
    struct avow_bytes in = AVOW_BYTES(data, size), ders[4];
    size_t n = 0;

    if (avow_cert_parse(in, &c, NULL) == 0)
        ask_certificate(c, in);
    if (avow_crl_parse(in, &crl, NULL) == 0 && c)
        (void)avow_crl_revokes(crl, c);
    if (avow_pem_to_der(in, &store, ders, 4, &n, NULL) == 0)
        for (size_t i = 0; i < n; i++)
            check(ders[i].data >= store.data &&
                  ders[i].data + ders[i].len <= store.data + store.len);
    return 0;
}
