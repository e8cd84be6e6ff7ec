/* The host's certificate table: entries lie inside it and apart. */
#include <stdlib.h>

#include "evidence/certtable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_certtable_entry e[AVOW_CERTTABLE_MAX];
    struct avow_error err = { 0 };
    size_t n = 0, total = 0;
    int rc = avow_certtable_parse(AVOW_BYTES(data, size), e, &n, &err);

    if (rc < 0 ? err.code != -rc || n != 0 : n > AVOW_CERTTABLE_MAX)
        abort();
    for (size_t i = 0; i < n; i++) {
        if (e[i].data.data < data || e[i].data.data + e[i].data.len > data + size)
            abort();
        total += e[i].data.len;
    }
    if (rc == 0 && total + 24 * (n + 1) > size)
        abort();
    return 0;
}
