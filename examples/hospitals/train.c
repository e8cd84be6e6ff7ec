/*
 * Hospitals train one classifier together without showing each other a patient: logistic
 * regression by full-batch gradient descent. Plain C and MPI; what leaves a node are sums.
 *
 * Input, on each node: train.csv and test.csv, a patient a line: 30 features, then 0 or 1.
 * Output, on each node: model.json (the same everywhere) and summary.json.
 * Usage: train [--iterations N] [--rate R] [--l2 L]
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <avow/job_mpi.h>

enum { FEATURES = 30, BIAS = FEATURES, LABEL = FEATURES, COLUMNS = FEATURES + 1, PATH_LEN = 4096 };

struct table {
    double (*row)[COLUMNS];
    int n;     /* rows kept */
    int total; /* rows in the file */
};

struct model {
    double weight[COLUMNS]; /* of the standardised features; then the bias */
    double mean[FEATURES], std[FEATURES];
    double loss;
};

static void fail(const char *what, const char *where)
{
    fprintf(stderr, "train: %s: %s\n", what, where);
    MPI_Abort(MPI_COMM_WORLD, 1);
    exit(1);
}

static FILE *open_file(const char *folder, const char *name, const char *mode)
{
    char path[PATH_LEN];
    FILE *f = NULL;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, mode);
    if (!f)
        fail("cannot open", path);
    return f;
}

static void close_file(FILE *f, const char *name)
{
    int bad = ferror(f);

    if (fclose(f) != 0 || bad)
        fail("cannot read or write", name);
}

/* The ranks of this node share its files: they are those with the same node and input folder. */
static MPI_Comm ranks_of_node(void)
{
    char key[PATH_LEN] = "";
    char *all = NULL;
    int rank = 0, size = 0, first = 0;
    MPI_Comm node;

    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    snprintf(key, sizeof key, "%s:%s", avow_job_node(), avow_job_input());
    all = malloc((size_t)size * sizeof key);
    if (!all)
        fail("out of memory", "ranks");
    MPI_Allgather(key, sizeof key, MPI_CHAR, all, sizeof key, MPI_CHAR, MPI_COMM_WORLD);
    while (strcmp(all + (size_t)first * sizeof key, key) != 0)
        first++;
    free(all);
    MPI_Comm_split(MPI_COMM_WORLD, first, rank, &node);
    return node;
}

/* Every @step-th row of a file of the input folder, from @from on. */
static struct table read_rows(const char *name, int from, int step)
{
    struct table t = { 0 };
    char line[1024];
    FILE *f = open_file(avow_job_input(), name, "r");

    while (fgets(line, sizeof line, f)) {
        double values[COLUMNS];
        char *at = line;

        for (int c = 0; c < COLUMNS; c++) {
            char *end = NULL;

            values[c] = strtod(at, &end);
            if (end == at || (c < LABEL && *end != ',') || !isfinite(values[c]))
                fail("a row is not 30 features and a label", name);
            at = end + 1;
        }
        if (t.total++ % step != from)
            continue;
        t.row = realloc(t.row, ((size_t)t.n + 1) * sizeof *t.row);
        if (!t.row)
            fail("out of memory", name);
        memcpy(t.row[t.n++], values, sizeof values);
    }
    close_file(f, name);
    return t;
}

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

static void write_list(FILE *f, const char *name, const double *values)
{
    fprintf(f, "\"%s\":[", name);
    for (int c = 0; c < FEATURES; c++)
        fprintf(f, "%s%.17g", c ? "," : "", values[c]);
    fprintf(f, "],\n ");
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

/* The value after option @name, a finite number from @min on; else @value. */
static double option(int argc, char **argv, const char *name, double min, double value)
{
    for (int i = 1; i < argc; i += 2) {
        char *end = NULL;

        if (strcmp(argv[i], "--iterations") != 0 && strcmp(argv[i], "--rate") != 0 &&
            strcmp(argv[i], "--l2") != 0)
            fail("unknown option", argv[i]);
        if (i + 1 == argc)
            fail("a value is missing after", argv[i]);
        if (strcmp(argv[i], name) != 0)
            continue;
        value = strtod(argv[i + 1], &end);
        if (end == argv[i + 1] || *end || !(value >= min && value <= 1e9))
            fail("not a sensible value", argv[i + 1]);
    }
    return value;
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
