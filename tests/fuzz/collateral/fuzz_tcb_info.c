/*
 * TCB info: what is accepted holds to the limits, and the envelope that our scanner accepts says
 * the same to the JSON reader.
 */
#include <stdlib.h>

#include "collateral/tcb_info.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_bytes in = AVOW_BYTES(data, size);
    avow_auto(avow_cleanup_tcb_info) struct avow_tcb_info *t = NULL;
    avow_autojson json_t *whole = NULL;

    if (avow_tcb_info_parse(in, &t, NULL) < 0) {
        check(t == NULL);
        return 0;
    }
    check(avow_json_parse(in, &whole, NULL) == 0);
    check(json_object_size(whole) == 2);
    check(json_equal(json_object_get(whole, AVOW_TCB_INFO_NAME), t->document.body));
    check(t->issue_date <= t->next_update);
    check(t->n_levels >= 1 && t->n_levels <= AVOW_TCB_LEVELS_MAX);
    check(t->n_modules <= AVOW_TDX_MODULES_MAX);
    check(avow_tcb_info_module(t, 0) == &t->module);
    for (size_t i = 0; i < t->n_levels; i++)
        check(t->levels[i].level.status != AVOW_LEVEL_UNKNOWN);
    return 0;
}
