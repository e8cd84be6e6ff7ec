/* The TDX quote parser: what it accepts lies inside the input, in order and without gaps. */
#include <stdlib.h>

#include "evidence/tdx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_inside(struct avow_bytes in, const uint8_t *field, size_t n)
{
    check(field >= in.data && n <= in.len && field <= in.data + (in.len - n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes in = AVOW_BYTES(data, size);
    struct avow_tdx_quote q = { 0 };
    struct avow_error err = { 0 };
    int rc = avow_tdx_quote_parse(in, &q, &err);

    if (rc < 0) {
        check(err.code == -rc && q.version == 0);
        return 0;
    }
    check(q.version == AVOW_TDX_V4 || q.version == AVOW_TDX_V5);
    check(q.signed_part.data == data);
    check(q.signature.data == data + q.signed_part.len + 4);
    check(q.attestation_key.data == q.signature.data + q.signature.len);
    check(q.qe_report.data == q.attestation_key.data + q.attestation_key.len + 6);
    check(q.qe_signature.data == q.qe_report.data + q.qe_report.len);
    check(q.qe_auth.data == q.qe_signature.data + q.qe_signature.len + 2);
    check(q.cert_data.data == q.qe_auth.data + q.qe_auth.len + 6);
    check(q.padding.data == q.cert_data.data + q.cert_data.len);
    check(q.padding.data + q.padding.len == data + size);
    check_inside(q.signed_part, q.body.tee_tcb_svn, AVOW_TDX_SVN_LEN);
    check_inside(q.signed_part, q.body.report_data, AVOW_TDX_REPORTDATA_LEN);
    check((q.body_type == AVOW_TDX_BODY_10) == (q.body.tee_tcb_svn2 == NULL));
    if (q.body.mrservicetd)
        check_inside(q.signed_part, q.body.mrservicetd, AVOW_TDX_MR_LEN);
    return 0;
}
