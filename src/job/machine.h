/*
 * The life of a job as a table (docs/job-states.md). Pure: a state and an event give the next
 * state, or a refusal. Nothing else in the tree changes a job's state.
 */
#ifndef AVOW_JOB_MACHINE_H
#define AVOW_JOB_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum avow_job_state {
    AVOW_JOB_NONE = 0, /* not created */
    AVOW_JOB_PENDING,  /* accepted; files are missing or it was not started */
    AVOW_JOB_STARTING, /* shown as PENDING: shells are being prepared on all nodes */
    AVOW_JOB_RUNNING,
    AVOW_JOB_SYNCING, /* running, and a rank of this node is inside a sync point */
    AVOW_JOB_COMPLETED,
    AVOW_JOB_FAILED,
};
#define AVOW_JOB_STATES 7

enum avow_job_event_type {
    AVOW_JOB_CREATED = 0,
    AVOW_JOB_STARTED,    /* the client said start, the shell is being made */
    AVOW_JOB_GO,         /* every node's shell is ready, ranks run */
    AVOW_JOB_SYNC_BEGIN, /* first local rank entered a sync point; never journaled */
    AVOW_JOB_SYNC_END,   /* last local rank left it; never journaled */
    AVOW_JOB_PROGRESS,
    AVOW_JOB_RANK, /* a local rank ended */
    AVOW_JOB_NOTE,
    AVOW_JOB_DONE,    /* every rank ended well, results are digested */
    AVOW_JOB_FAIL,    /* anything else, with a reason */
    AVOW_JOB_RESULTS, /* what a failed job left in its output folder */
    AVOW_JOB_DELETED, /* its files are gone; the record stays */
};
#define AVOW_JOB_EVENTS 12

struct avow_job_transition {
    enum avow_job_state from;
    enum avow_job_event_type event;
    enum avow_job_state to;
};

/* The whole table, for tests and documents. */
const struct avow_job_transition *avow_job_transitions(size_t *n);
/* 0 and *next, or -AVOW_E_STATE and *next untouched when the table has no such row. */
AVOW_MUST_USE int avow_job_next(enum avow_job_state from, enum avow_job_event_type event,
                                enum avow_job_state *next);

bool avow_job_ended(enum avow_job_state s); /* COMPLETED or FAILED */
/* As the API shows it: "PENDING" for STARTING too. */
const char *avow_job_state_name(enum avow_job_state s);
/* Name in the journal ("created", "fail", ...), and back (-1 for anything else). */
const char *avow_job_event_name(enum avow_job_event_type e);
int avow_job_event_from_name(const char *name);

#endif
