/*
 * Sends what a capture can recognise: argv[1] as text through point-to-point, broadcast and a large
 * message, the environment variable LEAK_ENV by printing it, and doubles by a reduction.
 */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIG (1 << 20)

int main(int argc, char **argv)
{
    int rank = 0, size = 0;
    char text[256] = { 0 };
    char *big = NULL;
    double model[8] = { 0 };
    const char *env = getenv("LEAK_ENV");

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    if (rank == 0 && argc > 1)
        snprintf(text, sizeof text, "%s", argv[1]);
    MPI_Bcast(text, sizeof text, MPI_CHAR, 0, MPI_COMM_WORLD);
    big = calloc(1, BIG);
    if (!big)
        MPI_Abort(MPI_COMM_WORLD, 3);
    for (size_t i = 0; i + 256 <= BIG; i += 256)
        memcpy(big + i, text, 256);
    if (rank == 0)
        MPI_Send(big, BIG, MPI_CHAR, size - 1, 1, MPI_COMM_WORLD);
    else if (rank == size - 1)
        MPI_Recv(big, BIG, MPI_CHAR, 0, 1, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (int i = 0; i < 8; i++)
        model[i] = 0.7310585786300049 + rank; /* recognisable as IEEE bytes */
    MPI_Allreduce(MPI_IN_PLACE, model, 8, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    printf("rank %d: %s, environment %s, %.3f\n", rank, text, env ? env : "unset", model[0]);
    free(big);
    MPI_Finalize();
    return 0;
}
