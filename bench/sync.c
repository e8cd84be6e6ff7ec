/*
 * One sync point: the median time of summing 31 doubles (the gradient of the example job) over all
 * ranks. Writes sync.json into the output folder. The same binary runs under avow and under mpirun.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#include <avow/job.h>
#include <avow/job_mpi.h>

#define ROUNDS 2000
#define WARM 100

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
    static double times[ROUNDS];
    double v[31] = { 0 };
    int rank = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = -WARM; i < ROUNDS; i++) {
        double began = MPI_Wtime();

        avow_job_sync_sum((uint64_t)(i + WARM + 1), v, 31, MPI_COMM_WORLD, NULL, 0);
        if (i >= 0)
            times[i] = (MPI_Wtime() - began) * 1e6;
    }
    qsort(times, ROUNDS, sizeof times[0], compare);
    if (rank == 0) {
        char path[4096];
        FILE *f = NULL;

        snprintf(path, sizeof path, "%s/sync.json", avow_job_output());
        f = fopen(path, "w");
        if (!f)
            MPI_Abort(MPI_COMM_WORLD, 1);
        fprintf(f, "{\"min_us\":%.3f,\"median_us\":%.3f,\"p99_us\":%.3f}\n", times[0],
                times[ROUNDS / 2], times[ROUNDS * 99 / 100]);
        fclose(f);
    }
    MPI_Finalize();
    return 0;
}
