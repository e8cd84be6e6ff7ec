/* Header and reply: what parses comes out again the same. */
#include <stdlib.h>

#include "fabric/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes in = AVOW_BYTES(data, size);
    struct avow_fabric_header h = { 0 };
    struct avow_fabric_reply r = { 0 };
    uint8_t wire[AVOW_FABRIC_HEADER_LEN];

    if (avow_fabric_header_parse(in, &h) == 0) {
        avow_fabric_header_emit(&h, wire);
        if (!avow_bytes_equal(in, AVOW_BYTES(wire, AVOW_FABRIC_HEADER_LEN)))
            abort();
    }
    if (avow_fabric_reply_parse(in, &r) == 0) {
        avow_fabric_reply_emit(&r, wire);
        if (!avow_bytes_equal(in, AVOW_BYTES(wire, AVOW_FABRIC_REPLY_LEN)))
            abort();
    }
    return 0;
}
