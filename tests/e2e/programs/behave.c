/*
 * An MPI program that behaves, or misbehaves, as its arguments say: behave WHAT [RANK].
 * Rank RANK (default: the last) does it, after all ranks have exchanged data.
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <avow/job.h>
#include <avow/job_mpi.h>

/* Synchronise until ended from outside; a job that never ends by itself. */
static void loop(void)
{
    const struct timespec pause = { .tv_nsec = 5000000 };

    for (unsigned long i = 1;; i++) {
        double v[16] = { 1.0 };

        avow_job_sync_sum(i, v, 16, MPI_COMM_WORLD, NULL, 0);
        nanosleep(&pause, NULL);
    }
}

static int misbehave(const char *what)
{
    if (strncmp(what, "exit", 4) == 0)
        exit((int)strtol(what + 4, NULL, 10));
    if (strncmp(what, "abort", 5) == 0)
        MPI_Abort(MPI_COMM_WORLD, (int)strtol(what + 5, NULL, 10));
    if (strcmp(what, "kill") == 0)
        kill(getpid(), SIGKILL);
    if (strcmp(what, "segv") == 0)
        raise(SIGSEGV);
    if (strcmp(what, "leave") == 0)
        _exit(0);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "ok";
    int rank = 0, size = 0, who = 0, sum = 0;
    FILE *f = NULL;
    char path[4096];

    if (strcmp(what, "nompi") == 0) {
        puts("no MPI in here");
        return 0;
    }
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    who = argc > 2 ? (int)strtol(argv[2], NULL, 10) : size - 1;
    MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
    printf("rank %d of %d, sum %d\n", rank, size, sum);
    fflush(stdout);
    if (sum != size * (size - 1) / 2)
        return 99;
    if (strcmp(what, "loop") == 0)
        loop();
    if (rank == who && strcmp(what, "ok") != 0) {
        fprintf(stderr, "last words of rank %d\n", rank);
        misbehave(what);
    }
    snprintf(path, sizeof path, "%s/rank-%d.txt", avow_job_output(), rank);
    f = fopen(path, "w");
    if (!f)
        return 98;
    fprintf(f, "%d of %d\n", rank, size);
    fclose(f);
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
