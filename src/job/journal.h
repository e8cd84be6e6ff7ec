/*
 * Journal of jobs (docs/formats/journal.md): every event of every job, appended and never changed,
 * in SQLite (WAL). Replaying it is the only way in which a job's state is loaded. One thread.
 */
#ifndef AVOW_JOB_JOURNAL_H
#define AVOW_JOB_JOURNAL_H

#include "base/cleanup.h"
#include "job/record.h"

struct avow_journal;

enum avow_journal_durability {
    AVOW_JOURNAL_LAZY, /* survives a crash of the process; a power cut may lose it */
    AVOW_JOURNAL_SYNC, /* on the disk when the call returns */
};

/*
 * Open or make @path (mode 0600). A file that is no journal: -AVOW_E_FORMAT; one of a newer avow:
 * -AVOW_E_VERSION; held by another process: -AVOW_E_BUSY.
 */
AVOW_MUST_USE int avow_journal_open(const char *path, struct avow_journal **out,
                                    struct avow_error *err);
void avow_journal_close(struct avow_journal *j);
AVOW_DEFINE_CLEANUP(journal, struct avow_journal, avow_journal_close)

/* Append one event. The caller has applied it to the record (so it is in the table). An event with
 * this job and seq: -AVOW_E_EXISTS. -AVOW_E_SYSTEM when the disk fails: then nothing is written. */
AVOW_MUST_USE int avow_journal_append(struct avow_journal *j, const struct avow_job_event *e,
                                      enum avow_journal_durability d, struct avow_error *err);

/* Calls @fn for each event of @job with seq > @since in order; stops when @fn returns non-zero and
 * returns that. The event and its data live until @fn returns. */
typedef int (*avow_journal_fn)(void *ctx, const struct avow_job_event *e);
AVOW_MUST_USE int avow_journal_replay(struct avow_journal *j, const char *job, uint64_t since,
                                      avow_journal_fn fn, void *ctx, struct avow_error *err);
/* The record of @job, by replay. -AVOW_E_NOTFOUND; -AVOW_E_FORMAT or -AVOW_E_STATE name the event.
 */
AVOW_MUST_USE int avow_journal_load(struct avow_journal *j, const char *job,
                                    struct avow_job_record *out, struct avow_error *err);
/* UUIDs, newest first, at most @max: of @owner's jobs (NULL: anybody's); and those not ended. @fn
 * as above; it may not append. */
typedef int (*avow_journal_job_fn)(void *ctx, const char *job);
AVOW_MUST_USE int avow_journal_jobs(struct avow_journal *j, const uint8_t owner[32], uint32_t max,
                                    avow_journal_job_fn fn, void *ctx, struct avow_error *err);
AVOW_MUST_USE int avow_journal_unended(struct avow_journal *j, avow_journal_job_fn fn, void *ctx,
                                       struct avow_error *err);

#endif
