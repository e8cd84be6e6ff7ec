/* A roster that is taken is written again byte for byte, and keeps every rule. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "group/roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    avow_auto(avow_roster_done) struct avow_roster r = { 0 };
    avow_auto(avow_buf_done) struct avow_buf again = AVOW_BUF(AVOW_ROSTER_MAX);
    struct avow_error err = { 0 };
    int rc = avow_roster_parse(AVOW_BYTES(data, size), &r, &err);

    if (rc < 0) {
        check(err.code == -rc && !r.members);
        return 0;
    }
    check(avow_roster_emit(&r, &again, NULL) == 0);
    check(avow_bytes_equal(avow_buf_view(&again), AVOW_BYTES(data, size)));
    check(r.n >= 2 && avow_uuid_ok(r.formation) && r.epoch >= 1);
    for (size_t i = 0; i < r.n; i++)
        check(avow_roster_index(&r, r.members[i].name) == (int)i &&
              avow_member_name_ok(r.members[i].name));
    return 0;
}
