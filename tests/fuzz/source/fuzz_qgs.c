/* A reply of QGS, without the length before it. */
#include <stdlib.h>

#include "source/qgs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes quote = { 0 };
    struct avow_error err = { 0 };

    if (qgs_reply(AVOW_BYTES(data, size), &quote, &err) == 0 &&
        (quote.len == 0 || quote.data < data || quote.data + quote.len != data + size))
        abort();
    return 0;
}
