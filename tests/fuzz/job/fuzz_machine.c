/* A byte string drives the machine; its invariants hold after every event. */
#include <stdint.h>
#include <stdlib.h>

#include "job/machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum avow_job_state s = AVOW_JOB_NONE;
    bool created = false;
    bool went = false;
    bool ended = false;

    for (size_t i = 0; i < size; i++) {
        enum avow_job_event_type e = (enum avow_job_event_type)(data[i] % (AVOW_JOB_EVENTS + 1));
        enum avow_job_state before = s;

        if (avow_job_next(s, e, &s) < 0) {
            check(s == before);
            continue;
        }
        check(created || e == AVOW_JOB_CREATED);  /* nothing before creation ... */
        check(!created || e != AVOW_JOB_CREATED); /* ... which is once */
        check(!ended || s == before);             /* an end is an end */
        check(e != AVOW_JOB_DONE || went);        /* no success without having run */
        check((s != AVOW_JOB_RUNNING && s != AVOW_JOB_SYNCING) || went || e == AVOW_JOB_GO);
        check(before < AVOW_JOB_RUNNING || s >= AVOW_JOB_RUNNING); /* never back to waiting */
        created = true;
        went |= e == AVOW_JOB_GO;
        ended = avow_job_ended(s);
    }
    return 0;
}
