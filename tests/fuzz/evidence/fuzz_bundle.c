/* Bundles: what is accepted can be written, and reads back as the same. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "evidence/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    avow_auto(avow_bundle_done) struct avow_bundle back = { 0 };
    avow_auto(avow_buf_done) struct avow_buf text = AVOW_BUF(4 * AVOW_BUNDLE_MAX);
    struct avow_error err = { 0 };
    int rc = avow_bundle_parse(AVOW_BYTES(data, size), &b, &err);

    if (rc < 0) {
        check(err.code == -rc && !b.store.data);
        return 0;
    }
    check(b.tee != AVOW_TEE_NONE && (b.evidence.len > 0 || b.hcl.len > 0));
    check(avow_bundle_emit(&b, &text, &err) == 0);
    if (text.len > AVOW_BUNDLE_MAX)
        return 0; /* escapes made it longer than what may be read */
    check(avow_bundle_parse(avow_buf_view(&text), &back, &err) == 0);
    check(avow_bytes_equal(b.evidence, back.evidence));
    check(avow_bytes_equal(b.hcl, back.hcl) && avow_bytes_equal(b.event_log, back.event_log));
    check(b.pcr_mask == back.pcr_mask);
    check(avow_bytes_equal(b.statement, back.statement));
    check(avow_bytes_equal(b.tcb_info, back.tcb_info));
    check(b.n_certs == back.n_certs && b.n_crls == back.n_crls);
    for (size_t i = 0; i < b.n_certs; i++)
        check(avow_bytes_equal(b.certs[i], back.certs[i]));
    return 0;
}
