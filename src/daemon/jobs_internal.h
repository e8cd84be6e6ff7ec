/*
 * Shared by the files that make up jobs.h:
 *   jobs.c       all jobs: opening, recovery, look-up, the one way to change a job (job_emit)
 *   jobs_api.c   requests that ask or tell something about a job
 *   upload.c     files on their way in
 *   results.c    files on their way out, and their removal
 *   run.c        from start to end: other nodes, deadlines, outcome
 *   run_shell.c  the job's avow-shell: its start, what it says
 *   telemetry.c  what ranks say while they run: sync points, progress, output
 * Loop thread only.
 */
#ifndef AVOW_DAEMON_JOBS_INTERNAL_H
#define AVOW_DAEMON_JOBS_INTERNAL_H

#include <sys/queue.h>

#include "daemon/events.h"
#include "daemon/folder.h"
#include "daemon/jobs.h"
#include "daemon/shell_proc.h"
#include "daemon/work.h"
#include "job/journal.h"
#include "job/manifest.h"
#include "job/tail.h"
#include "job/utf8.h"
#include "obs/latency.h"
#include "serve/log.h"

#define JOBS_LIST_MAX 100   /* of GET /v1/jobs */
#define JOBS_ENDED_KEPT 256 /* ended jobs in memory; older ones are read from the journal */
#define JOBS_TAILS_KEPT ((size_t)256 << 20) /* bytes of output of ended jobs in memory */
#define JOBS_PART_MAX (4u << 20)            /* bytes of a file in one request or reply */
#define JOBS_UPLOAD_IDLE_MS (15 * 60 * 1000)
#define JOBS_SHELL_READY_MS (10 * 1000)
#define JOBS_ALL_READY_MS (30 * 1000)
#define JOBS_READY_AGAIN_MS 1000          /* READY is repeated: the head may not know the job yet */
#define JOBS_LIMIT_GRACE_MS 5000          /* over the time limit, which the shell enforces itself */
#define JOBS_END_MS 1000                  /* from asking a shell to end to killing it */
#define JOBS_EARLY_MAX ((size_t)32 << 20) /* bytes from other nodes' shells before GO */
/* A restarted daemon does not know how many events were only live; it skips that many numbers. */
#define JOBS_SEQ_AFTER_RESTART ((uint64_t)1 << 32)

/* Messages between the daemons of a formation; each begins with the job's UUID, 16 bytes. */
enum job_message {
    JOB_MSG_READY = 32,  /* to the head: my shell is ready */
    JOB_MSG_GO = 33,     /* from the head: all are */
    JOB_MSG_FAILED = 34, /* reason as JSON (docs/job-states.md) */
    JOB_MSG_PEER = 35,   /* what my shell says to yours */
};

struct avow_jobs {
    struct avow_jobs_config cfg; /* strings owned */
    struct avow_journal *journal;
    struct avow_work *work;
    int jobs_dir;
    char *jobs_path;                /* absolute */
    TAILQ_HEAD(job_list, job) list; /* newest first */
    uint32_t n_active;              /* not ended */
    bool stopping;
};

/* One file that the client has to send. */
struct upload {
    const struct avow_job_file *file;      /* in the manifest */
    char name[AVOW_JOB_FILE_NAME_MAX + 1]; /* "program", "input/..." */
    uint64_t have;
    bool complete; /* and verified */
    bool busy;     /* is being verified */
};

enum job_wait { WAIT_NONE, WAIT_UPLOAD, WAIT_SHELL, WAIT_ALL, WAIT_LIMIT, WAIT_GONE };

struct run {
    struct avow_shell *shell;
    struct event *deadline;
    enum job_wait wait;  /* what @deadline is for */
    struct event *again; /* READY to the head */
    bool ready;          /* own shell */
    bool done;           /* the shell has said how it ended */
    bool *node_ready;    /* by node index, at the head */
    uint32_t n_ready;
    struct evbuffer *early; /* shells' messages before GO: u32be length, u32be node, blob */
    unsigned lines;         /* of the shell's log that became notes */
};

struct stream_out {
    struct avow_tail tail;
    struct avow_utf8 utf8;
};

struct telemetry {
    struct event *tick;
    bool *in_sync; /* by local rank */
    uint32_t n_in_sync;
    struct avow_latency sync;
    json_t *metrics; /* last values */
    json_t *last;    /* of GET sync */
    int64_t iteration, total;
    uint64_t sync_ns;                      /* of the last sync point */
    bool dirty;                            /* progress to be published */
    enum avow_job_state shown;             /* last one published */
    int64_t shown_at, progress_at, row_at; /* monotonic ms */
    int64_t refill_at;
    size_t budget;    /* bytes of output for the event stream */
    uint64_t unshown; /* bytes of output left out */
    int64_t notes_at; /* second that @notes counts */
    unsigned notes;
    struct stream_out *out; /* two for each local rank */
    size_t out_bytes;       /* kept in all tails */
};

struct job {
    TAILQ_ENTRY(job) link;
    struct avow_jobs *jobs;
    struct avow_job_record rec;
    uint64_t seq; /* last number given out in the event stream */
    struct avow_hub hub;
    struct avow_manifest manifest; /* zero for jobs of an earlier daemon */
    uint32_t self;                 /* own node index */
    int dir;                       /* the job's folder, or -1 */
    bool held;                     /* the formation is */
    bool digesting;                /* results are being read */
    bool wiped;                    /* program and inputs are gone */
    unsigned works;                /* items of it with the worker: it must stay */
    struct upload *uploads;
    size_t n_uploads;
    struct run run;
    struct telemetry tel;
};

/* --- jobs.c */
int64_t jobs_now_ms(void); /* unix */
int64_t jobs_mono_ms(void);
void jobs_after(struct event *ev, int64_t ms);
enum emit { EMIT_LIVE, EMIT_LAZY, EMIT_SYNC };
/*
 * The one way in which a job changes: apply the event, journal it unless LIVE, publish it. On
 * failure nothing happened. @take_data is consumed (NULL: {}).
 */
AVOW_MUST_USE int job_emit(struct job *job, enum avow_job_event_type type, json_t *take_data,
                           enum emit how, struct avow_error *err);
/* An event of the stream only (output). */
void job_publish(struct job *job, const char *type, json_t *take_data);
void job_note(struct job *job, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* In memory, or from the journal; NULL (and @err) if there is none. */
struct job *job_find(struct avow_jobs *jobs, const char *uuid, struct avow_error *err);
/* The same without the journal. */
struct job *job_known(struct avow_jobs *jobs, const char *uuid);
struct job *job_new(struct avow_jobs *jobs);
void job_free(struct job *job);
/* One more (1) or less (-1) that has not ended. */
void jobs_count_active(struct avow_jobs *jobs, int change);
/* Let go of ended jobs beyond what is kept. */
void jobs_trim(struct avow_jobs *jobs);
struct avow_formation *job_formation(const struct job *job); /* NULL if it is gone */
const char *job_node_name(const struct job *job, uint32_t index);

/* --- jobs_api.c */
void jobs_register(struct avow_jobs *jobs);
/* The job of the call's path if it is the client's; else the call is answered and NULL. */
struct job *call_job(struct avow_jobs *jobs, struct avow_call *call);
/* A query parameter that is a number; @fallback if absent; -AVOW_E_FORMAT. */
AVOW_MUST_USE int call_number(const struct avow_call *call, const char *name, uint64_t fallback,
                              uint64_t *out, struct avow_error *err);

/* --- upload.c */
AVOW_MUST_USE int upload_init(struct job *job, struct avow_error *err);
void upload_done(struct job *job);
json_t *upload_needs(const struct job *job);
const struct upload *upload_missing(const struct job *job); /* NULL when all is there */
void upload_register(struct avow_jobs *jobs);

/* --- results.c */
/* Digest output/, then completed (DONE) or, for a failed job, RESULTS. */
void results_collect(struct job *job);
/* Remove program and inputs: nobody needs them after the end. */
void results_wipe_inputs(struct job *job);
void results_register(struct avow_jobs *jobs);

/* --- run.c */
AVOW_MUST_USE int run_init(struct job *job, struct avow_error *err);
/* Of JOB_MSG type @type to another node's daemon. */
int run_send(const struct job *job, uint32_t node, uint8_t type, struct avow_bytes body);
const char *run_own_name(const struct job *job);
/* @text is made UTF-8 and cut to what fits; a @node that is no name is left out. */
struct avow_job_reason run_reason(int code, const char *node, int64_t rank, const char *text);
void run_shell_ready(struct job *job, const json_t *d);
void run_wait(struct job *job, enum job_wait what, int64_t ms);
/* End it: FAILED with @reason, at once; the other nodes are told if @tell. No effect after an end.
 */
void run_fail(struct job *job, const struct avow_job_reason *reason, bool tell);
void run_failf(struct job *job, bool tell, int code, const char *node, int64_t rank,
               const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* The results are there: COMPLETED. */
void run_complete(struct job *job, json_t *take_files);
void run_done(struct job *job); /* frees; kills a shell */
void run_register(struct avow_jobs *jobs);

/* --- run_shell.c */
AVOW_MUST_USE int run_start(struct job *job, struct avow_error *err);

/* --- telemetry.c */
AVOW_MUST_USE int telemetry_init(struct job *job, struct avow_error *err);
void telemetry_done(struct job *job);
void telemetry_output(struct job *job, struct avow_bytes payload);
void telemetry_sdk(struct job *job, struct avow_bytes payload);
void telemetry_rank_ended(struct job *job, uint32_t rank);
/* Publish and journal what is pending. */
void telemetry_flush(struct job *job);
json_t *telemetry_sync(const struct job *job);
/* Drop the kept output of an ended job. */
void telemetry_forget(struct job *job);

#endif
