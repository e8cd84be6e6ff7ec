/* QE identity: as fuzz_tcb_info.c. */
#include <stdlib.h>

#include "collateral/qe_identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes in = AVOW_BYTES(data, size);
    avow_auto(avow_cleanup_qe_identity) struct avow_qe_identity *q = NULL;
    avow_autojson json_t *whole = NULL;

    if (avow_qe_identity_parse(in, &q, NULL) < 0) {
        check(q == NULL);
        return 0;
    }
    check(avow_json_parse(in, &whole, NULL) == 0);
    check(json_object_size(whole) == 2);
    check(json_equal(json_object_get(whole, AVOW_QE_IDENTITY_NAME), q->document.body));
    check(q->issue_date <= q->next_update);
    check(q->n_levels >= 1 && q->n_levels <= AVOW_SVN_LEVELS_MAX);
    for (uint32_t svn = 0; svn <= UINT16_MAX; svn += 257) {
        const struct avow_level *l = avow_svn_level_find(q->levels, q->n_levels, (uint16_t)svn);

        check(!l || l->status != AVOW_LEVEL_UNKNOWN);
    }
    return 0;
}
