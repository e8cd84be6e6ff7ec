/* The paravisor's report: its views lie inside it. */
#include <stdlib.h>

#include "evidence/hcl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_hcl h = { 0 };
    struct avow_error err = { 0 };
    int rc = avow_hcl_parse(AVOW_BYTES(data, size), &h, &err);

    if (rc < 0 && err.code != -rc)
        abort();
    if (rc < 0)
        return 0;
    if (h.report.data != data + AVOW_HCL_OFF_REPORT || h.claims.data < data ||
        h.claims.data + h.claims.len > data + size)
        abort();
    return 0;
}
