/*
 * A rank for the tests of the launcher, built with Open MPI and with MPICH. What it does is its
 * first argument; the second, where it matters, is the rank that does it.
 */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int rank, size;

static void hello(void)
{
    MPI_Comm node;
    double mine = rank + 1, sum = 0;
    int n = 0, big = 1 << 18;
    double *a = calloc((size_t)big, sizeof *a), *b = calloc((size_t)big, sizeof *b);
    char name[MPI_MAX_PROCESSOR_NAME];
    int len = 0;

    MPI_Get_processor_name(name, &len);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
    MPI_Comm_size(node, &n);
    MPI_Allreduce(&mine, &sum, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    for (int i = 0; i < big; i++)
        a[i] = rank + i;
    MPI_Allreduce(a, b, big, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    printf("rank %d of %d on %s, %d on this node, sum %g, last %g\n", rank, size, name, n, sum,
           b[big - 1]);
    free(a);
    free(b);
}

/* A process that outlives its rank, in a session of its own, with the rank's stdout open. */
static void grandchild(void)
{
    if (fork() == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        sleep(1000);
        _exit(0);
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "hello";
    int who = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    fprintf(stderr, "rank %d says: %s\n", rank, what);
    if (strcmp(what, "hello") == 0) {
        hello();
    } else if (strcmp(what, "orphan") == 0) {
        grandchild();
    } else if (strcmp(what, "forever") == 0) {
        printf("running\n");
        fflush(stdout);
        signal(SIGTERM, SIG_IGN);
        for (;;)
            sleep(1000);
    } else if (strcmp(what, "size") == 0) {
        printf("rank %d of %d\n", rank, size);
    } else if (rank == who) {
        if (strcmp(what, "abort") == 0)
            MPI_Abort(MPI_COMM_WORLD, 42);
        if (strcmp(what, "kill") == 0)
            raise(SIGKILL);
        if (strcmp(what, "segv") == 0)
            raise(SIGSEGV);
        if (strcmp(what, "leave") == 0)
            _exit(0);
        if (strcmp(what, "spawn") == 0) {
            MPI_Comm other;

            MPI_Comm_spawn(argv[0], MPI_ARGV_NULL, 1, MPI_INFO_NULL, 0, MPI_COMM_SELF, &other,
                           MPI_ERRCODES_IGNORE);
        }
    }
    if (strcmp(what, "exit") != 0 && strcmp(what, "hello") != 0 && strcmp(what, "size") != 0 &&
        strcmp(what, "orphan") != 0)
        MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return strcmp(what, "exit") == 0 && rank == who ? 7 : 0;
}
