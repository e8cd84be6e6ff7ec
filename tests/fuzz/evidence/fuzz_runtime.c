/* Azure's runtime claims: what is read stays within its bounds. */
#include <stdlib.h>

#include "evidence/runtime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_runtime r = { 0 };
    struct avow_error err = { 0 };

    if (avow_runtime_parse(AVOW_BYTES(data, size), &r, &err) == 0 &&
        (r.n_len == 0 || r.n_len > sizeof r.n || r.e_len > sizeof r.e ||
         strlen(r.vm_id) > AVOW_RUNTIME_VM_ID_MAX))
        abort();
    return 0;
}
