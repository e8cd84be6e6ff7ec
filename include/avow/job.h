/*
 * libavow-job: what a rank may link. Sync points, progress and the folders of the job.
 * ISO C99; no MPI in here (see avow/job_mpi.h). Outside avow (under plain mpirun, or alone) every
 * call works and reports nothing. Not thread-safe: call from one thread of the rank.
 */
#ifndef AVOW_JOB_H
#define AVOW_JOB_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define AVOW_API __attribute__((visibility("default")))
#else
#define AVOW_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A named number shown while the job runs, such as { "loss", 0.41 }. */
struct avow_job_metric {
    const char *name; /* at most 31 bytes, [a-z0-9_] */
    double value;
};

/* 1 when this process was started by avow, else 0. */
AVOW_API int avow_job_active(void);
/* Folder of this node's input files, and the folder for results: only files there are fetched.
 * Static storage; outside avow "." or the variables AVOW_INPUT and AVOW_OUTPUT. */
AVOW_API const char *avow_job_input(void);
AVOW_API const char *avow_job_output(void);
/* Name of this node in the job file; "local" outside avow. */
AVOW_API const char *avow_job_node(void);

/* Bracket what synchronises the ranks; the time between is the sync latency. */
AVOW_API void avow_job_sync_begin(uint64_t iteration);
/* @metrics may be NULL; at most 16. */
AVOW_API void avow_job_sync_end(const struct avow_job_metric *metrics, size_t n_metrics);
/* @done of @total iterations; total 0 = unknown. */
AVOW_API void avow_job_progress(uint64_t done, uint64_t total);

#ifdef __cplusplus
}
#endif

#endif
