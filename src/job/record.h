/*
 * What is known of a job: the sum of its events, and nothing else. The daemon keeps one for each
 * job, changes it by avow_job_record_apply only, and gets the same one back by replaying the
 * journal. Pure.
 */
#ifndef AVOW_JOB_RECORD_H
#define AVOW_JOB_RECORD_H

#include "codec/json.h"
#include "job/machine.h"
#include "job/names.h"

#define AVOW_JOB_MESSAGE_MAX 512  /* bytes of a reason's message with its NUL */
#define AVOW_JOB_RESULTS_MAX 4096 /* files in output/ */
#define AVOW_JOB_RANKS_MAX 1024   /* local ranks */

struct avow_job_event {
    char job[AVOW_JOB_UUID_LEN + 1];
    enum avow_job_event_type type;
    uint64_t seq;       /* within the job; rises, with gaps where events were not journaled */
    int64_t t;          /* unix ms */
    const json_t *data; /* an object; borrowed */
};

struct avow_job_reason {
    int code; /* AVOW_E_*; 0: none */
    char message[AVOW_JOB_MESSAGE_MAX];
    char node[AVOW_JOB_NODE_NAME_MAX + 1]; /* "" if no node in particular */
    int64_t rank;                          /* -1 if no rank in particular */
};

enum avow_job_rank_state { AVOW_RANK_STARTING = 0, AVOW_RANK_RUNNING, AVOW_RANK_EXITED };

struct avow_job_rank {
    enum avow_job_rank_state state;
    int exit; /* when EXITED: 0..255, 128+n for signal n; -1: ended with the job, not reported */
};

struct avow_job_record {
    char job[AVOW_JOB_UUID_LEN + 1];
    char name[AVOW_JOB_NAME_MAX + 1];
    char formation[AVOW_JOB_UUID_LEN + 1];
    char node[AVOW_JOB_NODE_NAME_MAX + 1]; /* own name */
    uint8_t owner[32];                     /* SPKI of the client */
    bool simulated;
    bool deleted; /* its files were removed */
    enum avow_job_state state;
    struct avow_job_reason reason;   /* when FAILED */
    int64_t created, started, ended; /* unix ms; 0: not yet. started: the ranks' start */
    int64_t iteration, total;
    uint32_t first_rank;
    uint32_t n_ranks;            /* local ones */
    struct avow_job_rank *ranks; /* owned */
    uint64_t seq;                /* of the last event applied */
    json_t *metrics;             /* owned; the last values, {} at first */
    json_t *verdicts;            /* owned; {member: verdict} as accepted when the job was created */
    json_t *sync;                /* owned; statistics of sync points, NULL until the end */
    json_t *files;               /* owned; list of results, NULL until they are digested */
};

void avow_job_record_done(struct avow_job_record *r);

/*
 * Apply one event (data untrusted). A zeroed record takes only CREATED. On failure the record is
 * unchanged: -AVOW_E_STATE (not in the table, or seq does not rise), -AVOW_E_FORMAT, -AVOW_E_LIMIT.
 */
AVOW_MUST_USE int avow_job_record_apply(struct avow_job_record *r, const struct avow_job_event *e,
                                        struct avow_error *err);

/* An independent copy. -AVOW_E_NOMEM. */
AVOW_MUST_USE int avow_job_record_copy(const struct avow_job_record *r,
                                       struct avow_job_record *out);

/* The job object of the node API. New reference; NULL without memory. */
json_t *avow_job_record_json(const struct avow_job_record *r);
/* {"code","message","node"?,"rank"?}, new reference; and back. */
json_t *avow_job_reason_json(const struct avow_job_reason *r);
AVOW_MUST_USE int avow_job_reason_parse(const json_t *v, struct avow_job_reason *out,
                                        struct avow_error *err);
/*
 * How an event looks in the event stream: its type there and its data with "t" (new reference).
 * NULL for events that are not shown.
 */
const char *avow_job_event_public(const struct avow_job_event *e, json_t **data);

#endif
