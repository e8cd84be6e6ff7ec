/* Certificates and CRLs taken apart: what our reader accepts, OpenSSL accepts and reads alike. */
#include <stdio.h>
#include <stdlib.h>

#include "../../unit/crypto/x509_reference.h"
#include "crypto/der.h"
#include "crypto/x509_ext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void agreed(const char *differs)
{
    if (!differs)
        return;
    fprintf(stderr, "OpenSSL: %s\n", differs);
    abort();
}

static void read_elements(struct avow_bytes in)
{
    struct avow_rd r = avow_rd_init(in);
    struct avow_bytes v = { 0 }, whole = { 0 };
    struct avow_extension e = { 0 };
    char cn[AVOW_CN_MAX];
    int64_t at = 0;
    bool b = false;

    /* each may consume something or nothing; none may read outside */
    while (avow_der_bool(&r, &b) || avow_der_unsigned(&r, &v) || avow_der_oid(&r, &v) ||
           avow_der_octet_bits(&r, &v) || avow_der_time(&r, &at) || avow_der_text(&r, &v) ||
           avow_name_read(&r, &whole, cn) || avow_extension_next(&r, &e))
        if (r.rest.data < in.data || r.rest.data + r.rest.len != in.data + in.len)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes in = AVOW_BYTES(data, size);
    struct avow_cert_fields cert;
    struct avow_crl_fields crl;

    if (avow_cert_read(in, &cert, NULL) == 0)
        agreed(reference_cert_differs(in, &cert));
    else if (avow_extensions_read(in, &cert, NULL) == 0 && cert.extensions.len != size)
        abort();
    if (avow_crl_read(in, &crl, NULL) == 0)
        agreed(reference_crl_differs(in, &crl));
    if (size)
        read_elements(in);
    return 0;
}
