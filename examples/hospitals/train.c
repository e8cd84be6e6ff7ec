/*
 * Hospitals train one classifier together without showing each other a patient: logistic
 * regression by full-batch gradient descent. Plain C and MPI; what leaves a node are sums.
 *
 * Input, on each node: train.csv and test.csv, a patient a line: 30 features, then 0 or 1.
 * Output, on each node: model.json (the same everywhere) and summary.json.
 * Usage: train [--iterations N] [--rate R] [--l2 L]
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <avow/job_mpi.h>

#include "site.h"

enum { BIAS = FEATURES }; /* a weight of its own, after those of the features */

struct model {
    double weight[COLUMNS]; /* of the standardised features; then the bias */
    double mean[FEATURES], std[FEATURES];
    double loss;
};

/* Mean and standard deviation of every feature over all ranks. Returns the number of rows. */
static double find_scale(const struct table *t, struct model *m)
{
    double sums[COLUMNS] = { 0 }, squares[FEATURES] = { 0 };

    for (int i = 0; i < t->n; i++)
        for (int c = 0; c < FEATURES; c++)
            sums[c] += t->row[i][c];
    sums[FEATURES] = t->n;
    MPI_Allreduce(MPI_IN_PLACE, sums, COLUMNS, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    if (sums[FEATURES] < 1)
        fail("there is not one patient", "train.csv");
    for (int c = 0; c < FEATURES; c++)
        m->mean[c] = sums[c] / sums[FEATURES];
    for (int i = 0; i < t->n; i++)
        for (int c = 0; c < FEATURES; c++)
            squares[c] += pow(t->row[i][c] - m->mean[c], 2);
    MPI_Allreduce(MPI_IN_PLACE, squares, FEATURES, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    for (int c = 0; c < FEATURES; c++)
        m->std[c] = squares[c] > 0 ? sqrt(squares[c] / sums[FEATURES]) : 1;
    return sums[FEATURES];
}

static void standardise(struct table *t, const struct model *m)
{
    for (int i = 0; i < t->n; i++)
        for (int c = 0; c < FEATURES; c++)
            t->row[i][c] = (t->row[i][c] - m->mean[c]) / m->std[c];
}

static double margin(const struct model *m, const double *row)
{
    double z = m->weight[BIAS];

    for (int c = 0; c < FEATURES; c++)
        z += m->weight[c] * row[c];
    return z;
}

/* This rank's part of the gradient, and behind it of the loss. */
static void add_up(const struct table *t, const struct model *m, double sums[COLUMNS + 1])
{
    memset(sums, 0, (COLUMNS + 1) * sizeof *sums);
    for (int i = 0; i < t->n; i++) {
        const double *row = t->row[i];
        double z = margin(m, row);
        double error = 1 / (1 + exp(-z)) - row[LABEL];

        for (int c = 0; c < FEATURES; c++)
            sums[c] += error * row[c];
        sums[BIAS] += error;
        sums[COLUMNS] += fmax(z, 0) - z * row[LABEL] + log1p(exp(-fabs(z)));
    }
}

static double total_loss(const struct model *m, double sum, double rows, double l2)
{
    double squares = 0;

    for (int c = 0; c < FEATURES; c++)
        squares += m->weight[c] * m->weight[c];
    return sum / rows + l2 / 2 * squares;
}

static void train(const struct table *t, struct model *m, double rows, long iterations, double rate,
                  double l2)
{
    double sums[COLUMNS + 1];
    struct avow_job_metric loss = { "loss", 0 };

    for (long i = 1; i <= iterations; i++) {
        add_up(t, m, sums);
        /* the sync point: gradients of all hospitals; the loss shown is that of the last one */
        avow_job_sync_sum((uint64_t)i, sums, COLUMNS + 1, MPI_COMM_WORLD, &loss, i > 1);
        loss.value = total_loss(m, sums[COLUMNS], rows, l2);
        for (int c = 0; c < COLUMNS; c++)
            m->weight[c] -= rate * (sums[c] / rows + (c == BIAS ? 0 : l2 * m->weight[c]));
        avow_job_progress((uint64_t)i, (uint64_t)iterations);
    }
    add_up(t, m, sums);
    MPI_Allreduce(MPI_IN_PLACE, &sums[COLUMNS], 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    m->loss = total_loss(m, sums[COLUMNS], rows, l2);
}

static void write_model(const struct model *m)
{
    FILE *f = open_file(avow_job_output(), "model.json", "w");

    fprintf(f, "{");
    write_list(f, "weights", m->weight);
    write_list(f, "mean", m->mean);
    write_list(f, "std", m->std);
    fprintf(f, "\"bias\":%.17g,\n \"loss\":%.17g}\n", m->weight[BIAS], m->loss);
    close_file(f, "model.json");
}

/* How many of this node's test patients the model gets right, of how many; summed over nodes. */
static void test_and_report(const struct model *m, int rows, long iterations, long sums[3])
{
    struct table test = read_rows("test.csv", 0, 1);
    FILE *f = open_file(avow_job_output(), "summary.json", "w");
    long correct = 0;

    standardise(&test, m);
    for (int i = 0; i < test.n; i++)
        correct += (margin(m, test.row[i]) > 0) == (test.row[i][LABEL] > 0.5);
    fprintf(f,
            "{\"node\":\"%s\",\"rows\":%d,\"test_correct\":%ld,\"test_total\":%d,"
            "\"iterations\":%ld,\"loss\":%.17g}\n",
            avow_job_node(), rows, correct, test.n, iterations, m->loss);
    close_file(f, "summary.json");
    sums[0] = correct;
    sums[1] = test.n;
    sums[2] = 1;
    free(test.row);
}

int main(int argc, char **argv)
{
    struct model m = { 0 };
    struct table rows;
    long sums[3] = { 0 }, iterations = 0;
    double n = 0;
    int rank = 0, local = 0, locals = 0;
    MPI_Comm node;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    iterations = (long)option(argc, argv, "--iterations", 1, 300);
    node = ranks_of_node();
    MPI_Comm_rank(node, &local);
    MPI_Comm_size(node, &locals);
    rows = read_rows("train.csv", local, locals);
    n = find_scale(&rows, &m);
    standardise(&rows, &m);
    train(&rows, &m, n, iterations, option(argc, argv, "--rate", 0, 0.5),
          option(argc, argv, "--l2", 0, 0));
    if (local == 0) {
        write_model(&m);
        test_and_report(&m, rows.total, iterations, sums);
    }
    MPI_Allreduce(MPI_IN_PLACE, sums, 3, MPI_LONG, MPI_SUM, MPI_COMM_WORLD);
    if (rank == 0)
        printf("%ld iterations over %.0f patients of %ld hospitals: loss %.4f\n"
               "test accuracy %.4f (%ld of %ld patients)\n",
               iterations, n, sums[2], m.loss, sums[1] ? (double)sums[0] / (double)sums[1] : 0,
               sums[0], sums[1]);
    free(rows.row);
    MPI_Comm_free(&node);
    MPI_Finalize();
    return 0;
}
