#include "job/machine.h"

#include <string.h>

#define N(array) (sizeof(array) / sizeof(array)[0])

static const struct avow_job_transition table[] = {
    { AVOW_JOB_NONE, AVOW_JOB_CREATED, AVOW_JOB_PENDING },

    { AVOW_JOB_PENDING, AVOW_JOB_STARTED, AVOW_JOB_STARTING },
    { AVOW_JOB_PENDING, AVOW_JOB_NOTE, AVOW_JOB_PENDING },
    { AVOW_JOB_PENDING, AVOW_JOB_FAIL, AVOW_JOB_FAILED },

    { AVOW_JOB_STARTING, AVOW_JOB_GO, AVOW_JOB_RUNNING },
    { AVOW_JOB_STARTING, AVOW_JOB_NOTE, AVOW_JOB_STARTING },
    { AVOW_JOB_STARTING, AVOW_JOB_FAIL, AVOW_JOB_FAILED },

    { AVOW_JOB_RUNNING, AVOW_JOB_SYNC_BEGIN, AVOW_JOB_SYNCING },
    { AVOW_JOB_RUNNING, AVOW_JOB_PROGRESS, AVOW_JOB_RUNNING },
    { AVOW_JOB_RUNNING, AVOW_JOB_RANK, AVOW_JOB_RUNNING },
    { AVOW_JOB_RUNNING, AVOW_JOB_NOTE, AVOW_JOB_RUNNING },
    { AVOW_JOB_RUNNING, AVOW_JOB_DONE, AVOW_JOB_COMPLETED },
    { AVOW_JOB_RUNNING, AVOW_JOB_FAIL, AVOW_JOB_FAILED },

    { AVOW_JOB_SYNCING, AVOW_JOB_SYNC_END, AVOW_JOB_RUNNING },
    { AVOW_JOB_SYNCING, AVOW_JOB_PROGRESS, AVOW_JOB_SYNCING },
    { AVOW_JOB_SYNCING, AVOW_JOB_RANK, AVOW_JOB_SYNCING },
    { AVOW_JOB_SYNCING, AVOW_JOB_NOTE, AVOW_JOB_SYNCING },
    { AVOW_JOB_SYNCING, AVOW_JOB_DONE, AVOW_JOB_COMPLETED },
    { AVOW_JOB_SYNCING, AVOW_JOB_FAIL, AVOW_JOB_FAILED },

    { AVOW_JOB_COMPLETED, AVOW_JOB_DELETED, AVOW_JOB_COMPLETED },

    { AVOW_JOB_FAILED, AVOW_JOB_RANK, AVOW_JOB_FAILED },
    { AVOW_JOB_FAILED, AVOW_JOB_RESULTS, AVOW_JOB_FAILED },
    { AVOW_JOB_FAILED, AVOW_JOB_DELETED, AVOW_JOB_FAILED },
};

static const char *const state_names[AVOW_JOB_STATES] = {
    [AVOW_JOB_NONE] = "NONE",        [AVOW_JOB_PENDING] = "PENDING",
    [AVOW_JOB_STARTING] = "PENDING", [AVOW_JOB_RUNNING] = "RUNNING",
    [AVOW_JOB_SYNCING] = "SYNCING",  [AVOW_JOB_COMPLETED] = "COMPLETED",
    [AVOW_JOB_FAILED] = "FAILED",
};

static const char *const event_names[AVOW_JOB_EVENTS] = {
    [AVOW_JOB_CREATED] = "created",
    [AVOW_JOB_STARTED] = "started",
    [AVOW_JOB_GO] = "go",
    [AVOW_JOB_SYNC_BEGIN] = "sync-begin",
    [AVOW_JOB_SYNC_END] = "sync-end",
    [AVOW_JOB_PROGRESS] = "progress",
    [AVOW_JOB_RANK] = "rank",
    [AVOW_JOB_NOTE] = "note",
    [AVOW_JOB_DONE] = "done",
    [AVOW_JOB_FAIL] = "fail",
    [AVOW_JOB_RESULTS] = "results",
    [AVOW_JOB_DELETED] = "deleted",
};

const struct avow_job_transition *avow_job_transitions(size_t *n)
{
    *n = N(table);
    return table;
}

int avow_job_next(enum avow_job_state from, enum avow_job_event_type event,
                  enum avow_job_state *next)
{
    for (size_t i = 0; i < N(table); i++) {
        if (table[i].from == from && table[i].event == event) {
            *next = table[i].to;
            return 0;
        }
    }
    return -AVOW_E_STATE;
}

bool avow_job_ended(enum avow_job_state s)
{
    return s == AVOW_JOB_COMPLETED || s == AVOW_JOB_FAILED;
}

const char *avow_job_state_name(enum avow_job_state s)
{
    return (unsigned)s < N(state_names) ? state_names[s] : "NONE";
}

const char *avow_job_event_name(enum avow_job_event_type e)
{
    return (unsigned)e < N(event_names) ? event_names[e] : "none";
}

int avow_job_event_from_name(const char *name)
{
    for (size_t i = 0; i < N(event_names); i++)
        if (strcmp(event_names[i], name) == 0)
            return (int)i;
    return -1;
}
