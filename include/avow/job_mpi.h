/*
 * The usual sync point of a data-parallel program: sum a vector over all ranks. Inline, so that
 * libavow-job itself depends on no MPI.
 */
#ifndef AVOW_JOB_MPI_H
#define AVOW_JOB_MPI_H

#include <avow/job.h>
#include <mpi.h>

/* Sum @values (length @n) over all ranks of @comm in place; one sync point. Returns MPI's code. */
static inline int avow_job_sync_sum(uint64_t iteration, double *values, int n, MPI_Comm comm,
                                    const struct avow_job_metric *metrics, size_t n_metrics)
{
    int rc;

    avow_job_sync_begin(iteration);
    rc = MPI_Allreduce(MPI_IN_PLACE, values, n, MPI_DOUBLE, MPI_SUM, comm);
    avow_job_sync_end(metrics, n_metrics);
    return rc;
}

#endif
