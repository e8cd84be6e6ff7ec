/* The SGX extension of PCK certificates: accepted or refused, nothing half-written. */
#include <stdlib.h>

#include "collateral/pck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct avow_pck untouched;
    struct avow_pck p = { 0 };
    struct avow_error err = { 0 };
    int rc = avow_pck_parse(AVOW_BYTES(data, size), &p, &err);

    if (rc < 0 && (err.code != -rc ||
                   !avow_bytes_equal(AVOW_BYTES(&p, sizeof p), AVOW_BYTES(&untouched, sizeof p))))
        abort();
    return 0;
}
