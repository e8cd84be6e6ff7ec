/* Event logs: every event lies inside the log, and there is an end. */
#include <stdlib.h>

#include "evidence/eventlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct avow_eventlog l = { 0 };
    struct avow_event e = { 0 };
    struct avow_error err = { 0 };
    int rc = avow_eventlog_open(AVOW_BYTES(data, size), &l, &err);

    while (rc >= 0 && (rc = avow_eventlog_next(&l, &e, &err)) == 1)
        if (e.n_digests > AVOW_EVENTLOG_ALGORITHMS_MAX || e.data.data < data ||
            e.data.data + e.data.len > data + size || l.n_events > AVOW_EVENTLOG_EVENTS_MAX)
            abort();
    if (rc < 0 && err.code != -rc)
        abort();
    return 0;
}
