/* Gathering: files are {length u16 big-endian, bytes}; the last one may be cut. */
#include <stdlib.h>

#include "attest/gather.h"
#include "base/cleanup.h"

#define FILES_MAX 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_rd r = avow_rd_init(AVOW_BYTES(data, size));
    avow_auto(avow_bundle_done) struct avow_bundle b = { 0 };
    struct avow_bytes files[FILES_MAX];
    struct avow_error err = { 0 };
    size_t n = 0;
    uint16_t len = 0;
    int rc = 0;

    for (; n < FILES_MAX && avow_rd_u16be(&r, &len) == 0; n++)
        if (avow_rd_bytes(&r, len < r.rest.len ? len : r.rest.len, &files[n]) < 0)
            break;
    rc = avow_gather(files, n, 1750000000, &b, &err);
    if (rc < 0 ? err.code != -rc || b.evidence.data != NULL : b.evidence.len + b.hcl.len == 0)
        abort();
    return 0;
}
