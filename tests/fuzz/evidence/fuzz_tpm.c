/* A quote of a TPM, and its signature. */
#include <stdlib.h>

#include "evidence/tpm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_tpm_quote q = { 0 };
    struct avow_bytes sig = { 0 };
    struct avow_error err = { 0 };

    if (avow_tpm_quote_parse(AVOW_BYTES(data, size), &q, &err) == 0 &&
        (q.pcr_digest.len != 32 || q.extra_data.len > AVOW_TPM_EXTRA_DATA_MAX))
        abort();
    if (avow_tpm_signature_parse(AVOW_BYTES(data, size), &sig, NULL) == 0 && sig.len > size)
        abort();
    return 0;
}
