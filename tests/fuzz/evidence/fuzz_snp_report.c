/* The SNP report parser: accepts only what has a report's length and version, and looks nowhere
 * else. */
#include <stdlib.h>

#include "evidence/snp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_snp_report r = { 0 };
    struct avow_error err = { 0 };
    int rc = avow_snp_parse(AVOW_BYTES(data, size), &r, &err);

    if (rc < 0) {
        check(err.code == -rc);
        return 0;
    }
    check(size == AVOW_SNP_REPORT_LEN);
    check(r.version >= AVOW_SNP_VERSION_MIN && r.version <= AVOW_SNP_VERSION_MAX);
    check(r.signed_part.data == data && r.signed_part.len == AVOW_SNP_SIGNED_LEN);
    check(r.r.data == data + AVOW_SNP_OFF_R && r.s.data == data + AVOW_SNP_OFF_S);
    check(memcmp(r.report_data, data + AVOW_SNP_OFF_REPORT_DATA, 64) == 0);
    check(r.reserved < size && (!r.reserved || data[r.reserved]));
    return 0;
}
